"""What a verdict may look at, and what it can say of each: every clause names the event or figure it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil

from dashboard.domain.timeline import TimelineEntry
from providers.base import Status

FEWEST = 10  # below this we say nothing rather than guess
AT_LEAST = timedelta(minutes=2)  # nobody worries before, however quick it usually is
NOT_KNOWN = timedelta(minutes=10)  # nor before that where the usual is not known
MOST_ARRIVE, FEW_ARRIVE = 0.8, 0.5


@dataclass(frozen=True, slots=True)
class Clause:
    """One reason. `on` is an anchor of the page ("event-7", "fact-sent", "figure-usual") or "message-12"."""

    text: str
    on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How long delivered texts of the same account (and country) took: half of them, and nine of ten."""

    half: timedelta
    most: timedelta
    count: int
    same_country: bool

    @classmethod
    def of(cls, delays: Iterable[timedelta], *, same_country: bool) -> Usual | None:
        ordered = sorted(delays)
        if len(ordered) < FEWEST:
            return None
        half, most = (ordered[ceil(len(ordered) * share) - 1] for share in (0.5, 0.9))
        return cls(half=half, most=most, count=len(ordered), same_country=same_country)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Texts to other numbers through the same account (and country) around the same time."""

    sent: int
    arrived: int
    refused: int
    silent: int  # the provider has said nothing about them
    same_country: bool
    lately: bool  # in the hour before now; else around the time this one was sent

    @classmethod
    def of(cls, others: Sequence[tuple[Status, bool]], *, same_country: bool, lately: bool) -> Neighbours | None:
        """`others` are (status, whether the provider has said anything)."""
        if len(others) < FEWEST:
            return None
        return cls(
            sent=len(others),
            arrived=sum(status is Status.DELIVERED for status, _ in others),
            refused=sum(status is Status.REJECTED for status, _ in others),
            silent=sum(not heard for _, heard in others),
            same_country=same_country,
            lately=lately,
        )

    @property
    def well(self) -> bool:
        return self.arrived >= MOST_ARRIVE * self.sent

    @property
    def badly(self) -> bool:
        return self.arrived < FEW_ARRIVE * self.sent

    @property
    def mute(self) -> bool:
        return self.silent == self.sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Another message of the same text."""

    pk: int
    status: Status
    not_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What else is known about the number: when a text last reached it, and what came after that."""

    message: int | None = None
    reached_at: datetime | None = None
    failed_since: int = 0  # texts in a row, the newest ones, that did not arrive


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to the provider: the account, as far as it matters to one message."""

    provider: str
    name: str
    enabled: bool = True
    has_credentials: bool = True
    trouble: str = ""  # a ProviderError code while the account is paused
    complaint: str = ""  # the provider's own sentence about it, masked
    until: datetime | None = None  # of the pause
    no_sends: str = ""  # why nothing may be sent through it for now
    reports_lately: bool = False  # a report came by itself within the last minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a verdict looks at. `story` is the timeline of this message alone."""

    now: datetime
    zone: tzinfo
    pk: int
    status: Status
    line: Line
    sent_at: datetime
    created_at: datetime
    deadline: datetime
    story: Sequence[TimelineEntry] = ()
    valid_until: datetime | None = None
    not_sent: bool = False
    reported: bool = False
    conflict: bool = False
    unconfirmed: bool = False
    parts: int | None = None
    asked_at: datetime | None = None
    due_at: datetime | None = None  # when the next check was or is due
    can_be_asked: bool = True
    reopens_until: datetime | None = None
    waited: tuple[datetime, datetime] | None = None  # a report came before its message: when, and attached when
    strays: bool = False  # reports through this account belong to no message we know
    usual: Usual | None = None
    neighbours: Neighbours | None = None
    tries: Sequence[Try] = ()  # the others, oldest first
    held: str = ""  # the state of a wish to send again that has no message of its own, while that is undecided
    life: Life = Life()
    opted_out: bool = False  # the person asked not to be texted

    # ------------------------------------------------------------------ times

    @property
    def age(self) -> timedelta:
        return self.now - self.sent_at

    @property
    def patience(self) -> timedelta:
        """How long nobody worries: as long as nine of ten take."""
        return max(AT_LEAST, self.usual.most) if self.usual else NOT_KNOWN

    def clock(self, moment: datetime) -> str:
        """ "at 18:00 EAT", "at 18:00 EAT on Thursday", "at 18:00 EAT on 3 December"."""
        return clock(moment, self.now, self.zone)

    def by_then(self, moment: datetime) -> str:
        return self.clock(moment).removeprefix("at ")

    # ------------------------------------------------------------------ who said what

    @property
    def said(self) -> list[TimelineEntry]:
        """What the provider said that counts, oldest first."""
        return [entry for entry in self.story if entry.by_provider and entry.status]

    @property
    def heard_of(self) -> bool:
        return bool(self.said)

    def telling(self, *statuses: Status) -> TimelineEntry | None:
        """The last entry that says one of these, the provider's before ours."""
        newest_first = [*reversed(self.said), *reversed(self.story)]
        return next((entry for entry in newest_first if entry.status in statuses), None)

    @property
    def deciding(self) -> TimelineEntry | None:
        """The entry that made the message what it is."""
        return self.telling(self.status)

    @property
    def own_words(self) -> TimelineEntry | None:
        """What we wrote ourselves last."""
        return next((entry for entry in reversed(self.story) if not entry.by_provider), None)

    def noted(self, kind: str) -> TimelineEntry | None:
        """The last note of this kind, if nothing that counts was said after it."""
        found = next((entry for entry in reversed(self.story) if entry.note == kind), None)
        if found is None or any(entry.received_at > found.received_at for entry in self.said):
            return None
        return found

    @property
    def parts_told(self) -> dict[str, Status]:
        """What each part became, where a provider reports about parts: delivered, else the last word."""
        told: dict[str, Status] = {}
        for entry in self.said:
            if not entry.part or not entry.status or entry.status is Status.RETRYING:
                continue  # a try's part names the channel it goes on by
            if told.get(entry.part) is not Status.DELIVERED:
                told[entry.part] = entry.status
        return told

    # ------------------------------------------------------------------ clauses

    def quoted(self, entry: TimelineEntry | None) -> Clause | None:
        """ "BSG reported “expired” at 14:03 EAT, by its own clock." Of ours: "We noted at 14:03 EAT: nothing came." """
        if entry is None:
            return None
        at, anchor = self.clock(entry.when), f"event-{entry.event_id}"
        if not entry.by_provider:
            return Clause(_noted_by_us(entry, at), anchor)
        theirs = entry.occurred_at is not None and entry.zone == "stated"
        part = f" about part {entry.part}" if entry.part in self.parts_told and entry.status else ""
        said = f"{self.line.provider} reported {quote(entry.word)}{part}"
        text = f"{said} {at}, by {'its own' if theirs else 'our'} clock."
        return Clause(f"{text} Its reason: {quote(entry.detail)}" if entry.detail else text, anchor)

    @property
    def sent(self) -> Clause:
        if self.age < timedelta(0):
            return Clause(f"It is to be sent {self.clock(self.sent_at)}.", "fact-sent")
        return Clause(f"It was sent {self.clock(self.sent_at)}, {lasting(self.age)} ago.", "fact-sent")

    @property
    def as_usual(self) -> Clause | None:
        if self.usual is None:
            return None
        half, most = lasting(self.usual.half), lasting(self.usual.most)
        takes = f"{half}, and nine of ten within {most}" if half != most else f"{half} or less"
        return Clause(f"{_through('Texts', self.usual.same_country)} usually take {takes}.", "figure-usual")

    @property
    def beside(self) -> Clause | None:
        found = self.neighbours
        if found is None:
            return None
        time = "in the last hour" if found.lately else "around the same time"
        others = _through("other texts", found.same_country)
        if found.mute:
            return Clause(f"Nothing was heard about any of {found.sent} {others} {time}.", "figure-neighbours")
        return Clause(f"{found.arrived} of {found.sent} {others} {time} arrived.", "figure-neighbours")

    @property
    def time_left(self) -> Clause:
        if self.valid_until is None:
            return Clause(f"Without a report it counts as unknown from {self.by_then(self.deadline)}.", "fact-deadline")
        over = self.valid_until <= self.now
        text = f"The time allowed for it {'ran' if over else 'runs'} out {self.clock(self.valid_until)}."
        return Clause(text, "fact-valid-until")

    @property
    def alive(self) -> Clause | None:
        if self.life.message is None or self.life.reached_at is None:
            return None
        ago = lasting(self.now - self.life.reached_at)
        return Clause(f"Another text reached this number {ago} ago.", f"message-{self.life.message}")

    @property
    def streak(self) -> Clause | None:
        if self.life.failed_since < 2:
            return None
        return Clause(f"The last {self.life.failed_since} other texts to this number did not arrive.", "recipient")


