"""From stored events to the story of a message: shared by the pages and the API."""

from __future__ import annotations

from collections.abc import Iterable

from dashboard.domain.timeline import Fact, TimelineEntry, timeline
from dashboard.models import Event
from providers.base import Status


def story(events: Iterable[Event]) -> list[TimelineEntry]:
    """The timeline of one message's events (one query's worth; no query is made here)."""
    return timeline(
        Fact(
            status=Status(event.status) if event.status else None,
            word=event.word,
            note=event.note,
            detail=event.detail,
            attempt=event.attempt,
            part=event.part,
            by_provider=event.by_provider,
            at=event.at,
            at_raw=event.at_raw,
            zone=event.zone,
            received_at=event.received_at,
            sources=tuple(event.source_names),
            count=event.count,
            evidence_id=event.evidence_id,
            event_id=event.pk,
            not_sent=event.not_sent,
        )
        for event in events
    )
