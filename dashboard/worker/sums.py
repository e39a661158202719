"""Keeping the stored sums short and right: added up every few seconds, and once a day compared with what they count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dashboard.ingest.counts import recount, squash

SQUASH_EVERY = timedelta(seconds=5)
RECOUNT_AFTER, RECOUNT_EVERY = timedelta(hours=1), timedelta(days=1)
STEPS = 5  # of the recount in one look; other work waits for them


class Sums:
    """One worker's share. Any number of workers may do it at once."""

    def __init__(self) -> None:
        self._squash_at: datetime | None = None
        self._recount_at: datetime | None = None
        self._steps: Iterator[int] = iter(())

    def keep(self, now: datetime) -> None:
        if self._squash_at is None or now >= self._squash_at:
            self._squash_at = now + SQUASH_EVERY
            squash()
        if self._recount_at is None:
            self._recount_at = now + RECOUNT_AFTER
        elif now >= self._recount_at:
            self._recount_at = now + RECOUNT_EVERY
            self._steps = recount()
        for _ in range(STEPS):
            if next(self._steps, None) is None:
                return
