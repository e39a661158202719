"""Steering the simulator: what `Simulator` calls from a test, and the same over HTTP (listed in service.py)."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from providers.simulator.api import Api, Notice
from providers.simulator.engine import Event, Hook, Message, World, digits, iso_z
from providers.simulator.fates import fate_of
from providers.simulator.webhooks import Webhooks, signature


class Control:
    def __init__(self, world: World, apis: Mapping[str, Api], webhooks: Webhooks) -> None:
        self.world = world
        self.apis = apis
        self.webhooks = webhooks

    def routes(self) -> list[web.RouteDef]:
        def reading(call: Callable[[Mapping[str, str]], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
            async def handler(request: web.Request) -> web.Response:
                return web.json_response(call(request.query))

            return handler

        def acting(call: Callable[[dict[str, Any]], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
            async def handler(request: web.Request) -> web.Response:
                try:
                    data = json.loads(await request.read() or b"{}")
                    result = call(data)
                    return web.json_response(await result if isinstance(result, Awaitable) else result)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    return web.json_response({"error": str(error)}, status=400)

            return handler

        return [
            web.get("/_/health", reading(lambda query: self.health())),
            web.get("/_/ledger", reading(lambda q: {"ledger": self.ledger(q.get("provider", ""), q.get("to", ""))})),
            web.get("/_/webhooks", reading(lambda query: {"posted": list(self.world.posted)})),
            web.get("/_/requests", reading(lambda query: {"requests": list(self.world.requests)})),
            web.post("/_/script", acting(self.take_script)),
            web.post("/_/clock", acting(lambda data: self.clock(**data))),
            web.post("/_/webhooks", acting(lambda data: self.set_webhook(**data))),
            web.post("/_/webhook", acting(lambda data: self.send_webhook(**data))),
            web.post("/_/messages", acting(lambda data: {"id": self.add(**data)})),
            web.post("/_/status", acting(lambda data: self.say(**data))),
        ]

    # -- looking

    def health(self) -> dict[str, Any]:
        counts = {key: len(self.world.messages(key)) for key in self.apis}
        clock = {"now": iso_z(self.world.clock.now()), "speed": self.world.clock.speed}
        return {"ok": True, **clock, "messages": counts, "waiting_webhooks": self.webhooks.waiting()}

    def ledger(self, provider: str = "", to: str = "") -> list[dict[str, Any]]:
        return [
            dict(entry)
            for entry in self.world.ledger
            if provider in {"", entry["provider"]} and digits(to) in {"", entry["to"]}
        ]

    # -- steering

    def take_script(self, script: dict[str, Any]) -> dict[str, Any]:
        self.world.script.update(script)
        if "speed" in script:
            self.clock(speed=float(script["speed"]))
        return {"ok": True}

    def clock(self, speed: float | None = None, advance: float = 0.0) -> dict[str, Any]:
        self.world.clock.change(speed, advance)
        self.webhooks.wake()
        return self.health()

    def set_webhook(self, provider: str, url: str, api_key: str = "", secret: str = "") -> dict[str, Any]:
        self._known(provider)
        self.world.set_hook(provider, api_key, Hook(url, secret))
        return {"ok": True}

    def add(
        self, provider: str, to: str, id: str = "", text: str = "", reference: str = "", batch: str = "",  # noqa: A002
        sender: str = "", api_key: str = "", callback_url: str = "", fate: Any = None,
    ) -> str:  # fmt: skip
        self._known(provider)
        found = self.world.batch(provider, batch) if batch else None
        if batch and found is None:
            found = self.world.new_batch(provider, batch, originator=sender, body=text)
        message = self.world.create(
            provider, id.removeprefix("msg-") or self._new_id(provider), to, text, reference=reference, batch=found,
            sender=sender, account=api_key, callback_url=callback_url,
            fate=None if fate is None else fate_of(fate, provider),
        )  # fmt: skip
        return f"msg-{message.id}" if provider == "esms_africa" else message.id

    def say(self, provider: str, id: str, word: str, detail: str = "") -> dict[str, Any]:  # noqa: A002
        self.world.say(self._message(provider, id), word, detail)
        return {"ok": True}

    async def send_webhook(
        self, provider: str = "", id: str = "", word: str = "", url: str = "", body: Any = "",  # noqa: A002
        headers: Mapping[str, str] | None = None, secret: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Post one report now, past all faults: a message's own, or exactly this body to this address."""
        if provider:
            url, notice = self._notice_of(provider, id, word, url)
        else:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            signed = {"X-Webhook-Signature": signature(secret, data)} if secret else {}
            notice = Notice(data, {"Content-Type": "application/json", **signed, **(headers or {})})
        status, error = await self.webhooks.send(url, notice)
        return {"status": status, "error": error}

    def _notice_of(self, provider: str, message_id: str, word: str, url: str) -> tuple[str, Notice]:
        message = self._message(provider, message_id)
        hook = self.world.hook_of(message) or Hook(url)
        now = self.world.clock.now()
        event = Event(now, word) if word else message.history(now)[-1]
        notice = self.apis[provider].notice(message, event, hook.secret)
        if notice is None or not (url or hook.url):
            raise ValueError(f"{provider} posts nothing about {event.word!r}, or does not know where to.")
        return url or hook.url, notice

    # -- helpers

    def _known(self, provider: str) -> None:
        if provider not in self.apis:
            raise ValueError(f"There is no provider {provider!r}; there are {', '.join(self.apis)}.")

    def _message(self, provider: str, message_id: str) -> Message:
        self._known(provider)
        message = self.world.message(provider, message_id.removeprefix("msg-"))
        if message is None:
            raise ValueError(f"{provider} has no message {message_id!r}.")
        return message

    def _new_id(self, provider: str) -> str:
        if provider == "bridgexapi":
            return f"BX-{self.world.number('bridgexapi.order', 22559)}-{secrets.token_hex(8)}"
        if provider == "bsg":
            return str(self.world.number("bsg.id", 100_000_211))
        return secrets.token_hex(6) if provider == "smsbat" else str(uuid.uuid4())
