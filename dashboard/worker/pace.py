"""An account's pace, which all workers keep together.

A worker reserves turns in the account's row, up to a second's worth at a time; each block begins where the one before
it ends, whoever reserved that. So however many workers there are, the provider hears `rate` calls a second at most,
and the row is written about once a second by each worker that is busy with the account, not once a call.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from dashboard.models import Account

BLOCK = 1.0  # seconds' worth of turns, reserved at once
LATE = 0.25  # seconds; a turn missed by more is gone, for made up later it would come on top of another worker's
SLACK = 0.02  # seconds; calls that were held up by more than this go on one after another, not all at once
FARTHEST = timedelta(minutes=10)  # nobody waits so long for a turn: a rate or a clock has been put right since


@dataclass(frozen=True, slots=True)
class Block:
    """Turns that are ours, in time.monotonic()'s seconds."""

    asked_at: float
    first: float


def reserve(account_pk: int, rate: float, count: int) -> Block:
    """Reserve `count` turns, by the database's clock, which is the same for every worker."""
    with transaction.atomic():
        mine = Account.objects.select_for_update(no_key=True).filter(pk=account_pk)
        free_at, now = mine.annotate(now=Now()).values_list("next_call_at", "now").get()
        asked_at = time.monotonic()
        first = free_at if free_at is not None and now < free_at < now + FARTHEST else now
        Account.objects.filter(pk=account_pk).update(next_call_at=first + timedelta(seconds=count / rate))
    return Block(asked_at, asked_at + (first - now).total_seconds())


class Pace:
    """One worker's turns at one account. `start` runs a reservation beside everything else."""

    def __init__(
        self,
        rate: float,
        reserve: Callable[[int], Awaitable[Block | None]],
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self.share = 1.0  # of the account's pace that was left to us lately
        self._rate = rate
        self._block = max(1, math.ceil(rate * BLOCK))
        self._reserve = reserve
        self._start = start
        self._turns: deque[float] = deque()
        self._end = 0.0  # of what we reserved last
        self._free = 0.0  # the earliest moment of our next call
        self._waiting: deque[tuple[datetime | None, asyncio.Future[bool]]] = deque()
        self._giving: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def turn(self, start_by: datetime | None) -> bool:
        """Wait for our turn; False, and no turn is spent, where it comes after `start_by`."""
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((start_by, mine))
        if self._giving is None or self._giving.done():
            self._giving = self._start(self._give())
        given = await mine
        return given and (start_by is None or timezone.now() <= start_by)

    async def _give(self) -> None:
        """Give turns to those who wait, in the order in which they came, for as long as there are any."""
        while self._is_waited_for():
            at = await self._next()
            if at is None:
                return
            go = max(at, self._free)
            waiter = self._waiting[0][1]
            if (early := go - time.monotonic()) > 0:
                await asyncio.wait([waiter], timeout=early)
            if waiter.done():  # gave up meanwhile; the turn is for whoever comes after
                self._turns.appendleft(at)
            elif self._is_waited_for():
                self._free = max(go, time.monotonic() - SLACK) + 1 / self._rate
                self._waiting.popleft()[1].set_result(True)

    def _is_waited_for(self) -> bool:
        """Whether anybody waits. Those for whom it is too late are told so, and go."""
        while self._waiting:
            start_by, waiter = self._waiting[0]
            if not waiter.done() and (start_by is None or timezone.now() <= start_by):
                return True
            self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(False)
        return False

    async def _next(self) -> float | None:
        """The first turn that is left; None if nobody waits for it any more."""
        while self._is_waited_for():
            while self._turns and self._turns[0] < time.monotonic() - LATE:
                self._turns.popleft()
            few = len(self._turns) <= self._block // 2
            if few and len(self._waiting) > len(self._turns) and (self._asking is None or self._asking.done()):
                wanted = max(len(self._waiting) - len(self._turns), self._block // 8)  # others come while we ask
                self._asking = self._start(self._ask(min(wanted, self._block)))
            if self._turns:
                return self._turns.popleft()
            if self._asking is not None:
                await asyncio.wait([self._asking])  # which is not ended by our being cancelled
        return None

    async def _ask(self, count: int) -> None:
        block = await self._reserve(count)
        if block is None:
            return  # the database is away, and has been waited for
        length = count / self._rate
        others = block.first - max(self._end, block.asked_at)
        self.share = length / (length + max(others, 0.0))
        self._end = block.first + length
        self._turns.extend(block.first + number / self._rate for number in range(count))
