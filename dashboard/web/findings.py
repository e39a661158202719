"""What is out of the ordinary now, a sentence each that leads to the messages; and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from dashboard.domain.overview import Change, delay_change, is_silent
from dashboard.ingest.doubts import doubts
from dashboard.models import Account
from dashboard.overview import Looked, Overdue
from dashboard.web import attention
from dashboard.web.health import Health
from dashboard.web.home_shown import Hour, messages_url
from dashboard.web.parts import at_most
from dashboard.web.tags import grouped, short
from providers.base import Status

MOST_COUNTED = 100
_WORSE = (Change.WORSE, Change.FAR_WORSE)
Judged = tuple[Account, Health, Hour, Hour]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing out of the ordinary. `bad`: it is wrong now, not only unusual."""

    name: str  # the account's
    text: str
    url: str
    bad: bool = False


def findings(
    judged: Sequence[Judged], together: tuple[Hour, Hour], looked: Looked, late: Overdue, now: datetime
) -> list[Finding]:
    """What is wrong first, in the order of the accounts. Where each has too few to say, all `together` may have not."""
    found: list[Finding] = []
    for account, how, last, so_far in judged:
        if not account.enabled:
            continue
        found += _of_health(account, how)
        found += _of_shares(account.name, last, so_far)
        found += _of_volume(account.name, last)
        found += _of_delay(account, last, looked)
        found += _of_reports(account, last, so_far, now)
    if not any(one.delivered_change in _WORSE for _account, _how, *hours in judged for one in hours):
        found += _of_shares(_("All accounts together"), *together)
    if late.count:
        text = ngettext("%(n)s message is overdue: no word when there should be one.",
                        "%(n)s messages are overdue: no word when there should be one.", late.count)  # fmt: skip
        words = {"n": f"{grouped(late.count)}{'+' if late.more else ''}"}
        found.append(Finding("", text % words, messages_url(overdue="on")))
    return sorted(found, key=lambda one: not one.bad)


def _of_health(account: Account, how: Health) -> Iterator[Finding]:
    here = f"{reverse('attention')}#accounts"
    if how.level == "bad":
        yield Finding(account.name, attention.complaint(account, how), here, bad=True)
    elif how.level == "warn" and (account.last_success_at or account.last_error_at):
        yield Finding(account.name, how.sentence, reverse("accounts"))


def _of_shares(name: str, last: Hour, so_far: Hour) -> Iterator[Finding]:
    """Of the two hours the newer one that is worse."""
    for hour in (so_far, last):
        if hour.delivered_change in _WORSE:
            told = {"share": hour.sums.percent, "n": grouped(hour.sums.ended), "hours": hour.words}
            text = _("%(share)s of %(n)s arrived, sent %(hours)s") % told
            usual = "" if hour.usual.few else "; " + _("usually %(share)s") % {"share": hour.usual.percent}
            bad = hour.delivered_change is Change.FAR_WORSE
            yield Finding(name, f"{text}{usual}.", hour.url(ended="missed"), bad)
            return


def _of_volume(name: str, last: Hour) -> Iterator[Finding]:
    if last.sent_change in _WORSE:
        told = {"n": grouped(last.sums.sent), "usual": grouped(last.usually_sent), "hours": last.words}
        yield Finding(name, _("only %(n)s texts sent %(hours)s; usually %(usual)s.") % told, last.url())


def _of_delay(account: Account, last: Hour, looked: Looked) -> Iterator[Finding]:
    took, usual = looked.delays.last.get(account.pk), looked.delays.usual.get(account.pk)
    if took and usual and delay_change(took, usual) in _WORSE:
        told = {"most": short(took.most), "usual": short(usual.most), "hours": last.words}
        text = _("one in ten took longer than %(most)s, sent %(hours)s; usually %(usual)s.") % told
        yield Finding(account.name, text, last.url(status=Status.DELIVERED.value))


def _of_reports(account: Account, last: Hour, so_far: Hour, now: datetime) -> Iterator[Finding]:
    came = account.last_webhook_at
    sent = sum({hour.begin: hour.sums.sent for hour in (last, so_far)}.values())
    if came is not None and is_silent(now - came, sent):
        text = _("no report has come for %(time)s, though %(n)s texts went out.")
        yield Finding(account.name, text % {"time": short(now - came), "n": grouped(sent)}, reverse("accounts"))


# ------------------------------------------------------------------------------ what waits for a person


@dataclass(frozen=True, slots=True)
class Waiting:
    count: str
    label: str
    url: str


def piles() -> list[QuerySet[Any]]:
    """Those of which the rows are counted."""
    return [
        doubts(),
        attention.waiting_runs(),
        attention.contradicted(),
        attention.delivered_twice(),
        attention.waiting_orphans(),
        attention.unreadable_reports(),
    ]


def waiting() -> list[Waiting]:
    """Each pile that is not empty; where one is a list of messages, it leads there."""
    here = reverse("attention")
    uncertain, runs, conflicts, twice, orphans, unreadable = (at_most(rows, MOST_COUNTED) for rows in piles())
    found: list[tuple[str, str, str]] = [
        (uncertain, _("sent or not, nobody knows"), f"{here}#doubts"),
        (runs, _("runs that wait for somebody"), f"{here}#runs"),
        (conflicts, _("contradicted by the provider"), messages_url(conflict="on")),
        (twice, _("delivered twice"), messages_url(twice="on")),
        (grouped(attention.words_unknown()), _("words we do not know"), f"{here}#words"),
        (orphans, _("reports without a message"), f"{here}#orphans"),
        (unreadable, _("reports that cannot be read"), f"{here}#unreadable"),
    ]
    return [Waiting(count, label, url) for count, label, url in found if count != "0"]
