"""What is looked after between the questions."""

from __future__ import annotations

from datetime import datetime, timedelta

from dashboard.ingest.orphans import sweep
from dashboard.worker import bulk, doubts, sending
from dashboard.worker.sums import Sums

SWEEP_EVERY = timedelta(seconds=60)


class House:
    """One process's share. Any number of processes may do it at once."""

    def __init__(self) -> None:
        self._swept_at: datetime | None = None
        self._sums = Sums()

    def keep(self, now: datetime) -> None:
        sending.give_up(now)
        doubts.settle(now)
        bulk.run(now)
        if self._swept_at is None or now - self._swept_at >= SWEEP_EVERY:
            self._swept_at = now
            sweep(now)
            doubts.follow_originals(now)
        self._sums.keep(now)
