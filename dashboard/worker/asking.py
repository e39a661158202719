"""Asking one account's provider about messages: bulk where it can, the seed document's call where it cannot.

Runs on the event loop; touches no database. What comes back are `Answer`s for the store to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from dashboard.models import Account
from dashboard.worker.pace import Pace
from providers.base import Ask, Page, Provider, ProviderError, Reply, Report, Request, Target, read, tried
from providers.http import Caller

MOST_PAGES = 200
BREAKER = 5  # unreachable so often in a row: stop, and try one request a minute
PROBE_AFTER = 60.0
PAUSE = {"credentials": 600.0, "throttled": 30.0}  # seconds, where the provider says nothing


def pause_for(error: ProviderError) -> float | None:
    """How long the whole account keeps quiet after this; None if it concerns one message only."""
    if error.code not in PAUSE:
        return None
    return PAUSE[error.code] if error.retry_after is None else max(error.retry_after, 1.0)


class Withheld(ProviderError):
    """Nothing was asked, because the account is to be left alone for now."""

    def __init__(self, why: ProviderError) -> None:
        super().__init__(why.code, why.message, retry_after=why.retry_after, written=False)


@dataclass(frozen=True, slots=True)
class Due:
    """One claimed message, as the loop needs it."""

    pk: int
    target: Target
    lease: str


@dataclass(slots=True, kw_only=True)
class Answer:
    """What asking about one message came to: a report, or the error that kept us from one.

    `item` is the message's own part of a reply about many; None where `reply` is about this message alone.
    """

    due: Due
    call: str
    at: datetime
    report: Report | None = None
    reply: Reply | None = None
    item: Any = None
    many: bool = False  # `reply` speaks of other people's messages too
    error: ProviderError | None = None


@dataclass(slots=True)
class Lane:
    """The one way to an account: its credentials, its pace, and what its server does not know."""

    account: Account
    credentials: dict[str, str]
    pace: Pace
    slots: asyncio.Semaphore
    without: set[str] = field(default_factory=set)
    learned: set[str] = field(default_factory=set)  # calls found unsupported since the last look at the database
    trouble: ProviderError | None = None  # concerns the whole account: nothing more is asked until `quiet_until`
    quiet_until: datetime | None = None
    borrowed: bool = False  # the trouble is another worker's
    in_flight: int = 0  # messages, batches and retries claimed and not yet written
    misses: int = 0  # unreachable so often in a row
    probing: bool = False
    hungry: bool = False  # more was due than there was room for

    async def call(
        self, caller: Caller, call: str, request: Request, *, start_by: datetime | None = None
    ) -> tuple[Reply | None, ProviderError | None]:
        """One paced request: the reply if there was one, and what is wrong with it as a whole. Not made at all where
        its turn comes after `start_by`."""
        async with self.slots:
            on_time = self.trouble is None and await self.pace.turn(start_by)
            if self.trouble is not None:
                return None, Withheld(self.trouble)
            if not on_time:
                return None, Withheld(ProviderError("unreachable", "Its turn came too late."))
            reply: Reply | None = None
            try:
                reply = await caller.call(self.account.provider, self.account.url, self.credentials, request)
                error = self.account.provider.error(call, reply)
            except ProviderError as raised:
                error = raised
            self.heed(error)
            return reply, error

    def heed(self, error: ProviderError | None) -> None:
        """Trouble of the whole account stops its lane at once, before the database knows."""
        self.misses = self.misses + 1 if error is not None and error.code == "unreachable" else 0
        seconds = PROBE_AFTER if self.misses >= BREAKER else pause_for(error) if error is not None else None
        if seconds is None:
            return
        until = timezone.now() + timedelta(seconds=seconds)
        if self.quiet_until is None or until > self.quiet_until:
            self.trouble, self.quiet_until, self.borrowed = error, until, False

    def heed_others(self, now: datetime) -> None:
        """What another worker was told holds for us as well, as long as it stands in the account's row."""
        until = self.account.paused_until
        if until is None and self.borrowed:
            self.trouble = self.quiet_until = None
        if until is None or until <= now:
            self.borrowed = False
        elif self.trouble is None:
            why = self.account.pause_reason
            self.trouble = ProviderError(
                "throttled" if why == "throttled" else "credentials" if why == "credentials" else "unreachable",
                self.account.last_error,
            )
            self.quiet_until, self.borrowed = until, True

    def forget_trouble(self) -> None:
        """New credentials, or a test that succeeded: whatever it was, it is mended. Only a wait we were told to keep
        is kept."""
        if self.trouble is not None and self.trouble.code != "throttled":
            self.trouble = self.quiet_until = None
        self.misses = 0

    def is_quiet(self, now: datetime) -> bool:
        """Whether nothing may be asked yet."""
        if self.quiet_until is not None and now >= self.quiet_until:
            self.trouble = self.quiet_until = None
        return self.quiet_until is not None

    def missing(self, call: str) -> None:
        self.without.add(call)
        self.learned.add(call)


