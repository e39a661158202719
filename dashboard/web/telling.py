"""The story of a message as lines of a page: grouped by attempt, each with its words, times, sources and evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.timeline import TimelineEntry
from dashboard.logs import masked
from dashboard.models import Evidence
from dashboard.models.messages import Source
from dashboard.web.chips import CHIPS

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

    @property
    def said_at(self) -> datetime | None:
        return self.entry.occurred_at


@dataclass(frozen=True, slots=True)
class Attempt:
    number: int
    lines: list[Line]


def lines(entries: list[TimelineEntry], evidence: Mapping[int, Evidence], full: bool) -> list[Attempt]:
    """The attempts, oldest first. With `full` false digit runs in the provider's words are masked."""
    return [
        Attempt(number, [_line(entry, evidence, full) for entry in group])
        for number, group in groupby(entries, key=lambda entry: entry.attempt)
    ]


def _line(entry: TimelineEntry, evidence: Mapping[int, Evidence], full: bool) -> Line:
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
    )


def _zone(entry: TimelineEntry) -> str:
    if entry.by_provider and entry.occurred_at is not None:
        return _("zone stated by the provider") if entry.zone == "stated" else _("zone from the account’s setting")
    if entry.by_provider and entry.at_raw:
        return _("no zone given")
    return ""
