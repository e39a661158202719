"""The story of a message as lines of a page: grouped by attempt, each with its words, times, sources and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.lifecycle import PENDING, UNRESOLVED, Said, fold
from dashboard.domain.timeline import LONG, Remark, TimelineEntry, remarks, silences
from dashboard.domain.verdict_facts import Usual
from dashboard.logs import masked
from dashboard.models import Evidence, Message
from dashboard.models.messages import Source
from dashboard.web.chips import CHIPS
from providers.base import Status

STORY_COOKIE = "story"  # which end of a story comes first; it names nobody
OLDEST, NEWEST = "oldest", "newest"
SOURCES = {
    Source.WEBHOOK.label: gettext_lazy("webhook"),
    Source.POLL.label: gettext_lazy("asked"),
    Source.API.label: gettext_lazy("API"),
    Source.IMPORT.label: gettext_lazy("import"),
    Source.SEND.label: gettext_lazy("send answer"),
    Source.WORKER.label: gettext_lazy("worker"),
    Source.PERSON.label: gettext_lazy("a person"),
}
NOTES = {
    "unmapped": gettext_lazy("A word we do not know yet: noted, never counted as a failure."),
    "not_found": gettext_lazy("The provider does not find this message."),
    "other_id": gettext_lazy("The provider answered about another message."),
    "unreadable": gettext_lazy("The answer could not be read."),
    "retry": gettext_lazy("The answer to a retry: only its id is believed."),
    "channel": gettext_lazy("A detail of one channel."),
}
# Words of our own events, as people read them.
OURS = {
    "registered": gettext_lazy("Told to us as sent"),
    "deadline": gettext_lazy("No report by the deadline"),
    "not_sent": gettext_lazy("Nothing was sent"),
    "went out": gettext_lazy("It went out, says a person"),
    "accepted before": gettext_lazy("The provider had it already"),
    "asked to send again": gettext_lazy("Asked to send again"),
    "asked to send a test text": gettext_lazy("Asked to send a test text"),
}
REMARKS = {
    Remark.FAILED_AFTER_DELIVERED: gettext_lazy("It had been delivered before. Both stand; delivered counts."),
    Remark.DELIVERED_AFTER_FAILED: gettext_lazy("It had failed before, on the same try. Both stand; delivered counts."),
    Remark.HEARD_OF_NOT_SENT: gettext_lazy("We had noted that nothing was sent, yet the provider reports about it."),
    Remark.CHANGED: gettext_lazy("This took the place of what stood as the last word before."),
    Remark.LATE: gettext_lazy("It came after the last word, and changed nothing."),
}  # fmt: skip
CONTRADICTIONS = frozenset({Remark.FAILED_AFTER_DELIVERED, Remark.DELIVERED_AFTER_FAILED, Remark.HEARD_OF_NOT_SENT})


@dataclass(frozen=True, slots=True)
class Line:
    entry: TimelineEntry
    kind: str  # the colour's class, or "note"
    title: str  # where there is no status
    word: str  # the provider's own
    detail: str
    explanation: str
    sources: list[str]
    zone: str  # whose zone the provider's time is in
    evidence: list[Evidence]
    remark: str = ""
    contradicts: bool = False
    silence: timedelta | None = None  # before it, where that was long

    @property
    def said_at(self) -> datetime | None:
        return self.entry.occurred_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """`lanes`: where one text goes in several parts or ways, how each of them stands."""

    number: int
    lines: list[Line]
    lanes: list[tuple[str, Status]]


def lines(
    entries: Sequence[TimelineEntry], evidence: Mapping[int, Evidence], full: bool, *, newest_first: bool = False
) -> list[Attempt]:
    """The attempts, oldest first unless told otherwise. With `full` false digit runs in the provider's words are
    masked."""
    noted, quiet = remarks(entries), silences(entries)
    attempts = []
    for number, group in groupby(entries, key=lambda entry: entry.attempt):
        its = list(group)
        told = [_line(entry, evidence, full, noted.get(entry.event_id), quiet.get(entry.event_id)) for entry in its]
        attempts.append(Attempt(number, told[::-1] if newest_first else told, _lanes(its)))
    return attempts[::-1] if newest_first else attempts


def _lanes(entries: Sequence[TimelineEntry]) -> list[tuple[str, Status]]:
    parts: dict[str, list[Said]] = {}
    for entry in entries:
        if entry.part and entry.status:
            parts.setdefault(entry.part, []).append(Said(entry.status, word=entry.word))
    return [(part, fold(said).status) for part, said in sorted(parts.items())] if len(parts) > 1 else []


def _line(
    entry: TimelineEntry, evidence: Mapping[int, Evidence], full: bool, remark: Remark | None, silence: timedelta | None
) -> Line:
    own = not entry.by_provider
    detail = entry.detail if full else masked(entry.detail)
    word = entry.word if full else masked(entry.word)
    return Line(
        entry=entry,
        kind=CHIPS[entry.status].kind if entry.status else "note",
        title=str(OURS.get(entry.word, entry.word)) if own else "",
        word="" if own else word,
        detail=detail,
        explanation=str(NOTES.get(entry.note, "")) if entry.note else "",
        sources=[str(SOURCES.get(source, source)) for source in entry.sources],
        zone=_zone(entry),
        evidence=[evidence[pk] for pk in entry.evidence_ids if pk in evidence],
        remark=str(REMARKS[remark]) if remark else "",
        contradicts=remark in CONTRADICTIONS,
        silence=silence,
    )


def _zone(entry: TimelineEntry) -> str:
    if entry.by_provider and entry.occurred_at is not None:
        return _("zone stated by the provider") if entry.zone == "stated" else _("zone from the account’s setting")
    if entry.by_provider and entry.at_raw:
        return _("no zone given")
    return ""


# ------------------------------------------------------------------------------ what is to come


@dataclass(frozen=True, slots=True)
class ToCome:
    """The entry that is not there yet: by when most others had theirs, and when the provider is asked next."""

    silence: timedelta | None  # since the last word, where that is long
    heard_again: int  # how often since then the same was said
    by: datetime | None
    usual: Usual | None
    late: timedelta | None  # past the time by which nine of ten have arrived
    asked_next: datetime | None
    due: bool


def to_come(message: Message, entries: Sequence[TimelineEntry], usual: Usual | None, now: datetime) -> ToCome | None:
    """None where nothing more is expected: the message has ended, or nothing of it has reached the provider."""
    status = Status(message.status)
    if status not in PENDING or status in UNRESOLVED:
        return None
    last = max(entries, key=lambda entry: (entry.received_at, entry.when), default=None)
    silence = now - last.received_at if last and now - last.received_at >= LONG else None
    by = message.sent_at + usual.most if usual else None
    return ToCome(
        silence=silence,
        heard_again=last.count - 1 if last else 0,
        by=by,
        usual=usual,
        late=now - by if by and now > by else None,
        asked_next=message.next_check_at,
        due=message.next_check_at is not None and message.next_check_at <= now,
    )
