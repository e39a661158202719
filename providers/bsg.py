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
    chunks,
    count_of,
    digits_of,
    for_call,
    http_error,
    money_of,
    needed,
    optional_id,
    path_part,
    require,
    retry_after_of,
    text_of,
    time_of,
    tried,
    word_of,
)

# Every code that is not simply a refusal (there are thirty of those).
CODES: dict[int, ErrorCode] = {
    1: "credentials",  # invalid key
    2: "credentials",  # user blocked
    4: "unsupported",  # function not supported
    5: "unreachable",  # "unknown error": temporary, and of a send nobody can tell
    8: "balance",
    11: "throttled",  # too many messages at a time
    20: "not_found",  # SMS
    23: "duplicate",  # they have our reference already: the first request got through
    30: "not_found",  # task
}
REFUSALS = {3, 6, 7, 9, 10, 12, 21, 22, *range(24, 30), *range(31, 37)}
NOT_FOUND = 20

# The time that belongs to a status. Any final one came about with the delivery report; a note has no time of its own.
TIME_OF: dict[Status | None, str] = {
    Status.QUEUED: "time_in",
    Status.SUBMITTED: "",  # `time_sent` may be a plan
    Status.SENT: "time_sent",
    None: "",
}

BULK = 100
COUNTERS = ("delivered", "expired", "undeliverable", "unknown")
SEED_CALLS = {"status", "reference_seed", "task_seed"}
NEWER_CALLS = {"bulk", "reference", "task"}
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
    # Three documents, three lists of words; this is their union.
    words = {
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
    has_summary = True
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

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        return {"X-API-KEY": needed(credentials, "api_key")}

    # -- asking

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        bulk = [] if "bulk" in without else [t for t in targets if t.id is not None and AS_NUMBER.fullmatch(t.id)]
        asks = [_bulk_ask(chunk) for chunk in chunks(bulk, BULK) if len(chunk) > 1]
        asked = {target for ask in asks for target in ask.targets}
        singles = [_one_ask(target, without) for target in targets if target not in asked]
        return asks + [ask for ask in singles if ask is not None]

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        if "task" in without:
            return Ask(call="task_seed", request=_get(batch_id))
        return Ask(call="task", request=_get("task", batch_id))

    def probe_ask(self) -> Ask:
        return Ask(call="probe", request=_get("balance"))

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
        }
        if outgoing.callback_url:
            body["callback_url"] = outgoing.callback_url
        return Request(method="POST", path="/rest/sms/create", json=body)

    # -- hearing

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, _ = tried(reply.json)
        try:
            number, said = _code(payload)
        except ValueError:  # such as {"error": "Unauthorized"}
            number, said = 0, _sentence(payload)
            if 200 <= reply.status < 300:
                return ProviderError("unparseable", f"BSG answered with a strange error code: {said}"[:500])
        known = _by_code(number, said, reply)
        error = known or http_error(reply, said)
        if call == "bulk" and reply.status == 200:
            if number == NOT_FOUND:
                return None  # it knows none of them: `split` finds nothing, so each is asked about alone
            # Another kind of answer, or a web page; JSON that broke off on its way is only unreadable this once.
            broken = payload is None and reply.body.lstrip()[:1] in {b"{", b"["}
            if error is None and not broken and not isinstance(_listed(payload), list):
                error = ProviderError("unsupported", "BSG answered getStatus with no list.", status=reply.status)
        if error is not None and call in NEWER_CALLS and error.code in {"not_found", "refused"}:
            return error.named("unsupported")  # whatever it dislikes about a newer call, the seed's may answer
        if error is None or (known is not None and call not in SEED_CALLS):
            return error  # a code says more than the HTTP status it came with
        return for_call(error, own=call in SEED_CALLS, reads=False)

    def split(self, ask: Ask, payload: Any) -> Page:
        if ask.call != "bulk":
            return Page(items=(payload,))
        if _code(payload)[0] == NOT_FOUND:
            return Page(items=())
        # One it objects to counts as not mentioned: asked about alone, it gets an answer of its own.
        found = _listed(payload)
        return Page(items=tuple(i for i in found if not isinstance(i, dict) or i.get("error") in (None, "", 0, "0")))

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

    def summary_of(self, payload: Any) -> Summary:
        if not _is_task(payload):
            raise ProviderError("unparseable", "The answer is about a message, and a task was asked about.")
        counts = {name: count_of(payload.get(name)) or 0 for name in COUNTERS}
        sent = count_of(payload.get("sent")) or 0
        total = count_of(payload.get("total"))
        # `sent` never falls: a delivered message stays in it. Newer replies also count those not yet sent, in `total`.
        pending = max((sent if total is None else max(total, sent)) - sum(counts.values()), 0)
        counts |= {"sent": sent, "pending": pending} | ({} if total is None else {"total": total})
        currency = text_of(payload.get("currency")).strip()
        return Summary(counts=counts, cost=money_of(payload.get("totalprice")), currency=currency)

    def probe_says(self, payload: Any) -> str:
        amount = money_of(payload.get("amount"))
        return "" if amount is None else f"Balance {amount} {text_of(payload.get('currency'))}".strip()

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        number, said = _code(payload)
        fault = _by_code(number, said, None)
        if fault is not None:
            raise fault
        result = payload.get("result", payload)
        found = result if isinstance(result, list) else [result]
        if not any(item.get("id") or _code(item)[0] for item in found):
            raise ValueError("neither an id nor an error")
        task_id = optional_id(payload.get("task_id"))
        task = {"task_id": task_id} if task_id else {}
        cost = None  # each message has a price of its own, except where only the whole has
        if all(item.get("price") is None for item in found):
            cost = money_of(payload.get("total_price"))
        return SendReply(
            items=tuple(_facts(item, request, alone=len(found) == 1) | item | task for item in found),
            batch_id=task_id,
            cost=cost,
            currency="" if cost is None else text_of(payload.get("currency")).strip(),
        )

    def _said(self, item: Any) -> Entry:
        number, said = _code(item)
        if number:
            raise _by_code(number, said, None) or ValueError(said)
        word = "" if item["status"] is None else word_of(item["status"])
        status = self.status(word)
        raw, at = time_of(item.get(TIME_OF.get(status, "time_dr")))
        return Entry(word=word, status=status, at_raw=raw, at=at)

    def _accepted(self, item: Any) -> Entry:
        """One message of a send reply: taken, or refused with a code of its own and no id."""
        number, said = _code(item)
        if number == 0:
            return self._said(item) if item.get("status") else Entry(word="accepted", status=self.status("accepted"))
        word, detail, means = f"error {number}", f"{said} (error {number})", CODES.get(number)
        if means == "duplicate":  # they took this reference before: asking about it tells what became of it
            return Entry(word=word, detail=detail, note="duplicate")
        # A passing trouble of the account says nothing against the message: it may be sent again.
        passing = means in {"credentials", "balance", "throttled", "unreachable"}
        return Entry(word=word, status=Status.FAILED if passing else Status.REJECTED, detail=detail)


