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
from typing import Any
from urllib.parse import parse_qsl

from providers.base import (
    Ask,
    CredentialField,
    Entry,
    Outgoing,
    Page,
    Provider,
    ProviderError,
    Reply,
    Report,
    Request,
    SendReply,
    Status,
    Summary,
    Target,
    count_of,
    counters_of,
    digits_of,
    for_call,
    http_error,
    id_text,
    list_of,
    looks_like_json,
    money_of,
    needed,
    optional_id,
    path_part,
    require,
    sentence_of,
    stated_time,
    text_of,
    time_of,
    tried,
    word_of,
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
COUNTERS = ("total_recipients", "messages_queued", "messages_failed", *WORDS)

API = "/api/v1/sms-api"
WORTH_LISTING = 3  # up to so many messages of one batch are cheaper asked one by one
READS = frozenset({"list", "summary"})  # beyond the seed's own call
DEFAULT_WAIT = 2.0  # seconds after a 429 that names none; what the official app waits


class RoyceTalk(Provider):
    key = "roycetalk"
    label = "RoyceTalk"
    docs = "https://docs.roycetalk.com/docs/api/message-status"
    base_url = "https://roycetalk.com"
    credentials = (CredentialField(name="api_key", label="API key", help="It ends with an underscore: keep it."),)
    words = WORDS
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
        listed = {} if "list" in without else _worth_listing(targets)
        lists = [_list_ask(batch_id, members) for batch_id, members in listed.items()]
        return lists + [_status_ask(t, t.id) for t in targets if t.id is not None and t.batch_id not in listed]

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "list" in without else _list_ask(batch_id)

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        if "summary" in without:
            return None
        return Ask(call="summary", request=Request(method="GET", path=f"{API}/batches/{path_part(batch_id)}/"))

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=Request(method="GET", path=f"{API}/balance/"))

    def send_request(self, outgoing: Outgoing) -> Request:
        require(digits_of(outgoing.to) != "" and outgoing.text != "", "RoyceTalk needs a number and a text.")
        body = {
            "phone_number": f"+{digits_of(outgoing.to)}",
            "text_message": outgoing.text,
            "sender_id": outgoing.sender,
            "callback_url": outgoing.callback_url,
            "client_ref": outgoing.reference,
        }
        return Request(method="POST", path=f"{API}/send/", json={name: said for name, said in body.items() if said})

    # -- hearing

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, unreadable = tried(reply.json)
        if unreadable and call in READS and not looks_like_json(reply.body):
            unreadable = unreadable.named("unsupported")  # a web page: the server has no such call
        code, said = _complaint(payload)
        error = http_error(reply, said, code) or unreadable or _refusal(payload, reply.status)
        if error is None:
            return None
        if error.code == "throttled" and error.retry_after is None:
            error.retry_after = DEFAULT_WAIT
        return for_call(error, own=call == "status", reads=call in READS)

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call != "list":
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
        carrier_id = text_of(facts.get("provider_message_id"))
        return Report(
            id=id_text(facts.get("message_id") or facts["id"]),
            to=digits_of(facts.get("recipient_phone") or facts.get("phone_number")),
            reference=optional_id(client_ref),
            batch_id=optional_id(facts.get("batch_id")),
            entries=(self._entry(facts),),
            parts=count_of(facts.get("sms_units_consumed", facts.get("sms_units"))),
            sender=text_of(facts.get("sender_id")),
            text=text_of(facts.get("message_text")),
            sent_at=stated_time(facts.get("created_at")) or stated_time(facts.get("sent_at")),
            extra={"carrier_message_id": carrier_id} if carrier_id else {},
        )

    def _entry(self, facts: Mapping[str, Any]) -> Entry:
        word = word_of(facts["status"])
        status = self.status(word)
        at_raw, at = time_of(facts.get(TIMES.get(status, ""))) if status else ("", None)
        detail = text_of(facts.get("provider_response_description"))
        return Entry(word=word, status=status, detail=detail, at_raw=at_raw, at=at)

    def _accepted(self, item: Any) -> Report:
        """One message of a send: all that the reply says is that RoyceTalk has taken it."""
        return Report(
            id=optional_id(item.get("message_id")) or None,
            to=digits_of(item.get("phone_number")),
            reference=optional_id(item.get("client_ref")),
            batch_id=optional_id(item.get("batch_id")),
            entries=(Entry(word="accepted", status=Status.QUEUED),),
            cost=money_of(item.get("cost")),
            parts=count_of(item.get("sms_units")),
            sender=text_of(item.get("sender_id")),
            text=text_of(item.get("text_message")),
        )

    def summary_of(self, payload: Any) -> Summary:
        data = payload.get("data", payload)
        return Summary(counts=counters_of(data, COUNTERS), cost=money_of(data.get("total_cost")))

    def probe_says(self, payload: Any) -> str:
        data = payload["data"]
        units, value = money_of(data["current_balance"]), money_of(data.get("balance_value"))
        worth = f", worth {value} {text_of(data.get('currency'))}".rstrip() if value is not None else ""
        return f"The balance is {units} units{worth}."

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        data, asked = payload["data"], request if isinstance(request, dict) else {}
        shared = {name: asked[name] for name in ASKED if asked.get(name)}
        if "message_id" not in data and "batch_id" in data:
            return _bulk_reply(data, shared)
        id_text(data["message_id"])  # accepted without an id is an answer we cannot read
        item = {**shared, **{name: data[name] for name in TOLD if name in data}}
        return SendReply(items=(item,), balance=money_of(data.get("balance_after")))


