"""eSMS Africa: a message has a timeline, and one id can fail, be tried again by the provider and still arrive.

https://esmsafrica.io/docs/delivery/status/ (the seed: one message, the list, the retry)
https://esmsafrica.io/docs/api-reference/messages/, .../delivery/webhooks/, .../api-reference/bulk/
https://github.com/eSMS-Africa/sms-docs (error codes) and https://github.com/eSMS-Africa/esms-sdk-php,
https://github.com/eSMS-Africa/esms-sdk-node (the bulk and batch calls, retry_count, the five shapes of an error)

The provider counts its tries by `retrying` entries and by `retry_count`, which our own retries under fresh ids raise
as well: so an entry carries both (`Entry.attempt` and `Entry.counter`) and the dashboard, which knows ours, decides.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.base import (
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
    Summary,
    Target,
    attempt_of,
    chunks,
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

FAILURES = frozenset({Status.FAILED, Status.UNDELIVERABLE, Status.REJECTED, Status.EXPIRED})

# The field that says when the status at the top of a message came about.
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

COUNTERS = ("total", "total_recipients", "pending", *WORDS)
ASKED = ("to", "text", "sender_id", "route")  # what one message of a send reply takes from our request
ANSWERS = frozenset({"id", "batch_id", "messages"})  # a body with one of these answers the question
API = "/api/messages"
SEEDS_OWN = frozenset({"status", "probe", "retry"})
PLAIN = frozenset({"queued", "scheduled", "dripping", "submitted", "sent", "delivered"})  # tell all without a timeline
READS = frozenset({"bulk", "batch", "summary"})
PAGE_SIZE = 50
MOST_PAGES = 10_000
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
    words = WORDS
    numbers_attempts = True
    reopens_failed_for = 1800
    webhook_setup = 'Set this address with PUT /webhooks {"dlr_url": "..."} or in the eSMS Africa portal.'
    webhook_signed = True
    has_retry = True
    has_summary = True
    not_documented = (
        "what a batch answers (its counters and its messages)",
        "whether a retry keeps the message's id: the documents disagree, so both are understood",
        "the exact rate limit",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {needed(credentials, 'api_key')}"}

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        batches: dict[str, list[Target]] = {}
        for target in targets:
            if target.id is None and target.batch_id and "batch" not in without:
                batches.setdefault(target.batch_id, []).append(target)
        # A comma would cut an id in two: such an id is asked about alone.
        many = [t for t in targets if t.id is not None and "," not in t.id and "bulk" not in without]
        bulk = [chunk for chunk in chunks(many, MOST_IDS) if len(chunk) > 1]
        covered = {target for chunk in bulk for target in chunk}
        alone = [_status_ask(t, t.id) for t in targets if t.id is not None and t not in covered]
        return [*(_batch_ask(b, members) for b, members in batches.items()), *map(_bulk_ask, bulk), *alone]

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if "batch" in without else _batch_ask(batch_id)

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        return None if without & {"batch", "summary"} else replace(_batch_ask(batch_id), call="summary")

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=Request(method="GET", path=API, params=(("page", "0"), ("limit", "1"))))

    def send_request(self, outgoing: Outgoing) -> Request:
        number, key = digits_of(outgoing.to), outgoing.idempotency_key
        require(number != "" and outgoing.text != "", "eSMS Africa needs a number and a text.")
        body = {"to": f"+{number}", "text": outgoing.text, "sender_id": outgoing.sender, "route": outgoing.route}
        headers = (("Idempotency-Key", key),) if key else ()
        return Request(method="POST", path=f"{API}/send", json={k: v for k, v in body.items() if v}, headers=headers)

    def retry_request(self, message_id: str) -> Request:
        return Request(method="POST", path=f"{API}/{path_part(message_id)}/retry")

    # -- hearing

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, unreadable = tried(reply.json)
        code, said = _complaint(payload)
        error = http_error(reply, said, code) or unreadable or _refusal(payload, reply.status)
        if reply.status == 200 and call in READS and _lists_nothing(error, reply, payload):
            return ProviderError("unsupported", "eSMS Africa answered with no list of messages.", status=200)
        if error is not None and code in CODES and reply.status < 429:
            error.code, error.retryable = CODES[code], False
        return error and for_call(error, own=call in SEEDS_OWN, reads=call in READS)

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call not in {"bulk", "batch"}:
            return Page(items=(payload,))
        rows = list_of(payload["messages"])
        if ask.call == "bulk":
            # A failure without its story is left out, so that it is asked about alone: only the timeline tells how
            # often it was tried, and that "failed" means EXPIRED.
            return Page(items=tuple(row for row in rows if not _hides_story(row)))
        return _batch_page(ask, rows, count_of(payload.get("total")), count_of(payload.get("limit")) or PAGE_SIZE)

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        sent = call == "send"
        entries = self._taken(item) if sent else self._entries(item)
        final = entries[-1].status in FAILURES or entries[-1].status is Status.DELIVERED
        return Report(
            id=None if sent and not item.get("id") else id_text(item["message_id" if call == "webhook" else "id"]),
            to=digits_of(item.get("phone") or item.get("to")),
            batch_id=optional_id(item.get("batch_id")),
            entries=entries,
            cost=money_of(item.get("cost")) if sent else None,  # everywhere else it is the route's price
            currency=text_of(item.get("cost_currency")) if sent else "",
            parts=count_of(item.get("segments")),
            sender=text_of(item.get("sender_id")),
            text=text_of(item.get("text")) if call in {"status", "send"} else "",  # lists cut it to 100 characters
            route=text_of(item.get("route")),
            sent_at=stated_time(item.get("created_at")),
            extra=_extra(item, "route_cost" if sent else "cost", "route_currency" if sent else "currency"),
            recheck=call == "webhook" and final and entries[-1].counter is None,
        )

    def _taken(self, item: Mapping[str, Any]) -> tuple[Entry, ...]:
        """What a send reply says: submitted, scheduled, failed at once, or nothing but an id."""
        said = (self._top(item, []),) if item.get("status") else ()
        return said if said and said[0].status else (Entry(word="accepted", status=Status.QUEUED), *said)

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
            status = self.status(word)
            attempt = min(attempt + (status is Status.RETRYING), MAX_ATTEMPT)
            at_raw, at = time_of(told.get("at"))
            entries.append(Entry(word=word, status=status, detail=detail, attempt=attempt, at_raw=at_raw, at=at))
        reasons = _reasons(entries)
        return [replace(e, status=_failed_or_expired(e.status, e.detail, reasons.get(e.attempt, ""))) for e in entries]

    def _top(self, item: Mapping[str, Any], timeline: list[Entry]) -> Entry:
        word = word_of(item.get("status") or item["event"].removeprefix("message."))
        code = text_of(item.get("error_code"))
        attempt, counter = timeline[-1].attempt if timeline else 0, attempt_of(item.get("retry_count"))
        status = _failed_or_expired(self.status(word), code, _reasons(timeline).get(attempt, ""))
        attempt = max(attempt, 1) if status is Status.RETRYING else attempt
        detail = text_of(item.get("error_message")) or code
        at_raw, at = time_of(item.get(TIMES[status])) if status in TIMES else ("", None)
        return Entry(word=word, status=status, detail=detail, attempt=attempt, counter=counter, at_raw=at_raw, at=at)

    def webhook_signature_ok(self, body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        given = {name.lower(): value for name, value in headers.items()}.get("x-webhook-signature", "")
        right = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return secret != "" and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())

    def summary_of(self, payload: Any) -> Summary:
        return Summary(counts=counters_of(payload, COUNTERS))

    def probe_says(self, payload: Any) -> str:
        total = count_of(payload.get("total"))
        return "" if total is None else f"The account lists {total} messages."

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        asked = request if isinstance(request, dict) else {}
        shared = {name: asked[name] for name in ASKED if asked.get(name)}
        if "batch_id" in payload and "id" not in payload:
            return _bulk_reply(payload, shared, asked.get("recipients") or [])
        if self.status(text_of(payload.get("status"))) not in FAILURES:
            id_text(payload["id"])  # accepted without an id is an answer we cannot read
        return SendReply(items=({**shared, **payload},), balance=money_of(payload.get("balance_after")))

    def retry_reply(self, payload: Any) -> str:
        if refusal := _refusal(payload):
            raise refusal
        return id_text(payload["id"])

    def normalise_id(self, message_id: str) -> str:
        """`msg-<uuid>` in one place is the bare UUID in another."""
        bare = message_id.lower()
        return bare[4:] if bare.startswith(("msg-", "msg_")) else bare


def _status_ask(target: Target, message_id: str) -> Ask:
    return Ask(call="status", request=Request(method="GET", path=f"{API}/{path_part(message_id)}"), targets=(target,))


def _bulk_ask(targets: tuple[Target, ...]) -> Ask:
    ids = ("ids", ",".join(target.id or "" for target in targets))
    return Ask(call="bulk", request=Request(method="GET", path=f"{API}/status", params=(ids,)), targets=targets)


def _batch_ask(batch_id: str, targets: Sequence[Target] = ()) -> Ask:
    params = (("page", "0"), ("limit", str(PAGE_SIZE)))
    request = Request(method="GET", path=f"{API}/batch/{path_part(batch_id)}", params=params)
    return Ask(call="batch", request=request, targets=tuple(targets))


def _batch_page(ask: Ask, rows: list[Any], total: int | None, limit: int) -> Page:
    """Pages count from 0. Without a total, a full page means that there may be one more."""
    seen = ask.page * limit + len(rows)
    unseen = seen < total if total is not None else len(rows) >= limit
    if not unseen or not rows or ask.page >= MOST_PAGES:
        return Page(items=tuple(rows), complete=not unseen)
    params = (("page", str(ask.page + 1)), ("limit", str(PAGE_SIZE)))
    more = replace(ask, page=ask.page + 1, request=replace(ask.request, params=params))
    return Page(items=tuple(rows), more=more, complete=False)


def _lists_nothing(error: ProviderError | None, reply: Reply, payload: Any) -> bool:
    """Whether a list is answered with a web page or with one message: the server takes "status" for a message's id."""
    if error is None:
        return not isinstance(payload, dict) or ("id" in payload and "messages" not in payload)
    return error.code == "unparseable" and not looks_like_json(reply.body)


