"""BSG: everything in one `error` field, three ways to ask, times without a zone, a reference that works only once.

Modes: `reply` ("nested" or "flat" create reply of one SMS), `errors` ("string" or "number" codes), `errors_in_result`
(an error inside `result`), `http_errors` (errors on 4xx, not on 200), `words` ("classic", "v1", "v2"), `zone` (an IANA
name, UTC), `empty_times` (null, "" or "0000-00-00 00:00:00"), `task` ("seed" or "v1": more counters and `error`),
`reference_required`. A key that begins with test_ is answered with random ids, and nothing is sent.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from aiohttp import web

from providers.simulator.api import Api, Notice, Refused, Route, text_of
from providers.simulator.bsg_create import ERRORS, HTTP_STATUS, Creating, price_of
from providers.simulator.engine import Event, Message, moment
from providers.simulator.fates import FINAL

WORDS: dict[str, dict[str, str]] = {
    "classic": {
        "queued": "scheduled", "submitted": "scheduled", "sent": "sent", "retrying": "sent",
    },
    "v1": {
        "scheduled": "new", "queued": "new", "submitted": "waiting", "sent": "sent", "retrying": "sent",
        "undeliverable": "failed",
    },
    "v2": {
        "queued": "accepted", "submitted": "sending", "sent": "sent", "retrying": "sending",
        "undeliverable": "undelivered", "rejected": "failed",
    },
}  # fmt: skip
UNDELIVERABLE = ("undeliverable", "failed", "rejected")


class Bsg(Creating, Api):
    key = "bsg"
    words: ClassVar[dict[str, str]] = WORDS["classic"]

    def routes(self) -> list[Route]:
        return [
            Route("PUT", "/rest/sms/create", self.create),
            Route("POST", "/rest/sms/create", self.create),
            Route("POST", "/rest/sms/getStatus", self.statuses),
            Route("GET", "/rest/sms/balance", self.balance),
            Route("GET", "/rest/common/balance", self.balance),
            Route("GET", "/rest/sms/reference/{x}", self.by_reference),
            Route("GET", "/rest/sms/task/{x}", self.by_task),
            Route("GET", "/rest/sms/{x}", self.by_anything, seed=True),
        ]

    # -- refusing

    def error(self, code: int) -> Refused:
        body = {"error": code if self.mode("errors") == "number" else str(code), "errorDescription": ERRORS[code]}
        status = HTTP_STATUS.get(code, 400) if self.mode("http_errors") else 200
        return Refused(status, {"result": body} if self.mode("errors_in_result") else body)

    def unauthorized(self, request: web.Request) -> Refused:
        return self.error(1)

    def no_money(self) -> Refused:
        return self.error(8)

    def limited(self) -> Refused:
        return Refused(429, {"code": 429, "message": "Too Many Requests"})

    def unreadable(self) -> Refused:
        return self.error(24)

    # -- asking

    async def by_anything(self, request: web.Request) -> web.Response:
        """One path for an id, a reference or a task, tried in this order."""
        given = request.match_info["x"]
        message = self.poll(given) or self._poll_reference(request, given)
        if message or self._is_test(request):
            return web.json_response(self._status(message, request))
        batch = self.world.batch(self.key, given)
        if batch is None:
            raise self.error(20)
        return web.json_response(self._task(given))

    async def by_reference(self, request: web.Request) -> web.Response:
        message = self._poll_reference(request, request.match_info["x"])
        if message is None and not self._is_test(request):
            raise self.error(20)
        return web.json_response(self._status(message, request))

    async def by_task(self, request: web.Request) -> web.Response:
        task_id = request.match_info["x"]
        if not re.fullmatch(r"[0-9]{1,18}", task_id):
            raise self.error(29)
        if self.world.batch(self.key, task_id) is None:
            raise self.error(30)
        return web.json_response(self._task(task_id))

    async def statuses(self, request: web.Request) -> web.Response:
        ids = (await self.body(request)).get("ids")
        if not isinstance(ids, list) or not ids:
            raise self.error(7)
        if len(ids) > 1000:
            raise self.error(12)
        found = [message for one in ids if (message := self.poll(str(one)))]
        return web.json_response({"result": [self._mass_item(message) for message in found]})

    async def balance(self, request: web.Request) -> web.Response:
        amount = str(self.world.script.balance(self.key))
        answer = {"error": 0, "errorDescription": ERRORS[0], "amount": amount, "currency": "EUR", "limit": "0"}
        return web.json_response(answer)

    def _poll_reference(self, request: web.Request, reference: str) -> Message | None:
        message = self.world.by_reference(self.key, self.credential(request), reference)
        return message if message and message.visible() else None

    # -- shapes

    def word(self, event: Event) -> str:
        return WORDS[self.mode("words", "classic")].get(event.word, event.word)

    def _time(self, at: float | None) -> str | None:
        if at is None:
            empty: str | None = self.mode("empty_times")
            return empty
        return moment(at).astimezone(ZoneInfo(self.mode("zone", "UTC"))).strftime("%Y-%m-%d %H:%M:%S")

    def _status(self, message: Message | None, request: web.Request) -> dict[str, Any]:
        if message is None or self._is_test(request):
            return self._random_status()
        return self._body(message, message.current(self.now))

    def _body(self, message: Message, event: Event) -> dict[str, Any]:
        sent = message.first(self.now, "sent")
        return {
            "error": 0,
            "errorDescription": ERRORS[0],
            "id": message.id,
            "msisdn": message.digits,
            "reference": message.reference,
            "time_in": self._time(message.created),
            "time_sent": self._time(sent.at if sent else None),
            "time_dr": self._time(event.at if event.word in FINAL else None),
            "status": self.word(event),
            "price": float(price_of(message.text)),
            "currency": "EUR",
        }

    def _mass_item(self, message: Message) -> dict[str, Any]:
        body = self._body(message, message.current(self.now))
        body["external_id"] = body["reference"]
        keys = ("id", "external_id", "msisdn", "time_sent", "time_dr", "status", "price", "currency")
        return {key: body[key] for key in keys}

    def _random_status(self) -> dict[str, Any]:
        number = str(380500000000 + secrets.randbelow(10**8))
        message = Message(self.key, number, number, "", self.now, self.world.script.draw(self.key, "00"))
        event = Event(self.now, secrets.choice(["sent", "delivered", "expired"]))
        return self._body(message, event) | {"reference": secrets.token_hex(4)}

    def _task(self, task_id: str) -> dict[str, Any]:
        batch = self.world.batch(self.key, task_id)
        if batch is None:
            raise self.error(30)
        now = self.now
        histories = [m.history(now) for m in batch.messages]
        counts = Counter(history[-1].word for history in histories)
        total = sum((price_of(m.text) for m in batch.messages), Decimal(0))
        answer: dict[str, Any] = {
            "originator": text_of(batch.extra, "originator"),
            "body": text_of(batch.extra, "body"),
            "validity": batch.extra.get("validity", 72),
            "totalprice": float(total),
            "currency": "EUR",
            "sent": sum(1 for history in histories if any(e.word not in {"queued", "scheduled"} for e in history)),
            "delivered": counts["delivered"],
            "expired": counts["expired"],
            "undeliverable": sum(counts[word] for word in UNDELIVERABLE),
            "unknown": counts["unknown"],
        }
        if self.mode("task") == "v1":
            answer |= {"error": 0, "errorDescription": ERRORS[0], "total": len(histories)}
            answer |= {"queued": counts["queued"], "accepted": counts["submitted"], "enroute": counts["sent"]}
        return answer

    def notice(self, message: Message, event: Event, secret: str) -> Notice | None:
        """The documents show no SMS callback; the RCS one is the status reply with a price of seven decimals."""
        if event.word in {"queued", "scheduled", "submitted"}:
            return None
        body = self._body(message, event) | {"price": f"{price_of(message.text):.7f}"}
        return Notice(web.json_response(body).body or b"", {"Content-Type": "application/json"})  # type: ignore[arg-type]
