"""When to ask next, and when to stop: pure arithmetic over seconds and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from dashboard.domain.lifecycle import FINALS, UNRESOLVED
from providers.base import Status

# Seconds between asks: quick while a report is likely, then slow until the deadline (RoyceTalk asks for 5/10/30/60).
BACK_OFF: tuple[int, ...] = (5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600)
SLOW = 300  # while a provider may still reopen a `failed`
AFTER_DEADLINE = 600
VALIDITY_UNSTATED = timedelta(hours=72)
GRACE = timedelta(hours=24)


def deadline(sent_at: datetime, valid_until: datetime | None) -> datetime:
    """After this nothing more is expected: validity + 24 h; without a validity, 72 h after the send."""
    return valid_until + GRACE if valid_until else sent_at + VALIDITY_UNSTATED


def back_off(asked: int, jitter: float) -> float:
    """Seconds until the next ask after `asked` answered asks; `jitter` in 0..1 spreads them (half to full)."""
    return BACK_OFF[min(asked, len(BACK_OFF) - 1)] * (0.5 + jitter / 2)


def next_check(
    *,
    now: datetime,
    status: Status,
    asked: int,
    give_up_at: datetime,
    reopens_until: datetime | None,
    jitter: Callable[[], float],
) -> datetime | None:
    """When to ask about a message that has just been heard of; None when there is nothing left to learn.

    `reopens_until` is set for a provider that may still turn its own `failed` around by itself.
    """
    if status in UNRESOLVED:
        return None  # our own send: its Retry row decides, not the poll
    if status in FINALS:
        if reopens_until and now < reopens_until and status is not Status.DELIVERED:
            return now + timedelta(seconds=SLOW * (0.5 + jitter() / 2))
        return None
    if now >= give_up_at:
        return None if status is Status.UNKNOWN else now + timedelta(seconds=AFTER_DEADLINE * (0.5 + jitter() / 2))
    wait = timedelta(seconds=back_off(asked, jitter()))
    # Never sleep past the deadline: one ask just after it decides between a late report and "unknown".
    return min(now + wait, give_up_at + timedelta(seconds=1))
