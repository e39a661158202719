"""BridgeXAPI: one call sends one order, every number in it is one message, and an order is paid as a whole.

https://dev.to/bridgexapi/sms-api-returned-success-but-the-message-never-arrived-track-sms-delivery-in-python-4ini
https://github.com/bridgexapi-dev/bridgexapi-python-sdk (limits, list calls, error texts, names in a delivery report)
https://github.com/bridgexapi-dev/bridgexapi-direct-api-python-examples
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.base import (
    Ask,
    Entry,
    ErrorCode,
    Outgoing,
    Page,
    Provider,
    ProviderError,
    Reply,
    Report,
    Request,
    SendReply,
    Status,
    Target,
    count_of,
    digits_of,
    for_call,
    http_error,
    list_of,
    money_of,
    needed,
    optional_id,
    path_part,
    require,
    text_of,
    time_of,
    tried,
    word_of,
)

NO_RECORD = "dlr record not found"
NO_ORDER = "order not found"  # said by a server that has the call: the order is young, or another account's
# HTTP statuses are not documented, these texts are (in the SDK): the text decides, the HTTP status only without one.
ERROR_TEXTS: tuple[tuple[str, ErrorCode], ...] = (
    ("missing api key", "credentials"),
    ("missing x-api-key header", "credentials"),
    ("invalid or inactive api key", "credentials"),
    ("insufficient balance", "balance"),
    (NO_RECORD, "not_found"),
    ("invalid route_id", "refused"),
    ("you are not authorized for route", "refused"),
    ("not authorized for the casino route", "refused"),
    ("sender id not allowed for route", "refused"),
    ("pricing failed", "refused"),
    ("estimate failed", "refused"),
    ("no pricing available", "refused"),
    # Their carrier failed them: nobody says whether a part of the order left, so it must not read as "not sent".
    ("vendor send failed", "unreachable"),
)

ROUTES = ("1", "2", "3", "4", "5", "7", "8")
PAGE_SIZE = 500  # the SDK's own
MAX_PAGES = 200  # a list that never ends is somebody's bug; stop and call it incomplete


class BridgeXApi(Provider):
    key = "bridgexapi"
    label = "BridgeXAPI"
    docs = "https://github.com/bridgexapi-dev/bridgexapi-python-sdk"
    base_url = "https://hi.bridgexapi.io"
    words = {
        "queued": Status.QUEUED,
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "failed": Status.FAILED,  # EXPIRED where `error` says so, see _status
    }
    not_documented = (
        "The HTTP status of each error: the text of the error decides.",
        "The zone of its times, and when a message was delivered: only its creation time is given.",
        "A limit on requests a second.",
        "The currency of a cost: its own examples print EUR.",
        "Any webhook, retry or idempotency: a retry is a new order and a new charge.",
    )

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"X-API-KEY": needed(credentials, "api_key")}

    # -- asking

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        orders: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            orders[target.batch_id].append(target)
        asks = []
        for order_id, group in orders.items():
            # A message without an id can only be found in its order's list, by its number.
            listed = len(group) > 3 or any(t.id is None for t in group)
            if order_id and listed and "orders" not in without:
                asks.append(_order_ask(order_id, tuple(group)))
            else:
                asks += [_one_ask(t.id, t) for t in group if t.id is not None]
        return asks

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "orders" in without else _order_ask(batch_id)

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=Request(method="GET", path="/api/v1/balance"))

    def send_request(self, outgoing: Outgoing) -> Request:
        route = outgoing.route or "1"
        require(route in ROUTES, f"BridgeXAPI has the routes {', '.join(ROUTES)} only.")
        require(re.fullmatch("[0-9]{10,15}", outgoing.to) is not None, "BridgeXAPI takes numbers of 10 to 15 digits.")
        require(3 <= len(outgoing.sender) <= 11, "BridgeXAPI takes senders of 3 to 11 characters.")
        require(0 < len(outgoing.text) <= 158, "BridgeXAPI takes texts of 1 to 158 characters.")
        require(outgoing.text.isascii(), "BridgeXAPI takes plain ASCII texts only (no accents, no emoji).")
        body = {
            "route_id": int(route),
            "caller_id": outgoing.sender,
            "numbers": [outgoing.to],
            "message": outgoing.text,
        }
        return Request(method="POST", path="/api/v1/send_sms", json=body)

    # -- hearing

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, _ = tried(reply.json)
        detail = _detail(payload)
        known = _fault(payload, reply.status)
        if call == "orders" and reply.status == 404 and NO_ORDER in detail.lower():
            return None  # `split` finds nobody, so each message is asked about alone
        error = known or http_error(reply, detail)
        if call == "orders" and error is None and not _may_list(reply, payload):
            error = ProviderError("unsupported", "BridgeXAPI answered with no list of messages.", status=reply.status)
        if error is None or error.code in {"credentials", "balance", "throttled", "unreachable"}:
            return error
        if call == "orders":  # whatever is wrong with an order's list, its messages can still be asked one by one
            return error.named("not_found" if NO_RECORD in detail.lower() else "unsupported")
        return known or for_call(error, own=call == "status", reads=False)

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call != "orders":
            return Page(items=(payload,))
        if NO_ORDER in _detail(payload).lower():
            return Page(items=(), complete=False)
        messages = list_of(payload["messages"])
        skip = int(dict(ask.request.params)["skip"])
        total, limit, skipped = (count_of(payload.get(name)) for name in ("total", "limit", "skip"))
        reached = skip + len(messages)
        # A server that ignores `skip` shows its first page for ever.
        ignored = skipped is not None and skipped < skip
        # Without a total, a page that is not full is the last. Their limit may be smaller than the one we asked for.
        unfinished = reached < total if total is not None else len(messages) >= (limit or PAGE_SIZE)
        done = not unfinished and not ignored
        stuck = ignored or not messages or ask.page + 1 >= MAX_PAGES
        more = None if done or stuck else replace(ask, request=_page(ask.request.path, reached), page=ask.page + 1)
        return Page(items=tuple(messages), more=more, complete=done)

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        failure = text_of(item.get("error"))
        if call == "send" and not item.get("status"):  # named, and no word about it
            word, status = "accepted", self.status("queued")
        else:
            word = word_of(item["status"])
            status = self._status(word, failure)
        created, when = time_of(item.get("created_at"))
        # `created_at` is all the time there is: it tells when a message was queued, never when it was delivered.
        at = (created, when) if status is Status.QUEUED else ("", None)
        order = item.get("sms_order_id", item.get("order_id"))
        return Report(
            id=optional_id(item.get("bx_message_id")) or None,
            to=digits_of(item.get("msisdn")),
            batch_id="" if order == 0 else optional_id(order),
            entries=(Entry(word=word, status=status, detail=failure, at_raw=at[0], at=at[1]),),
            sender=text_of(item.get("caller_id")),
            text=text_of(item.get("message")),
            route=text_of(item.get("route_id")),
            extra={"created_at": created} if created else {},
        )

    def probe_says(self, payload: Any) -> str:
        balance = money_of(payload.get("balance"))
        return "" if balance is None else f"Balance {balance} {text_of(payload.get('currency'))}".strip()

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        fault = _fault(payload)
        if fault is not None:
            raise fault
        order_id = optional_id(payload.get("order_id"))
        messages = payload.get("messages") or []
        if not order_id and not messages:
            raise ValueError("neither an order nor a message")
        named = messages or [{"msisdn": number} for number in _asked(request).get("numbers", ())]
        cost = money_of(payload.get("cost"))
        return SendReply(
            items=tuple(_facts(payload, request) | _said(message) for message in named),
            batch_id=order_id,
            to_list=not messages,
            cost=cost,  # of the whole order: on no message, or an order of three would be booked three times
            currency="" if cost is None else "EUR",  # inferred: the examples print it, no reply says it
            balance=money_of(payload.get("balance_after")),
        )

    def _status(self, word: str, failure: str) -> Status | None:
        status = self.status(word)
        return Status.EXPIRED if status is Status.FAILED and "expir" in failure.lower() else status


def _one_ask(message_id: str, target: Target) -> Ask:
    request = Request(method="GET", path=f"/api/v1/dlr/{path_part(message_id)}")
    return Ask(call="status", request=request, targets=(target,))


def _order_ask(order_id: str, targets: tuple[Target, ...] = ()) -> Ask:
    return Ask(call="orders", request=_page(f"/api/v1/orders/{path_part(order_id)}/dlr", 0), targets=targets)


def _page(path: str, skip: int) -> Request:
    return Request(method="GET", path=path, params=(("limit", str(PAGE_SIZE)), ("skip", str(skip))))


def _may_list(reply: Reply, payload: Any) -> bool:
    """False for another kind of answer, or a web page. JSON that broke off on its way is only unreadable this once."""
    if payload is None:
        return reply.body.lstrip()[:1] == b"{"
    return isinstance(payload, dict) and isinstance(payload.get("messages"), list)


def _detail(payload: Any) -> str:
    """What BridgeXAPI says is wrong: `detail` is a sentence, or a list of objections to single fields."""
    if not isinstance(payload, dict):
        return ""
    detail = payload.get("detail")
    if isinstance(detail, list):
        return "; ".join(_objection(entry) for entry in detail[:5])
    if detail is None and str(payload.get("status")).lower() in {"error", "failure"}:
        detail = payload.get("message") or payload["status"]
    return "" if detail is None else str(detail).strip()


def _objection(entry: Any) -> str:
    """One entry of a FastAPI validation list, as "body.numbers.0: too short"."""
    if not isinstance(entry, dict):
        return str(entry)
    place = entry.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where}: {entry.get('msg')}" if where else str(entry.get("msg"))


def _fault(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error a body amounts to by its text alone; None leaves it to the HTTP status."""
    detail = _detail(payload)
    code = next((code for text, code in ERROR_TEXTS if text in detail.lower()), None)
    if code is None and detail and (status is None or 200 <= status < 300):
        code = "refused"
    return ProviderError(code, f"BridgeXAPI says: {detail}"[:500], status=status) if code else None


def _asked(request: Any) -> dict[str, Any]:
    return request if isinstance(request, dict) else {}


def _facts(payload: Any, request: Any) -> dict[str, Any]:
    """What the order and the request say about each of its messages, so that a message's reply stands alone."""
    asked = _asked(request)
    facts = {name: payload.get(name) for name in ("order_id", "route_id")}
    facts |= {name: asked.get(name) for name in ("caller_id", "message")}
    numbers = asked.get("numbers")
    if isinstance(numbers, list) and len(numbers) == 1:
        facts["msisdn"] = numbers[0]
    return _said(facts)


def _said(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without those that are null: a null is no answer."""
    return {name: value for name, value in facts.items() if value is not None}