def _hides_story(row: Any) -> bool:
    word = row.get("status") if isinstance(row, dict) else None
    plain = isinstance(word, str) and word.strip().lower() in PLAIN
    return isinstance(row, dict) and not plain and not row.get("timeline")


def _reasons(timeline: list[Entry]) -> dict[int, str]:
    """The last detail of each attempt. That of `retrying` is about the attempt before it."""
    return {e.attempt: e.detail for e in timeline if e.detail and e.status is not Status.RETRYING}


def _failed_or_expired(status: Status | None, *reasons: str) -> Status | None:
    """The provider folds "the phone was off until the end" into `failed`; only the carrier's own word tells."""
    expired = status is Status.FAILED and any("EXPIRED" in reason.upper() for reason in reasons)
    return Status.EXPIRED if expired else status


def _extra(item: Mapping[str, Any], price_name: str, currency_name: str) -> dict[str, str]:
    price = money_of(item.get(price_name))
    metadata = [told.get("metadata") for told in item.get("timeline") or []]
    carrier_ids = [text_of(m.get("gateway_message_id")) for m in metadata if isinstance(m, dict)]
    found = {
        "route_price": "" if price is None else f"{price:f} {text_of(item.get(currency_name))}".strip(),
        "carrier_message_id": next(filter(None, reversed(carrier_ids)), ""),
        "error_code": text_of(item.get("error_code")),
    }
    return {name: said for name, said in found.items() if said}


