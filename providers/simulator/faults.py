"""Faults a script injects, and how each is put on the wire.

A rule: {"kind": ..., "provider": "bsg" (any), "path": regex (any), "sent": regex (any), "method": "POST" (any),
"skip": 0, "count": null (for ever), "probability": 1.0, and the kind's own fields}. `path` is searched in what comes
after the provider's key, the query included; `sent` in the request's body. A rule first lets `skip` matching requests
pass, then strikes `count` times. The first striking rule wins, except that `latency` only waits and lets the next rule
have its say.

Before the request is processed (a send is *not* accepted):
    latency         "seconds" (real)
    429             "retry_after": seconds, or "date" for an HTTP date "seconds" ahead, or absent for no header
    500 502         an HTML page; any other number as kind ("503", "404") does the same with that status
    reset_before    the connection is reset
    auth            what this provider says about a bad key
    low_balance     what this provider says when the money is gone
    redirect        302 to "location" (default: the same path on another port), or "status"
    reply           exactly this: "status" (200), "body" (an object becomes JSON), "headers"
After it was processed (a send *is* accepted and in the ledger):
    reset_after     the connection is reset, nothing is answered
    hang_after      nothing is answered for "seconds" (3600)
    500_after 502_after    an HTML page
    reply_after     exactly this, as `reply`
    slow_body       the body in "chunks" (20) pieces over "seconds" (5)
    invalid_json truncated_json duplicate_keys
    huge_body       "bytes" (20 MB) of valid JSON
    gzip_bomb       "bytes" (100 MB) of valid JSON, gzipped
    wrong_identity  every id and reference in the reply is another one
Webhooks ("path" is searched in "<provider's word> <digits>"):
    webhook_drop              never sent
    webhook_delay             "seconds" (provider time) late
    webhook_duplicate         "copies" (1) more
    webhook_reorder           held back until after the next one
    webhook_wrong_signature   "how": "wrong" (default), "missing", "reserialised", "old" (the former t=,v1= header)
    webhook_garbage           "body" (default: a truncated JSON)
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from aiohttp import web

AFTER = frozenset(
    ["reset_after", "500_after", "502_after", "slow_body", "invalid_json", "truncated_json", "duplicate_keys"]
    + ["huge_body", "gzip_bomb", "wrong_identity", "hang_after", "reply_after"]
)
WEBHOOK = frozenset(
    ["webhook_drop", "webhook_delay", "webhook_duplicate", "webhook_reorder", "webhook_wrong_signature"]
    + ["webhook_garbage"]
)
BEFORE = frozenset(["latency", "429", "reset_before", "auth", "low_balance", "redirect", "reply"])
HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
ID_KEYS = frozenset(
    ["id", "bx_message_id", "messageId", "message_id", "reference", "external_id", "customerMessageId", "client_ref"]
)


@dataclass(slots=True)
class Rule:
    kind: str
    provider: str
    path: re.Pattern[str]
    sent: re.Pattern[str]
    method: str
    skip: int
    count: int | None
    probability: float
    fields: dict[str, Any]
    index: int
    seen: int = 0

    @classmethod
    def read(cls, data: Mapping[str, Any], index: int) -> Rule:
        kind = str(data["kind"])
        if not (kind in AFTER | WEBHOOK | BEFORE or re.fullmatch(r"[45]\d\d", kind)):
            raise ValueError(f"There is no fault of kind {kind!r}.")
        try:
            path, sent = re.compile(str(data.get("path", ""))), re.compile(str(data.get("sent", "")))
        except re.error as error:
            raise ValueError(f"This fault has no regular expression: {error}") from None
        count = data.get("count")
        return cls(
            kind=kind,
            provider=str(data.get("provider", "")),
            path=path,
            sent=sent,
            method=str(data.get("method", "")).upper(),
            skip=int(data.get("skip", 0)),
            count=None if count is None else int(count),
            probability=float(data.get("probability", 1.0)),
            fields=dict(data),
            index=index,
        )

    def strikes(self, provider: str, method: str, path: str, seed: int, body: str = "") -> bool:
        if self.count == 0 or self.provider not in {"", provider} or self.method not in {"", method}:
            return False
        if not (self.path.search(path) and self.sent.search(body)):
            return False
        self.seen += 1
        if self.seen <= self.skip or self._dice(seed) >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def _dice(self, seed: int) -> float:
        """0 to 1, the same for the same seed, rule and turn."""
        hashed = hashlib.sha256(f"{seed}/{self.index}/{self.seen}".encode()).digest()
        return int.from_bytes(hashed[:8]) / 2**64


def page(status: int) -> web.Response:
    title = f"{status} {web.Response(status=status).reason or 'Error'}"
    return web.Response(status=status, text=HTML.format(title), content_type="text/html")


def reset(request: web.Request) -> web.Response:
    """Cut the connection with RST, so that the client sees a reset and not an end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def canned(rule: Rule) -> web.Response:
    body = rule.fields.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": "application/json", **rule.fields.get("headers", {})}
    return web.Response(status=int(rule.fields.get("status", 200)), body=text.encode(), headers=headers)


