"""What goes into `record()`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard.models import Account, Evidence
from dashboard.models.messages import Source
from providers.base import Entry, Report, Status, Target


@dataclass(slots=True, kw_only=True)
class Item:
    """One report about one message, and how it came.

    `message_id` is our id where it is known; else the report's own id is looked up, and a report about a message we
    do not know becomes an orphan. `asked` is whom a poll asked about: an answer about somebody else is only a note.
    """

    account: Account
    source: Source
    report: Report
    received_at: datetime
    evidence: Evidence | None = None  # unsaved
    message_id: int | None = None
    asked: Target | None = None
    answered: bool = False  # a successful ask: counts for back-off, freshness and the deadline
    lease: str = ""
    signed: bool = True  # an unsigned final is confirmed by one ask
    by_provider: bool = True
    due_now: bool = False  # a new registration: ask at once
    own_retries: int | None = None  # as it was when the report came, where that is no longer the message's own count


def note(kind: str, word: str, detail: str = "") -> Entry:
    """An entry that is shown and never folded."""
    return Entry(word=word, status=None, note=kind, detail=detail)


def ours(word: str, status: Status, *, attempt: int = 0, detail: str = "", at: datetime | None = None) -> Entry:
    """An entry that we write ourselves: a registration, a deadline, our own send, a person's resolution."""
    return Entry(word=word, status=status, attempt=attempt, detail=detail, at=at, at_raw=at.isoformat() if at else "")


NOT_SENT = "not_sent"  # our own `failed`: nothing left us
DEADLINE = "deadline"
REGISTERED = "registered"