def _complaint(payload: Any) -> tuple[str, str]:
    """(code, sentence) of an error in its five shapes: `detail` as object, text or list; `error` as object or text."""
    code, said = "", ""
    for node in (payload.get("error"), payload.get("detail")) if isinstance(payload, dict) else ():
        first = node[0] if isinstance(node, list) and node else node
        inner = first if isinstance(first, dict) else {"message": first}
        code = code or sentence_of(inner.get("code"))
        said = said or sentence_of(inner.get("message")) or sentence_of(inner.get("msg"))
    # The one refusal that comes as a bare text (HTTP 403) is about the sender id, and no matter of our key.
    return code or ("sender_id_not_approved" if "sender" in said.lower() else ""), said


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error in a body that answers nothing else."""
    if not isinstance(payload, dict) or payload.keys() & ANSWERS or not (payload.get("error") or payload.get("detail")):
        return None
    code, said = _complaint(payload)
    text = f"eSMS Africa refused: {said or code or 'it says no more'}"
    return ProviderError(CODES.get(code, "refused"), text, status=status, provider_code=code)


def _bulk_reply(payload: Mapping[str, Any], shared: Mapping[str, Any], recipients: list[Any]) -> SendReply:
    """A batch names no message. Its text is kept only where it is the same for everyone."""
    batch_id = id_text(payload["batch_id"])
    common = {name: said for name, said in shared.items() if name != "text" or "{{" not in str(said)}
    numbers = [recipient.get("to") if isinstance(recipient, dict) else recipient for recipient in list_of(recipients)]
    items = tuple({**common, "to": number, "batch_id": batch_id} for number in numbers)
    return SendReply(items=items, batch_id=batch_id, to_list=True, cost=money_of(payload.get("estimated_cost")))
