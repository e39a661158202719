"""What a batch adds up to: five buckets that always sum to its size, and the texts it took, with their cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from django.db.models import Sum

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.models import Batch, BatchCount, BatchText, Message
from providers.base import Status


def tally(batch_ids: Iterable[int]) -> dict[int, dict[Bucket, int]]:
    """The buckets of each batch, in one query over stored sums. A message sent again is still one message."""
    counts = {pk: dict.fromkeys(Bucket, 0) for pk in batch_ids}
    rows = BatchCount.objects.filter(batch_id__in=counts).order_by().values_list("batch_id", "status")
    for pk, status, n in rows.annotate(total=Sum("n")) if counts else ():
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


@dataclass(slots=True)
class Sends:
    """The texts of a batch, each send on its own, and what they cost: a message sent again is several texts."""

    texts: int = 0  # handed to a provider
    again: int = 0  # of them: not for the first time
    doubtful: int = 0  # of them: nobody can tell whether they went out
    twice: int = 0  # messages that were delivered more than once
    costs: list[Cost] = field(default_factory=list)


def sends(batch: Batch) -> Sends:
    """The texts of one batch."""
    return sends_of([batch])[batch.pk]


def sends_of(batches: Collection[Batch]) -> dict[int, Sends]:
    """The texts of each batch, in two queries over stored sums and a short index. Currencies are never added up.

    Prices are multiplied by how often they occur, so that the sum is exact on both databases.
    """
    found = {batch.pk: Sends() for batch in batches}
    sums: dict[int, dict[str, Decimal]] = {pk: {} for pk in found}
    stored = BatchText.objects.filter(batch__in=found).order_by().values_list("batch_id", "kind", "currency", "price")
    for pk, kind, currency, price, n in stored.annotate(total=Sum("n")):
        its = found[pk]
        match kind:
            case BatchText.Kind.PRICED if n:
                sums[pk][currency] = sums[pk].get(currency, Decimal(0)) + price * n
            case BatchText.Kind.DOUBTFUL:
                its.doubtful = n
            case BatchText.Kind.FIRST | BatchText.Kind.AGAIN:
                its.texts += n
                its.again += n if kind == BatchText.Kind.AGAIN else 0
    # In the order of the short index of those, which SQLite would leave for that of all messages of the batch.
    twice = Message.objects.filter(batch__in=found, deliveries__gt=1).order_by("batch_id", "-pk")
    for pk in twice.values_list("batch_id", flat=True):
        found[pk or 0].twice += 1
    for batch in batches:
        found[batch.pk].costs = [Cost(name, sum_, "message") for name, sum_ in sorted(sums[batch.pk].items())]
        if batch.cost is not None:
            found[batch.pk].costs.append(Cost(batch.currency, batch.cost, "batch"))
    return found
