"""A number's last thirty days as a row of marks: one for each message, its shape by what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from dashboard.domain.reach import Record, Sent
from dashboard.web.chips import CHIPS, Chip

DAYS = 30
MOST_A_DAY = 6  # marks; more are counted


@dataclass(frozen=True, slots=True)
class Mark:
    message: Sent
    look: Chip


@dataclass(slots=True)
class Day:
    date: date
    marks: list[Mark] = field(default_factory=list)  # oldest first
    more: int = 0


def strip(record: Record) -> list[Day]:
    """The days, oldest first, in the site's zone. `record` holds the newest messages."""
    today = record.now.astimezone(record.zone).date()
    by_day: dict[date, list[Sent]] = defaultdict(list)
    for one in record.sent:
        by_day[one.sent_at.astimezone(record.zone).date()].append(one)
    return [_day(today - timedelta(days=ago), by_day) for ago in reversed(range(DAYS))]


def _day(day: date, by_day: dict[date, list[Sent]]) -> Day:
    sent: Sequence[Sent] = by_day.get(day, [])
    marks = [Mark(one, CHIPS[one.status]) for one in reversed(sent[:MOST_A_DAY])]
    return Day(day, marks, more=max(len(sent) - MOST_A_DAY, 0))
