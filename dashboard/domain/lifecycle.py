"""What a message is, from everything that was ever said about it: one pure fold, no clock, no database.

The state is the greatest thing said, compared by (is it delivered, attempt, rank). Providers' clocks are unordered,
zone-less or absent, so no time takes part: any order and any duplication of the same events give the same state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from providers.base import MAX_ATTEMPT, Status


class Bucket(StrEnum):
    """Where a message counts in its batch. The five always sum to the batch's size."""

    DELIVERED = "delivered"
    EXPIRED = "expired"
    UNDELIVERABLE = "undeliverable"
    UNKNOWN = "unknown"
    PENDING = "pending"


RANK: dict[Status, int] = {
    Status.CREATED: 0,
    Status.SENDING: 10,
    Status.OUTCOME_UNKNOWN: 15,
    Status.QUEUED: 20,
    Status.SUBMITTED: 30,
    Status.SENT: 40,
    Status.RETRYING: 45,
    Status.UNKNOWN: 50,
    Status.FAILED: 60,
    Status.CANCELLED: 62,
    Status.REJECTED: 64,
    Status.UNDELIVERABLE: 66,
    Status.EXPIRED: 68,
    Status.DELIVERED: 90,
}

BUCKET: dict[Status, Bucket] = {
    **dict.fromkeys(RANK, Bucket.PENDING),
    Status.UNKNOWN: Bucket.UNKNOWN,
    Status.FAILED: Bucket.UNDELIVERABLE,
    Status.CANCELLED: Bucket.UNDELIVERABLE,
    Status.REJECTED: Bucket.UNDELIVERABLE,
    Status.UNDELIVERABLE: Bucket.UNDELIVERABLE,
    Status.EXPIRED: Bucket.EXPIRED,
    Status.DELIVERED: Bucket.DELIVERED,
}

NEGATIVE_FINALS: frozenset[Status] = frozenset(
    {Status.FAILED, Status.CANCELLED, Status.REJECTED, Status.UNDELIVERABLE, Status.EXPIRED}
)
FINALS: frozenset[Status] = NEGATIVE_FINALS | {Status.DELIVERED}
PENDING: frozenset[Status] = frozenset(status for status, bucket in BUCKET.items() if bucket is Bucket.PENDING)
# Our own request has not been answered yet: nothing may give up on such a message.
UNRESOLVED: frozenset[Status] = frozenset({Status.CREATED, Status.SENDING, Status.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Said:
    """One event as the fold sees it. `by_provider` is false for what we wrote ourselves (deadline, person, send).

    `word` is the provider's own, "" for ours. `not_sent` marks our own `failed`: the request never left us.
    """

    status: Status | None
    attempt: int = 0
    word: str = ""
    by_provider: bool = True
    not_sent: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Everything the fold remembers. A join-semilattice: `join` is commutative, associative and idempotent.

    `negatives` is a bit set: bit n means that the provider said a negative final about attempt n.
    """

    status: Status = Status.CREATED
    attempt: int = 0
    word: str = ""
    negatives: int = 0
    not_sent: bool = False
    reported: bool = False

    @property
    def bucket(self) -> Bucket:
        return BUCKET[self.status]

    @property
    def conflict(self) -> bool:
        """Delivered and a negative final of the same attempt; or a report about a send we called not sent."""
        contradicted = self.status is Status.DELIVERED and bool(self.negatives >> self.attempt & 1)
        return contradicted or (self.not_sent and self.reported)

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """The comparison. The word is last and only breaks ties, so that what is shown is order-free as well."""
        return self.status is Status.DELIVERED, self.attempt, RANK[self.status], self.word


def state_of(said: Said) -> State:
    """The state of a message about which only this was said. A note says nothing."""
    if said.status is None:
        return State()
    attempt = min(max(said.attempt, 0), MAX_ATTEMPT)
    negative = said.by_provider and said.status in NEGATIVE_FINALS
    return State(
        status=said.status,
        attempt=attempt,
        word=said.word,
        negatives=1 << attempt if negative else 0,
        not_sent=said.not_sent,
        reported=said.by_provider,
    )


def join(one: State, other: State) -> State:
    """The state that knows what both know."""
    top = max(one, other, key=lambda state: state.order)
    return State(
        status=top.status,
        attempt=top.attempt,
        word=top.word,
        negatives=one.negatives | other.negatives,
        not_sent=one.not_sent or other.not_sent,
        reported=one.reported or other.reported,
    )


def fold(events: Iterable[Said], start: State | None = None) -> State:
    """The state after all `events`, in whatever order and however often each is given."""
    state = start or State()
    for said in events:
        state = join(state, state_of(said))
    return state


def reached_the_wire(state: State) -> bool:
    """Whether a provider may have seen this message: not before we send, nor when we know that nothing was sent."""
    return state.status is not Status.CREATED and (state.reported or not state.not_sent)


def effective(own: State, retries: Iterable[tuple[int, State]]) -> Status:
    """What a root message counts as: delivered if any of its messages is, else the newest on the wire, else its own.

    `retries` are the (age order, state) of the messages sent again for it; a greater number is newer.
    """
    others = sorted(retries, key=lambda pair: pair[0])
    if own.status is Status.DELIVERED or any(state.status is Status.DELIVERED for _, state in others):
        return Status.DELIVERED
    return next((state.status for _, state in reversed(others) if reached_the_wire(state)), own.status)
