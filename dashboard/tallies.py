"""What a batch adds up to: five buckets that always sum to its size, and the texts it took, with their cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from django.db.models import Count, F, Q, Sum

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.models import Batch, BatchCount, Message, Retry
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


# `lifecycle.reached_the_wire`, as a question to the database.
WENT_OUT = ~Q(status=Status.CREATED.value) & (Q(reported=True) | Q(not_sent=False))


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
    """The texts of each batch, in three queries for however many batches. Currencies are never added up.

    Prices are multiplied by how often they occur, so that the sum is exact on both databases.
    """
    found = {batch.pk: Sends() for batch in batches}
    sums: dict[int, dict[str, Decimal]] = {pk: {} for pk in found}
    mine = Message.objects.filter(batch__in=found).order_by()
    counted = mine.values_list("batch_id", "currency", "cost").annotate(
        Count("pk"),
        texts=Count("pk", filter=WENT_OUT),
        later=Count("pk", filter=WENT_OUT & Q(root__isnull=False)),
        doubtful=Count("pk", filter=Q(status=Status.OUTCOME_UNKNOWN.value)),
    )
    for pk, currency, price, n, texts, later, doubtful in counted:
        its = found[pk or 0]
        its.texts, its.again, its.doubtful = its.texts + texts, its.again + later, its.doubtful + doubtful
        if price is not None:
            sums[pk or 0][currency] = sums[pk or 0].get(currency, Decimal(0)) + price * n
    for pk, n in mine.filter(deliveries__gt=1).values_list("batch_id").annotate(n=Count("pk")):
        found[pk or 0].twice = n
    # The provider's own retry under the same id is one more text of the same message.
    same = Retry.objects.filter(
        via=Retry.Via.PROVIDER, state=Retry.State.ACCEPTED, message=F("original"), root__batch__in=found,
        account__in={batch.account_id for batch in batches},
    )  # fmt: skip
    for pk, n in same.order_by().values_list("root__batch").annotate(n=Count("pk")):
        found[pk].texts, found[pk].again = found[pk].texts + n, found[pk].again + n
    for batch in batches:
        found[batch.pk].costs = [Cost(name, sum_, "message") for name, sum_ in sorted(sums[batch.pk].items())]
        if batch.cost is not None:
            found[batch.pk].costs.append(Cost(batch.currency, batch.cost, "batch"))
    return found
