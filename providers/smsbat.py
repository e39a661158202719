"""SMSBat: one message at a time, no time in any reply but the webhook, and a channel cascade that may end in SMS.

https://smsbat-help.pages.dev/api/smsbat/status/ (the seed: status, webhook, three ways to sign in)
https://smsbat-help.pages.dev/api/smsbat/send-message/ and https://github.com/smsbat/help (sending, error codes)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

from providers.base import (
    ACCEPTED,
    Ask,
    CredentialField,
    Entry,
    ErrorCode,
    Outgoing,
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
    money_of,
    needed,
    no_money,
    optional_id,
    picked,
    require,
    status_asks,
    text_of,
    tried,
    word_of,
)

WORDS = {
    "scheduled": Status.QUEUED,
    "accepted": Status.QUEUED,
    "processing": Status.SUBMITTED,
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.DELIVERED,
    "undeliverable": Status.UNDELIVERABLE,
    "permanenterror": Status.FAILED,
    "failed": Status.FAILED,
    "rejected": Status.REJECTED,
    "expired": Status.EXPIRED,
}

# All of them refuse the message for good, whatever the HTTP status says.
REFUSALS = {"INVALID_RECIPIENT", "INVALID_SENDER", "MESSAGE_TOO_LONG", "INVALID_ENCODING"}

FAILURES = frozenset({Status.UNDELIVERABLE, Status.FAILED, Status.REJECTED, Status.EXPIRED})
ON_ITS_WAY = frozenset({Status.QUEUED, Status.SUBMITTED, Status.SENT})

ASKED = ("from", "to", "text", "customerMessageId")  # what one message of a send reply takes from our request
API = "/bat"
STATUS = API + "/message/{}"
MOST_CHANNELS = 20


class SmsBat(Provider):
    key = "smsbat"
    label = "SMSBat"
    docs = "https://smsbat-help.pages.dev/api/smsbat/status/"
    base_url = "https://restapi.smsbat.com"
    credentials = (
        CredentialField(name="api_key", label="API key", group="key"),
        CredentialField(
            name="username",
            label="User name",
            group="login",
            help='With an API key instead of a password, "@" sends the key as @:key.',
        ),
        CredentialField(name="password", label="Password", group="login"),
    )
    words = WORDS
    rate = 5.0
    fresh_for = 30  # the documents ask for answers to be cached that long
    webhook_setup = (
        "Give this address to your SMSBat account manager: SMSBat has no setting for it. Its reports are not signed."
    )
    not_documented = (
        "The time of a status: a status reply has none, so the time shown is when we asked. A webhook has one.",
        "What it answers about an id it does not know, and its limits on requests a second.",
        "Any way to ask about many messages at a time, to list a batch, or to find a message by your own id.",
        "How often a webhook is repeated.",
    )

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        username, password = credentials.get("username", ""), credentials.get("password", "")
        if credentials.get("api_key"):
            key = needed(credentials, "api_key")
            return _basic("@", key) if username == "@" else {"X-Authorization-Key": key}
        if username and password:
            return _basic(username, password)
        raise ProviderError(
            "credentials", "This account has neither an API key nor a user name with its password.", written=False
        )

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        return status_asks(targets, STATUS)

    def probe_ask(self) -> Ask:
        # There is no balance call. That a message "0" does not exist can only be said to somebody with a good key.
        return Ask(call="probe", request=get(STATUS.format("0")))

    def send_request(self, outgoing: Outgoing) -> Request:
        require(digits_of(outgoing.to) == outgoing.to != "", "SMSBat needs a number in digits.")
        require(0 < len(outgoing.sender) <= 11, "SMSBat takes senders of 1 to 11 characters.")
        require(outgoing.text != "", "SMSBat needs a text.")
        message = {
            "from": outgoing.sender,
            "to": f"+{outgoing.to}",
            "type": "sms",
            "text": outgoing.text,
            "customerMessageId": outgoing.reference,
        }
        return Request(method="POST", path=f"{API}/messagelist", json={"messages": [filled(message)]})

    # -- hearing

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        if call == "send":
            return self._accepted(item)
        channels = tuple(islice(dict.fromkeys(_channels(item)), MOST_CHANNELS))
        said = self._said(item, channels)
        notes = tuple(Entry(word=f"{name}: {word}", part=name, note="channel") for name, word in channels)
        by = next((name for name, word in channels if self.status(word) is Status.DELIVERED), "")
        cost, currency = _price(item)
        return Report(
            # The documents' own examples of scheduled and processing have no id.
            id=optional_id(item.get("messageId")) or None,
            batch_id=optional_id(item.get("messagelistId")),
            entries=(said, *notes),
            cost=cost,
            currency=currency,
            parts=count_of(item.get("partscount")),
            extra=filled({"channel": by}),
        )

    def _said(self, item: Any, channels: Sequence[tuple[str, str]]) -> Entry:
        """The word on top. Each channel of a cascade is one more try of the same message: a failure on top while
        another channel goes on is not the end."""
        why = _sentence(*complaint_of(item, "error"))
        said = self.entry(word_of(item["deliverystatus"]), item, why, at="timestamp")  # which only a webhook has
        status = {name: self.status(word) for name, word in channels}
        failed = sum(one in FAILURES for one in status.values())
        left = next((name for name, one in status.items() if one in ON_ITS_WAY), "")
        goes_on = left != "" or Status.DELIVERED in status.values()
        said = replace(said, attempt=max(failed - (not goes_on), 0))
        if said.status not in FAILURES or not left:
            return said
        return replace(said, status=Status.RETRYING, part=left, detail=said.detail or f"{left} is still on its way.")

    def probe_says(self, payload: Any) -> str:
        return "The key is accepted. SMSBat has no call that tells the balance."

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        if refusal := _refusal(payload):
            raise refusal
        messages = payload["messages"]
        if not isinstance(messages, list) or not messages:
            raise ValueError("no message")
        batch = picked(payload, ("messagelistId",))
        items = tuple(_facts(message, request, alone=len(messages) == 1) | message | batch for message in messages)
        return SendReply(items=items, batch_id=optional_id(payload.get("messagelistId")))

    def _accepted(self, item: Any) -> Report:
        """One message of a send reply: a 200 may hold refused ones, without an id."""
        word = word_of(item.get("status") or ACCEPTED.word)
        return Report(
            id=optional_id(item.get("messageId")) or None,
            to=digits_of(item.get("to") or item.get("recipient")),
            reference=text_of(item.get("customerMessageId")),
            batch_id=optional_id(item.get("messagelistId")),
            entries=(self.entry(word, item, _sentence(*complaint_of(item, "error"))),),
            parts=count_of(item.get("parts")),
            sender=text_of(item.get("from")),
            text=text_of(item.get("text")),
        )

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        payload, _ = tried(reply.json)
        code, said = complaint_of(payload, "error")
        refusal = _refusal(payload, reply.status)
        # To the probe's question "there is no such message" in SMSBat's own shape is a yes to the key. Any other 404 is
        # not: that may be any web server.
        if call == "probe" and reply.status in {400, 404, 422} and refusal is not None:
            return None
        error = http_error(reply, said, code)
        if refusal is not None and (error is None or code in REFUSALS or refusal.code == "balance"):
            return refusal
        return error and for_call(error, own=call == "status", reads=False)


def _basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")}


def _channels(item: Any) -> Iterator[tuple[str, str]]:
    """What is said about each channel of a cascade, in both of the places: (channel, word)."""
    extended, fallbacks = item.get("extendedStatuses"), item.get("fallbacks")
    said = list(extended.items()) if isinstance(extended, dict) else []
    for fallback in fallbacks if isinstance(fallbacks, list) else ():
        if isinstance(fallback, dict):
            said.append((fallback.get("type"), fallback.get("status")))
    for channel, word in said:  # a detail that is no text is no reason to lose the status it came with
        if isinstance(channel, str) and isinstance(word, str):
            yield channel.strip()[:40], word_of(word)


def _price(item: Any) -> tuple[Decimal | None, str]:
    """What we pay, and in what: `cost` names no currency, so it is that of the amount beside it that equals it."""
    cost = money_of(item.get("cost"))
    stated = [
        (money_of(item.get(f"{of}Amount")), text_of(item.get(f"{of}Currency")).strip()) for of in ("bill", "rate")
    ]
    named = [(amount, currency) for amount, currency in stated if currency]
    if cost is None:
        return next(((amount, currency) for amount, currency in named if amount is not None), (None, ""))
    equal = [currency for amount, currency in named if amount == cost]
    others = {currency for _, currency in named}
    return cost, equal[0] if equal else others.pop() if len(others) == 1 else ""


def _facts(message: Any, request: Any, *, alone: bool) -> dict[str, Any]:
    """What the request said about this message, found by our own id, else by a number that occurs once in it.

    Never by its place: the reply's order is not the request's.
    """
    asked = request.get("messages") if isinstance(request, dict) else None
    candidates = [entry for entry in asked or () if isinstance(entry, dict)]
    reference, to = message.get("customerMessageId"), digits_of(message.get("to") or message.get("recipient"))
    same = [entry for entry in candidates if reference and entry.get("customerMessageId") == reference]
    same = same or [entry for entry in candidates if to and digits_of(entry.get("to")) == to]
    if not same and alone:
        same = candidates
    return picked(same[0], ASKED) if len(same) == 1 else {}


def _sentence(code: str, said: str) -> str:
    return f"{said} ({code})" if said and code else said or code


def _refusal(payload: Any, status: int | None = None) -> ProviderError | None:
    """The error in a body that is about nothing else: no status or list with an explanation beside it."""
    code, said = complaint_of(payload, "error")
    if not (code or said) or "deliverystatus" in payload or "messages" in payload:
        return None
    named: ErrorCode = "balance" if no_money(code, said) else "refused"
    return ProviderError(named, f"SMSBat says: {_sentence(code, said)}", status=status, provider_code=code)
