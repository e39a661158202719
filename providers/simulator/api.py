"""What the five stand-ins share: reading a request, refusing it, knowing the key."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from aiohttp import web

from providers.simulator.engine import Event, Message, World

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Route(NamedTuple):
    method: str
    path: str  # below /<provider key>
    handler: Handler
    seed: bool = False  # the seed document shows this call


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook to be posted."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818  (an answer, not an error of ours)
    def __init__(self, status: int, payload: Any) -> None:
        super().__init__(status)
        self.status = status
        self.payload = payload

    def response(self) -> web.Response:
        return web.json_response(self.payload, status=self.status)


class Api:
    key: ClassVar[str]
    words: ClassVar[Mapping[str, str]]

    def __init__(self, world: World) -> None:
        self.world = world

    # -- each provider says

    def routes(self) -> list[Route]:
        raise NotImplementedError

    def credential(self, request: web.Request) -> str:
        """The API key (or user) of a request; empty if there is none."""
        return request.headers.get("X-API-KEY", "")

    def unauthorized(self, request: web.Request) -> Refused:
        raise NotImplementedError

    def no_money(self) -> Refused:
        raise NotImplementedError

    def limited(self) -> Refused:
        raise NotImplementedError

    def unreadable(self) -> Refused:
        """The request's body is not a JSON object."""
        raise NotImplementedError

    def notice(self, message: Message, event: Event, secret: str) -> Notice | None:
        """The webhook about an event; None where the provider sends none about it."""
        return None

    # -- all have

    def mode(self, name: str, default: Any = None) -> Any:
        return self.world.script.modes.get(self.key, {}).get(name, default)

    def key_is_right(self, request: web.Request) -> bool:
        return self.world.script.key_is_right(self.key, self.credential(request))

    def word(self, event: Event) -> str:
        return self.words.get(event.word, event.word)

    @property
    def now(self) -> float:
        return self.world.clock.now()

    async def body(self, request: web.Request) -> dict[str, Any]:
        try:
            payload = json.loads(await request.read())
        except ValueError:
            raise self.unreadable() from None
        if not isinstance(payload, dict):
            raise self.unreadable()
        return payload

    def poll(self, message_id: str) -> Message | None:
        """The message, if a poll may see it."""
        message = self.world.message(self.key, message_id)
        return message if message and message.visible() else None


def bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic(request: web.Request) -> tuple[str, str]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def text_of(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    return "" if value is None else str(value)


def whole(text: str | None, default: int) -> int:
    """A number from a query; -1 if it is none."""
    if text is None or text == "":
        return default
    return int(text) if text.isdigit() and len(text) < 10 else -1


GSM_EXTRA = set("^{}\\[~]|€")
GSM = set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿") | set(
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


def segments(text: str) -> int:
    """GSM-7 160/153, UCS-2 70/67."""
    if all(c in GSM or c in GSM_EXTRA for c in text):
        length = sum(2 if c in GSM_EXTRA else 1 for c in text)
        return 1 if length <= 160 else -(-length // 153)
    length = len(text.encode("utf-16-be")) // 2
    return 1 if length <= 70 else -(-length // 67)