async def ask_all(
    caller: Caller, lane: Lane, left: dict[int, Due], hear: Callable[[list[Answer]], None], start_by: datetime
) -> None:
    """Ask about every message, whatever detours it takes. One answer for each goes to `hear` as soon as it is there,
    and what was heard is no longer in `left`. Nothing is asked after `start_by`: the leases might run out meanwhile.
    """
    provider = lane.account.provider
    spent: set[tuple[str, int]] = set()
    silent: set[str] = set()  # calls about many that did not mention everybody: the rest is asked about singly
    while left:
        asks = _asks(provider, [due.target for due in left.values()], frozenset(lane.without | silent))
        planned = _planned(asks, left)
        tries = {(ask.call, due.pk) for ask, meant in planned for due in meant}
        if tries <= spent:
            break
        spent |= tries
        asked = (_ask_one(caller, lane, ask, meant, left, hear, start_by) for ask, meant in planned)
        ends = await asyncio.gather(*asked, return_exceptions=True)  # a fault with one is no reason to lose the others
        if faults := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("Some could not be asked about.", faults)
        silent |= {ask.call for ask, meant in planned if any(due.pk in left for due in meant)}
    unasked = [_unasked(due) for due in left.values()]
    left.clear()
    hear(unasked)


async def _ask_one(
    caller: Caller,
    lane: Lane,
    ask: Ask,
    meant: list[Due],
    left: dict[int, Due],
    hear: Callable[[list[Answer]], None],
    start_by: datetime,
) -> None:
    found = await _ask(caller, lane, ask, meant, start_by)
    hear([answer for answer in found if left.pop(answer.due.pk, None)])


def _asks(provider: Provider, targets: Sequence[Target], without: frozenset[str]) -> list[Ask]:
    """A message whose id or batch cannot be put into an address spoils only itself."""
    asks, error = tried(lambda: provider.asks(targets, without))
    if error is None:
        return asks or []
    return [ask for target in targets for ask in tried(partial(provider.asks, [target], without))[0] or []]


def _planned(asks: Sequence[Ask], left: dict[int, Due]) -> list[tuple[Ask, list[Due]]]:
    """Each ask and the messages that it is about."""
    by_target: dict[Target, list[Due]] = {}
    for due in left.values():
        by_target.setdefault(due.target, []).append(due)
    return [(ask, [due for target in dict.fromkeys(ask.targets) for due in by_target[target]]) for ask in asks]


def _unasked(due: Due) -> Answer:
    error = ProviderError("invalid", "There is nothing to ask by: the provider has not named this message.")
    return Answer(due=due, call="", at=timezone.now(), error=error)


async def _ask(caller: Caller, lane: Lane, ask: Ask, meant: list[Due], start_by: datetime) -> list[Answer]:
    """The answers of one ask and its further pages; [] for targets that should be asked in another way."""
    answers: list[Answer] = []
    waiting = {due.pk: due for due in meant}
    page: Page | None = None
    found: list[Answer] = []
    for _ in range(MOST_PAGES):
        reply, error = await lane.call(caller, ask.call, ask.request, start_by=start_by)
        if reply is not None and error is None:
            try:
                page = read(lane.account.provider.split, ask, reply.json())
                found = _sort(lane, ask, page, reply, waiting)
            except ProviderError as unreadable:
                error = unreadable
        if error is not None and error.code == "unsupported":
            lane.missing(ask.call)
            return answers
        if error is not None:
            many = any(len(meant) > 1 or not _has_name(due.target) for due in meant)
            return answers + [
                Answer(due=due, call=ask.call, at=timezone.now(), error=error, reply=reply, many=many)
                for due in waiting.values()
            ]
        for answer in found:
            waiting.pop(answer.due.pk, None)
        answers += found
        if not waiting or page is None or page.more is None:
            break
        ask = page.more
    return answers


def _has_name(target: Target) -> bool:
    return target.id is not None or target.reference != ""


def _sort(lane: Lane, ask: Ask, page: Page, reply: Reply, waiting: dict[int, Due]) -> list[Answer]:
    """Which item speaks of which message. An item that cannot be read spoils only itself."""
    provider, at = lane.account.provider, timezone.now()
    if len(ask.targets) == 1 and len(waiting) == 1 and len(page.items) == 1 and page.items[0] is not None:
        (due,) = waiting.values()
        if _has_name(due.target):
            report = read(provider.report, ask.call, page.items[0], due.target)
            return [Answer(due=due, call=ask.call, at=at, report=report, reply=reply)]
    by_id = {provider.normalise_id(due.target.id): due for due in waiting.values() if due.target.id}
    by_number: dict[str, list[Due]] = {}
    for due in waiting.values():
        if not due.target.id:
            by_number.setdefault(due.target.to, []).append(due)
    answers: list[Answer] = []
    for item in page.items:
        try:
            report = read(provider.report, ask.call, item, None)
        except ProviderError:
            continue  # its message is asked about singly, where the error is its own
        found = by_id.pop(provider.normalise_id(report.id), None) if report.id else None
        if found is None and by_number.get(report.to):
            found = by_number[report.to].pop(0)
        if found is not None:
            answers.append(Answer(due=found, call=ask.call, at=at, report=report, reply=reply, item=item))
    return answers
