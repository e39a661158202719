"""The overview: is anything wrong now? Support finds a message here; operations and admins see every account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from dashboard.domain.overview import Sums
from dashboard.ingest.counts import hour_of
from dashboard.models import Account, HourCount, Message
from dashboard.overview import (
    HOUR,
    Looked,
    Overdue,
    Period,
    days_before,
    look,
    sample_of,
    sums_by_country,
    sums_by_hour,
    sums_over_time,
)
from dashboard.web import home_shown as shown, look_home
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.accounts import with_lag
from dashboard.web.findings import findings, waiting
from dashboard.web.health import Health, health
from dashboard.web.look import Kept
from dashboard.web.parts import page_or_partial, user_of
from dashboard.web.tags import zone_label

NEWEST = 10
SPANS = {"24h": (24, 1), "7d": (28, 6)}  # how many steps of how many hours


@roles(*EVERYBODY)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The page. Asked by htmx with `?v=`, 204 says that what it shows is still so."""
    if not user_of(request).roles & {"ops", "admin"}:
        newest = Message.objects.select_related("account", "recipient").order_by("-pk")[:NEWEST]
        return render(request, "home.html", {"newest": list(newest)})
    now = timezone.now()
    version = look_home.version(now)
    template = page_or_partial(request, "overview.html", "live")
    if template.endswith("#live") and request.GET.get("v") == version:
        return HttpResponse(status=204)
    asked = request.GET.get("span", ""), request.GET.get("account", "")
    if template.endswith("#live"):  # many have it open, and all of them ask when a minute begins
        same = "\0".join((version, *asked, timezone.get_current_timezone_name(), get_language() or ""))
        context = _refreshed.get(same, lambda: _overview(now, *asked))
    else:
        context = _overview(now, *asked)
    return render(request, template, context | {"version": version})


_refreshed: Kept[dict[str, Any]] = Kept(most=20)


@dataclass(frozen=True, slots=True)
class Known:
    """Everything the page stands on, about one account."""

    account: Account
    health: Health
    last: shown.Hour  # the last full hour; this one, before there was any other
    so_far: shown.Hour  # this one


def _overview(now: datetime, span: str, slug: str) -> dict[str, Any]:
    accounts = list(with_lag(now))
    span = span if span in SPANS else "24h"
    only = next((account for account in accounts if account.slug == slug), None)
    period = Period.until(now, *SPANS[span])
    known, everything = _known(accounts, now)
    looked = look(accounts, everything[0].begin, period, now, only)
    late = Overdue(
        count=sum(its.count for its in looked.overdue.values()),
        more=any(its.more for its in looked.overdue.values()),
    )
    judged = [(one.account, one.health, one.last, one.so_far) for one in known]
    found = findings(judged, everything, looked, late, now)
    over_time = sums_over_time(period, only)
    return {
        "accounts": accounts,
        "found": found,
        "bad": sum(one.bad for one in found),
        "waiting": waiting(),
        "rows": _rows(known, everything, looked, late),
        "hour": everything[0],
        "so_far": everything[1],
        "zone_words": zone_label(timezone.localtime(now)),
        "over_time": shown.over_time(period, over_time, looked.delays.over_time, only.slug if only else ""),
        "countries": shown.countries(sums_by_country(period), accounts, period),
        "sample": sample_of(period),
        "span": span,
        "only": only,
        "traffic": any(sums.sent for sums in over_time) or HourCount.objects.exists(),
    }


def _known(accounts: Sequence[Account], now: datetime) -> tuple[list[Known], tuple[shown.Hour, shown.Hour]]:
    """Each account's last full hour and this one, and those of all accounts together."""
    this = hour_of(now)
    last = this - HOUR
    days = days_before(last)
    sums = sums_by_hour([this, last, *days])

    def hour(begin: datetime, of: Sequence[Account]) -> shown.Hour:
        before = [sum((sums.get((day, account.pk), Sums()) for account in of), Sums()) for day in days]
        one = of[0] if len(of) == 1 else None
        return shown.Hour(
            begin,
            sum((sums.get((begin, account.pk), Sums()) for account in of), Sums()),
            [its for its in before if its.sent],
            account=one.slug if one else "",
            name=one.name if one else "",
        )

    before = hour(last, accounts)
    if not before.sums.sent and not before.before:
        last = this
    known = [
        Known(
            account,
            health(account, now, account.oldest_due),  # type: ignore[attr-defined]
            hour(last, [account]),
            hour(this, [account]),
        )
        for account in accounts
    ]
    return known, (hour(last, accounts), hour(this, accounts))


def _rows(
    known: Sequence[Known], everything: tuple[shown.Hour, shown.Hour], looked: Looked, late: Overdue
) -> list[shown.Row]:
    rows = [
        shown.row(
            one.last,
            one.so_far,
            looked.overdue.get(one.account.pk, Overdue()),
            one.account,
            one.health,
            (looked.delays.last.get(one.account.pk), looked.delays.usual.get(one.account.pk)),
        )
        for one in known
    ]
    return [*rows, shown.row(*everything, late)] if len(rows) > 1 else rows
