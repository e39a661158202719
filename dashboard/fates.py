"""What became of the messages of a bulk: one reading for its page, its report and the rules that stop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When

from dashboard.domain.bulk import Fate
from dashboard.domain.lifecycle import NEGATIVE_FINALS
from dashboard.models import Bulk, BulkItem, Message, Retry
from providers.base import Status

_STATE, _STATUS = Retry.State, "retry__message__status"
# The provider's own retry under the same id: until its count has grown, the report is the one from before.
_SAME = Q(retry__message=F("retry__original"))
_GROWN = Q(retry__message__attempt__gt=F("retry__retry_count") - F("retry__message__own_retries"))


def _when(condition: Q, fate: Fate) -> When:
    return When(condition, then=Value(fate.value))


_FATE = Case(
    _when(~Q(code=""), Fate.EXCLUDED),
    _when(Q(retry=None, bulk__state=Bulk.State.STOPPED), Fate.STOPPED),
    _when(Q(retry=None), Fate.TO_COME),
    _when(Q(**{_STATUS: Status.DELIVERED.value}), Fate.DELIVERED),
    _when(Q(retry__state__in=(_STATE.OPEN, _STATE.SENDING)), Fate.PENDING),
    _when(Q(retry__state=_STATE.OUTCOME_UNKNOWN), Fate.UNKNOWN),
    _when(Q(retry__state=_STATE.CANCELLED, message__effective=Status.DELIVERED.value), Fate.NOT_NEEDED),
    _when(Q(retry__state__in=(_STATE.CANCELLED, _STATE.NOT_SENT)), Fate.NOT_SENT),
    _when(Q(retry__state=_STATE.REFUSED), Fate.FAILED),
    _when(_SAME & ~_GROWN, Fate.PENDING),
    _when(Q(**{f"{_STATUS}__in": [status.value for status in NEGATIVE_FINALS]}), Fate.FAILED),
    _when(Q(**{_STATUS: Status.UNKNOWN.value}), Fate.UNKNOWN),
    default=Value(Fate.PENDING.value),
    output_field=CharField(),
)


def with_fate(items: QuerySet[BulkItem]) -> QuerySet[Any]:
    """The items, each with its `fate`."""
    return items.annotate(fate=_FATE)


def fates_of(bulks: Iterable[int]) -> dict[int, Counter[Fate]]:
    """How many messages of each bulk met which fate, in one query."""
    found: dict[int, Counter[Fate]] = {pk: Counter() for pk in bulks}
    items = with_fate(BulkItem.objects.filter(bulk__in=found)).order_by()
    for pk, fate, n in items.values_list("bulk_id", "fate").annotate(n=Count("pk")) if found else ():
        found[pk][Fate(fate)] += n
    return found


def asked_for(bulk: Bulk) -> list[Fate]:
    """The fates of what was asked for, the latest of the plan first."""
    items = with_fate(BulkItem.objects.filter(bulk=bulk, retry__isnull=False)).order_by("-position")
    return [Fate(fate) for fate in items.values_list("fate", flat=True)[:500]]


def quoted(bulk: Bulk) -> dict[tuple[str, str], Decimal]:
    """What was quoted for everything that was asked for and may have gone out, by currency; by account (its slug) too
    where no currency is told, since two accounts' may differ."""
    left = Retry.objects.filter(bulk=bulk).exclude(state__in=(_STATE.CANCELLED, _STATE.NOT_SENT, _STATE.REFUSED))
    prices = left.order_by().values_list("quoted_currency", "account__slug", "quoted_cost").annotate(n=Count("pk"))
    return _summed(prices)


def paid(bulk: Bulk) -> dict[tuple[str, str], Decimal]:
    """What providers said the new texts cost, summed like `quoted`. What was tried under its own id is no new one."""
    made = Message.objects.filter(made_by__bulk=bulk).exclude(made_by__original=F("pk"))
    return _summed(made.order_by().values_list("currency", "account__slug", "cost").annotate(n=Count("pk")))


def _summed(prices: Iterable[tuple[str, str, Decimal | None, int]]) -> dict[tuple[str, str], Decimal]:
    """Prices are multiplied by how often they occur, so that the sum is exact on both databases."""
    sums: dict[tuple[str, str], Decimal] = {}
    for currency, account, price, n in prices:
        if price is not None:
            of = (currency, "" if currency else account)
            sums[of] = sums.get(of, Decimal(0)) + price * n
    return dict(sorted(sums.items()))
