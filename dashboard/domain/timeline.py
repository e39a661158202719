"""The story of one message as people read it: one entry per (attempt, part, word), oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from dashboard.domain.lifecycle import PENDING, RANK, Said, State, join, state_of
from providers.base import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One stored event, as the timeline needs it. `at` is the provider's time if its zone is known."""

    status: Status | None
    word: str
    note: str
    detail: str
    attempt: int
    part: str
    by_provider: bool
    at: datetime | None
    at_raw: str
    zone: str
    received_at: datetime
    sources: tuple[str, ...]
    count: int
    evidence_id: int | None
    event_id: int = 0
    not_sent: bool = False


@dataclass(slots=True, kw_only=True)
class TimelineEntry:
    """One line of the story. `occurred_at` is the earliest time whose zone was stated, else the earliest at all;
    `received_at` is when we first heard."""

    status: Status | None
    word: str
    note: str
    attempt: int
    part: str
    by_provider: bool
    received_at: datetime
    detail: str = ""
    occurred_at: datetime | None = None
    at_raw: str = ""
    zone: str = ""
    sources: list[str] = field(default_factory=list)
    count: int = 0
    evidence_ids: list[int] = field(default_factory=list)
    event_id: int = 0  # the least of its events': names the line on the page
    not_sent: bool = False  # our own word: the request never left us

    @property
    def when(self) -> datetime:
        """The time it is sorted by: the provider's if its zone was stated, else ours."""
        return self.occurred_at if self.occurred_at and self.zone == "stated" else self.received_at


def timeline(facts: Iterable[Fact]) -> list[TimelineEntry]:
    """Merge and order the facts of one message. Order: attempt, time (stated with zone, else received), rank."""
    entries: dict[tuple[int, str, str, bool], TimelineEntry] = {}
    for fact in sorted(facts, key=lambda fact: fact.received_at):
        key = (fact.attempt, fact.part, fact.word.lower(), fact.by_provider)
        entry = entries.get(key)
        if entry is None:
            entry = entries[key] = TimelineEntry(
                status=fact.status, word=fact.word, note=fact.note, attempt=fact.attempt, part=fact.part,
                by_provider=fact.by_provider, received_at=fact.received_at, event_id=fact.event_id,
                not_sent=fact.not_sent,
            )  # fmt: skip
        _merge(entry, fact)
    return sorted(entries.values(), key=lambda e: (e.attempt, e.when, _telling(e.status), e.word))


def _merge(entry: TimelineEntry, fact: Fact) -> None:
    entry.count += fact.count
    entry.event_id = min(entry.event_id, fact.event_id)
    if _telling(fact.status) > _telling(entry.status):
        entry.status, entry.detail = fact.status, fact.detail or entry.detail
    entry.detail = entry.detail or fact.detail
    entry.sources += [source for source in fact.sources if source not in entry.sources]
    if fact.evidence_id and fact.evidence_id not in entry.evidence_ids:
        entry.evidence_ids.append(fact.evidence_id)
    if _better_time(fact, entry):
        entry.occurred_at, entry.at_raw, entry.zone = fact.at, fact.at_raw, fact.zone


def _better_time(fact: Fact, entry: TimelineEntry) -> bool:
    """A time with a stated zone before one without, then the earlier one."""
    if fact.at is None:
        return not entry.at_raw and fact.at_raw != ""
    if entry.occurred_at is None:
        return True
    return (fact.zone != "stated", fact.at) < (entry.zone != "stated", entry.occurred_at)


def _telling(status: Status | None) -> int:
    return RANK[status] if status else -1


# ------------------------------------------------------------------------------ what the order of arrival shows

LONG = timedelta(minutes=5)  # a silence worth drawing


class Remark(StrEnum):
    """What somebody has to know who reads an entry in its place: it did not simply take the story further."""

    FAILED_AFTER_DELIVERED = "failed_after_delivered"
    DELIVERED_AFTER_FAILED = "delivered_after_failed"
    HEARD_OF_NOT_SENT = "heard_of_not_sent"
    CHANGED = "changed"  # another word had stood as the last one
    LATE = "late"  # it came when that was over, and changed nothing


def remarks(entries: Iterable[TimelineEntry]) -> dict[int, Remark]:
    """The entries (by their event) at whose arrival a contradiction began, a last word fell, or nothing happened."""
    found: dict[int, Remark] = {}
    state, changed_at = State(), None
    for entry in sorted(entries, key=lambda entry: entry.received_at):
        if entry.status is None:
            continue
        said = Said(entry.status, entry.attempt, entry.word, entry.by_provider, entry.not_sent)
        after = join(state, state_of(said))
        remark = _remark(state, after, entry.status)
        if remark is Remark.LATE and (changed_at is None or entry.received_at <= changed_at):
            remark = None  # the same answer told both
        if remark is not None:
            found[entry.event_id] = remark
        if after.status is not state.status or after.attempt != state.attempt:
            changed_at = entry.received_at
        state = after
    return found


def _remark(before: State, after: State, said: Status) -> Remark | None:
    if after.conflict and not before.conflict:
        if before.not_sent:
            return Remark.HEARD_OF_NOT_SENT
        return Remark.DELIVERED_AFTER_FAILED if said is Status.DELIVERED else Remark.FAILED_AFTER_DELIVERED
    if before.status in PENDING:
        return None
    if after.order[:3] != before.order[:3]:
        return Remark.CHANGED if after.status is not before.status else None
    return Remark.LATE if said in PENDING else None


def silences(entries: Sequence[TimelineEntry]) -> dict[int, timedelta]:
    """How long it was quiet before an entry (by its event), where that was long."""
    pairs = zip(entries, entries[1:], strict=False)
    gaps = {later.event_id: later.when - earlier.when for earlier, later in pairs}
    return {event_id: gap for event_id, gap in gaps.items() if gap >= LONG}
