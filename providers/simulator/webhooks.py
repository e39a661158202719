"""Reports to the client: due times in a heap on the provider's clock, posted by hand over loopback HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import hmac
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

from providers.simulator.api import Api, Notice
from providers.simulator.engine import Event, Message, World, iso_z
from providers.simulator.faults import Rule

LOOPBACK = frozenset(["127.0.0.1", "::1", "localhost"])
TIMEOUT = 15.0  # real seconds
# Provider seconds between one try and the next. Only eSMS documents its own; the others' are ours.
AGAIN: dict[str, tuple[float, ...]] = {"esms_africa": (10, 30, 90, 270, 780)}
AGAIN_DEFAULT = (5.0, 30.0, 120.0)


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """One POST over plain HTTP to this machine; the status of the answer. Raises OSError or ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or host not in LOOPBACK:
        raise ValueError("The simulator posts to http:// addresses of this machine only.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if any(c.isspace() or not c.isprintable() for c in target):
        raise ValueError("This address cannot be put into a request.")
    reader, writer = await asyncio.open_connection(host, parts.port or 80)
    try:
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()
        answer = (await reader.readline()).split()
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
        if len(answer) < 2 or not answer[1].isdigit():
            raise ConnectionError("No HTTP answer.")
        return int(answer[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Post:
    provider: str
    message_id: str
    word: str
    url: str
    notice: Notice
    attempt: int = 0
    beside: bool = False  # does not wait for the message's earlier ones to be answered


class Follow(NamedTuple):
    message: Message
    nth: int
    version: int


class Webhooks:
    def __init__(self, world: World, apis: Mapping[str, Api]) -> None:
        self.world = world
        self.apis = apis
        self._heap: list[tuple[float, int, Post | Follow]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(32)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[tuple[str, str], asyncio.Task[None]] = {}  # of each message, so that they keep their order
        world.on_follow = self.follow

    # -- what is due

    def follow(self, message: Message) -> None:
        """Wait for the message's next event, if its reports go anywhere."""
        if self.world.hook_of(message) is None:
            return
        events = message.events()
        if message.hook < len(events):
            self._push(events[message.hook].at, Follow(message, message.hook, message.hook_version))

    def waiting(self) -> int:
        return len(self._heap) + len(self._tasks)

    def wake(self) -> None:
        """The clock was moved."""
        self._wake.set()

    def _push(self, due: float, item: Post | Follow) -> None:
        heapq.heappush(self._heap, (due, next(self._order), item))
        self._wake.set()

    async def run(self) -> None:
        while True:
            now = self.world.clock.now()
            while self._heap and self._heap[0][0] <= now:
                self._handle(heapq.heappop(self._heap)[2])
            self._wake.clear()
            speed = self.world.clock.speed
            wait = max(0.001, (self._heap[0][0] - now) / speed) if self._heap and speed else None
            # Not wait_for(): before Python 3.12 it can swallow the cancellation that ends this loop.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _handle(self, item: Post | Follow) -> None:
        if isinstance(item, Follow):
            message = item.message
            if item.version == message.hook_version and item.nth == message.hook:
                event = message.events()[item.nth]
                message.hook += 1
                self._announce(message, event)
                self.follow(message)
            return
        key = (item.provider, item.message_id)
        task = asyncio.create_task(self._try(item, None if item.beside else self._last.get(key)))
        self._tasks.add(task)
        self._last[key] = task
        task.add_done_callback(lambda done: self._forget(key, done))

    def _forget(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._last.get(key) is task:
            del self._last[key]

    # -- saying it

    def _announce(self, message: Message, event: Event) -> None:
        api, hook = self.apis[message.provider], self.world.hook_of(message)
        notice = api.notice(message, event, hook.secret) if hook else None
        if hook is None or notice is None:
            return
        word, due = api.word(event), event.at
        post_ = Post(message.provider, message.id, word, hook.url, notice)
        rule = self._fault(message, word)
        if rule is None:
            self._push(due, post_)
            return
        if rule.kind == "webhook_drop":
            self._log(post_, None, "dropped")
        elif rule.kind == "webhook_delay":
            self._push(due + float(rule.fields.get("seconds", 60)), post_)
        elif rule.kind == "webhook_reorder":
            later = [e.at for e in message.events() if e.at > event.at]
            self._push((later[0] if later else due) + 1, post_)
        elif rule.kind == "webhook_duplicate":
            for _ in range(1 + int(rule.fields.get("copies", 1))):
                self._push(due, replace(post_, beside=True))
        elif rule.kind == "webhook_garbage":
            body = str(rule.fields.get("body", notice.body[: len(notice.body) // 2].decode(errors="ignore")))
            self._push(due, replace(post_, notice=Notice(body.encode(), notice.headers)))
        else:
            how = str(rule.fields.get("how", "wrong"))
            self._push(due, replace(post_, notice=forged(notice, how, hook.secret, self.world.clock.now())))

    def _fault(self, message: Message, word: str) -> Rule | None:
        script = self.world.script
        for rule in script.faults:
            if rule.kind.startswith("webhook_") and rule.strikes(
                message.provider, "POST", f"{word} {message.digits}", script.seed
            ):
                return rule
        return None

    async def _try(self, post_: Post, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        async with self._room:
            status, error = await self.send(post_.url, post_.notice)
        self._log(post_, status, error)
        again = AGAIN.get(post_.provider, AGAIN_DEFAULT)
        if (status is None or not 200 <= status < 300) and post_.attempt < len(again):
            due = self.world.clock.now() + again[post_.attempt]
            self._push(due, replace(post_, attempt=post_.attempt + 1))

    @staticmethod
    async def send(url: str, notice: Notice) -> tuple[int | None, str]:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await post(url, notice.body, notice.headers), ""
        except (OSError, ValueError, TimeoutError) as error:
            return None, str(error) or type(error).__name__

    def _log(self, post_: Post, status: int | None, error: str) -> None:
        self.world.posted.append(
            {
                "provider": post_.provider,
                "id": post_.message_id,
                "word": post_.word,
                "url": post_.url,
                "attempt": post_.attempt,
                "status": status,
                "error": error,
                "at": iso_z(self.world.clock.now()),
                "body": post_.notice.body.decode(errors="replace"),
            }
        )


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def forged(notice: Notice, how: str, secret: str, now: float) -> Notice:
    """The same report with a signature that must not be believed."""
    headers = {k: v for k, v in notice.headers.items() if k != "X-Webhook-Signature"}
    if how == "wrong":
        headers["X-Webhook-Signature"] = signature(secret + "!", notice.body)
    elif how == "reserialised":
        pretty = json.dumps(json.loads(notice.body), indent=1, sort_keys=True).encode()
        headers["X-Webhook-Signature"] = signature(secret, pretty)
    elif how == "old":
        stamp = str(int(now))
        old = hmac.new(secret.encode(), stamp.encode() + b"." + notice.body, hashlib.sha256).hexdigest()
        headers["X-Webhook-Signature"] = f"t={stamp},v1={old}"
    return Notice(notice.body, headers)