def quote(text: str) -> str:
    """Somebody else's words. In another script they may run the other way; they must not turn ours around."""
    return f"“{text}”" if text.isascii() else f"“\u2068{text}\u2069”"


def _noted_by_us(entry: TimelineEntry, at: str) -> str:
    match entry.status:
        case Status.CREATED:
            return f"Sending it was asked for {at}: {quote(entry.detail)}."
        case Status.SENDING:
            return f"We began to hand it over {at}."
        case Status.QUEUED:
            return f"We were told of it {at}."
        case _:
            return f"We noted {at}: {entry.detail or entry.word}".rstrip(".") + "."


def _through(texts: str, same_country: bool) -> str:
    return f"{texts} to the same country through this account" if same_country else f"{texts} through this account"


def lasting(delta: timedelta) -> str:
    """ "6 seconds", "12 minutes", "3 hours": one unit, rounded down, in full."""
    seconds = max(int(delta.total_seconds()), 0)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = seconds // size
        if count:
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "less than a second"


def clock(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """ "at 18:00 EAT", with the day where it is not today's."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    name = local.tzname() or ""
    at = f"at {local:%H:%M} UTC{name}" if name[:1] in "+-" else f"at {local:%H:%M} {name}"
    if local.date() == today.date():
        return at
    if abs(local.date() - today.date()) < timedelta(days=7):
        return f"{at} on {local:%A}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{at} on {local.day} {local:%B}{year}"