# --------------------------------------------------------------------------------------------- asking


def _status_ask(target: Target, message_id: str) -> Ask:
    request = Request(method="GET", path=f"{API}/messages/{path_part(message_id)}/")
    return Ask(call="status", request=request, targets=(target,))


def _list_ask(batch_id: str, members: Sequence[Target] = ()) -> Ask:
    path_part(batch_id)  # this id goes into a query, but is held to the same rule
    request = Request(method="GET", path=f"{API}/messages/", params=(("batch_id", batch_id),))
    return Ask(call="list", request=request, targets=tuple(members))


def _worth_listing(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The batches that are cheaper listed than asked one by one, or whose messages have no id yet."""
    batches: dict[str, list[Target]] = {}
    for target in targets:
        if target.batch_id:
            batches.setdefault(target.batch_id, []).append(target)
    return {b: m for b, m in batches.items() if len(m) > WORTH_LISTING or any(t.id is None for t in m)}


def _next_ask(ask: Ask, url: Any) -> Ask | None:
    """The next page by the number in `next` alone: its host and path are never followed (they would get our key)."""
    query = dict(parse_qsl(text_of(url).partition("?")[2].partition("#")[0]))
    for name in ("page", "offset"):
        number = query.get(name, "")
        if number.isascii() and number.isdigit() and len(number) < 10 and ask.page < int(number):
            params = (ask.request.params[0], (name, number))
            return replace(ask, page=int(number), request=replace(ask.request, params=params))
    return None


# --------------------------------------------------------------------------------------------- hearing


def _complaint(payload: Any) -> tuple[str, str]:
    """(code, sentence) of an error in any of the places seen: `error`, `error.message`, `message`, `errors`."""
    if not isinstance(payload, dict):
        return "", ""
    error, errors = payload.get("error"), payload.get("errors")
    inner = error if isinstance(error, dict) else {"message": error}
    listed = [e.get("message") if isinstance(e, dict) else e for e in errors[:5]] if isinstance(errors, list) else []
    texts = map(sentence_of, (inner.get("message"), payload.get("message"), payload.get("detail"), *listed))
    return sentence_of(inner.get("code")), sentence_of("; ".join(dict.fromkeys(filter(None, texts))))


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error inside an HTTP 200: `success` is false, or there is an `error` and no data."""
    if not isinstance(payload, dict):
        return None
    if payload.get("success") is not False and ("data" in payload or not payload.get("error")):
        return None
    code, said = _complaint(payload)
    return ProviderError(
        "refused", f"RoyceTalk refused: {said or 'it says no more'}", status=status, provider_code=code
    )


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
