"""The world behind the five APIs: messages, batches, the clock, and the ledger of everything accepted.

A message's state is computed from its fate and the clock whenever somebody asks; there is no timer per message.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from providers.simulator.fates import Fate, fate_of
from providers.simulator.script import Script


class Clock:
    """Provider time: `speed` times as fast as ours, and movable."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._base = time.time()
        self._anchor = time.monotonic()

    def now(self) -> float:
        return self._base + (time.monotonic() - self._anchor) * self.speed

    def change(self, speed: float | None = None, advance: float = 0.0) -> None:
        self._base = self.now() + advance
        self._anchor = time.monotonic()
        if speed is not None:
            self.speed = speed


class Event(NamedTuple):
    at: float
    word: str
    detail: str = ""


@dataclass(slots=True, eq=False)
class Message:
    provider: str
    id: str
    to: str  # as it was given
    text: str
    created: float
    fate: Fate
    sender: str = ""
    reference: str = ""
    batch_id: str = ""
    account: str = ""  # the API key it was sent with
    callback_url: str = ""
    parts: int = 1
    start: float = 0.0  # when the fate begins to run: later than `created` if it was scheduled
    lag: int = 0
    regress: int = 0
    told_delivered: bool = False
    cut: float | None = None  # the fate's own steps end here, `said` goes on
    said: list[Event] = field(default_factory=list)
    hook: int = 0  # the next event to be told by webhook
    hook_version: int = 0
    manual_retries: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def digits(self) -> str:
        return digits(self.to)

    def events(self) -> list[Event]:
        """All that happens to it, the future included."""
        pace = 0.5 + (zlib.crc32(self.id.encode()) % 1000) / 1000
        events = [Event(self.start + s.after * pace, s.word, s.detail) for s in self.fate.steps]
        if not events or events[0].at > self.created:
            events.insert(0, Event(self.created, "scheduled" if self.start > self.created else "queued"))
        if self.cut is not None:
            events = [e for e in events if e.at <= self.cut]
        return events + self.said

    def history(self, now: float) -> list[Event]:
        return [e for e in self.events() if e.at <= now]

    def current(self, now: float) -> Event:
        """What a poll is told. It may look away once from `delivered`, where the fate says so."""
        last = self.history(now)[-1]
        if last.word != "delivered" or not self.regress:
            return last
        if not self.told_delivered:
            self.told_delivered = True
            return last
        self.regress -= 1
        return Event(last.at, "sent")

    def visible(self) -> bool:
        """False while the replica that is asked has not heard of it; every asking counts."""
        if self.lag:
            self.lag -= 1
            return False
        return True

    def go_on(self, now: float, events: list[Event]) -> None:
        """Forget the future and do this instead."""
        kept = [e for e in self.events() if e.at <= now]
        self.said = [e for e in self.said if e.at <= now] + events
        self.cut = now if self.cut is None else self.cut
        self.hook = len(kept)
        self.hook_version += 1

    def first(self, now: float, *words: str) -> Event | None:
        return next((e for e in self.history(now) if e.word in words), None)


@dataclass(slots=True, eq=False)
class Batch:
    provider: str
    id: str
    created: float
    messages: list[Message] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Hook:
    """Where an account's reports go, where that is set for the account and not for each message."""

    url: str = ""
    secret: str = ""
    active: bool = True