def _get(*parts: str) -> Request:
    return Request(method="GET", path="/".join(["/rest/sms", *map(path_part, parts)]))


def _bulk_ask(targets: tuple[Target, ...]) -> Ask:
    body = {"ids": [int(target.id or 0) for target in targets]}
    return Ask(call="bulk", request=Request(method="POST", path="/rest/sms/getStatus", json=body), targets=targets)


def _one_ask(target: Target, without: frozenset[str]) -> Ask | None:
    if target.id is not None:
        return Ask(call="status", request=_get(target.id), targets=(target,))
    if not REFERENCE.fullmatch(target.reference):
        return None
    if "reference" in without:
        return Ask(call="reference_seed", request=_get(target.reference), targets=(target,))
    return Ask(call="reference", request=_get("reference", target.reference), targets=(target,))


def _is_task(payload: Any) -> bool:
    return "totalprice" in payload or ("sent" in payload and "status" not in payload)


def _listed(payload: Any) -> Any:
    return payload.get("result") if isinstance(payload, dict) else payload


def _code(payload: Any) -> tuple[int, str]:
    """BSG's error code (0: none) and sentence. It is 0, "0", 25 or "25", at the top or inside `result`, or absent.

    Raises ValueError for a code that is no number.
    """
    for part in (payload, payload.get("result")) if isinstance(payload, dict) else ():
        stated = part.get("error") if isinstance(part, dict) else None
        if stated not in (None, "", 0, "0") and (number := int(str(stated))):
            return number, _sentence(part)
    return 0, _sentence(payload)


def _sentence(payload: Any) -> str:
    if not isinstance(payload, dict):
        return ""
    said = next((payload[name] for name in ("errorDescription", "message", "error") if payload.get(name)), "")
    fields = payload.get("errors")  # the web framework's own objections, by field
    return f"{said} {fields}"[:300] if fields else str(said)[:300]


def _by_code(number: int, said: str, reply: Reply | None) -> ProviderError | None:
    """The error a code amounts to. An unlisted one leaves it to an HTTP status that is not a success."""
    success = reply is None or 200 <= reply.status < 300
    if number == 0 or not (number in CODES or number in REFUSALS or success):
        return None
    code = CODES.get(number, "refused")
    wait = retry_after_of(reply.headers) if reply and code == "throttled" else None
    status = reply.status if reply else None
    sentence = f"BSG says: {said} (error {number})"
    return ProviderError(code, sentence, status=status, provider_code=str(number), retry_after=wait)


def _facts(item: Any, request: Any, *, alone: bool) -> dict[str, Any]:
    """What the request said about this message. A reply names no number, so the reference tells which one it is."""
    if not isinstance(request, dict):
        return {}
    phones = request.get("phones") or [request]
    same = [phone for phone in phones if item.get("reference") and phone.get("reference") == item["reference"]]
    if not same and alone and len(phones) == 1:
        same = phones
    facts = {name: request.get(name) for name in ("originator", "body")}
    for name in ("msisdn", "originator", "body") if len(same) == 1 else ():
        facts[name] = same[0].get(name) or facts.get(name)
    return {name: value for name, value in facts.items() if value is not None}
