"""What Aftersend remembers."""

from __future__ import annotations

from dashboard.models.accounts import Account
from dashboard.models.audit import Audit
from dashboard.models.counts import BatchCount, BatchText, HourCount, QuarterCount, Roll
from dashboard.models.evidence import Evidence, Maintenance
from dashboard.models.messages import Batch, Event, Message, Orphan, Recipient
from dashboard.models.people import ApiToken, User
from dashboard.models.retries import Bulk, BulkItem, Retry

__all__ = [
    "Account",
    "ApiToken",
    "Audit",
    "Batch",
    "BatchCount",
    "BatchText",
    "Bulk",
    "BulkItem",
    "Event",
    "Evidence",
    "HourCount",
    "Maintenance",
    "Message",
    "Orphan",
    "QuarterCount",
    "Recipient",
    "Retry",
    "Roll",
    "User",
]