def before(rule: Rule, request: web.Request, limited: Callable[[], web.Response]) -> web.Response:
    """The answer instead of processing the request."""
    if rule.kind == "reset_before":
        return reset(request)
    if rule.kind == "reply":
        return canned(rule)
    if rule.kind == "redirect":
        default = str(request.url.with_port((request.url.port or 80) + 1))
        return web.Response(
            status=int(rule.fields.get("status", 302)), headers={"Location": str(rule.fields.get("location", default))}
        )
    if rule.kind != "429":
        return page(int(rule.kind))
    response = limited()
    after = rule.fields.get("retry_after")
    if after == "date":
        when = datetime.now(UTC) + timedelta(seconds=float(rule.fields.get("seconds", 30)))
        response.headers["Retry-After"] = format_datetime(when, usegmt=True)
    elif after is not None:
        response.headers["Retry-After"] = str(after)
    return response


async def after(rule: Rule, request: web.Request, response: web.Response) -> web.StreamResponse:
    """The reply to a request that *was* processed, spoilt."""
    kind = rule.kind
    if kind == "reset_after":
        return reset(request)
    if kind == "reply_after":
        return canned(rule)
    if kind == "hang_after":
        await asyncio.sleep(float(rule.fields.get("seconds", 3600)))
        return response
    if kind in {"500_after", "502_after"}:
        return page(int(kind[:3]))
    if kind == "slow_body":
        pieces = max(1, int(rule.fields.get("chunks", 20)))
        return await _drip(request, response, pieces, float(rule.fields.get("seconds", 5)))
    if kind == "huge_body":
        return await _huge(request, int(rule.fields.get("bytes", 20_000_000)))
    if kind == "gzip_bomb":
        packed = _bomb(int(rule.fields.get("bytes", 100_000_000)))
        return web.Response(body=packed, content_type="application/json", headers={"Content-Encoding": "gzip"})
    body = _spoil(kind, _text(response))
    return web.Response(status=response.status, text=body, content_type="application/json")


def _text(response: web.Response) -> str:
    return response.text or ""


def _spoil(kind: str, text: str) -> str:
    if kind == "invalid_json":
        return "{'status': OK, " + text
    if kind == "truncated_json":
        return text[: len(text) * 2 // 3]
    if kind == "duplicate_keys":
        twice, found = re.subn(r'("(?:status|deliverystatus)": )', r'\1"delivered", \1', text, count=1)
        return twice if found else text.replace("{", '{"twice": 1, "twice": 2, ', 1)
    return json.dumps(_other(json.loads(text)))


def _other(value: Any, key: str = "") -> Any:
    """The same reply about other messages."""
    if isinstance(value, dict):
        return {k: _other(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_other(v, key) for v in value]
    if key not in ID_KEYS or not value:
        return value
    if isinstance(value, int):
        return value + 1
    text = str(value)
    return str(int(text) + 1) if text.isdigit() else text[:-1] + ("1" if text[-1] == "0" else "0")


async def _drip(request: web.Request, response: web.Response, pieces: int, seconds: float) -> web.StreamResponse:
    body = _text(response).encode()
    stream = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
    stream.content_length = len(body)
    await stream.prepare(request)
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        await stream.write(body[start : start + size])
        await asyncio.sleep(seconds / pieces)
    await stream.write_eof()
    return stream


async def _huge(request: web.Request, size: int) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "application/json"})
    await stream.prepare(request)
    await stream.write(b'{"padding": "')
    block = b"x" * 65536
    for _ in range(size // len(block) + 1):
        await stream.write(block)
    await stream.write(b'"}')
    await stream.write_eof()
    return stream


@lru_cache(maxsize=2)
def _bomb(size: int) -> bytes:
    squeeze = zlib.compressobj(6, wbits=31)
    block = b" " * 1_000_000
    parts = [squeeze.compress(b'{"status": "delivered"')]
    parts += [squeeze.compress(block) for _ in range(size // len(block) + 1)]
    return b"".join([*parts, squeeze.compress(b"}"), squeeze.flush()])
