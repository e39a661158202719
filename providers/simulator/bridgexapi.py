"""BridgeXAPI: FastAPI manners, upper-case words, orders of messages, no webhooks.

Modes: `null_ids` ("all" or "first": a send reply without bx_message_id), `reverse` (replies list numbers backwards),
`untidy` (words in lower case with a trailing space), `string_order_id`, `routes` (restricted routes this key may use),
`balance_status` (402).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from providers.simulator.api import Api, Refused, Route, text_of, whole
from providers.simulator.engine import Message, moment, newest_first

PRICE = Decimal("0.088")
PUBLIC_ROUTES, RESTRICTED_ROUTES = {1, 2, 3, 4}, {5, 7, 8}
NO_PRICE = "No pricing available for destination"
ERRORS = {
    "failed": "Vendor delivery failed",
    "undeliverable": "Absent or invalid subscriber",
    "rejected": "Filtered by carrier",
    "expired": "Message expired: handset unreachable",
}
# The calling codes of one and two digits (ITU E.164); all others have three.
SHORT_CODES = re.compile(r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")


class BridgeXApi(Api):
    key = "bridgexapi"
    words: ClassVar[dict[str, str]] = {
        "queued": "QUEUED", "submitted": "QUEUED", "sent": "SENT", "retrying": "SENT", "unknown": "SENT",
        "delivered": "DELIVERED", "failed": "FAILED", "undeliverable": "FAILED", "rejected": "FAILED",
        "expired": "FAILED", "quarantined": "FILTERED",
    }  # fmt: skip

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/api/v1/send_sms", self.send, seed=True),
            Route("GET", "/api/v1/dlr/{id}", self.status, seed=True),
            Route("GET", "/api/v1/dlr", self.listing),
            Route("GET", "/api/v1/orders/{id}/dlr", self.order),
            Route("POST", "/api/v1/estimate", self.estimate),
            Route("GET", "/api/v1/balance", self.balance),
            Route("GET", "/api/v1/routes", self.list_routes),
        ]

    # -- refusing

    def unauthorized(self, request: web.Request) -> Refused:
        given = self.credential(request)
        return detail(401, "Invalid or inactive API key" if given else "Missing X-API-KEY header")

    def no_money(self) -> Refused:
        return detail(int(self.mode("balance_status", 402)), "Insufficient balance")

    def limited(self) -> Refused:
        return detail(429, "Too many requests")

    def unreadable(self) -> Refused:
        return invalid(["body"], "JSON decode error", "json_invalid")

    # -- calls

    async def send(self, request: web.Request) -> web.Response:
        payload = await self.body(request)
        route_id, numbers = self._check(payload)
        fates = [self.world.script.draw(self.key, number) for number in numbers]
        if all(fate.name == "refused" for fate in fates):
            raise detail(400, NO_PRICE)
        cost = PRICE * len(numbers)
        if not self.world.script.charge(self.key, cost):
            raise self.no_money()
        order_id = self.world.number("bridgexapi.order", 22559)
        batch = self.world.new_batch(self.key, str(order_id), route_id=route_id)
        via = "bulk" if len(numbers) > 1 else "send"
        messages = [
            self.world.create(
                self.key, f"BX-{order_id}-{secrets.token_hex(8)}", number, payload["message"],
                via=via if fate.name != "refused" else "", fate=fate, batch=batch, sender=payload["caller_id"],
                account=self.credential(request), extra={"route_id": route_id},
            )
            for number, fate in zip(numbers, fates, strict=True)
        ]  # fmt: skip
        answer: dict[str, Any] = {
            "status": "success",
            "message": f"SMS batch accepted via route {route_id}",
            "order_id": order_id,
            "route_id": route_id,
            "count": len(messages),
            "messages": [self._accepted(message, index) for index, message in enumerate(messages)],
            "cost": float(cost),
            "balance_after": float(self.world.script.balance(self.key)),
        }
        if self.mode("reverse"):
            answer["messages"].reverse()
        return web.json_response(answer)

    async def status(self, request: web.Request) -> web.Response:
        message = self.poll(request.match_info["id"])
        if message is None:
            raise detail(404, "DLR record not found")
        return web.json_response(self._dlr(message))

    async def listing(self, request: web.Request) -> web.Response:
        query = request.query
        since, until = _date(query.get("from_date")), _date(query.get("to_date"))
        now = self.now

        def wanted(message: Message) -> bool:
            return (
                query.get("order_id", message.batch_id) == message.batch_id
                and query.get("route_id", "") in {"", str(message.extra.get("route_id"))}
                and (not query.get("status") or self.word(message.history(now)[-1]) == query["status"].upper())
                and (since is None or message.created >= since)
                and (until is None or message.created <= until)
            )

        found = newest_first(self.world.messages(self.key, query.get("msisdn", "")), wanted)
        return self._page(request, [m for m in found if m.visible()], 50)

    async def order(self, request: web.Request) -> web.Response:
        batch = self.world.batch(self.key, request.match_info["id"])
        if batch is None:
            raise detail(404, "Order not found")
        return self._page(request, [m for m in batch.messages if m.visible()], 500)

    async def estimate(self, request: web.Request) -> web.Response:
        route_id, numbers = self._check(await self.body(request))
        cost, balance = PRICE * len(numbers), self.world.script.balance(self.key)
        answer = {"status": "success", "message": "Estimate calculated", "route_id": route_id, "count": len(numbers)}
        money = {"estimated_cost": float(cost), "currency": "EUR", "balance": float(balance)}
        return web.json_response(answer | money | {"sufficient_balance": balance >= cost, "sandbox": False})

    async def balance(self, request: web.Request) -> web.Response:
        balance = float(self.world.script.balance(self.key))
        answer = {"status": "success", "balance": balance, "currency": "EUR", "sandbox": False, "username": "demo"}
        return web.json_response(answer)

    async def list_routes(self, request: web.Request) -> web.Response:
        routes = [{"route_id": route, "restricted": route in RESTRICTED_ROUTES} for route in (1, 2, 3, 4, 5, 7, 8)]
        return web.json_response({"status": "success", "routes": routes})

    # -- shapes

    def _accepted(self, message: Message, index: int) -> dict[str, Any]:
        null_ids = self.mode("null_ids")
        hidden = null_ids == "all" or (null_ids == "first" and index == 0)
        return {"bx_message_id": None if hidden else message.id, "msisdn": message.to, "status": "QUEUED"}

    def _dlr(self, message: Message) -> dict[str, Any]:
        event = message.current(self.now)
        word = self.word(event)
        reason = event.detail or (NO_PRICE if message.fate.name == "refused" else ERRORS.get(event.word))
        order_id = message.batch_id or None
        return {
            "bx_message_id": message.id,
            "msisdn": message.to,
            "status": word.lower() + " " if self.mode("untidy") else word,
            "route_id": message.extra.get("route_id"),
            "sms_order_id": order_id if self.mode("string_order_id") or not order_id else int(order_id),
            "created_at": moment(message.created).strftime("%Y-%m-%dT%H:%M:%S"),
            "error": reason if word == "FAILED" else None,
        }

    def _page(self, request: web.Request, messages: Sequence[Message], limit: int) -> web.Response:
        skip, limit = whole(request.query.get("skip"), 0), whole(request.query.get("limit"), limit)
        if skip < 0 or limit < 1:
            raise invalid(["query", "skip" if skip < 0 else "limit"], "Input should be a valid integer", "int_parsing")
        items = [self._dlr(message) for message in messages[skip : skip + limit]]
        return web.json_response({"total": len(messages), "skip": skip, "limit": limit, "messages": items})

    def _check(self, payload: dict[str, Any]) -> tuple[int, list[str]]:
        """The limits the vendor's own client keeps to."""
        for name in ("route_id", "caller_id", "numbers", "message"):
            if name not in payload:
                raise invalid(["body", name], "Field required", "missing")
        self._check_route(payload["route_id"])
        if not 3 <= len(text_of(payload, "caller_id")) <= 11:
            raise invalid(["body", "caller_id"], "String should have 3 to 11 characters", "value_error")
        text = text_of(payload, "message")
        if not 1 <= len(text) <= 158 or not text.isascii():
            raise invalid(["body", "message"], "Message must be ASCII and at most 158 characters", "value_error")
        numbers = payload["numbers"]
        if not isinstance(numbers, list) or not numbers:
            raise invalid(["body", "numbers"], "List should have at least 1 item", "too_short")
        for index, number in enumerate(numbers):
            if not (isinstance(number, str) and number.isascii() and number.isdigit() and 10 <= len(number) <= 15):
                raise invalid(["body", "numbers", index], "Number must be 10 to 15 digits without +", "value_error")
        if len({_country(number) for number in numbers}) > 1:
            raise detail(400, "All numbers must belong to the same country")
        return payload["route_id"], numbers

    def _check_route(self, route_id: Any) -> None:
        if isinstance(route_id, bool) or not isinstance(route_id, int):
            raise invalid(["body", "route_id"], "Input should be a valid integer", "int_type")
        if route_id in RESTRICTED_ROUTES and route_id not in self.mode("routes", []):
            raise detail(403, f"You are not authorized for route {route_id}")
        if route_id not in PUBLIC_ROUTES | RESTRICTED_ROUTES:
            raise detail(400, "Invalid route_id")


def detail(status: int, text: str) -> Refused:
    return Refused(status, {"detail": text})


def invalid(where: list[Any], message: str, kind: str) -> Refused:
    return Refused(422, {"detail": [{"loc": where, "msg": message, "type": kind}]})


def _country(number: str) -> str:
    short = SHORT_CODES.match(number)
    return short[0] if short else number[:3]


def _date(text: str | None) -> float | None:
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(["query", "from_date"], "Input should be a valid date", "date_parsing") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
