"""Batches: how many arrived, how many did not and why, what it cost, and what the provider itself counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_GET

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.keyset import BadCursor, Window, sifted, window
from dashboard.models import Account, Batch, BatchCount, Message
from dashboard.tallies import sends, tally
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.bars import Segment, segments
from dashboard.web.buckets import BUCKET_ICONS, BUCKET_LABELS, BUCKET_MEANINGS
from dashboard.web.filters import AccountChoice, active, at, without
from dashboard.web.forms import Form
from dashboard.web.look_lists import look_at_batch
from dashboard.web.parts import STOP_POLLING, page_or_partial, user_of
from dashboard.web.tags import grouped
from providers.base import MAX_ID_LENGTH, Provider

PAGE = 25
LOOKED_THROUGH = 1_000  # for one page, where most are orders of one message
SEARCHED = 10_000  # the newest batches, for a part of a name
NEWEST = 10
MAY_GO_AGAIN = (Bucket.EXPIRED, Bucket.UNDELIVERABLE, Bucket.UNKNOWN)
TOTAL = "total"  # the one counter of a provider that is not a bucket and still compares


class BatchFilter(Form):
    """Every parameter of the list of batches."""

    account = AccountChoice(required=False, label=gettext_lazy("Account"))
    name = forms.CharField(
        required=False, max_length=MAX_ID_LENGTH, label=gettext_lazy("Name"),
        help_text=gettext_lazy("Part of the name or of the provider’s id; an old one’s in full"),
    )  # fmt: skip
    singles = forms.BooleanField(required=False, label=gettext_lazy("Also orders of one message"))

    def page(self, cursor: str) -> Window[Batch]:
        """The batches of a page. Raises BadCursor."""
        if not self.is_valid():
            return Window([])
        batches = Batch.objects.all()
        if account := self.cleaned_data["account"]:
            batches = batches.filter(account=Account.objects.get(slug=account))
        if name := self.cleaned_data["name"]:
            return window(batches.filter(_called(name)).select_related("account"), cursor, PAGE)
        if self.cleaned_data["singles"]:
            return window(batches.select_related("account"), cursor, PAGE)
        narrow = batches.only("name", "provider_batch_id", "next_listing_at")
        found = sifted(narrow, cursor, PAGE, keep=_more_than_an_order, among=LOOKED_THROUGH)
        whole = Batch.objects.select_related("account").in_bulk([one.pk for one in found.items])
        return replace(found, items=[whole[one.pk] for one in found.items if one.pk in whole])


def _called(name: str) -> Q:
    """Whose name or provider's id holds this; an old one's is this."""
    accounts = list(Account.objects.values_list("pk", flat=True))
    newest = Batch.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    holds = Q(name__icontains=name) | Q(provider_batch_id__icontains=name)
    # One after the other: a single condition with OR would read all batches there are.
    pks = set(Batch.objects.filter(holds, pk__gt=newest - SEARCHED).values_list("pk", flat=True))
    pks.update(Batch.objects.filter(account__in=accounts, name=name).values_list("pk", flat=True))
    by_id = Batch.objects.filter(Batch.called_by_provider(name), account__in=accounts)
    pks.update(by_id.values_list("pk", flat=True))
    return Q(pk__in=pks)


def _more_than_an_order(batches: list[Batch]) -> list[Batch]:
    """Where every text is an order of its own, the batches worth a look would drown: those somebody named, those of
    several messages, and those still being listed."""
    orders = {one.pk for one in batches if one.name == one.provider_batch_id and one.next_listing_at is None}
    if not orders:
        return batches
    # They lie beside each other: one piece of the index. For so many single ids the whole table might be read.
    beside = BatchCount.objects.filter(batch__gte=min(orders), batch__lte=max(orders), batch__in=orders)
    counted = beside.order_by().values("batch").annotate(total=Sum("n"))
    single = orders - set(counted.filter(total__gt=1).values_list("batch", flat=True))
    return [one for one in batches if one.pk not in single]


@dataclass(frozen=True, slots=True)
class Row:
    """One batch of the list."""

    batch: Batch
    total: int
    segments: list[Segment]
    counts: dict[Bucket, int]


@roles(*EVERYBODY)
@require_GET
def batches(request: HttpRequest) -> HttpResponse:
    form = BatchFilter(request.GET)
    status, problem = 200, ""
    shown: Window[Batch] = Window([])
    try:
        shown = form.page(request.GET.get("cursor", ""))
    except BadCursor as error:
        status, problem = 400, str(error)
    counts = tally([batch.pk for batch in shown.items])
    context = {
        "form": form,
        "rows": [_row(batch, counts[batch.pk]) for batch in shown.items],
        "active": active(request.GET, {name: form[name].label for name in ("account", "name", "singles")}),
        "older": at(request.GET, shown.older),
        "newer": at(request.GET, shown.newer),
        "problem": problem,
        "filtered": without(request.GET) != "?",
    }
    return render(request, page_or_partial(request, "batches.html", "rows"), context, status=status)


def _row(batch: Batch, counts: dict[Bucket, int]) -> Row:
    return Row(batch=batch, total=sum(counts.values()), segments=segments(counts), counts=counts)


@roles(*EVERYBODY)
@require_GET
def batch(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one batch. Asked by htmx with `?v=`, 204 says that what it shows is still so."""
    seen = look_at_batch(pk, NEWEST)
    template = page_or_partial(request, "batch.html", "live")
    refresh = template != "batch.html"
    if refresh and request.GET.get("v") == seen.version:
        return HttpResponse(status=204)
    found = get_object_or_404(Batch.objects.select_related("account"), pk=pk)
    counts = tally([found.pk])[found.pk]
    newest = list(_newest(found).select_related("account", "recipient").order_by("-sent_at", "-pk"))
    context = {
        "batch": found,
        "total": sum(counts.values()),
        "buckets": _big(found, counts),
        "again": [big for big in _big(found, counts) if big.count and big.bucket in MAY_GO_AGAIN],
        "segments": segments(counts),
        "sent": sends(found),
        "twice_url": messages_url(found, twice=True),
        "comparison": comparison(found, counts),
        "newest": newest,
        "moving": seen.moving,
        "version": seen.version,
        "may_list": bool(user_of(request).roles & {"ops", "admin"}),
        "all_url": messages_url(found),
    }
    return render(request, template, context, status=STOP_POLLING if refresh and not seen.moving else 200)


