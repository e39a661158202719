"""BridgeXAPI: one call sends one order, every number in it is one message, and an order is paid as a whole.

https://dev.to/bridgexapi/sms-api-returned-success-but-the-message-never-arrived-track-sms-delivery-in-python-4ini
https://github.com/bridgexapi-dev/bridgexapi-python-sdk (limits, list calls, error texts, names in a delivery report)
https://github.com/bridgexapi-dev/bridgexapi-direct-api-python-examples
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from providers.base import (
    ACCEPTED,
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
    complaint_of,
    count_of,
    digits_of,
    filled,
    for_call,
    get,
    http_error,
    list_of,
    money_of,
    needed,
    optional_id,
    page_of,
    path_part,
    picked,
    price_text,
    require,
    status_asks,
    text_of,
    time_of,
    tried,
    uncovered,
    word_of,
    worth_listing,
    wrong_kind,
)

WORDS = {
    "queued": Status.QUEUED,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "failed": Status.FAILED,  # EXPIRED where `error` says so, see _said
}

# All the time there is: it tells when a message was queued, never when it was delivered.
TIMES = {Status.QUEUED: "created_at"}

NO_RECORD = "dlr record not found"
NO_ORDER = "order not found"  # said by a server that has the call: the order is young, or another account's
# HTTP statuses are not documented, these texts are (in the SDK): the text decides, the HTTP status only without one.
CODES: dict[str, ErrorCode] = {
    "missing api key": "credentials",
    "missing x-api-key header": "credentials",
    "invalid or inactive api key": "credentials",
    "insufficient balance": "balance",
    NO_RECORD: "not_found",
    "invalid route_id": "refused",
    "you are not authorized for route": "refused",
    "not authorized for the casino route": "refused",
    "sender id not allowed for route": "refused",
    "pricing failed": "refused",
    "estimate failed": "refused",
    "no pricing available": "refused",
    # Their carrier failed them: nobody says whether a part of the order left, so it must not read as "not sent".
    "vendor send failed": "unreachable",
}

ASKED = ("caller_id", "message")  # what one message of a send reply takes from our request
TOLD = ("order_id", "route_id")  # and from the reply as a whole
API = "/api/v1"
STATUS = API + "/dlr/{}"
READS = frozenset({"orders", "recent"})  # beyond the seed's own call
ROUTES = ("1", "2", "3", "4", "5", "7", "8")
PAGE_SIZE = 500  # the SDK's own


class BridgeXApi(Provider):
    key = "bridgexapi"
    label = "BridgeXAPI"
    docs = "https://github.com/bridgexapi-dev/bridgexapi-python-sdk"
    base_url = "https://hi.bridgexapi.io"
    words = WORDS
    word_notes = {"failed": "Counted as expired where its error text says so."}
    times = TIMES
    not_documented = (
        "The HTTP status of each error: the text of the error decides.",
        "The zone of its times, and when a message was delivered: only its creation time is given.",
        "A limit on requests a second.",
        "The currency of a cost: its own examples print EUR.",
        "Any webhook, retry or idempotency: a retry is a new order and a new charge.",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"X-API-KEY": needed(credentials, "api_key")}

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        listed = {} if "orders" in without else worth_listing(targets)
        lists = [_list_ask(order_id, members) for order_id, members in listed.items()]
        return lists + status_asks(uncovered(targets, lists), STATUS)

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "orders" in without else _list_ask(batch_id)

    def recent_ask(self, to: str, since: datetime, without: frozenset[str] = frozenset()) -> Ask | None:
        """By day, and from the day before: neither the format of `from_date` nor its zone is documented."""
        if "recent" in without:
            return None
        day = (since - timedelta(days=1)).date().isoformat()
        return Ask(call="recent", request=get(f"{API}/dlr", msisdn=to, from_date=day, limit=PAGE_SIZE, skip=0))

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=get(f"{API}/balance"))

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
        return Request(method="POST", path=f"{API}/send_sms", json=body)

    # -- hearing

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call not in READS:
            return Page(items=(payload,))
        if NO_ORDER in _complaint(payload).lower():
            return Page(items=(), complete=False)
        rows = list_of(payload["messages"])
        asked = dict(ask.request.params)
        skip = int(asked["skip"])
        total, limit, skipped = (count_of(payload.get(name)) for name in ("total", "limit", "skip"))
        if skipped is not None and skipped < skip:  # it ignores `skip`, and would show its first page for ever
            return Page(items=tuple(rows), complete=False)
        seen = skip + len(rows)
        following = get(ask.request.path, **(asked | {"skip": str(seen)}))
        # Their limit may be smaller than the one we asked for.
        return page_of(ask, rows, following, seen=seen, total=total, limit=limit or PAGE_SIZE)

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        created, made_at = time_of(item.get("created_at"))
        order = item.get("sms_order_id", item.get("order_id"))
        return Report(
            id=optional_id(item.get("bx_message_id")) or None,
            to=digits_of(item.get("msisdn")),
            batch_id="" if order == 0 else optional_id(order),
            entries=(ACCEPTED if call == "send" and not item.get("status") else self._said(item),),
            sender=text_of(item.get("caller_id")),
            text=text_of(item.get("message")),
            route=text_of(item.get("route_id")),
            sent_at=made_at if call == "recent" else None,
            extra=filled({"created_at": created}),
        )

    def probe_says(self, payload: Any) -> str:
        balance = price_text(payload.get("balance"), payload.get("currency"))
        return f"Balance {balance}" if balance else ""

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        order_id = optional_id(payload.get("order_id"))
        messages = payload.get("messages") or []
        if not order_id and not messages:
            raise ValueError("neither an order nor a message")
        numbers = picked(request, ("numbers",)).get("numbers", [])
        named = messages or [{"msisdn": number} for number in numbers]
        shared = picked(payload, TOLD) | picked(request, ASKED)
        if isinstance(numbers, list) and len(numbers) == 1:
            shared["msisdn"] = numbers[0]  # the reply may leave out the one number that was asked
        cost = money_of(payload.get("cost"))
        return SendReply(
            items=tuple(shared | filled(message) for message in named),  # a null is no answer
            batch_id=order_id,
            to_list=not messages,
            cost=cost,  # of the whole order: on no message, or an order of three would be booked three times
            currency="" if cost is None else "EUR",  # inferred: the examples print it, no reply says it
            balance=money_of(payload.get("balance_after")),
        )

    def _said(self, item: Any) -> Entry:
        """What is said about a message. That its time ran out is told by the error text of `failed` alone."""
        entry = self.entry(word_of(item["status"]), item, text_of(item.get("error")))
        expired = entry.status is Status.FAILED and "expir" in entry.detail.lower()
        return replace(entry, status=Status.EXPIRED) if expired else entry

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, _ = tried(reply.json)
        said = _complaint(payload)
        if call in READS and reply.status == 404 and NO_ORDER in said.lower():
            return None  # `split` finds nobody, so each message is asked about alone
        refusal = _refusal(payload, reply.status)
        error = refusal or http_error(reply, said)
        if error is None and call in READS:
            error = wrong_kind(reply, payload, isinstance(payload, dict) and isinstance(payload.get("messages"), list))
        if error is None or error.code in {"credentials", "balance", "throttled", "unreachable"}:
            return error
        if call in READS:  # whatever is wrong with an order's list, its messages can still be asked one by one
            return error.named("not_found" if NO_RECORD in said.lower() else "unsupported")
        return refusal or for_call(error, own=call == "status", reads=False)


def _list_ask(order_id: str, members: Sequence[Target] = ()) -> Ask:
    request = get(f"{API}/orders/{path_part(order_id)}/dlr", limit=PAGE_SIZE, skip=0)
    return Ask(call="orders", request=request, targets=tuple(members))


def _complaint(payload: Any) -> str:
    """What BridgeXAPI says is wrong: `detail`, or the `message` of a reply that calls itself an error."""
    failed = isinstance(payload, dict) and str(payload.get("status")).lower() in {"error", "failure"}
    said = complaint_of(payload, "detail")[1] or (complaint_of(payload, "message")[1] if failed else "")
    return said or (str(payload["status"]) if failed else "")


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error a body amounts to by its text alone; None leaves it to the HTTP status."""
    said = _complaint(payload)
    code = next((code for text, code in CODES.items() if text in said.lower()), None)
    if code is None and said and (status is None or 200 <= status < 300):
        code = "refused"
    return ProviderError(code, f"BridgeXAPI says: {said}", status=status) if code else None
