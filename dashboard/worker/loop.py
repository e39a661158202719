"""The worker: claim, ask or send, ingest, again. One event loop for the asking, one thread for the database."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connections
from django.utils import timezone

from dashboard import vault
from dashboard.models import Account, Batch
from dashboard.models.accounts import UNSUPPORTED_FOR
from dashboard.worker import batches, doubts, probing, results, sending, store
from dashboard.worker.asking import BREAKER, Answer, Due, Lane, ask_all
from dashboard.worker.house import House
from dashboard.worker.pace import Block, Pace, reserve
from providers.base import ProviderError
from providers.http import Caller

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

TICK = 0.5  # seconds between looks at what is due
AT_ONCE = 200  # requests under way for one account, at most
AHEAD = 10.0  # seconds' worth of an account's pace that may be claimed ahead
MOST_AHEAD = 2000  # enough for `AT_ONCE` to go on while as many answers wait, are written, and new ones claimed
MOST_IN_A_SET = 200
GATHER = 0.1  # seconds that an answer waits for company: one commit for many


class Worker:
    """Does what is due until `stop()`, or once. Any number of them may run: leases in the rows keep them apart."""

    def __init__(self, name: str = "", house: House | None = None) -> None:
        self._name = name or secrets.token_hex(8)  # in the leases
        self._house = house or House()
        self._database = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._lanes: dict[int, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._questions: set[asyncio.Task[None]] = set()  # those of them that may be broken off
        self._answers: asyncio.Queue[tuple[Lane, list[Answer]]] = asyncio.Queue()
        self._turn = asyncio.Lock()  # a whole look at what is due, or one set: no step of a look waits for a set
        self._stopping = asyncio.Event()
        self._once = False
        self._look_again = asyncio.Event()  # there is room for more, or nothing to wait for

    def stop(self) -> None:
        """Break off what is only asked, giving its leases back; a text that is being sent is waited for."""
        self._stopping.set()
        self._look_again.set()

    async def run(self, *, once: bool = False, at_most: float | None = None) -> None:
        """Work until stopped; with `once` until nothing is due; `at_most` so many seconds. Never raises for a
        provider's trouble."""
        self._once = once
        if at_most is not None:
            asyncio.get_running_loop().call_later(at_most, self.stop)
        async with Caller(allow_private=settings.ALLOW_PRIVATE_PROVIDER_URLS) as caller:
            writer = asyncio.create_task(self._write_answers())
            due_by = timezone.now() if once else None  # what becomes due meanwhile is for the next time
            try:
                while not self._stopping.is_set():
                    was_at_work = self._is_at_work()
                    async with self._turn:
                        busy = await self._tick(caller, due_by)
                    if once and not (was_at_work or busy or self._is_at_work()):
                        break  # a whole look began with nothing under way, and found nothing
                    await self._pause()
            finally:
                for question in self._questions:
                    question.cancel()
                while self._tasks:
                    await asyncio.gather(*self._tasks, return_exceptions=True)
                await self._answers.join()
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
                await self._db(connections.close_all)
                self._database.shutdown()

    def _is_at_work(self) -> bool:
        return bool(self._tasks) or any(lane.in_flight for lane in self._lanes.values())

    def _rested(self) -> None:
        """Something has ended. Once all has, `once` need not wait to see whether that was the end."""
        if self._once and not self._is_at_work():
            self._look_again.set()

    async def _pause(self) -> None:
        self._rested()
        try:
            await asyncio.wait_for(self._look_again.wait(), TICK)
        except TimeoutError:
            return
        if not self._stopping.is_set():
            self._look_again.clear()

    async def _db(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run database work in its thread; a lost connection is opened anew for the next piece."""

        def job() -> T:
            close_old_connections()
            return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._database, job)

    async def _sure(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Database work whose loss would cost a poll again at most: tried a few times, then left to the lease."""
        for wait in (0.2, 1.0, 3.0, 0.0):
            try:
                return await self._db(work, *args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                log.warning("The database did not take it (%s); trying again.", type(error).__name__)
                await asyncio.sleep(wait)
        return None

    # -- one look at what is due

    async def _tick(self, caller: Caller, due_by: datetime | None) -> bool:
        """Start what is due and affordable; True if there was anything."""
        now = timezone.now()
        accounts = await self._sure(_accounts)
        if accounts is None:
            return False
        await self._sure(self._house.keep, now)
        busy = False
        for account in accounts:
            lane = self._lane(account)
            if account.test_wanted_at is not None and not lane.probing:
                lane.probing = True
                self._start(self._probe(caller, lane, account))
                busy = True
            paused = account.paused_until is not None and account.paused_until > now
            if account.enabled and not paused and not lane.is_quiet(now):
                busy |= await self._serve(caller, lane, account, due_by)
        return busy

    async def _serve(self, caller: Caller, lane: Lane, account: Account, due_by: datetime | None) -> bool:
        """Claim what the account has room for, and start it. True if there was anything."""
        before = lane.in_flight
        kinds = [self._serve_retries, self._serve_looks, self._serve_batches, self._serve_messages]
        if account.failures >= BREAKER:
            kinds.reverse()  # a question shows whether it is back; a text should not
        for serve in kinds:
            if (room := self._room(lane, account)) > 0:
                await serve(caller, lane, account, room, due_by)
        return lane.in_flight > before

    async def _serve_retries(
        self, caller: Caller, lane: Lane, account: Account, room: int, due_by: datetime | None
    ) -> None:
        for job in await self._sure(sending.claim_retries, account, timezone.now(), min(room, 20)) or []:
            lane.in_flight += 1
            self._start(self._send(caller, lane, job))

    async def _serve_looks(
        self, caller: Caller, lane: Lane, account: Account, room: int, due_by: datetime | None
    ) -> None:
        for look in await self._sure(doubts.claim_looks, account, due_by or timezone.now(), min(room, 20)) or []:
            lane.in_flight += 1
            self._start(self._look_up(caller, lane, look))

    async def _serve_batches(
        self, caller: Caller, lane: Lane, account: Account, room: int, due_by: datetime | None
    ) -> None:
        for batch in await self._sure(batches.claim_batches, account, timezone.now(), min(room, 5), due_by) or []:
            lane.in_flight += 1
            self._questions.add(self._start(self._batch(caller, lane, batch)))

    async def _serve_messages(
        self, caller: Caller, lane: Lane, account: Account, room: int, due_by: datetime | None
    ) -> None:
        dues = await self._sure(store.claim, account, timezone.now(), room, due_by, self._name) or []
        lane.hungry = len(dues) == room
        if dues:
            lane.in_flight += len(dues)
            self._questions.add(self._start(self._ask(caller, lane, dues)))

    def _room(self, lane: Lane, account: Account) -> int:
        if account.failures >= BREAKER:
            return 0 if lane.in_flight else 1  # one probe shows whether it is back
        return _ahead(lane) - lane.in_flight

    def _lane(self, account: Account) -> Lane:
        lane = self._lanes.get(account.pk)
        now = timezone.now()
        if lane is None or lane.account.rate != account.rate:
            pace = Pace(account.rate, partial(self._reserve, account.pk, account.rate), self._start)
            lane = Lane(account, {}, pace, asyncio.Semaphore(AT_ONCE), set(account.without(now)))
            lane.misses = min(account.failures, BREAKER - 1)  # where the breaker is open, one more is enough
            self._lanes[account.pk] = lane
        moved = (lane.account.sealed_credentials, lane.account.url) != (account.sealed_credentials, account.url)
        if moved:
            lane.forget_trouble()
        if moved or not lane.credentials:
            lane.credentials = _credentials(account)
        lane.without = set(account.without(now)) | lane.learned
        lane.account = account
        lane.heed_others(now)
        return lane

    async def _reserve(self, account_pk: int, rate: float, count: int) -> Block | None:
        return await self._sure(reserve, account_pk, rate, count)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._questions.discard(task)
        self._rested()

    # -- the kinds of work

    async def _ask(self, caller: Caller, lane: Lane, dues: list[Due]) -> None:
        left = {due.pk: due for due in dues}
        try:
            start_by = timezone.now() + store.ASKS_WITHIN
            await ask_all(caller, lane, left, lambda answers: self._answers.put_nowait((lane, answers)), start_by)
        except asyncio.CancelledError:
            await self._sure(store.release, left.values(), timezone.now())
        except Exception:
            log.exception("Asking %s failed; the messages are asked about again.", lane.account.slug)
        lane.in_flight -= len(left)  # those that were heard count until they are written
        await self._learn(lane)

    async def _learn(self, lane: Lane) -> None:
        if lane.learned:
            calls, lane.learned = lane.learned, set()
            await self._sure(store.remember_unsupported, lane.account, calls, timezone.now() + UNSUPPORTED_FOR)

    async def _write_answers(self) -> None:
        """Write whatever has been heard, in sets."""
        while True:
            heard = [await self._answers.get()]
            if self._answers.qsize() < MOST_IN_A_SET:
                await asyncio.sleep(GATHER)
            while not self._answers.empty():
                heard.append(self._answers.get_nowait())
            by_lane: dict[int, tuple[Lane, list[Answer]]] = {}
            for lane, answers in heard:
                by_lane.setdefault(id(lane), (lane, []))[1].extend(answers)
            for lane, answers in by_lane.values():
                await self._save(lane, answers)
            for _ in heard:
                self._answers.task_done()

    async def _save(self, lane: Lane, answers: list[Answer]) -> None:
        for start in range(0, len(answers), MOST_IN_A_SET):
            part = answers[start : start + MOST_IN_A_SET]
            try:
                async with self._turn:
                    await self._sure(store.save_answers, lane.account, part)
            except Exception:
                log.exception("Answers of %s could not be stored; they are asked for again.", lane.account.slug)
            finally:
                lane.in_flight -= len(part)
                self._rested()
                if lane.hungry and lane.in_flight <= _ahead(lane) // 2:
                    self._look_again.set()

    async def _send(self, caller: Caller, lane: Lane, job: sending.Job) -> None:
        try:
            result = await sending.send(caller, lane, job)
            await self._keep(result)
            if result.error is not None:
                await self._sure(store.note_health, lane.account, success=False, errors=[result.error])
        finally:
            lane.in_flight -= 1

    async def _keep(self, result: sending.Result) -> None:
        """Store the answer to a send. It is not given up lightly: without it the outcome is unknown."""
        until = timezone.now() + sending.LEASE
        while True:
            try:
                return await self._db(results.save_result, result)
            except (OperationalError, InterfaceError):
                log.exception("The answer to a send cannot be stored yet.")
                if timezone.now() >= until:
                    return  # by now the lease has run out, which leaves the same doubt
                await asyncio.sleep(1.0)
            except Exception:  # whatever a provider wrote into its answer, it would fail again
                log.exception("The answer to a send cannot be stored.")
                await self._sure(results.lose_result, result)
                return

    async def _look_up(self, caller: Caller, lane: Lane, look: doubts.Look) -> None:
        try:
            seen = await doubts.look_up(caller, lane, look)
            await self._sure(doubts.save_look, seen)
            await self._learn(lane)
        except Exception:
            log.exception("A doubt about a send through %s could not be looked up.", lane.account.slug)
        finally:
            lane.in_flight -= 1

    async def _batch(self, caller: Caller, lane: Lane, batch: Batch) -> None:
        now = timezone.now()
        try:
            if batch.next_listing_at and batch.next_listing_at <= now:
                listed = await batches.ask_listing(caller, lane, batch.provider_batch_id)
                await self._sure(batches.save_listing, batch, listed, now)
            if batch.next_report_at and batch.next_report_at <= now:
                summary = await batches.ask_summary(caller, lane, batch.provider_batch_id)
                await self._sure(batches.save_summary, batch, summary, now)
            await self._learn(lane)
        except ProviderError as error:
            await self._sure(batches.postpone_batch, batch, now + timedelta(seconds=60))
            await self._sure(store.note_health, lane.account, success=False, errors=[error])
        except asyncio.CancelledError:
            await self._sure(batches.postpone_batch, batch, now)
        except Exception:
            log.exception("A batch of %s could not be asked about.", lane.account.slug)
            await self._sure(batches.postpone_batch, batch, now + timedelta(seconds=300))
        finally:
            lane.in_flight -= 1

    async def _probe(self, caller: Caller, lane: Lane, account: Account) -> None:
        try:
            ok, text = await probing.probe(caller, lane)
            if ok:
                lane.forget_trouble()
            await self._sure(probing.save, account, ok, text)
        finally:
            lane.probing = False


def _ahead(lane: Lane) -> int:
    """How much of an account's work may be claimed and not yet written; other workers have the rest."""
    return max(min(MOST_AHEAD, int(lane.account.rate * lane.pace.share * AHEAD)), 1)


def _accounts() -> list[Account]:
    return list(Account.objects.all())


def _credentials(account: Account) -> dict[str, str]:
    try:
        return account.credentials
    except vault.Unreadable as error:
        log.error("%s: %s", account.slug, error)
        return {}