def _newest(batch: Batch) -> QuerySet[Message]:
    """Looked up by themselves, so that nothing which is shown beside them leads away from the index."""
    newest = Message.objects.filter(batch=batch).order_by("-sent_at", "-pk").values_list("pk", flat=True)
    return Message.objects.filter(pk__in=list(newest[:NEWEST]))


@dataclass(frozen=True, slots=True)
class Big:
    """One of the five big numbers."""

    bucket: Bucket
    label: Any
    meaning: Any
    icon: str
    count: int
    total: int
    url: str

    @property
    def share(self) -> str:
        """Its part of the total: never "0 %" of something, nor "100 %" of not all."""
        percent = 100 * self.count / self.total if self.total else 0.0
        if 0 < percent < 1:
            return "< 1 %"
        return "> 99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def _big(batch: Batch, counts: dict[Bucket, int]) -> list[Big]:
    return [
        Big(
            bucket,
            BUCKET_LABELS[bucket],
            BUCKET_MEANINGS[bucket],
            BUCKET_ICONS[bucket],
            counts[bucket],
            sum(counts.values()),
            messages_url(batch, bucket),
        )  # fmt: skip
        for bucket in Bucket
    ]


def messages_url(batch: Batch, bucket: Bucket | None = None, *, twice: bool = False) -> str:
    """The list of exactly the messages that were counted."""
    narrowed = {"bucket": bucket.value} if bucket else {"twice": "on"} if twice else {}
    query = {"batch": f"id:{batch.pk}"} | narrowed
    return f"{reverse('messages')}?{urlencode(query, safe=':')}"


# ------------------------------------------------------------------------------ ours | theirs | difference


@dataclass(frozen=True, slots=True)
class Compared:
    """One line of the comparison; `theirs` is None where the provider does not say."""

    label: str
    ours: int
    theirs: int | None
    words: str  # the provider's own names of what was counted

    @property
    def differs(self) -> bool:
        return self.theirs not in (None, self.ours)

    @property
    def difference(self) -> str:
        if self.theirs is None:
            return ""
        gap = self.theirs - self.ours
        return f"+{grouped(gap)}" if gap > 0 else f"\N{MINUS SIGN}{grouped(-gap)}" if gap else "0"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Our counts beside the provider's own. `others` are counters that mean something we do not count."""

    lines: list[Compared]
    others: list[tuple[str, int]]


def comparison(batch: Batch, counts: dict[Bucket, int]) -> Comparison | None:
    """Put the provider's counters beside ours without guessing: only a name that means one bucket is compared."""
    if not batch.report:
        return None
    theirs: dict[str, int] = {str(name): n for name, n in batch.report.items() if isinstance(n, int)}
    used: set[str] = set()
    lines = []
    for bucket in Bucket:
        names = _names(bucket, theirs, batch.account.provider)
        used.update(names)
        said = sum(theirs[name] for name in names) if names else None
        lines.append(Compared(str(BUCKET_LABELS[bucket]), counts[bucket], said, _words(bucket, names)))
    used.add(TOTAL)
    lines.append(Compared(_("Total"), sum(counts.values()), theirs.get(TOTAL), ""))
    return Comparison(lines, sorted((name, n) for name, n in theirs.items() if name not in used))


def _names(bucket: Bucket, theirs: dict[str, int], provider: Provider) -> list[str]:
    """The counters that mean this bucket: its own name, else every word of the provider's for a final in it.

    Words on the way are never added up: a provider may count "sent" for ever.
    """
    if bucket.value in theirs:
        return [bucket.value]
    if bucket is Bucket.PENDING:
        return []
    return [name for name in theirs if (status := provider.status(name)) is not None and BUCKET[status] is bucket]


def _words(bucket: Bucket, names: list[str]) -> str:
    return "" if names in ([], [bucket.value]) else " + ".join(names)
