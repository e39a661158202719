"""RoyceTalk: Django manners (a trailing slash), one envelope, 403 for a bad key, bulk sends that drop bad numbers.

Modes: `soft_errors` (refusals on HTTP 200 with success false), `list` ("paged" or "plain" in `data`), `next_host` (the
list's `next` names this host), `bare_numbers` (numbers echoed without +), `webhook` ("json", "nested", "form"),
`capital` (words with a capital), `no_metadata` (metadata null), `number_ids` (provider_message_id as a number).
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from aiohttp import web

from providers.simulator.api import Api, Notice, Refused, Route, bearer, text_of, whole
from providers.simulator.engine import Event, Message, digits, iso_offset

UNIT_PRICE = Decimal("0.5")
BASE = "/api/v1/sms-api"
DESCRIPTIONS = {
    "delivered": "Success", "sent": "Success", "failed": "Network failure", "undeliverable": "Invalid number",
    "expired": "Message expired", "rejected": "Rejected by carrier: blocked number",
}  # fmt: skip


class RoyceTalk(Api):
    key = "roycetalk"
    words: ClassVar[dict[str, str]] = {
        "scheduled": "pending", "queued": "pending", "submitted": "pending", "sent": "sent", "retrying": "sent",
        "unknown": "sent", "delivered": "delivered", "failed": "failed", "undeliverable": "failed", "expired": "failed",
        "rejected": "rejected",
    }  # fmt: skip

    def routes(self) -> list[Route]:
        calls = [
            Route("GET", "/messages/{id}/", self.status, seed=True),
            Route("GET", "/messages/", self.listing),
            Route("GET", "/batches/{id}/", self.batch),
            Route("POST", "/send/", self.send),
            Route("POST", "/send-bulk/", self.send_bulk),
            Route("POST", "/calculate-cost/", self.calculate_cost),
            Route("GET", "/balance/", self.balance),
        ]
        slashless = [Route(r.method, r.path.rstrip("/"), self.add_slash, r.seed) for r in calls]
        return [Route(r.method, BASE + r.path, r.handler, r.seed) for r in calls + slashless]

    async def add_slash(self, request: web.Request) -> web.Response:
        query = f"?{request.query_string}" if request.query_string else ""
        return web.Response(status=301, headers={"Location": f"{request.path}/{query}"})

    # -- refusing

    def credential(self, request: web.Request) -> str:
        return bearer(request)

    def unauthorized(self, request: web.Request) -> Refused:
        text = "Invalid API key." if self.credential(request) else "Authentication credentials were not provided."
        return Refused(403, {"error": {"message": text}})

    def no_money(self) -> Refused:
        return self._refused("Insufficient balance")

    def limited(self) -> Refused:
        return Refused(429, {"message": "Request was throttled."})

    def unreadable(self) -> Refused:
        return self._refused("JSON parse error")

    def _refused(self, text: str) -> Refused:
        payload = self._envelope(None, text) | {"success": False, "errors": [text]}
        return Refused(200 if self.mode("soft_errors") else 400, payload)

    def _not_found(self, text: str) -> Refused:
        return Refused(404, self._envelope(None, text) | {"success": False})

    # -- sending

    async def send(self, request: web.Request) -> web.Response:
        payload = await self.body(request)
        number = payload.get("phone_number")
        self._check(payload)
        if not isinstance(number, str) or not _valid(number):
            raise self._refused("Invalid phone number")
        fate = self.world.script.draw(self.key, digits(number))
        if fate.name == "refused":
            raise self._refused("Invalid phone number")
        units = units_of(payload["text_message"])
        if not self.world.script.charge(self.key, units * UNIT_PRICE):
            raise self.no_money()
        message = self.world.create(
            self.key, str(uuid.uuid4()), number, payload["text_message"], via="send", fate=fate,
            **self._given(request, payload),
        )  # fmt: skip
        data = {"message_id": message.id, "sms_units": units, "cost": float(units * UNIT_PRICE)}
        return self._done(data | {"balance_after": self._left()}, "SMS queued successfully")

    async def send_bulk(self, request: web.Request) -> web.Response:
        payload = await self.body(request)
        numbers = payload.get("phone_number")
        self._check(payload)
        if not isinstance(numbers, list) or not numbers or len(numbers) > 5000:
            raise self._refused("phone_number must be a list of 1 to 5000 numbers")
        good = [
            (number, fate)
            for number in numbers
            if isinstance(number, str) and _valid(number)
            if (fate := self.world.script.draw(self.key, digits(number))).name != "refused"
        ]
        cost = units_of(payload["text_message"]) * UNIT_PRICE * len(good)
        if not self.world.script.charge(self.key, cost):
            raise self.no_money()
        batch = self.world.new_batch(self.key, str(uuid.uuid4()))
        text, given = payload["text_message"], self._given(request, payload)
        for number, fate in good:
            self.world.create(self.key, str(uuid.uuid4()), number, text, via="bulk", fate=fate, batch=batch, **given)
        data = {"batch_id": batch.id, "total_recipients": len(good), "messages_queued": len(good)}
        data |= {"messages_failed": 0, "total_cost": float(cost), "balance_remaining": self._left()}
        return self._done(data, "Bulk SMS queued successfully")

    async def calculate_cost(self, request: web.Request) -> web.Response:
        payload = await self.body(request)
        units = units_of(text_of(payload, "text_message"))
        return self._done({"sms_units": units, "total_cost": float(units * UNIT_PRICE)}, "Cost calculated")

    def _check(self, payload: dict[str, Any]) -> None:
        for name in ("phone_number", "text_message", "sender_id"):
            if not payload.get(name):
                raise self._refused(f"{name} is required")
        if not isinstance(payload["text_message"], str):
            raise self._refused("text_message must be a string")

    def _given(self, request: web.Request, payload: dict[str, Any]) -> dict[str, Any]:
        return {
            "sender": text_of(payload, "sender_id"),
            "reference": text_of(payload, "client_ref"),
            "callback_url": text_of(payload, "callback_url"),
            "account": self.credential(request),
        }

    # -- asking

    async def status(self, request: web.Request) -> web.Response:
        message = self.poll(request.match_info["id"].lower())
        if message is None:
            raise self._not_found("Message not found")
        return self._done(self._row(message), "Message status retrieved successfully")

    async def listing(self, request: web.Request) -> web.Response:
        batch_id, status = request.query.get("batch_id"), request.query.get("status", "")
        batch = self.world.batch(self.key, batch_id) if batch_id else None
        messages = batch.messages if batch else [] if batch_id else self.world.messages(self.key)[::-1]
        rows = [m for m in messages if not status or self.word(m.history(self.now)[-1]) == status]
        rows = [m for m in rows if m.visible()]
        if self.mode("list") == "plain":
            return self._done([self._row(m) for m in rows], "Messages retrieved successfully")
        page, size = whole(request.query.get("page"), 1), min(whole(request.query.get("page_size"), 50), 200)
        start = (page - 1) * size
        if page < 1 or size < 1 or (start and start >= len(rows)):
            raise self._not_found("Invalid page.")
        data = {
            "count": len(rows),
            "next": self._link(request, page + 1) if start + size < len(rows) else None,
            "previous": self._link(request, page - 1) if page > 1 else None,
            "results": [self._row(m) for m in rows[start : start + size]],
        }
        return self._done(data, "Messages retrieved successfully")

    async def batch(self, request: web.Request) -> web.Response:
        batch = self.world.batch(self.key, request.match_info["id"].lower())
        if batch is None:
            raise self._not_found("Batch not found")
        counts = Counter(self.word(m.history(self.now)[-1]) for m in batch.messages)
        data: dict[str, Any] = {"id": batch.id, "batch_id": batch.id, "total_recipients": len(batch.messages)}
        data |= {word: counts[word] for word in ("pending", "sent", "delivered", "failed", "rejected")}
        data["status"] = "processing" if counts["pending"] or counts["sent"] else "completed"
        data["created_at"] = iso_offset(batch.created)
        return self._done(data, "Batch status retrieved successfully")

    async def balance(self, request: web.Request) -> web.Response:
        left = self._left()
        data = {"current_balance": left, "sms_rate": 1.0, "balance_value": left, "currency": "KES"}
        return self._done(data, "Balance retrieved successfully")

    # -- shapes

    def _left(self) -> float:
        return float(self.world.script.balance(self.key))

    def _envelope(self, data: Any, text: str) -> dict[str, Any]:
        meta = {"timestamp": iso_offset(self.now), "api_version": "v1"}
        return {"success": True, "data": data, "message": text, "meta": meta, "errors": []}

    def _done(self, data: Any, text: str) -> web.Response:
        return web.json_response(self._envelope(data, text))

    def _link(self, request: web.Request, page: int) -> str:
        host = self.mode("next_host", f"http://{request.host}")
        return f"{host}{request.path}?{urlencode(dict(request.query) | {'page': str(page)})}"

    def word(self, event: Event) -> str:
        word = self.words.get(event.word, event.word)
        return word.capitalize() if self.mode("capital") else word

    def _number(self, message: Message) -> str:
        return message.digits if self.mode("bare_numbers") else f"+{message.digits}"

    def _row(self, message: Message) -> dict[str, Any]:
        now = self.now
        event = message.current(now)
        sent, delivered = message.first(now, "sent", "submitted"), message.first(now, "delivered")
        carrier_id = int(message.id[:6], 16) if sent else None
        metadata = {"callback_url": message.callback_url or None, "client_ref": message.reference or None}
        return {
            "id": message.id,
            "recipient_phone": self._number(message),
            "message_text": message.text,
            "sender_id": message.sender,
            "status": self.word(event),
            "status_display": self.words.get(event.word, event.word).capitalize(),
            "sms_units_consumed": units_of(message.text),
            "created_at": iso_offset(message.created),
            "sent_at": iso_offset(sent.at) if sent else None,
            "delivered_at": iso_offset(delivered.at) if delivered else None,
            "provider_message_id": carrier_id if self.mode("number_ids") or carrier_id is None else str(carrier_id),
            "provider_response_description": event.detail or DESCRIPTIONS.get(event.word, ""),
            "metadata": None if self.mode("no_metadata") else metadata,
        }

    def notice(self, message: Message, event: Event, secret: str) -> Notice | None:
        """Not documented. These are the shapes the provider's own receiver looks for, unsigned."""
        if self.words.get(event.word) == "pending":
            return None
        fields = {
            "message_id": message.id,
            "status": self.word(event),
            "phone_number": self._number(message),
            "client_ref": message.reference,
            "timestamp": iso_offset(event.at),
        }
        shape = self.mode("webhook", "json")
        if shape == "form":
            return Notice(urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        body = {"event": "message.status", "data": fields} if shape == "nested" else fields
        return Notice(json.dumps(body).encode(), {"Content-Type": "application/json"})


def units_of(text: str) -> int:
    return 1 if len(text) <= 160 else 2 if len(text) <= 306 else -(-len(text) // 153)


def _valid(number: str) -> bool:
    return re.fullmatch(r"\+?[1-9][0-9]{7,14}", number) is not None
