"""From what a reply says to event rows: numbering, times, keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import connection

from dashboard.domain.lifecycle import RANK, Said
from dashboard.ingest.items import NOT_SENT, Item, note
from dashboard.ingest.objects import Writes, made
from dashboard.models import Event, Message
from providers.base import MAX_ATTEMPT, Entry, Status

OURS = "ours"  # the kind of a fact that we state ourselves


def said(event: Event) -> Said:
    """An event as the fold sees it."""
    from_provider = event.by_provider
    return Said(
        status=Status(event.status) if event.status else None,
        attempt=event.attempt,
        word=event.word if from_provider else "",
        by_provider=from_provider,
        not_sent=event.not_sent,
    )


def event_key(message_pk: int, word: str, attempt: int, part: str, at_raw: str, kind: str = "") -> str:
    """One row per fact: SHA-256 of a JSON list, so that no two different facts can be glued into one key.

    `kind` is "" for what the provider says with a word of its own; our own events and notes say what they are, since
    "sending" is a word of ours and of a provider.
    """
    fact = [message_pk, word.lower(), attempt, part, at_raw or None, *([kind] if kind else [])]
    return hashlib.sha256(json.dumps(fact).encode()).hexdigest()


def entries_of(item: Item, message: Message) -> Sequence[Entry]:
    """What the item says about this message; one note instead if it speaks of another one."""
    if not speaks_of_another(item):
        return item.report.entries
    return (note("other_id", "other id", "The provider answered about another message; nothing was taken from it."),)


def speaks_of_another(item: Item) -> bool:
    """Whether this is an answer about another id than the one that was asked about."""
    asked, about, normal = item.asked, item.report.id, item.account.provider.normalise_id
    return asked is not None and asked.id is not None and about is not None and normal(about) != normal(asked.id)


def events_of(item: Item, message: Message) -> list[Event]:
    """Unsaved events, keys filled in."""
    return [_event(entry, item, message) for entry in entries_of(item, message)]


def _event(entry: Entry, item: Item, message: Message) -> Event:
    own_retries = message.own_retries if item.own_retries is None else item.own_retries
    attempt = min(max(entry.attempt, (entry.counter or 0) - own_retries, 0), MAX_ATTEMPT)
    at, zone = absolute(entry.at, item.account.time_zone)
    unmapped = entry.status is None and not entry.note
    return made(
        Event,
        message_id=message.pk,
        key=event_key(
            message.pk, entry.word, attempt, entry.part, entry.at_raw, entry.note if item.by_provider else OURS
        ),
        status=entry.status.value if entry.status else None,
        word=entry.word[:100],
        note="unmapped" if unmapped else entry.note,
        detail=entry.detail[:1000],
        attempt=attempt,
        part=entry.part[:50],
        by_provider=item.by_provider,
        not_sent=not item.by_provider and entry.word == NOT_SENT,
        at_raw=entry.at_raw[:64],
        at=at,
        zone=zone,
        received_at=item.received_at,
        sources=int(item.source),
        evidence_id=item.evidence.pk if item.evidence else None,
    )


def absolute(at: datetime | None, account_zone: str) -> tuple[datetime | None, str]:
    """The provider's time made absolute, and whose word its zone is; no zone known, no absolute time."""
    if at is None:
        return None, ""
    if at.tzinfo is not None:
        return at, "stated"
    zone = _zone(account_zone)
    try:
        return (at.replace(tzinfo=zone).astimezone(UTC), "account") if zone else (None, "")
    except OverflowError:  # the first or the last day there is
        return None, ""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def more_telling(one: Event, other: Event) -> bool:
    """Whether `one` says more than `other` about the same fact: "failed" by a webhook is "expired" by the timeline."""
    return _rank(one) > _rank(other)


def merge(event: Event, other: Event) -> None:
    """Two readings of one fact become one, whichever came first. `upsert` does the same in the database."""
    if more_telling(other, event):
        event.status, event.detail = other.status, other.detail
    event.detail = event.detail or other.detail
    event.word = max(event.word, other.word)  # one spelling, as in the fold


def _rank(event: Event) -> int:
    return RANK[Status(event.status)] if event.status else -1


_TABLE = Event._meta.db_table
_WRITES = Writes(Event)
_BYTES = {"sqlite": "BINARY", "postgresql": '"C"'}  # the collations that compare as Python does
_RANKS = " ".join(f"WHEN '{status.value}' THEN {rank}" for status, rank in RANK.items())
_TELLS_MORE = f"(CASE excluded.status {_RANKS} ELSE -1 END) > (CASE {_TABLE}.status {_RANKS} ELSE -1 END)"
_HEARD_AGAIN = (
    "ON CONFLICT (message_id, key) DO UPDATE SET "
    f"count = {_TABLE}.count + excluded.count, sources = {_TABLE}.sources | excluded.sources, "
    f"status = CASE WHEN {_TELLS_MORE} THEN excluded.status ELSE {_TABLE}.status END, "
    f"detail = CASE WHEN {_TELLS_MORE} OR {_TABLE}.detail = '' THEN excluded.detail ELSE {_TABLE}.detail END, "
    f"word = CASE WHEN excluded.word > {_TABLE}.word COLLATE {{bytes}} THEN excluded.word ELSE {_TABLE}.word END"
)


def upsert(events: Sequence[Event]) -> None:
    """Store the events. A fact that is there already counts one more hearing and remembers its source."""
    if not events:
        return
    merged: dict[tuple[int, str], Event] = {}
    for event in events:
        known = merged.setdefault((event.message_id, event.key), event)
        if known is not event:
            known.count += event.count
            known.sources |= event.sources
            merge(known, event)
    in_order = [event for _, event in sorted(merged.items(), key=lambda pair: pair[0])]
    _WRITES.insert(in_order, _HEARD_AGAIN.format(bytes=_BYTES[connection.vendor]))
