"""eSMS Africa's sends: one with an Idempotency-Key, or many; now, later or dripping."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal
from typing import Any

from aiohttp import web

from providers.simulator.api import Api, Refused, segments, text_of
from providers.simulator.engine import World, digits
from providers.simulator.esms_shapes import RATE, datetime_of, route_of
from providers.simulator.fates import FATES, Fate, Step

REFUSED = Fate("refused", (Step(0, "failed", "SUBMIT_FAIL"),), retry="failed")
MINUTE, DAY = 60.0, 86400.0


def failure(status: int, code: str, text: str, **more: Any) -> Refused:
    return Refused(status, {"detail": {"code": code, "message": text, **more}})


def invalid(where: list[Any], text: str, kind: str) -> Refused:
    return Refused(422, {"detail": [{"loc": where, "msg": text, "type": kind}]})


class Sending(Api):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._replays: dict[tuple[str, str], dict[str, Any]] = {}

    # -- refusing

    def failure(self, status: int, code: str, text: str, **more: Any) -> Refused:
        refused = failure(status, code, text, **more)
        if self.mode("errors") == "wrapped":
            error = {"code": code, "message": text, "request_id": f"req_{uuid.uuid4().hex[:12]}"}
            refused.payload = {"error": error, **refused.payload}
        return refused

    def no_money(self) -> Refused:
        status = int(self.mode("balance_status", 422))
        return self.failure(status, "insufficient_balance", "Insufficient balance", **self._money())

    def _money(self) -> dict[str, Any]:
        return {"balance": float(self.world.script.balance(self.key)), "cost": 1.2022, "currency": "KES"}

    def need(self, scope: str) -> None:
        if scope not in self.mode("scopes", ["send", "query", "webhooks"]):
            raise self.failure(403, "insufficient_scope", f"This key has no {scope} scope")

    @staticmethod
    def fate(name: str) -> Fate:
        return REFUSED if name == "refused" else FATES[name]

    # -- one

    async def send(self, request: web.Request) -> web.Response:
        self.need("send")
        payload = await self.body(request)
        key = (self.credential(request), request.headers.get("Idempotency-Key", ""))
        if key[1] and key in self._replays:
            return web.json_response(self._replays[key])
        to, text = text_of(payload, "to"), text_of(payload, "text")
        self._check(to, text, text_of(payload, "sender_id"))
        delay = self._delay(payload, 5 * MINUTE)
        country, parts = route_of(digits(to)), segments(text)
        cost = RATE * country.price * parts
        if not self.world.script.charge(self.key, cost):
            raise self.no_money()
        fate = self.world.script.draw(self.key, digits(to))
        refused = fate.name == "refused"
        message = self.world.create(
            self.key, str(uuid.uuid4()), to, text, via="" if refused else "send", idempotency_key=key[1],
            fate=REFUSED if refused else fate, delay=delay, **self._given(request, payload, parts),
        )  # fmt: skip
        answer = {
            "id": f"msg-{message.id}",
            "status": "failed" if refused else "scheduled" if delay else "submitted",
            "segments": parts,
            "cost": float(round(cost, 4)),
            "cost_currency": "KES",
            "route_cost": float(country.price * parts),
            "route_currency": country.currency,
            "route": payload.get("route") or country.route,
            "balance_after": float(self.world.script.balance(self.key)),
            "scheduled_at": payload.get("scheduled_at") if delay else None,
        }
        if key[1]:
            self._replays[key] = answer
        return web.json_response(answer)

    def _given(self, request: web.Request, payload: dict[str, Any], parts: int) -> dict[str, Any]:
        account = self.credential(request)
        environment = "test" if account.startswith("esms_test_") else "live"
        sender = text_of(payload, "sender_id") or "eSMSAfrica"
        return {"account": account, "sender": sender, "parts": parts, "extra": {"environment": environment}}

    def _check(self, to: str, text: str, sender: str) -> None:
        if not text:
            raise invalid(["body", "text"], "Field required", "missing")
        if segments(text) > 10:
            raise self.failure(400, "text_too_long", "The text has more than 10 segments")
        approved = self.mode("approved_senders")
        if approved is not None and sender not in approved:
            raise Refused(403, {"detail": f"Sender ID '{sender}' is not approved"})
        if not _valid(to):
            raise self.failure(400, "invalid_phone", "The number is not in E.164")
        if digits(to).startswith("999"):
            raise self.failure(400, "no_route", "No route to this destination")

    def _delay(self, payload: dict[str, Any], soonest: float) -> float:
        if payload.get("schedule_mode", "now") != "scheduled":
            return 0.0
        at = datetime_of(text_of(payload, "scheduled_at"))
        ahead = (at or 0) - self.now
        if at is None or not soonest <= ahead <= 7 * DAY:
            raise invalid(["body", "scheduled_at"], "scheduled_at is out of range", "value_error")
        return ahead

    # -- many

    def _recipients(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        recipients = payload.get("recipients", [])
        if not isinstance(recipients, list) or not all(isinstance(r, dict) for r in recipients):
            raise invalid(["body", "recipients"], "Input should be a list of objects", "list_type")
        if not recipients and not payload.get("contact_list_ids"):
            raise invalid(["body", "recipients"], "No recipients", "value_error")
        return [r for r in recipients if _valid(text_of(r, "to")) and not text_of(r, "to").startswith("+999")]

    async def precheck(self, request: web.Request) -> web.Response:
        self.need("send")
        payload = await self.body(request)
        good = self._recipients(payload)
        cost = sum((RATE * route_of(digits(r["to"])).price for r in good), Decimal(0))
        answer = {"total_recipients": len(good), "skipped": len(payload.get("recipients", [])) - len(good)}
        return web.json_response(answer | {"estimated_cost": float(round(cost, 4)), "currency": "KES"})

    async def send_bulk(self, request: web.Request) -> web.Response:
        """Numbers without a route are left out without a word."""
        self.need("send")
        payload = await self.body(request)
        key = (self.credential(request), "bulk " + request.headers.get("Idempotency-Key", ""))
        if key in self._replays:
            return web.json_response(self._replays[key])
        text, mode = text_of(payload, "text"), payload.get("schedule_mode", "now")
        self._check("+256700000000", text, text_of(payload, "sender_id"))
        delay = self._delay(payload, 10 * MINUTE)
        rate = int(payload.get("drip_rate") or 60)
        if mode == "drip" and not 1 <= rate <= 600:
            raise invalid(["body", "drip_rate"], "Input should be between 1 and 600", "less_than_equal")
        drawn = [(r, self.world.script.draw(self.key, digits(r["to"]))) for r in self._recipients(payload)]
        good = [(r, fate) for r, fate in drawn if fate.name != "refused"]
        filled = [_fill(text, r) for r, _ in good]
        cost = sum(
            (RATE * route_of(digits(r["to"])).price * segments(own) for (r, _), own in zip(good, filled, strict=True)),
            Decimal(0),
        )
        if not self.world.script.charge(self.key, cost):
            raise self.no_money()
        batch = self.world.new_batch(self.key, str(uuid.uuid4()))
        for nth, ((recipient, fate), own) in enumerate(zip(good, filled, strict=True)):
            self.world.create(
                self.key, str(uuid.uuid4()), recipient["to"], own, via="bulk", fate=fate, batch=batch,
                delay=nth * MINUTE / rate if mode == "drip" else delay,
                idempotency_key=request.headers.get("Idempotency-Key", ""),
                **self._given(request, payload, segments(own)),
            )  # fmt: skip
        status = {"scheduled": "scheduled", "drip": "dripping"}.get(mode, "sending")
        answer = {"batch_id": batch.id, "total_recipients": len(good), "estimated_cost": float(round(cost, 4))}
        answer["status"] = status
        if request.headers.get("Idempotency-Key"):
            self._replays[key] = answer
        return web.json_response(answer)


def _valid(number: str) -> bool:
    return re.fullmatch(r"\+[1-9][0-9]{7,14}", number) is not None


def _fill(text: str, recipient: dict[str, Any]) -> str:
    """{{name}} and the recipient's own variables."""
    variables = recipient.get("vars") or {}
    values = {"name": text_of(recipient, "name"), **{str(k): str(v) for k, v in variables.items()}}
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: values.get(found[1], ""), text)
