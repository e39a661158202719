"""The five stand-ins behind one socket, and the calls that steer them.

Control calls (JSON; none needs a key):
    GET  /_/health                         {"ok", "now", "speed", "messages", "waiting_webhooks"}
    GET  /_/ledger?provider=&to=           {"ledger": [...]}  every accepted send, oldest first
    POST /_/script                         a script (script.py); 400 {"error"} if it cannot be read, and nothing changed
    POST /_/clock {"speed"?, "advance"?}   0 stops the provider clock; `advance` moves it by so many seconds
    POST /_/webhooks {"provider", "api_key"?, "url", "secret"?}    an account's webhook (eSMS, SMSBat; no key: any)
    GET  /_/webhooks                       {"posted": [...]}  every try, oldest first
    POST /_/webhook {"provider", "id", "word"?}                    tell this message's state now (or that event)
    POST /_/webhook {"url", "body", "headers"?, "secret"?}         post exactly this now (an object becomes JSON;
                                           `secret` adds eSMS's signature); both answer {"status", "error"}
    POST /_/messages {"provider", "to", "id"?, "text"?, "reference"?, "batch"?, "sender"?, "api_key"?, "callback_url"?,
                      "fate"?}             a message that somebody else sent: not in the ledger; answers {"id"}
    POST /_/status {"provider", "id", "word", "detail"?}           let this happen to a message now and nothing after it
    GET  /_/requests                       {"requests": [...]}  what was asked of the stand-ins, oldest first; `at` in
                                           seconds of a clock that nothing moves
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from providers.simulator import faults
from providers.simulator.api import Api, Refused
from providers.simulator.bridgexapi import BridgeXApi
from providers.simulator.bsg import Bsg
from providers.simulator.control import Control
from providers.simulator.engine import World
from providers.simulator.esms_africa import EsmsAfrica
from providers.simulator.faults import Rule
from providers.simulator.roycetalk import RoyceTalk
from providers.simulator.smsbat import SmsBat
from providers.simulator.webhooks import Webhooks

STAND_INS: tuple[type[Api], ...] = (BridgeXApi, Bsg, RoyceTalk, SmsBat, EsmsAfrica)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """The world, the stand-ins and the webhooks, as one aiohttp application."""

    def __init__(self, *, speed: float = 1.0, script: dict[str, Any] | None = None, seed_only: bool = False) -> None:
        self.world = World(speed)
        self.apis: dict[str, Api] = {kind.key: kind(self.world) for kind in STAND_INS}
        self.webhooks = Webhooks(self.world, self.apis)
        self.control = Control(self.world, self.apis, self.webhooks)
        self.seed_only = seed_only or bool((script or {}).get("seed_only"))
        if script:
            self.control.take_script(script)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._speak], client_max_size=20_000_000)
        for api in self.apis.values():
            for route in api.routes():
                if route.seed or not self.seed_only:
                    app.router.add_route(route.method, f"/{api.key}{route.path}", route.handler)
        app.add_routes(self.control.routes())
        app.cleanup_ctx.append(self._background)
        return app

    async def _background(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.webhooks.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await self.webhooks.stop()

    @web.middleware
    async def _speak(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        api = self.apis.get(request.path.split("/")[1])
        if api is None:
            return await handler(request)
        entry: dict[str, Any] = {"provider": api.key, "method": request.method, "path": request.path_qs}
        entry |= {"status": 0, "fault": "", "api_key": api.credential(request), "at": time.monotonic()}
        self.world.requests.append(entry)
        try:
            response = await self._answer(api, request, handler, entry)
        except Refused as refused:
            response = refused.response()
        except web.HTTPNotFound:
            response = faults.page(404)
        except web.HTTPMethodNotAllowed as error:
            response = faults.page(404) if self.seed_only else error
        entry["status"] = response.status
        return response

    async def _answer(
        self, api: Api, request: web.Request, handler: Handler, entry: dict[str, Any]
    ) -> web.StreamResponse:
        rule = await self._strike(api, request)
        if rule:
            entry["fault"] = rule.kind
        if rule and rule.kind == "auth":
            raise api.unauthorized(request)
        if rule and rule.kind == "low_balance":
            raise api.no_money()
        if rule and rule.kind not in faults.AFTER:
            return faults.before(rule, request, lambda: api.limited().response())
        if not api.key_is_right(request):
            raise api.unauthorized(request)
        if rule is None:
            return await handler(request)
        try:
            response = await handler(request)
        except Refused as refused:
            response = refused.response()
        return await faults.after(rule, request, response) if isinstance(response, web.Response) else response

    async def _strike(self, api: Api, request: web.Request) -> Rule | None:
        """The fault for this request. `latency` has its effect here."""
        script = self.world.script
        path = request.path_qs.removeprefix(f"/{api.key}")
        body = (await request.read()).decode(errors="replace") if script.faults else ""
        for rule in list(script.faults):
            if rule.kind in faults.WEBHOOK or not rule.strikes(api.key, request.method, path, script.seed, body):
                continue
            if rule.kind != "latency":
                return rule
            await asyncio.sleep(float(rule.fields.get("seconds", 1)))
        return None
