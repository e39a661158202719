"""What the advice about sending again looks at, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dashboard.domain.failures import Cause, Failure
from dashboard.domain.language import gettext as _, gettext_noop
from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.domain.prices import Price
from dashboard.domain.retries import in_words
from providers.base import Status

ENOUGH = 10  # below, "it went well so often before" says nothing


class Outlook(StrEnum):
    LIKELY = "likely"
    LATER = "later"
    UNLIKELY = "unlikely"
    NO = "no"
    CANNOT_KNOW = "cannot_know"


class Double(StrEnum):
    """Could the person get it twice?"""

    NONE = "none"
    POSSIBLE = "possible"
    LIKELY = "likely"


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence and what it rests on: a report (`event`) or another message, or a figure over `n` messages."""

    text: str
    event: int | None = None
    message: int | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Of the newest messages that failed like this one and were sent again this way: how many of them arrived."""

    arrived: int = 0
    decided: int = 0

    @property
    def enough(self) -> bool:
        return self.decided >= ENOUGH

    @property
    def share(self) -> float:
        return self.arrived / self.decided if self.decided else 0.0

    @property
    def percent(self) -> int:
        return round(100 * self.share)


@dataclass(frozen=True, slots=True)
class Try:
    """One send of this message that may have reached a provider."""

    message: int
    status: Status
    failure: Failure


@dataclass(frozen=True, slots=True)
class Seen:
    """A text to the same number that arrived: the phone was on then."""

    message: int
    at: datetime
    account: str


@dataclass(frozen=True, slots=True)
class Same:
    """Another message to the same number, of the last day, with the same text."""

    message: int
    arrived: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An account it could go through. The first way is the one it failed by."""

    account: str
    record: Record = Record()
    price: Price | None = None
    seen: Seen | None = None  # the newest text to this number that arrived through it
    why_not: str = ""  # nothing can be sent through it now
    own_retry: bool = False  # the provider's own retry would do it


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the advice looks at. `status` and `cause` are of the newest try, `effective` of the whole."""

    provider: str
    effective: Status
    status: Status
    cause: Cause
    sent_at: datetime  # the first send
    ways: tuple[Way, ...]
    tries: tuple[Try, ...] = ()
    final_at: datetime | None = None
    cool_until: datetime | None = None
    channel: str = ""  # of a cascade, by which the provider is trying again
    held_by: str = ""  # the state of a wish to send again that is not done
    contradicted: bool = False  # reported on, although we thought that it was not sent
    not_sent: bool = False  # nothing of it ever left us
    unconfirmed: bool = False
    may_reopen_until: datetime | None = None
    opted_out: bool = False
    stop: Cause | None = None
    valid_until: datetime | None = None
    code_sent_at: datetime | None = None
    same: Same | None = None
    seen: Seen | None = None
    held_until: datetime | None = None  # nothing is sent through the account until then
    held_why: str = ""

    @property
    def on_its_way(self) -> bool:
        return BUCKET[self.status] is Bucket.PENDING and self.status is not Status.OUTCOME_UNKNOWN

    @property
    def newest(self) -> int | None:
        """The message of the newest try."""
        return self.tries[-1].message if self.tries else None

    @property
    def alike(self) -> list[int]:
        """The tries that ended as the newest did."""
        return [t.message for t in self.tries if t.failure is self.cause.failure and t.status is self.status]

    @property
    def seen_since(self) -> bool:
        """Whether a text has reached the number after this one failed."""
        return self.seen is not None and self.final_at is not None and self.seen.at > self.final_at

    @property
    def others(self) -> bool:
        """Whether another account could send it now."""
        return any(not way.why_not for way in self.ways[1:])

    def reported(self, text: str) -> Reason:
        """A reason that rests on the report of why the newest try failed."""
        return Reason(text, event=self.cause.event, message=self.cause.message)


@dataclass(frozen=True, slots=True)
class Row:
    """One account beside the others: how often it helped, what it costs, and why it may help."""

    account: str
    record: Record
    price: Price | None
    double: Double
    why: str
    message: int | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """`when`: from when on it can be tried; None: nobody can say, or never."""

    verdict: Outlook
    headline: str
    when: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    double: Double = Double.NONE
    double_why: Reason = Reason("")
    rows: tuple[Row, ...] = ()


def ago(moment: datetime, now: datetime) -> str:
    return _("{span} ago").format(span=in_words(now - moment)) if now > moment else _("just now")


_MEANS = {
    Failure.SENDER: gettext_noop("the sender was refused"),
    Failure.CONTENT: gettext_noop("the text was refused"),
    Failure.BALANCE: gettext_noop("no money on the account"),
    Failure.ACCESS: gettext_noop("our account was not let in"),
    Failure.ROUTE: gettext_noop("no way to this network"),
    Failure.NUMBER: gettext_noop("wrong or dead number"),
    Failure.BARRED: gettext_noop("the network gives this phone no texts"),
    Failure.MEMORY: gettext_noop("the phone is full"),
    Failure.PHONE: gettext_noop("the phone was off or out of reach"),
    Failure.NETWORK: gettext_noop("a fault of the network that passes"),
    Failure.STOPPED: gettext_noop("it was stopped"),
    Failure.REFUSED: gettext_noop("refused, without a reason"),
    Failure.STOP: gettext_noop("the person or a list wants no texts"),
    Failure.NO_REASON: gettext_noop("no reason was given"),
}


def said(provider: str, cause: Cause) -> Reason:
    text = _("{provider} said “{words}”: {meaning}.")
    filled = text.format(provider=provider, words=cause.said, meaning=_(_MEANS[cause.failure]))
    return Reason(filled, cause.event, cause.message)
