"""When retention removed something, as the audit tells it: a page says so instead of showing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from dashboard.models import Audit


@dataclass(frozen=True, slots=True)
class Forgotten:
    """One run of retention that removed something, and its limits."""

    at: datetime
    days: int  # texts, conversations, reports without a message
    numbers_days: int
    orphans: int


def last_run() -> Forgotten | None:
    return _read(_runs().order_by("-at", "-id").first())


def run_that_removed(text_of: datetime) -> Forgotten | None:
    """The run that took away a text of this age; None if none has yet."""
    last = last_run()
    return last and _read(_runs().filter(at__gte=text_of + timedelta(days=last.days)).order_by("at", "id").first())


def _runs() -> QuerySet[Audit]:
    return Audit.objects.filter(subject="retention", action="pruned")


def _read(row: Audit | None) -> Forgotten | None:
    if row is None:
        return None
    days, numbers_days, orphans = (int(row.details.get(name, 0)) for name in ("days", "numbers_days", "orphans"))
    return Forgotten(row.at, days, numbers_days, orphans)
