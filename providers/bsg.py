"""BSG (API v1): errors hide in any HTTP status, times have no zone, and three look-ups share one URL shape.

https://bsg.world/documentations/rest-api/sms-api/viewing-an-sms-status/ (the seed: one URL shape, codes 20 to 36)
https://bsg.world/developers/rest-api/viewing-an-sms-status (the path /reference/)
https://bsg.world/developers/rest-api/sms/send-sms/ and https://bsg.world/developers/rest-api/errors/
https://github.com/bsgworld/php-sdk-v1 (the paths /task/ and getStatus, callback_url; from their OpenAPI)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers.base import (
    ACCEPTED,
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
    chunks,
    complaint_of,
    count_of,
    digits_of,
    filled,
    for_call,
    get,
    http_error,
    money_of,
    needed,
    optional_id,
    path_part,
    picked,
    price_text,
    require,
    retry_after_of,
    status_asks,
    text_of,
    tried,
    uncovered,
    word_of,
    wrong_kind,
)

# Three documents, three lists of words; this is their union.
WORDS = {
    "": Status.QUEUED,
    "new": Status.QUEUED,
    "waiting": Status.QUEUED,
    "scheduled": Status.QUEUED,
    "moderation": Status.QUEUED,
    "accepted": Status.QUEUED,
    "sending": Status.SUBMITTED,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "deliver": Status.DELIVERED,
    "expired": Status.EXPIRED,
    "undeliverable": Status.UNDELIVERABLE,
    "undelivered": Status.UNDELIVERABLE,
    "not_deliver": Status.UNDELIVERABLE,
    "failed": Status.FAILED,
    "rejected": Status.REJECTED,
    "deleted": Status.CANCELLED,
    "unknown": Status.UNKNOWN,
}

# Any final status came about with the delivery report. "sending" has no time: `time_sent` may still be a plan then.
TIMES = {
    Status.QUEUED: "time_in",
    Status.SENT: "time_sent",
    Status.DELIVERED: "time_dr",
    Status.EXPIRED: "time_dr",
    Status.UNDELIVERABLE: "time_dr",
    Status.FAILED: "time_dr",
    Status.REJECTED: "time_dr",
    Status.CANCELLED: "time_dr",
    Status.UNKNOWN: "time_dr",
}

CODES: dict[str, ErrorCode] = {
    **dict.fromkeys(map(str, (3, 6, 7, 9, 10, 12, 21, 22, *range(24, 30), *range(31, 37))), "refused"),
    "1": "credentials",  # invalid key
    "2": "credentials",  # user blocked
    "4": "unsupported",  # function not supported
    "5": "unreachable",  # "unknown error": temporary, and of a send nobody can tell
    "8": "balance",
    "11": "throttled",  # too many messages at a time
    "20": "not_found",  # SMS
    "23": "duplicate",  # they have our reference already: the first request got through
    "30": "not_found",  # task
}
NOT_FOUND = "20"
COMPLAINTS = ("errorDescription", "message", "errors")  # `errors`: the web framework's own, by field

COUNTERS = ("delivered", "expired", "undeliverable", "unknown")
ASKED = ("msisdn", "originator", "body")  # what one message of a send reply takes from our request
API = "/rest/sms"
STATUS = API + "/{}"
OWN = frozenset({"status", "reference_seed", "task_seed"})  # the seed's only ways to ask
READS = frozenset({"bulk", "reference", "task"})  # newer calls
MOST_IDS = 100
REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,32}")
AS_NUMBER = re.compile(r"[1-9][0-9]{0,17}")  # an id that survives as the JSON number getStatus wants: "0211" would not


class Bsg(Provider):
    key = "bsg"
    label = "BSG"
    docs = "https://bsg.world/documentations/rest-api/sms-api/viewing-an-sms-status/"
    base_url = "https://api.bsg.world"
    credentials = (
        CredentialField(
            name="api_key",
            label="API key",
            help="With a key that starts with test_ BSG answers every question with random information.",
        ),
    )
    words = WORDS
    times = TIMES
    has_summary = True
    repeat_is_safe = True  # a reference is taken once, the second time is error 23
    webhook_setup = (
        "BSG has no setting for it: each send carries its own callback_url. Texts sent from here carry this account's "
        "address by themselves; in your own sends pass it as callback_url."
    )
    not_documented = (
        "The zone of its times: choose one for the account, or they are shown as given.",
        "The HTTP status of each error: the code in the body decides.",
        "The body, repeats and signature of its SMS callback: it is read like a status reply, and is never signed.",
        "A limit on requests a second.",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"X-API-KEY": needed(credentials, "api_key")}

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        many = [] if "bulk" in without else [t for t in targets if t.id is not None and AS_NUMBER.fullmatch(t.id)]
        bulk = [_bulk_ask(chunk) for chunk in chunks(many, MOST_IDS)]
        nameless = [t for t in targets if t.id is None and REFERENCE.fullmatch(t.reference)]
        by_reference = [_reference_ask(target, without) for target in nameless]
        return bulk + status_asks(uncovered(targets, bulk), STATUS) + by_reference

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        if "task" in without:
            return Ask(call="task_seed", request=get(f"{API}/{path_part(batch_id)}"))
        return Ask(call="task", request=get(f"{API}/task/{path_part(batch_id)}"))

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=get(f"{API}/balance"))

    def send_request(self, outgoing: Outgoing) -> Request:
        require(re.fullmatch("[0-9]{8,15}", outgoing.to) is not None, "BSG takes numbers of 8 to 15 digits.")
        require(3 <= len(outgoing.sender) <= 15, "BSG takes senders of 3 to 15 characters.")
        require(0 < len(outgoing.text) <= 765, "BSG takes texts of 1 to 765 characters.")
        # A reference of digits only could be read as somebody's message id: look-ups share one URL shape.
        named = REFERENCE.fullmatch(outgoing.reference) is not None and outgoing.reference[0].isalpha()
        require(named, "BSG needs a reference of at most 32 letters and digits that starts with a letter.")
        body = {
            "destination": "phone",
            "msisdn": outgoing.to,
            "originator": outgoing.sender,
            "body": outgoing.text,
            "reference": outgoing.reference,
            "callback_url": outgoing.callback_url,
        }
        return Request(method="POST", path=f"{API}/create", json=filled(body))

    # -- hearing

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call != "bulk":
            return Page(items=(payload,))
        if _complaint(payload)[0] == NOT_FOUND:
            return Page(items=())
        # One it objects to counts as not mentioned: asked about alone, it gets an answer of its own.
        return Page(items=tuple(row for row in _rows(payload) if not _complaint(row)[0]))

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        if _is_task(item):
            raise ProviderError("unparseable", "The answer is about a task, and a message was asked about.")
        reference = text_of(item.get("reference") or item.get("external_id"))
        # Without an id the reference is all that says whose answer this is.
        if asked is not None and asked.id is None and reference != asked.reference:
            raise ProviderError("unparseable", "The answer is about another reference than the one asked about.")
        return Report(
            id=optional_id(item.get("id")) or None,
            to=digits_of(item.get("msisdn")),
            reference=reference,
            batch_id=optional_id(item.get("task_id")),
            entries=(self._accepted(item) if call == "send" else self._said(item),),
            cost=money_of(item.get("price")),
            currency=text_of(item.get("currency")).strip(),
            sender=text_of(item.get("originator")),
            text=text_of(item.get("body")),
        )

    def summary_of(self, payload: Any) -> dict[str, int]:
        if not _is_task(payload):
            raise ProviderError("unparseable", "The answer is about a message, and a task was asked about.")
        counts = {name: count_of(payload.get(name)) or 0 for name in COUNTERS}
        sent = count_of(payload.get("sent")) or 0
        total = count_of(payload.get("total"))
        # `sent` never falls: a delivered message stays in it. Newer replies also count those not yet sent, in `total`.
        pending = max((sent if total is None else max(total, sent)) - sum(counts.values()), 0)
        return counts | {"sent": sent, "pending": pending} | ({} if total is None else {"total": total})

    def probe_says(self, payload: Any) -> str:
        balance = price_text(payload.get("amount"), payload.get("currency"))
        return f"Balance {balance}" if balance else ""

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        result = payload.get("result", payload)
        found = result if isinstance(result, list) else [result]
        if not any(item.get("id") or _complaint(item)[0] for item in found):
            raise ValueError("neither an id nor an error")
        task = picked(payload, ("task_id",))
        cost = None  # each message has a price of its own, except where only the whole has
        if all(item.get("price") is None for item in found):
            cost = money_of(payload.get("total_price"))
        return SendReply(
            items=tuple(_facts(item, request, alone=len(found) == 1) | item | task for item in found),
            batch_id=optional_id(payload.get("task_id")),
            cost=cost,
            currency="" if cost is None else text_of(payload.get("currency")).strip(),
        )

    def _said(self, item: Any) -> Entry:
        if refusal := _refusal(item):
            raise refusal
        return self.entry("" if item["status"] is None else word_of(item["status"]), item)

    def _accepted(self, item: Any) -> Entry:
        """One message of a send reply: taken, or refused with a code of its own and no id."""
        code, said = _complaint(item)
        if not code:
            return self._said(item) if item.get("status") else ACCEPTED
        word, detail, means = f"error {code}", f"{said} (error {code})", CODES.get(code)
        if means == "duplicate":  # they took this reference before: asking about it tells what became of it
            return Entry(word=word, detail=detail, note="duplicate")
        # A passing trouble of the account says nothing against the message: it may be sent again.
        passing = means in {"credentials", "balance", "throttled", "unreachable"}
        return Entry(word=word, status=Status.FAILED if passing else Status.REJECTED, detail=detail)

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, _ = tried(reply.json)
        code, said = _complaint(payload)
        if call == "bulk" and code == NOT_FOUND and reply.status == 200:
            return None  # it knows none of them: `split` finds nothing, so each is asked about alone
        refusal = _refusal(payload, reply)
        error = refusal or http_error(reply, said or code)
        if error is None and call == "bulk":
            error = wrong_kind(reply, payload, isinstance(_rows(payload), list))
        if error is not None and call in READS and error.code in {"not_found", "refused"}:
            return error.named("unsupported")  # whatever it dislikes about a newer call, the seed's may answer
        if error is None or (refusal is not None and call not in OWN):
            return error  # a code says more than the HTTP status it came with
        return for_call(error, own=call in OWN, reads=False)


def _reference_ask(target: Target, without: frozenset[str]) -> Ask:
    if "reference" in without:
        return Ask(call="reference_seed", request=get(f"{API}/{target.reference}"), targets=(target,))
    return Ask(call="reference", request=get(f"{API}/reference/{target.reference}"), targets=(target,))


def _bulk_ask(targets: tuple[Target, ...]) -> Ask:
    body = {"ids": [int(target.id or 0) for target in targets]}
    return Ask(call="bulk", request=Request(method="POST", path=f"{API}/getStatus", json=body), targets=targets)


def _rows(payload: Any) -> Any:
    return payload.get("result") if isinstance(payload, dict) else payload


def _is_task(payload: Any) -> bool:
    return "totalprice" in payload or ("sent" in payload and "status" not in payload)


def _facts(item: Any, request: Any, *, alone: bool) -> dict[str, Any]:
    """What the request said about this message. A reply names no number, so the reference tells which one it is."""
    if not isinstance(request, dict):
        return {}
    phones, reference = request.get("phones") or [request], item.get("reference")
    same = [phone for phone in phones if reference and phone.get("reference") == reference]
    if not same and alone:
        same = phones
    return picked(request, ("originator", "body")) | (picked(same[0], ASKED) if len(same) == 1 else {})


def _complaint(payload: Any) -> tuple[str, str]:
    """(code, sentence): a code is 25 or "25", at the top or inside `result`; 0, "0" and none at all are no error."""
    inner = payload.get("result") if isinstance(payload, dict) else None
    for part in (payload, inner):
        stated = part.get("error") if isinstance(part, dict) else None
        if stated not in (None, "", 0, "0"):
            return str(stated)[:20], complaint_of(part, *COMPLAINTS)[1]
    return "", complaint_of(payload, *COMPLAINTS)[1]


def _refusal(payload: Any, reply: Reply | None = None) -> ProviderError | None:
    """The error a code amounts to. An unlisted one leaves it to an HTTP status that is not a success."""
    code, said = _complaint(payload)
    reply = reply or Reply(status=200)
    if not code or not (code in CODES or 200 <= reply.status < 300):
        return None
    means = CODES.get(code, "refused" if code.isdecimal() else "unparseable")
    wait = retry_after_of(reply.headers) if means == "throttled" else None
    sentence = f"BSG says: {said} (error {code})"
    return ProviderError(means, sentence, status=reply.status, provider_code=code, retry_after=wait)
