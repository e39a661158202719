"""BSG's create call: one SMS, one text to many, or a text each; and the table of error codes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from providers.simulator.api import Api, Refused, segments, text_of
from providers.simulator.engine import digits

ERRORS: dict[int, str] = {
    0: "No errors", 1: "Invalid key", 2: "User blocked", 3: "Not enough parameters", 4: "Function not supported",
    5: "Unknown error", 6: "Non-existent tariff", 7: "Invalid parameters", 8: "Not enough funds", 9: "Tariff inactive",
    10: "Invalid sending time", 11: "Too many messages processed simultaneously", 12: "Package size exceeded",
    20: "SMS not found", 21: "Incorrect phone number", 22: "External ID is missing",
    23: "SMS with this external ID is already present", 24: "Invalid payload", 25: "Invalid originator",
    26: "Empty or too long SMS text", 27: "Incorrect external ID", 28: "Incorrect validity", 29: "Incorrect task ID",
    30: "Task not found", 31: "Phone is already in the list", 32: "Sender not allowed", 33: "Direction not allowed",
    34: "OTP generation error", 35: "2WAY is not active", 36: "Wrong 2WAY sender",
}  # fmt: skip
HTTP_STATUS = {1: 401, 2: 403, 4: 404, 5: 500, 8: 402, 11: 429, 20: 404, 23: 409, 30: 404}
PRICE = Decimal("0.23")
MOST_PHONES = 1000


def price_of(text: str) -> Decimal:
    return PRICE * segments(text)


class Creating(Api):
    """The part of the stand-in that takes messages in."""

    def error(self, code: int) -> Refused:
        raise NotImplementedError

    def _is_test(self, request: web.Request) -> bool:
        return self.credential(request).startswith("test_")

    async def create(self, request: web.Request) -> web.Response:
        payload = await self.body(request)
        destination = payload.get("destination")
        if destination == "phone":
            return self._one(request, payload)
        if destination in {"phones", "individual"}:
            return self._many(request, payload, individual=destination == "individual")
        raise self.error(3 if destination is None else 7)

    # -- one

    def _one(self, request: web.Request, payload: dict[str, Any]) -> web.Response:
        code = self._fault(request, payload, payload)
        if code:
            raise self.error(code)
        item = self._accept(request, payload, payload, via="send")
        if self.mode("reply") == "flat":
            flat = {"error": "0", "id": item["id"], "reference": item["reference"], "price": str(item["price"])}
            return web.json_response(flat | {"currency": "EUR"})
        return web.json_response({"result": item})

    # -- many

    def _many(self, request: web.Request, payload: dict[str, Any], *, individual: bool) -> web.Response:
        phones = payload.get("phones")
        if not isinstance(phones, list) or not phones or not all(isinstance(p, dict) for p in phones):
            raise self.error(24)
        if len(phones) > MOST_PHONES:
            raise self.error(12)
        code = 0 if individual else self._message_fault(payload)
        if code:
            raise self.error(code)
        task_id = str(self.world.number("bsg.task", 5_000_006))
        if not individual:
            kept = {name: payload.get(name) for name in ("originator", "body")}
            self.world.new_batch(self.key, task_id, **kept, validity=int(payload.get("validity", 72)))
        items, seen = [], set[str]()
        for phone in phones:
            message = phone if individual else payload
            number = digits(text_of(phone, "msisdn"))
            code = 31 if number in seen and not individual else self._fault(request, message, phone)
            seen.add(number)
            if code:
                items.append({"error": code, "errorDescription": ERRORS[code], "reference": phone.get("reference", "")})
            else:
                task = "" if individual else task_id
                items.append(self._accept(request, message, phone, via="bulk", task_id=task, payload=payload))
        total = sum(float(item.get("price", 0)) for item in items)
        answer = {"result": items, "total_price": round(total, 4), "currency": "EUR"}
        return web.json_response(answer if individual else {"task_id": task_id} | answer)

    # -- checks

    def _message_fault(self, message: Mapping[str, Any]) -> int:
        originator, body = text_of(message, "originator"), text_of(message, "body")
        if not re.fullmatch(r"[A-Za-z0-9 ._-]{3,11}|[0-9]{3,15}", originator):
            return 25
        if not body or len(body) > (765 if body.isascii() else 355):
            return 26
        validity, tariff = str(message.get("validity", 72)), str(message.get("tariff", 0))
        if not validity.isdigit() or not 1 <= int(validity) <= 72:
            return 28
        return 0 if re.fullmatch(r"[0-9]", tariff) else 6

    def _fault(self, request: web.Request, message: Mapping[str, Any], phone: Mapping[str, Any]) -> int:
        """The error code of one SMS; 0 if it can be taken."""
        if not re.fullmatch(r"[0-9]{8,15}", text_of(phone, "msisdn")):
            return 21
        reference = text_of(phone, "reference")
        if reference and not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", reference):
            return 27
        if not reference and self.mode("reference_required"):
            return 22
        code = self._message_fault(message)
        if code:
            return code
        if reference and self.world.by_reference(self.key, self.credential(request), reference):
            return 23
        return 0

    def _accept(
        self, request: web.Request, message: Mapping[str, Any], phone: Mapping[str, Any], *, via: str,
        task_id: str = "", payload: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        text, reference = text_of(message, "body"), text_of(phone, "reference")
        done = {"error": 0, "errorDescription": ERRORS[0], "reference": reference}
        if self._is_test(request):
            random_id = str(secrets.randbelow(10**9))
            return done | {"id": random_id, "price": float(price_of(text)), "currency": "EUR"}
        fate = self.world.script.draw(self.key, text_of(phone, "msisdn"))
        code = 21 if fate.name == "refused" else 0
        if not code and not self.world.script.charge(self.key, price_of(text)):
            code = 8
        if code and via == "send":
            raise self.error(code)
        if code:
            return {"error": code, "errorDescription": ERRORS[code], "reference": reference}
        sms = self.world.create(
            self.key, str(self.world.number("bsg.id", 100_000_211)), text_of(phone, "msisdn"), text, via=via, fate=fate,
            batch=self.world.batch(self.key, task_id), sender=text_of(message, "originator"), reference=reference,
            account=self.credential(request), callback_url=text_of(payload or message, "callback_url"),
        )  # fmt: skip
        return done | {"id": sms.id, "price": float(price_of(text)), "currency": "EUR"}
