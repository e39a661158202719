"""SMSBat: three ways to sign in, bare replies, no times except in the webhook, Viber with SMS behind it.

Modes: `words` ("seed", or "overview": sent, read, failed, expired as well), `extended` (every reply is the long one),
`odd_ids` (message ids with / and %), `string_list_id`, `reverse` (send replies list backwards), `pending` (a channel's
name: behind every failure by Viber this one is still on its way, and whatever is delivered came by it).
With a fallback the channel that delivers is Viber if the number's last digit but two is even, else the fallback.
"""

from __future__ import annotations

import json
import re
import secrets
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from providers.simulator.api import Api, Notice, Refused, Route, basic, segments, text_of
from providers.simulator.engine import Batch, Event, Message, digits, iso_z

PRICE = Decimal("0.05")
TYPES = {"sms", "viber_promo", "viber_trans", "viber_carousel", "viber_survey", "viber_otp", "rcs", "flashcall"}
OVERVIEW = {"sent": "sent", "failed": "failed", "expired": "expired", "rejected": "failed"}
UNCHARGED = {"undeliverable", "failed", "rejected", "expired"}


class SmsBat(Api):
    key = "smsbat"
    words: ClassVar[dict[str, str]] = {
        "queued": "scheduled", "submitted": "processing", "sent": "processing", "retrying": "processing",
        "unknown": "processing", "failed": "permanenterror", "rejected": "undeliverable", "expired": "undeliverable",
    }  # fmt: skip

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/bat/message/{id}", self.status, seed=True),
            Route("POST", "/bat/messagelist", self.send),
        ]

    # -- refusing

    def credential(self, request: web.Request) -> str:
        key = request.headers.get("X-Authorization-Key", "")
        user, password = basic(request)
        return key or (password if user == "@" else user)

    def key_is_right(self, request: web.Request) -> bool:
        user, password = basic(request)
        if user and user != "@" and not request.headers.get("X-Authorization-Key"):
            return self.world.script.password_is_right(self.key, user, password)
        return super().key_is_right(request)

    def unauthorized(self, request: web.Request) -> Refused:
        return refused(401, "UNAUTHORIZED", "Authentication failed")

    def no_money(self) -> Refused:
        return refused(400, "INSUFFICIENT_BALANCE", "Not enough money")

    def limited(self) -> Refused:
        return refused(429, "RATE_LIMIT", "Too many requests")

    def unreadable(self) -> Refused:
        return refused(400, "INVALID_REQUEST", "The body is not a JSON object")

    # -- calls

    async def send(self, request: web.Request) -> web.Response:
        items = (await self.body(request)).get("messages")
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise refused(400, "INVALID_REQUEST", "messages must be a list of objects")
        faults = [self._fault(item) for item in items]
        if len(items) == 1 and faults[0]:
            raise refused(400, faults[0], "This message cannot be sent")
        if not self.world.script.charge(self.key, PRICE * sum(1 for fault in faults if not fault)):
            raise self.no_money()
        list_id = self.world.number("smsbat.list", 123456)
        batch = self.world.new_batch(self.key, str(list_id))
        via = "bulk" if len(items) > 1 else "send"
        account = self.credential(request)
        rows = [
            self._refused_row(item) if fault else self._accept(item, batch, account, via)
            for item, fault in zip(items, faults, strict=True)
        ]
        if self.mode("reverse"):
            rows.reverse()
        return web.json_response({"messagelistId": self._list_id(batch.id), "messages": rows})

    async def status(self, request: web.Request) -> web.Response:
        message = self.poll(request.match_info["id"])
        if message is None:
            raise refused(404, "NOT_FOUND", "Message not found")
        return web.json_response(self._body(message, message.current(self.now)))

    # -- taking in

    def _fault(self, item: dict[str, Any]) -> str:
        if not re.fullmatch(r"\+?[0-9]{9,15}", _to(item)):
            return "INVALID_RECIPIENT"
        if not 1 <= len(text_of(item, "from")) <= 11:
            return "INVALID_SENDER"
        if item.get("type", "sms") not in TYPES:
            return "INVALID_REQUEST"
        return "MESSAGE_TOO_LONG" if len(text_of(item, "text")) > 1530 else ""

    def _accept(self, item: dict[str, Any], batch: Batch, account: str, via: str) -> dict[str, Any]:
        fate = self.world.script.draw(self.key, digits(_to(item)))
        if fate.name == "refused":
            return self._refused_row(item)
        message_id = secrets.token_hex(6)
        if self.mode("odd_ids"):
            message_id = f"{message_id[:4]}/{message_id[4:8]}%2F{message_id[8:]}"
        fallback = item.get("fallback")
        message = self.world.create(
            self.key, message_id, _to(item), text_of(item, "text"), via=via, fate=fate, batch=batch, account=account,
            sender=text_of(item, "from"), reference=text_of(item, "customerMessageId"),
            parts=segments(text_of(item, "text")),
            extra={"type": text_of(item, "type") or "sms", "fallback": isinstance(fallback, dict)},
        )  # fmt: skip
        return {
            "messageId": message.id,
            "status": "accepted",
            "parts": message.parts,
            "customerMessageId": message.reference,
            "to": _to(item),
        }

    def _refused_row(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"status": "rejected", "customerMessageId": text_of(item, "customerMessageId"), "to": _to(item)}

    # -- shapes

    def word(self, event: Event) -> str:
        if self.mode("words") == "overview" and event.word in OVERVIEW:
            return OVERVIEW[event.word]
        return self.words.get(event.word, event.word)

    def _list_id(self, batch_id: str) -> int | str:
        return batch_id if self.mode("string_list_id") or not batch_id.isdigit() else int(batch_id)

    def _cost(self, message: Message, event: Event) -> float:
        return 0.0 if event.word in UNCHARGED else float(PRICE * message.parts)

    def _body(self, message: Message, event: Event) -> dict[str, Any]:
        word = self.word(event)
        short = {"deliverystatus": word, "partscount": message.parts}
        if word in {"scheduled", "processing"} and not self.mode("extended"):
            return short
        head = {"messagelistId": self._list_id(message.batch_id), "messageId": message.id}
        body: dict[str, Any] = head | short | {"cost": self._cost(message, event)}
        pending = self.mode("pending") and event.word in {"delivered", *UNCHARGED}
        if message.extra.get("fallback") or self.mode("extended") or pending:
            body |= self._channels(message, event, body["cost"])
        return body

    def _channels(self, message: Message, event: Event, cost: float) -> dict[str, Any]:
        first = str(message.extra.get("type", "sms")).partition("_")[0]
        money = {"rate": cost, "rateAmount": cost, "rateCurrency": "USD", "billAmount": cost, "billCurrency": "USD"}
        if pending := self.mode("pending"):
            own, other = (
                ("undeliverable", "delivered") if event.word == "delivered" else (self.word(event), "processing")
            )
            channels = {"fallbacks": [{"type": pending, "status": other}]}
            return {**channels, "extendedStatuses": {"viber": own, pending: other}, **money}
        if not message.extra.get("fallback"):
            return {"fallbacks": [], "extendedStatuses": {first: self.word(event)}, **money}
        by_first = event.word == "delivered" and int(message.digits[-3:][:1] or 0) % 2 == 0
        other = "not_used" if by_first or event.word not in {"delivered", *UNCHARGED} else self.word(event)
        own = self.word(event) if by_first or other == "not_used" else "undeliverable"
        statuses = {"fallbacks": [{"type": "sms", "status": other}], "extendedStatuses": {first: own, "sms": other}}
        return statuses | money

    def notice(self, message: Message, event: Event, secret: str) -> Notice | None:
        if event.word in {"queued", "scheduled"}:
            return None
        body = {"messageId": message.id, "deliverystatus": self.word(event), "timestamp": iso_z(event.at)}
        body_bytes = json.dumps(body | {"cost": self._cost(message, event)}).encode()
        return Notice(body_bytes, {"Content-Type": "application/json"})


def refused(status: int, code: str, text: str) -> Refused:
    return Refused(status, {"error": {"code": code, "message": text}})


def _to(item: dict[str, Any]) -> str:
    return text_of(item, "to") or text_of(item, "recipient")