class World:
    def __init__(self, speed: float = 1.0) -> None:
        self.clock = Clock(speed)
        self.script = Script()
        self.ledger: list[dict[str, Any]] = []
        self.requests: deque[dict[str, Any]] = deque(maxlen=20_000)
        self.posted: deque[dict[str, Any]] = deque(maxlen=20_000)
        self.hooks: dict[tuple[str, str], Hook] = {}
        self.on_follow: Callable[[Message], None] = lambda message: None
        self._messages: dict[tuple[str, str], Message] = {}
        self._references: dict[tuple[str, str, str], Message] = {}
        self._ordered: dict[str, list[Message]] = {}
        self._numbers: dict[tuple[str, str], list[Message]] = {}
        self._batches: dict[tuple[str, str], Batch] = {}
        self._counters: dict[str, int] = {}

    # -- finding

    def message(self, provider: str, message_id: str) -> Message | None:
        return self._messages.get((provider, message_id))

    def by_reference(self, provider: str, account: str, reference: str) -> Message | None:
        found = self._references.get((provider, account, reference))
        return found or self._references.get((provider, "", reference))

    def batch(self, provider: str, batch_id: str) -> Batch | None:
        return self._batches.get((provider, batch_id))

    def messages(self, provider: str, number: str = "") -> list[Message]:
        """Oldest first: those of a provider, or those to one number."""
        return self._numbers.get((provider, digits(number)), []) if number else self._ordered.get(provider, [])

    def hook_of(self, message: Message) -> Hook | None:
        if message.callback_url:
            return Hook(message.callback_url)
        hook = self.hooks.get((message.provider, message.account)) or self.hooks.get((message.provider, ""))
        return hook if hook and hook.url and hook.active else None

    # -- making

    def number(self, name: str, start: int) -> int:
        """The next of a row of numbers."""
        self._counters[name] = self._counters.get(name, start - 1) + 1
        return self._counters[name]

    def new_batch(self, provider: str, batch_id: str, **extra: Any) -> Batch:
        batch = Batch(provider, batch_id, self.clock.now(), extra=extra)
        self._batches[(provider, batch_id)] = batch
        return batch

    def create(
        self, provider: str, message_id: str, to: str, text: str, *, via: str = "", idempotency_key: str = "",
        fate: Fate | None = None, delay: float = 0.0, batch: Batch | None = None, **given: Any,
    ) -> Message:  # fmt: skip
        """A new message. `via` (send, bulk, retry) puts it into the ledger: it was accepted and will reach a person."""
        now = self.clock.now()
        fate = fate or self.script.draw(provider, digits(to))
        message = Message(provider, message_id, to, text, now, fate, start=now + delay, **given)
        message.lag, message.regress = fate.lag, fate.regress
        self._messages[(provider, message_id)] = message
        self._ordered.setdefault(provider, []).append(message)
        self._numbers.setdefault((provider, message.digits), []).append(message)
        if message.reference:
            self._references[(provider, message.account, message.reference)] = message
        if batch:
            message.batch_id = batch.id
            batch.messages.append(message)
        if via:
            self.enter(message, via, idempotency_key)
        self.on_follow(message)
        return message

    def enter(self, message: Message, via: str, idempotency_key: str = "") -> None:
        """One line of the ledger: the ground truth for "nobody was texted twice"."""
        self.ledger.append(
            {
                "provider": message.provider,
                "id": message.id,
                "to": message.digits,
                "text": message.text,
                "reference": message.reference,
                "idempotency_key": idempotency_key,
                "batch": message.batch_id,
                "api_key": message.account,
                "at": iso_z(self.clock.now()),
                "via": via,
            }
        )

    def say(self, message: Message, word: str, detail: str = "") -> None:
        """Let this happen to a message now, and nothing after it."""
        now = self.clock.now()
        message.lag = message.regress = 0
        message.go_on(now, [Event(now, word, detail)])
        self.on_follow(message)

    def run_again(self, message: Message, fate_name: str) -> None:
        """A retry under the same id: the message goes on with a new fate."""
        now = self.clock.now()
        steps = [s for s in fate_of(fate_name, message.provider).steps if s.word != "queued"]
        message.go_on(now, [Event(now, "retrying"), *(Event(now + s.after, s.word, s.detail) for s in steps)])
        self.on_follow(message)

    def set_hook(self, provider: str, account: str, hook: Hook) -> None:
        """Set an account's webhook. Messages of the account that are still on their way are told there too."""
        self.hooks[(provider, account)] = hook
        now = self.clock.now()
        for message in self.messages(provider):
            if account in {"", message.account} and not message.callback_url:
                message.hook = max(message.hook, len(message.history(now)))
                message.hook_version += 1
                self.on_follow(message)


# --------------------------------------------------------------------------------------------- small helpers


def digits(number: str) -> str:
    return "".join(c for c in number if c in "0123456789")


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso_z(at: float) -> str:
    return moment(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_offset(at: float) -> str:
    return moment(at).isoformat(timespec="microseconds")


def newest_first(messages: list[Message], wanted: Callable[[Message], bool]) -> Iterator[Message]:
    return (m for m in reversed(messages) if wanted(m))
