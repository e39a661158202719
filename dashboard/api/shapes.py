"""What an answer looks like: the same fields, names and notations wherever a thing appears."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dashboard.domain.lifecycle import Bucket
from dashboard.domain.timeline import TimelineEntry
from dashboard.models import Batch, Message, Retry
from dashboard.tallies import Cost


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def money(amount: Decimal | None) -> str | None:
    return None if amount is None else Cost("", amount, "message").plain


def message_shape(message: Message) -> dict[str, Any]:
    """A message in a list; its account, batch and recipient must be loaded."""
    digits = message.recipient.digits
    return {
        "id": str(message.pk),
        "account": message.account.slug,
        "provider_message_id": message.provider_message_id,
        "to": f"+{digits}" if digits else None,
        "status": message.status,
        "bucket": message.bucket,
        "conflict": message.conflict,
        "provider_status": message.provider_status or None,
        "attempt": message.attempt,
        "reference": message.reference,
        "batch": {"id": str(message.batch.pk), "name": message.batch.name} if message.batch else None,
        "provider_batch_id": message.provider_batch_id,
        "text": message.text,
        "sender": message.sender,
        "route": message.route,
        "parts": message.parts,
        "cost": money(message.cost),
        "currency": message.currency,
        "sent_at": iso(message.sent_at),
        "valid_until": iso(message.valid_until),
    }


def timeline_shape(entry: TimelineEntry) -> dict[str, Any]:
    """`provider_status` is the provider's own word; what we wrote ourselves has none, and says so in `detail`."""
    return {
        "status": entry.status,
        "provider_status": entry.word if entry.by_provider else None,
        "detail": entry.detail or ("" if entry.by_provider else entry.word),
        "sources": entry.sources,
        "count": entry.count,
        "occurred_at": iso(entry.occurred_at),
        "received_at": iso(entry.received_at),
    }


def retry_shape(retry: Retry) -> dict[str, Any]:
    return {
        "id": str(retry.pk),
        "state": retry.state,
        "message_id": str(retry.message_id) if retry.message_id else None,
        "created_at": iso(retry.created_at),
        "reason": retry.reason,
    }


def batch_shape(batch: Batch, counts: dict[Bucket, int], costs: Iterable[Cost]) -> dict[str, Any]:
    """A batch; its account must be loaded. The provider's own counters stand beside ours and are never merged."""
    return {
        "id": str(batch.pk),
        "account": batch.account.slug,
        "name": batch.name,
        "provider_batch_id": batch.provider_batch_id,
        "created_at": iso(batch.created_at),
        "total": sum(counts.values()),
        "buckets": {bucket.value: counts[bucket] for bucket in Bucket},
        "provider_report": {**batch.report, "as_of": iso(batch.report_at)} if batch.report is not None else None,
        "cost": [{"currency": c.currency or None, "amount": c.plain, "level": c.level} for c in costs],
    }


def listed(items: Sequence[dict[str, Any]], following: str | None) -> dict[str, Any]:
    return {"items": list(items), "next": following}
