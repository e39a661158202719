"""eSMS Africa: a message has a timeline, and one id can fail, be tried again by the provider and still arrive.

https://esmsafrica.io/docs/delivery/status/ (the seed: one message, the list, the retry)
https://esmsafrica.io/docs/api-reference/messages/, .../delivery/webhooks/, .../api-reference/bulk/
https://github.com/eSMS-Africa/sms-docs (error codes) and https://github.com/eSMS-Africa/esms-sdk-php,
https://github.com/eSMS-Africa/esms-sdk-node (the bulk and batch calls, retry_count, the five shapes of an error)

Its tries are counted by `retrying` lines and by `retry_count`, which our own retries raise too: docs/decisions/0003.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from providers.base import (
    ACCEPTED,
    MAX_ATTEMPT,
    Ask,
    CredentialField,
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
    attempt_of,
    chunks,
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
    optional_id,
    page_of,
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
    "queued": Status.QUEUED,
    "scheduled": Status.QUEUED,
    "dripping": Status.QUEUED,
    "submitted": Status.SUBMITTED,
    "sent": Status.SENT,
    "retrying": Status.RETRYING,
    "delivered": Status.DELIVERED,
    "failed": Status.FAILED,  # expired, where the carrier's report says EXPIRED: see _failed_or_expired
    "undelivered": Status.UNDELIVERABLE,
    "rejected": Status.REJECTED,
    "expired": Status.EXPIRED,
    "unknown": Status.UNKNOWN,
}
WORD_NOTES = {"failed": "Counted as expired where the network’s report says EXPIRED."}

FAILURES = frozenset({Status.FAILED, Status.UNDELIVERABLE, Status.REJECTED, Status.EXPIRED})
FINAL = FAILURES | {Status.DELIVERED}

TIMES = {
    Status.QUEUED: "created_at",
    Status.SUBMITTED: "submitted_at",
    Status.DELIVERED: "delivered_at",
    **dict.fromkeys(FAILURES, "failed_at"),
}

# The same HTTP status means several things (403: a wrong key, or a sender not approved), so the code decides first.
CODES: dict[str, ErrorCode] = {
    "insufficient_balance": "balance",  # 422 in one document, 402 in another
    "invalid_api_key": "credentials",
    "expired_token": "credentials",
    "insufficient_scope": "credentials",
    "account_suspended": "credentials",
    "sender_id_not_approved": "refused",
    "invalid_phone": "refused",
    "no_route": "refused",
    "text_too_long": "refused",
    "not_retryable": "refused",
    "max_retries_exceeded": "refused",
}

NOT_AGAIN = {  # what its two refusals of a retry mean, before its own words
    "not_retryable": "By now it has arrived, is on its way, or never failed; it is asked about once more. {}",
    "max_retries_exceeded": "It was tried again as often as eSMS Africa does that; a new text is still possible. {}",
}

COMPLAINTS = ("error", "detail")
COUNTERS = ("total", "total_recipients", "pending", *WORDS)
ASKED = ("to", "text", "sender_id", "route")  # what one message of a send reply takes from our request
ANSWERS = frozenset({"id", "batch_id", "messages"})  # a body with one of these answers the question
PLAIN = frozenset({"queued", "scheduled", "dripping", "submitted", "sent", "delivered"})  # tell all without a timeline
API = "/api/messages"
STATUS = API + "/{}"
OWN = frozenset({"status", "probe", "retry"})  # the seed's calls
READS = frozenset({"bulk", "batch", "summary", "recent"})  # beyond them: the seed has the list without these filters
WITH_TEXT = frozenset({"status", "send", "recent"})  # lists cut it to 100 characters: enough to know one's own by
PAGE_SIZE = 50
MOST_IDS = 100


class EsmsAfrica(Provider):
    key = "esms_africa"
    label = "eSMS Africa"
    docs = "https://esmsafrica.io/docs/delivery/status/"
    base_url = "https://sms.esmsafrica.io"
    credentials = (
        CredentialField(name="api_key", label="API key", help="Starts with esms_live_ or esms_test_."),
        CredentialField(name="webhook_secret", label="Webhook secret", optional=True, help="GET /webhooks shows it."),
    )
    words, word_notes = WORDS, WORD_NOTES
    times = TIMES
    reopens_failed_for = 1800
    webhook_setup = 'Set this address with PUT /webhooks {"dlr_url": "..."} or in the eSMS Africa portal.'
    webhook_signed = True
    has_retry = True
    has_summary = True
    repeat_is_safe = True  # every send carries an Idempotency-Key
    not_documented = (
        "what a batch answers (its counters and its messages)",
        "whether a retry keeps the message's id: the documents disagree, so both are understood",
        "the exact rate limit",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {needed(credentials, 'api_key')}"}

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        nameless = [] if "batch" in without else [t for t in targets if t.id is None]
        lists = [_list_ask(batch_id, members) for batch_id, members in worth_listing(nameless).items()]
        # A comma would cut an id in two: such an id is asked about alone.
        many = [] if "bulk" in without else [t for t in targets if t.id is not None and "," not in t.id]
        bulk = [_bulk_ask(chunk) for chunk in chunks(many, MOST_IDS)]
        return lists + bulk + status_asks(uncovered(targets, bulk), STATUS)

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "batch" in without else _list_ask(batch_id)

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if without & {"batch", "summary"} else replace(_list_ask(batch_id), call="summary")

    def recent_ask(self, to: str, since: datetime, without: frozenset[str] = frozenset()) -> Ask | None:
        request = get(API, to=f"+{to}", date_from=f"{since:%Y-%m-%dT%H:%M:%SZ}", page=0, limit=PAGE_SIZE)
        return None if "recent" in without else Ask(call="recent", request=request)

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=get(API, page=0, limit=1))

    def send_request(self, outgoing: Outgoing) -> Request:
        number, key = digits_of(outgoing.to), outgoing.idempotency_key
        require(number != "" and outgoing.text != "", "eSMS Africa needs a number and a text.")
        body = {"to": f"+{number}", "text": outgoing.text, "sender_id": outgoing.sender, "route": outgoing.route}
        headers = (("Idempotency-Key", key),) if key else ()
        return Request(method="POST", path=f"{API}/send", json=filled(body), headers=headers)

    def retry_request(self, message_id: str) -> Request:
        return Request(method="POST", path=f"{API}/{path_part(message_id)}/retry")

    # -- hearing

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call not in {"bulk", "batch", "recent"}:
            return Page(items=(payload,))
        rows = list_of(payload["messages"])
        if ask.call == "bulk":
            # A failure without its story is left out, so that it is asked about alone: docs/decisions/0009.
            return Page(items=tuple(row for row in rows if not _hides_story(row)))
        total, limit = count_of(payload.get("total")), count_of(payload.get("limit")) or PAGE_SIZE
        following = get(ask.request.path, **(dict(ask.request.params) | {"page": str(ask.page + 1)}))
        return page_of(ask, rows, following, seen=ask.page * limit + len(rows), total=total, limit=limit)

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        sent = call == "send"
        entries = self._accepted(item) if sent else self._entries(item)
        return Report(
            id=None if sent and not item.get("id") else id_text(item["message_id" if call == "webhook" else "id"]),
            to=digits_of(item.get("phone") or item.get("to")),
            batch_id=optional_id(item.get("batch_id")),
            entries=entries,
            cost=money_of(item.get("cost")) if sent else None,  # everywhere else it is the route's price
            currency=text_of(item.get("cost_currency")) if sent else "",
            parts=count_of(item.get("segments")),
            sender=text_of(item.get("sender_id")),
            text=text_of(item.get("text")) if call in WITH_TEXT else "",
            route=text_of(item.get("route")),
            sent_at=stated_time(item.get("created_at")),
            extra=_extra(item, sent),
            recheck=call == "webhook" and entries[-1].status in FINAL and entries[-1].counter is None,
        )

    def webhook_signature_ok(self, body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        given = {name.lower(): value for name, value in headers.items()}.get("x-webhook-signature", "")
        right = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return secret != "" and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())

    def summary_of(self, payload: Any) -> dict[str, int]:
        return counters_of(payload, COUNTERS)

    def probe_says(self, payload: Any) -> str:
        total = count_of(payload.get("total"))
        return "" if total is None else f"The account lists {total} messages."

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        shared = picked(request, ASKED)
        if "batch_id" in payload and "id" not in payload:
            return _bulk_reply(payload, shared, picked(request, ("recipients",)).get("recipients", []))
        if self.status(text_of(payload.get("status"))) not in FAILURES:
            id_text(payload["id"])  # accepted without an id is an answer we cannot read
        return SendReply(items=(shared | payload,), balance=money_of(payload.get("balance_after")))

    def retry_reply(self, payload: Any) -> str:
        if refusal := _refusal(payload):
            raise refusal
        return id_text(payload["id"])

    def normalise_id(self, message_id: str) -> str:
        """`msg-<uuid>` in one place is the bare UUID in another."""
        lowered = message_id.lower() if message_id.isascii() else message_id  # beyond ASCII one letter may become two
        return lowered.removeprefix("msg-").removeprefix("msg_")

    def _accepted(self, item: Mapping[str, Any]) -> tuple[Entry, ...]:
        """What a send reply says: submitted, scheduled, failed at once, or nothing but an id."""
        said = (self._top(item, []),) if item.get("status") else ()
        return said if said and said[0].status else (ACCEPTED, *said)

    def _entries(self, item: Mapping[str, Any]) -> tuple[Entry, ...]:
        """The timeline, and the status on top of it unless the timeline's last word is the same."""
        timeline = self._timeline(list_of(item.get("timeline") or []))
        top = self._top(item, timeline)
        if not timeline:
            return (top,)
        *before, last = timeline
        if last.word.lower() != top.word.lower():
            # The counter is about the latest try: a failure that the top has left behind was the try before it.
            return (*before, last if last.status in FAILURES else replace(last, counter=top.counter), top)
        status = top.status if top.status is Status.EXPIRED else last.status
        last = replace(last, status=status, counter=top.counter, detail=last.detail or top.detail)
        return (*before, last if last.at_raw else replace(last, at_raw=top.at_raw, at=top.at))

    def _timeline(self, timeline: list[Any]) -> list[Entry]:
        entries: list[Entry] = []
        attempt = 0
        for told in timeline:
            word, detail = word_of(told.get("status") or told["event"]), text_of(told.get("detail"))
            entry = self.entry(word, told, detail, at="at")
            attempt = min(attempt + (entry.status is Status.RETRYING), MAX_ATTEMPT)
            entries.append(replace(entry, attempt=attempt))
        reasons = _reasons(entries)
        return [replace(e, status=_failed_or_expired(e.status, e.detail, reasons.get(e.attempt, ""))) for e in entries]

    def _top(self, item: Mapping[str, Any], timeline: list[Entry]) -> Entry:
        word = word_of(item.get("status") or item["event"].removeprefix("message."))
        code = text_of(item.get("error_code"))
        entry = self.entry(word, item, text_of(item.get("error_message")) or code)
        attempt, counter = timeline[-1].attempt if timeline else 0, attempt_of(item.get("retry_count"))
        status = _failed_or_expired(entry.status, code, _reasons(timeline).get(attempt, ""))
        attempt = max(attempt, 1) if status is Status.RETRYING else attempt
        return replace(entry, status=status, attempt=attempt, counter=counter)

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, unreadable = tried(reply.json)
        code, said = complaint_of(payload, *COMPLAINTS)
        # The one refusal that comes as a bare text (HTTP 403) is about the sender id, and no matter of our key.
        code = code or ("sender_id_not_approved" if said.lower().startswith("sender id") else "")
        error = http_error(reply, said, code)
        if error is None and call in READS:  # a server without the call takes "status" for the id of a message
            fits = isinstance(payload, dict) and ("messages" in payload or "id" not in payload)
            error = wrong_kind(reply, payload, fits)
        error = error or unreadable or _refusal(payload, reply.status)
        if error is not None and code in CODES and reply.status < 429:
            error.code, error.retryable = CODES[code], False
            error.message = NOT_AGAIN.get(code, "{}").format(error.message)
        return error and for_call(error, own=call in OWN, reads=call in READS)


