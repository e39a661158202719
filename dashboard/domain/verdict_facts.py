"""What a verdict may look at, and what it can say of each: every clause names the event or figure it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil

from dashboard.domain.language import gettext as _, ngettext
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
        """ "18:00 EAT on Thursday"."""
        return named(moment, self.now, self.zone)

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
        match entry.part in self.parts_told and entry.status is not None, theirs:
            case True, True:
                said = _("{provider} reported {words} about part {part} {at}, by its own clock.")
            case True, False:
                said = _("{provider} reported {words} about part {part} {at}, by our clock.")
            case False, True:
                said = _("{provider} reported {words} {at}, by its own clock.")
            case _:
                said = _("{provider} reported {words} {at}, by our clock.")
        text = said.format(provider=self.line.provider, words=quote(entry.word), part=entry.part, at=at)
        if entry.detail:
            text += " " + _("Its reason: {words}").format(words=quote(entry.detail))
        return Clause(text, anchor)

    @property
    def sent(self) -> Clause:
        at = self.clock(self.sent_at)
        if self.age < timedelta(0):
            return Clause(_("It is to be sent {at}.").format(at=at), "fact-sent")
        return Clause(_("It was sent {at}, {span} ago.").format(at=at, span=lasting(self.age)), "fact-sent")

    @property
    def as_usual(self) -> Clause | None:
        if self.usual is None:
            return None
        half, most = lasting(self.usual.half), lasting(self.usual.most)
        if self.usual.same_country:
            text = _("Texts to the same country through this account usually take {takes}.")
        else:
            text = _("Texts through this account usually take {takes}.")
        if half == most:
            takes = _("{half} or less").format(half=half)
        else:
            takes = _("{half}, and nine of ten within {most}").format(half=half, most=most)
        return Clause(text.format(takes=takes), "figure-usual")

    @property
    def beside(self) -> Clause | None:
        found = self.neighbours
        if found is None:
            return None
        if found.same_country:
            others = _("other texts to the same country through this account")
        else:
            others = _("other texts through this account")
        if found.mute:
            text = _("Nothing was heard about any of {sent} {others} {time}.")
        else:
            text = _("{arrived} of {sent} {others} {time} arrived.")
        time = _("in the last hour") if found.lately else _("around the same time")
        filled = text.format(arrived=found.arrived, sent=found.sent, others=others, time=time)
        return Clause(filled, "figure-neighbours")

    @property
    def time_left(self) -> Clause:
        if self.valid_until is None:
            text = _("Without a report it counts as unknown from {time}.")
            return Clause(text.format(time=self.by_then(self.deadline)), "fact-deadline")
        if self.valid_until <= self.now:
            text = _("The time allowed for it ran out {at}.")
        else:
            text = _("The time allowed for it runs out {at}.")
        return Clause(text.format(at=self.clock(self.valid_until)), "fact-valid-until")

    @property
    def alive(self) -> Clause | None:
        if self.life.message is None or self.life.reached_at is None:
            return None
        text = _("Another text reached this number {span} ago.")
        return Clause(text.format(span=lasting(self.now - self.life.reached_at)), f"message-{self.life.message}")

    @property
    def streak(self) -> Clause | None:
        count = self.life.failed_since
        if count < 2:
            return None
        text = ngettext(
            "The last {count} other text to this number did not arrive.",
            "The last {count} other texts to this number did not arrive.",
            count,
        )
        return Clause(text.format(count=count), "recipient")


def quote(text: str) -> str:
    """Somebody else's words. In another script they may run the other way; they must not turn ours around."""
    return _("“{words}”").format(words=text if text.isascii() else f"\u2068{text}\u2069")


def _noted_by_us(entry: TimelineEntry, at: str) -> str:
    match entry.status:
        case Status.CREATED:
            return _("Sending it was asked for {at}: {words}.").format(at=at, words=quote(entry.detail))
        case Status.SENDING:
            return _("We began to hand it over {at}.").format(at=at)
        case Status.QUEUED:
            return _("We were told of it {at}.").format(at=at)
        case _:
            words = (entry.detail or entry.word).rstrip(".")
            return _("We noted {at}: {words}.").format(at=at, words=words)


def lasting(delta: timedelta) -> str:
    """ "6 seconds", "12 minutes", "3 hours": one unit, rounded down, in full."""
    seconds = max(int(delta.total_seconds()), 0)
    if seconds >= 86_400:
        return ngettext("{count} day", "{count} days", seconds // 86_400).format(count=seconds // 86_400)
    if seconds >= 3_600:
        return ngettext("{count} hour", "{count} hours", seconds // 3_600).format(count=seconds // 3_600)
    if seconds >= 60:
        return ngettext("{count} minute", "{count} minutes", seconds // 60).format(count=seconds // 60)
    if seconds:
        return ngettext("{count} second", "{count} seconds", seconds).format(count=seconds)
    return _("less than a second")


# Django brings these in every language it comes with.
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def clock(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """ "at 18:00 EAT", with the day where it is not today's."""
    return _("at {time}").format(time=named(moment, now, zone))


def named(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """ "18:00 EAT", with the day where it is not today's."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    name = local.tzname() or ""
    time = f"{local:%H:%M} UTC{name}" if name[:1] in "+-" else f"{local:%H:%M} {name}"
    if local.date() == today.date():
        return time
    if abs(local.date() - today.date()) < timedelta(days=7):
        day = _(_WEEKDAYS[local.weekday()])
    elif local.year == today.year:
        day = _("{day} {month}").format(day=local.day, month=_(_MONTHS[local.month - 1]))
    else:
        day = _("{day} {month} {year}").format(day=local.day, month=_(_MONTHS[local.month - 1]), year=local.year)
    return _("{time} on {day}").format(time=time, day=day)
