"""eSMS Africa: a timeline, automatic and manual retries, signed webhooks, two prices for one message.

Modes: `retry` ("fresh": a new id and the word `failed`, or "same": the same id and `retrying`), `max_retries` (5),
`balance_status` (422), `errors` ("detail" or "wrapped"), `words` ("reference", or "sdk": undelivered, rejected and
expired are words of their own), `scopes` (default: all), `status_timeline` (bulk status with timelines),
`webhook_all` (also for words that are not final), `approved_senders` (a list; others are 403).
Keys that begin with esms_test_ make test messages, hidden from the default list; "expired..." is an expired token.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections import Counter
from typing import Any, ClassVar

from aiohttp import web

from providers.simulator.api import Api, Notice, Refused, Route, bearer, text_of, whole
from providers.simulator.engine import Batch, Event, Hook, Message, newest_first
from providers.simulator.esms_sending import Sending, invalid
from providers.simulator.esms_shapes import RATE, WORDS, Shapes, bare, datetime_of, route_of
from providers.simulator.fates import FINAL
from providers.simulator.webhooks import signature

FAILED_LIKE = FINAL - {"delivered"}


class EsmsAfrica(Sending, Shapes, Api):
    key = "esms_africa"
    words: ClassVar[dict[str, str]] = WORDS

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/api/messages/{id}", self.status, seed=True),
            Route("GET", "/api/messages", self.listing, seed=True),
            Route("POST", "/api/messages/{id}/retry", self.retry, seed=True),
            Route("GET", "/api/messages/status", self.statuses),
            Route("GET", "/api/messages/batch/{id}", self.batch),
            Route("POST", "/api/messages/send", self.send),
            Route("POST", "/api/messages/send-bulk", self.send_bulk),
            Route("POST", "/api/messages/bulk-precheck", self.precheck),
            Route("GET", "/api/webhooks", self.get_webhooks),
            Route("PUT", "/api/webhooks", self.put_webhooks),
            Route("POST", "/api/webhooks/rotate-secret", self.rotate),
        ]

    # -- refusing

    def credential(self, request: web.Request) -> str:
        return bearer(request)

    def key_is_right(self, request: web.Request) -> bool:
        return super().key_is_right(request) and not self.credential(request).startswith("expired")

    def unauthorized(self, request: web.Request) -> Refused:
        if self.credential(request).startswith("expired"):
            return self.failure(401, "expired_token", "This token has expired")
        return self.failure(401, "invalid_api_key", "Invalid API key")

    def limited(self) -> Refused:
        return Refused(429, {"error": "Rate limit exceeded: 30 per 1 minute"})

    def unreadable(self) -> Refused:
        return invalid(["body"], "JSON decode error", "json_invalid")

    def _found(self, message: Message | None) -> Message:
        if message is None:
            raise self.failure(404, "not_found", "Message not found")
        return message

    # -- asking

    async def status(self, request: web.Request) -> web.Response:
        self.need("query")
        message = self._found(self.poll(bare(request.match_info["id"])))
        return web.json_response(self.row(message, message.current(self.now), timeline=True))

    async def listing(self, request: web.Request) -> web.Response:
        self.need("query")
        query = request.query
        page, limit = self._paging(request, 20)
        environment = query.get("environment", "live")
        since, until = datetime_of(query.get("date_from")), datetime_of(query.get("date_to"))
        if -1.0 in {since, until}:
            raise invalid(["query", "date_from"], "Input should be a valid datetime", "datetime_parsing")
        now = self.now

        def wanted(message: Message) -> bool:
            return (
                (environment == "all" or message.extra.get("environment", "live") == environment)
                and (not query.get("status") or self.word(message.history(now)[-1]) == query["status"])
                and query.get("batch_id", message.batch_id) == message.batch_id
                and (since is None or message.created >= since)
                and (until is None or message.created <= until)
            )

        found = newest_first(self.world.messages(self.key, query.get("to", "")), wanted)
        visible = [m for m in found if m.visible()]
        return web.json_response(self._page(visible, page, limit))

    async def statuses(self, request: web.Request) -> web.Response:
        self.need("query")
        ids = [one for one in request.query.get("ids", "").split(",") if one]
        if not 1 <= len(ids) <= 100:
            raise invalid(["query", "ids"], "Between 1 and 100 ids", "value_error")
        found = [message for one in ids if (message := self.poll(bare(one)))]
        timeline = bool(self.mode("status_timeline"))
        rows = [self.row(message, message.current(self.now), timeline=timeline) for message in found]
        return web.json_response({"messages": rows})

    async def batch(self, request: web.Request) -> web.Response:
        self.need("query")
        batch: Batch | None = self.world.batch(self.key, request.match_info["id"])
        if batch is None:
            raise self.failure(404, "not_found", "Batch not found")
        page, limit = self._paging(request, 50)
        counts = Counter(self.word(m.history(self.now)[-1]) for m in batch.messages)
        rest = self._page([m for m in batch.messages if m.visible()], page, limit)
        done = sum(counts[word] for word in ("delivered", "failed", "undelivered", "rejected", "expired", "unknown"))
        head = {"batch_id": batch.id, "status": "completed" if done == len(batch.messages) else "sending"}
        return web.json_response(head | {"total_recipients": len(batch.messages), "counts": dict(counts)} | rest)

    def _paging(self, request: web.Request, default: int) -> tuple[int, int]:
        page, limit = whole(request.query.get("page"), 0), whole(request.query.get("limit"), default)
        if page < 0:
            raise invalid(["query", "page"], "Input should be greater than or equal to 0", "greater_than_equal")
        if not 1 <= limit <= 100:
            raise invalid(["query", "limit"], "Input should be between 1 and 100", "less_than_equal")
        return page, limit

    def _page(self, messages: list[Message], page: int, limit: int) -> dict[str, Any]:
        cut = messages[page * limit : (page + 1) * limit]
        rows = [self.row(m, m.current(self.now), timeline=False) for m in cut]
        for row in rows:
            row["text"] = row["text"][:100]
        return {"messages": rows, "total": len(messages), "page": page, "limit": limit}

    # -- trying again

    async def retry(self, request: web.Request) -> web.Response:
        self.need("send")
        message = self._found(self.world.message(self.key, bare(request.match_info["id"])))
        now = self.now
        if message.history(now)[-1].word not in FAILED_LIKE:
            raise self.failure(409, "not_retryable", "Only failed messages can be retried")
        if message.extra.get("asked_retries", 0) >= int(self.mode("max_retries", 5)):
            raise self.failure(409, "max_retries_exceeded", "This message was retried too often")
        if not self.world.script.charge(self.key, RATE * route_of(message.digits).price * message.parts):
            raise self.no_money()
        message.extra["asked_retries"] = message.extra.get("asked_retries", 0) + 1
        if self.mode("retry") == "same":
            self.world.run_again(message, message.fate.retry)
            self.world.enter(message, "retry")
            count = self.retry_count(message, now)
            return web.json_response({"id": f"msg-{message.id}", "status": "retrying", "retry_count": count})
        message.manual_retries += 1
        child = self.world.create(
            self.key, str(uuid.uuid4()), message.to, message.text, via="retry", fate=self.fate(message.fate.retry),
            batch=self.world.batch(self.key, message.batch_id), sender=message.sender, parts=message.parts,
            account=self.credential(request), extra={"environment": message.extra.get("environment", "live")},
        )  # fmt: skip
        return web.json_response({"id": child.id, "status": "failed", "retry_count": self.retry_count(message, now)})

    # -- webhooks

    def _hook(self, request: web.Request) -> Hook:
        found = self.world.hooks.get((self.key, self.credential(request)))
        return found or Hook(secret=f"whsec_{secrets.token_hex(16)}")

    @staticmethod
    def _hook_reply(hook: Hook) -> web.Response:
        answer = {"dlr_url": hook.url or None, "mo_url": None, "is_active": hook.active, "signing_secret": hook.secret}
        return web.json_response(answer)

    async def get_webhooks(self, request: web.Request) -> web.Response:
        self.need("webhooks")
        return self._hook_reply(self._hook(request))

    async def put_webhooks(self, request: web.Request) -> web.Response:
        self.need("webhooks")
        payload = await self.body(request)
        hook = self._hook(request)
        hook.url, hook.active = text_of(payload, "dlr_url"), bool(payload.get("is_active", True))
        self.world.set_hook(self.key, self.credential(request), hook)
        return self._hook_reply(hook)

    async def rotate(self, request: web.Request) -> web.Response:
        self.need("webhooks")
        hook = self._hook(request)
        hook.secret = f"whsec_{secrets.token_hex(16)}"
        self.world.hooks[(self.key, self.credential(request))] = hook
        return web.json_response({"signing_secret": hook.secret})

    def notice(self, message: Message, event: Event, secret: str) -> Notice | None:
        """Terminal words only, as documented; one sentence there says "every update", which is the mode."""
        told = event.word in FINAL and self.final_for_now(message, event)
        if not told and not self.mode("webhook_all"):
            return None
        body = json.dumps(self.webhook_body(message, event)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "eSMS-Africa-Webhook/1.0"}
        if secret:
            headers["X-Webhook-Signature"] = signature(secret, body)
        return Notice(body, headers)