def _bulk_ask(targets: tuple[Target, ...]) -> Ask:
    ids = ",".join(target.id or "" for target in targets)
    return Ask(call="bulk", request=get(f"{API}/status", ids=ids), targets=targets)


def _list_ask(batch_id: str, members: Sequence[Target] = ()) -> Ask:
    request = get(f"{API}/batch/{path_part(batch_id)}", page=0, limit=PAGE_SIZE)
    return Ask(call="batch", request=request, targets=tuple(members))


def _hides_story(row: Any) -> bool:
    return isinstance(row, dict) and not row.get("timeline") and str(row.get("status")).strip().lower() not in PLAIN


def _reasons(timeline: list[Entry]) -> dict[int, str]:
    """The last detail of each attempt. That of `retrying` is about the attempt before it."""
    return {e.attempt: e.detail for e in timeline if e.detail and e.status is not Status.RETRYING}


def _failed_or_expired(status: Status | None, *reasons: str) -> Status | None:
    """The provider folds "the phone was off until the end" into `failed`; only the carrier's own word tells."""
    expired = status is Status.FAILED and any("EXPIRED" in reason.upper() for reason in reasons)
    return Status.EXPIRED if expired else status


def _extra(item: Mapping[str, Any], sent: bool) -> dict[str, str]:
    price, currency = ("route_cost", "route_currency") if sent else ("cost", "currency")
    told = [picked(line.get("metadata"), ("gateway_message_id",)) for line in item.get("timeline") or []]
    carrier_ids = ["", *(text_of(carrier_id) for metadata in told for carrier_id in metadata.values())]
    route_price, code = price_text(item.get(price), item.get(currency)), text_of(item.get("error_code"))
    return filled({"route_price": route_price, "carrier_message_id": carrier_ids[-1], "error_code": code})


def _bulk_reply(payload: Mapping[str, Any], shared: Mapping[str, Any], recipients: list[Any]) -> SendReply:
    """A batch names no message. Its text is kept only where it is the same for everyone."""
    batch_id = id_text(payload["batch_id"])
    common = {name: said for name, said in shared.items() if name != "text" or "{{" not in str(said)}
    numbers = [recipient.get("to") if isinstance(recipient, dict) else recipient for recipient in list_of(recipients)]
    items = tuple({**common, "to": number, "batch_id": batch_id} for number in numbers)
    return SendReply(items=items, batch_id=batch_id, to_list=True, cost=money_of(payload.get("estimated_cost")))


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error in a body that answers nothing else."""
    if not isinstance(payload, dict) or payload.keys() & ANSWERS or not (payload.get("error") or payload.get("detail")):
        return None
    code, said = complaint_of(payload, *COMPLAINTS)
    text = f"eSMS Africa refused: {said or code or 'it says no more'}"
    return ProviderError(CODES.get(code, "refused"), text, status=status, provider_code=code)
