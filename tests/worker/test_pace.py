"""One worker's turns: never closer together than the account's limit allows, whatever held us up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dashboard.worker.pace import SLACK, Block, Pace

RATE = 100.0


def pace() -> Pace:
    tasks: set[asyncio.Task[None]] = set()
    ends = 0.0

    async def reserve(count: int) -> Block:
        nonlocal ends
        now = time.monotonic()
        first = max(now, ends)
        ends = first + count / RATE
        return Block(now, first)

    def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    return Pace(RATE, reserve, start)


def test_calls_that_were_held_up_do_not_all_go_at_once() -> None:
    went: list[float] = []

    async def run() -> None:
        turns = pace()

        async def call() -> None:
            assert await turns.turn(None)
            went.append(time.monotonic())

        async def hold_up() -> None:
            await asyncio.sleep(0.2)
            time.sleep(0.2)  # noqa: ASYNC251 - as a busy machine does

        await asyncio.gather(hold_up(), *(call() for _ in range(60)))

    asyncio.run(run())
    assert len(went) == 60
    most = max(sum(start <= at < start + 0.2 for at in went) for start in went)
    assert most <= RATE * (0.2 + SLACK) + 2


def test_who_gave_up_or_comes_too_late_spends_no_turn_and_holds_nobody_up() -> None:
    async def run() -> list[bool]:
        turns = pace()
        gone = [asyncio.create_task(turns.turn(None)) for _ in range(500)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        late = turns.turn(timezone.now() - timedelta(seconds=1))
        return list(await asyncio.gather(late, turns.turn(None)))

    assert asyncio.run(run()) == [False, True]


def test_nobody_is_kept_by_a_turn_that_is_far_off() -> None:
    async def run() -> None:
        turns = pace()
        turns._free = time.monotonic() + 3600
        waiting = asyncio.create_task(turns.turn(None))
        await asyncio.sleep(0.1)
        waiting.cancel()
        giving = turns._giving
        assert giving is not None
        await asyncio.wait_for(giving, 10)

    asyncio.run(run())
