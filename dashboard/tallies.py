"""What a batch adds up to: five buckets that always sum to its size, and its cost by currency."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from django.db.models import Count

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.models import Batch, Message
from providers.base import Status


def tally(batch_ids: Iterable[int]) -> dict[int, dict[Bucket, int]]:
    """The buckets of each batch, in one query. Roots are counted: a message sent again is still one message."""
    counts = {pk: dict.fromkeys(Bucket, 0) for pk in batch_ids}
    roots = Message.objects.filter(batch_id__in=counts, root=None)
    rows = roots.order_by().values_list("batch_id", "effective").annotate(n=Count("pk"))
    for pk, status, n in rows if counts else ():
        counts[pk][BUCKET[Status(status)]] += n
    return counts


@dataclass(frozen=True, slots=True)
class Cost:
    """One sum of money. `level` says whether each message was priced, or the order as a whole."""

    currency: str  # "" if nobody has said it
    amount: Decimal
    level: Literal["message", "batch"]

    @property
    def plain(self) -> str:
        """The amount without an exponent and without trailing zeros: "0.088"."""
        text = f"{self.amount:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


def costs(batch: Batch) -> list[Cost]:
    """What the batch has cost."""
    return costs_of([batch])[batch.pk]


def costs_of(batches: Collection[Batch]) -> dict[int, list[Cost]]:
    """What each batch has cost, in one query: every send counts, those sent again too. Currencies are never added up.

    Prices are multiplied by how often they occur, so that the sum is exact on both databases.
    """
    priced = Message.objects.filter(batch__in=[batch.pk for batch in batches], cost__isnull=False).order_by()
    sums: dict[int, dict[str, Decimal]] = {batch.pk: {} for batch in batches}
    for pk, currency, price, n in priced.values_list("batch_id", "currency", "cost").annotate(n=Count("pk")):
        of_batch = sums[pk or 0]
        of_batch[currency] = of_batch.get(currency, Decimal(0)) + (price or 0) * n
    found = {pk: [Cost(name, amount, "message") for name, amount in sorted(its.items())] for pk, its in sums.items()}
    for batch in batches:
        if batch.cost is not None:
            found[batch.pk].append(Cost(batch.currency, batch.cost, "batch"))
    return found
