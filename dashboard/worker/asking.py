"""Asking one account's provider about messages: bulk where it can, the seed document's call where it cannot.

Runs on the event loop; touches no database. What comes back is a list of `Answer`s for the store to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiolimiter import AsyncLimiter
from django.utils import timezone

from dashboard.models import Account
from providers.base import Ask, Page, ProviderError, Reply, Report, Target, read
from providers.http import Caller

MOST_PAGES = 200
PAUSE = {"credentials": 600.0, "throttled": 30.0}  # seconds, where the provider says nothing


def pause_for(error: ProviderError) -> float | None:
    """How long the whole account keeps quiet after this; None if it concerns one message only."""
    if error.code not in PAUSE:
        return None
    return PAUSE[error.code] if error.retry_after is None else max(error.retry_after, 1.0)


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
    limiter: AsyncLimiter
    slots: asyncio.Semaphore
    without: set[str] = field(default_factory=set)
    learned: set[str] = field(default_factory=set)  # calls found unsupported since the last look at the database
    trouble: ProviderError | None = None  # concerns the whole account: nothing more is asked until `quiet_until`
    quiet_until: datetime | None = None
    in_flight: int = 0  # messages claimed and not yet written
    probing: bool = False

    async def call(self, caller: Caller, ask: Ask) -> Reply:
        """One paced request. Raises ProviderError for a reply that is wrong as a whole."""
        async with self.slots, self.limiter:
            if self.trouble is not None:
                raise self.trouble
            try:
                reply = await caller.call(self.account.provider, self.account.url, self.credentials, ask.request)
                error = self.account.provider.error(ask.call, reply)
            except ProviderError as raised:
                error = raised
            if error is not None:
                self.heed(error)
                raise error
            return reply

    def heed(self, error: ProviderError) -> None:
        """Trouble of the whole account stops its lane at once, before the database knows."""
        if (seconds := pause_for(error)) is not None:
            self.trouble, self.quiet_until = error, timezone.now() + timedelta(seconds=seconds)

    def is_quiet(self, now: datetime) -> bool:
        """Whether nothing may be asked yet."""
        if self.quiet_until is not None and now >= self.quiet_until:
            self.trouble = self.quiet_until = None
        return self.quiet_until is not None

    def missing(self, call: str) -> None:
        self.without.add(call)
        self.learned.add(call)


async def ask_all(caller: Caller, lane: Lane, dues: Sequence[Due]) -> list[Answer]:
    """Ask about every message, whatever detours it takes; one answer for each."""
    provider = lane.account.provider
    left = {due.pk: due for due in dues}
    answers: list[Answer] = []
    spent: set[tuple[str, int]] = set()
    silent: set[str] = set()  # calls about many that did not mention everybody: the rest is asked about singly
    while left:
        asks = provider.asks([due.target for due in left.values()], frozenset(lane.without | silent))
        planned = [(ask, _meant(ask, left)) for ask in asks]
        tries = {(ask.call, due.pk) for ask, meant in planned for due in meant}
        if tries <= spent:
            break
        spent |= tries
        for found in await asyncio.gather(*(_ask(caller, lane, ask, meant) for ask, meant in planned)):
            answers += [answer for answer in found if left.pop(answer.due.pk, None)]
        silent |= {ask.call for ask, meant in planned if any(due.pk in left for due in meant)}
    return answers + [_unasked(due) for due in left.values()]


def _meant(ask: Ask, left: dict[int, Due]) -> list[Due]:
    """The messages that an ask is about."""
    targets = set(ask.targets)
    return [due for due in left.values() if due.target in targets]


def _unasked(due: Due) -> Answer:
    error = ProviderError("invalid", "There is nothing to ask by: the provider has not named this message.")
    return Answer(due=due, call="", at=timezone.now(), error=error)


async def _ask(caller: Caller, lane: Lane, ask: Ask, meant: list[Due]) -> list[Answer]:
    """The answers of one ask and its further pages; [] for targets that should be asked in another way."""
    answers: list[Answer] = []
    waiting = {due.pk: due for due in meant}
    page: Page | None = None
    for _ in range(MOST_PAGES):
        reply: Reply | None = None
        try:
            reply = await lane.call(caller, ask)
            page = read(lane.account.provider.split, ask, reply.json())
            found = _sort(lane, ask, page, reply, waiting)
        except ProviderError as error:
            if error.code == "unsupported":
                lane.missing(ask.call)
                return answers
            return answers + [
                Answer(due=due, call=ask.call, at=timezone.now(), error=error, reply=reply, many=len(meant) > 1)
                for due in waiting.values()
            ]
        for answer in found:
            waiting.pop(answer.due.pk, None)
        answers += found
        if not waiting or page.more is None:
            break
        ask = page.more
    return answers


def _sort(lane: Lane, ask: Ask, page: Page, reply: Reply, waiting: dict[int, Due]) -> list[Answer]:
    """Which item speaks of which message. An item that cannot be read spoils only itself."""
    provider, at = lane.account.provider, timezone.now()
    if len(ask.targets) == 1 and len(waiting) == 1 and len(page.items) == 1 and page.items[0] is not None:
        (due,) = waiting.values()
        if due.target.id is not None or due.target.reference:
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
