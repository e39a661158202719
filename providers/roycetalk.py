"""RoyceTalk (RoyceBulkSMS): GET /api/v1/sms-api/messages/{id}/, the seed's one call. Every path ends with a slash.

https://docs.roycetalk.com/docs/api/message-status (the seed)
https://docs.roycetalk.com/docs/api/send-single-sms, .../send-bulk-sms, .../check-balance, .../authentication
https://github.com/royceltd/en_royce_talk (the official app: what the send replies and the webhooks look like)

Listing a batch and its summary are named by the seed without their bodies, so their readers take every shape that
Django REST framework writes. Webhooks are unsigned and undocumented: JSON or a form, flat or under "data".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from providers.base import (
    ACCEPTED,
    Ask,
    CredentialField,
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
    counters_of,
    digits_of,
    filled,
    for_call,
    get,
    http_error,
    id_text,
    list_of,
    money_of,
    needed,
    no_money,
    optional_id,
    path_part,
    picked,
    price_text,
    require,
    stated_time,
    status_asks,
    text_of,
    tried,
    uncovered,
    word_of,
    worth_listing,
    wrong_kind,
)

WORDS = {
    "pending": Status.QUEUED,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "failed": Status.FAILED,
    "rejected": Status.REJECTED,
}

# The time that belongs to a word. Nothing says when a message failed or was rejected.
TIMES = {Status.QUEUED: "created_at", Status.SENT: "sent_at", Status.DELIVERED: "delivered_at"}

# What one message of a send reply takes from our request and from the reply: no callback_url, it holds a secret.
ASKED = ("phone_number", "text_message", "sender_id", "client_ref")
TOLD = ("message_id", "batch_id", "sms_units", "cost", "balance_after")
COMPLAINTS = ("error", "message", "detail", "errors")
COUNTERS = ("total_recipients", "messages_queued", "messages_failed", *WORDS)

API = "/api/v1/sms-api"
STATUS = API + "/messages/{}/"
READS = frozenset({"list", "summary", "recent"})  # beyond the seed's own call
DEFAULT_WAIT = 2.0  # seconds after a 429 that names none; what the official app waits


class RoyceTalk(Provider):
    key = "roycetalk"
    label = "RoyceTalk"
    docs = "https://docs.roycetalk.com/docs/api/message-status"
    base_url = "https://roycetalk.com"
    credentials = (CredentialField(name="api_key", label="API key", help="It ends with an underscore: keep it."),)
    words = WORDS
    times = TIMES
    webhook_setup = (
        "Put this address into the callback_url of every message you send, or into the webhook setting of your "
        "RoyceTalk dashboard. RoyceTalk does not sign its reports."
    )
    has_summary = True
    not_documented = (
        "the body, the paging and the filters of batch listings and summaries",
        "what a webhook contains and how often it is repeated",
        "rate limits",
        "the currency of a message's cost (it is counted in units)",
        "finding a message by its client_ref",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {needed(credentials, 'api_key')}"}

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        listed = {} if "list" in without else worth_listing(targets)
        lists = [_list_ask(batch_id, members) for batch_id, members in listed.items()]
        return lists + status_asks(uncovered(targets, lists), STATUS)

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "list" in without else _list_ask(batch_id)

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        if "summary" in without:
            return None
        return Ask(call="summary", request=get(f"{API}/batches/{path_part(batch_id)}/"))

    def recent_ask(self, to: str, since: datetime, without: frozenset[str] = frozenset()) -> Ask | None:
        """Everything, newest first: its filters are not documented. Our own client_ref tells which one is ours."""
        return None if "recent" in without else Ask(call="recent", request=get(f"{API}/messages/"))

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=get(f"{API}/balance/"))

    def send_request(self, outgoing: Outgoing) -> Request:
        require(digits_of(outgoing.to) != "" and outgoing.text != "", "RoyceTalk needs a number and a text.")
        body = {
            "phone_number": f"+{digits_of(outgoing.to)}",
            "text_message": outgoing.text,
            "sender_id": outgoing.sender,
            "callback_url": outgoing.callback_url,
            "client_ref": outgoing.reference,
        }
        return Request(method="POST", path=f"{API}/send/", json=filled(body))

    # -- hearing

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call not in {"list", "recent"}:
            return Page(items=(payload,))
        data = payload if isinstance(payload, list) else payload.get("data", payload)
        holder = next((node for node in (data, payload) if isinstance(node, dict)), {})
        rows = list_of(data["results"] if isinstance(data, dict) else data)
        more = _next_ask(ask, holder.get("next"))
        # A first and only page that is shorter than its own count has left something out.
        short = ask.page == 0 and len(rows) < (count_of(holder.get("count")) or 0)
        return Page(items=tuple(rows), more=more, complete=not holder.get("next") and not short)

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        if call == "send":
            return self._accepted(item)
        nested = item.get("data")
        facts = {**item, **nested} if isinstance(nested, dict) else item
        metadata = facts.get("metadata")
        client_ref = metadata.get("client_ref") if isinstance(metadata, dict) else facts.get("client_ref")
        return Report(
            id=id_text(facts.get("message_id") or facts["id"]),
            to=digits_of(facts.get("recipient_phone") or facts.get("phone_number")),
            reference=optional_id(client_ref),
            batch_id=optional_id(facts.get("batch_id")),
            entries=(self.entry(word_of(facts["status"]), facts, text_of(facts.get("provider_response_description"))),),
            parts=count_of(facts.get("sms_units_consumed", facts.get("sms_units"))),
            sender=text_of(facts.get("sender_id")),
            text=text_of(facts.get("message_text")),
            sent_at=stated_time(facts.get("created_at")) or stated_time(facts.get("sent_at")),
            extra=filled({"carrier_message_id": text_of(facts.get("provider_message_id"))}),
        )

    def summary_of(self, payload: Any) -> dict[str, int]:
        return counters_of(payload.get("data", payload), COUNTERS)

    def probe_says(self, payload: Any) -> str:
        data = payload["data"]
        worth = price_text(data.get("balance_value"), data.get("currency"))
        return f"The balance is {money_of(data['current_balance'])} units{worth and f', worth {worth}'}."

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        data, shared = payload["data"], picked(request, ASKED)
        if "message_id" not in data and "batch_id" in data:
            return _bulk_reply(data, shared)
        id_text(data["message_id"])  # accepted without an id is an answer we cannot read
        return SendReply(items=(shared | picked(data, TOLD),), balance=money_of(data.get("balance_after")))

    def _accepted(self, item: Any) -> Report:
        """One message of a send: all that the reply says is that RoyceTalk has taken it."""
        return Report(
            id=optional_id(item.get("message_id")) or None,
            to=digits_of(item.get("phone_number")),
            reference=optional_id(item.get("client_ref")),
            batch_id=optional_id(item.get("batch_id")),
            entries=(ACCEPTED,),
            cost=money_of(item.get("cost")),
            parts=count_of(item.get("sms_units")),
            sender=text_of(item.get("sender_id")),
            text=text_of(item.get("text_message")),
        )

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, unreadable = tried(reply.json)
        code, said = complaint_of(payload, *COMPLAINTS)
        error = http_error(reply, said, code)
        if error is None and call in READS:
            error = wrong_kind(reply, payload)
        error = error or unreadable or _refusal(payload, reply.status)
        if error is not None and error.code == "refused" and no_money(said):
            error = error.named("balance")
        if error is not None and error.code == "throttled" and error.retry_after is None:
            error.retry_after = DEFAULT_WAIT
        return error and for_call(error, own=call == "status", reads=call in READS)


def _list_ask(batch_id: str, members: Sequence[Target] = ()) -> Ask:
    path_part(batch_id)  # this id goes into a query, but is held to the same rule
    return Ask(call="list", request=get(f"{API}/messages/", batch_id=batch_id), targets=tuple(members))


def _next_ask(ask: Ask, url: Any) -> Ask | None:
    """The next page by the number in `next` alone: its host and path are never followed (they would get our key)."""
    query = dict(parse_qsl(text_of(url).partition("?")[2].partition("#")[0]))
    for name in ("page", "offset"):
        number = query.get(name, "")
        if number.isascii() and number.isdigit() and len(number) < 10 and ask.page < int(number):
            params = (*(pair for pair in ask.request.params if pair[0] == "batch_id"), (name, number))
            return replace(ask, page=int(number), request=replace(ask.request, params=params))
    return None


def _bulk_reply(data: Mapping[str, Any], shared: Mapping[str, Any]) -> SendReply:
    """RoyceTalk skips invalid numbers without saying which, and names no message: the batch has to be listed."""
    batch_id, numbers = id_text(data["batch_id"]), shared.get("phone_number")
    each = numbers if isinstance(numbers, list) else []
    return SendReply(
        items=tuple({**shared, "phone_number": number, "batch_id": batch_id} for number in each),
        batch_id=batch_id,
        to_list=True,
        cost=money_of(data.get("total_cost")),
        balance=money_of(data.get("balance_remaining")),
    )


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error inside an HTTP 200: `success` is false, or there is an `error` and no data."""
    if not isinstance(payload, dict):
        return None
    if payload.get("success") is not False and ("data" in payload or not payload.get("error")):
        return None
    code, said = complaint_of(payload, *COMPLAINTS)
    sentence = f"RoyceTalk refused: {said or 'it says no more'}"
    return ProviderError("refused", sentence, status=status, provider_code=code)
