"""What a failure was about, read from the words that providers and networks use for it.

Providers pass on what the network said ("DLR: ABSENT SUBSCRIBER", "error 13: Call barred"), each in its own frame. Only
the phrases inside are common to all, so those are what is looked for. Where none is found the status decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from providers.base import Status


class Failure(StrEnum):
    """What stood in the way, as far as it decides whether another try helps."""

    STOP = "stop"  # the person, or a list they are on, wants no texts
    SENDER = "sender"
    CONTENT = "content"
    BALANCE = "balance"
    ACCESS = "access"  # our account or key
    ROUTE = "route"  # our account has no way to this network
    NUMBER = "number"  # wrong or dead
    BARRED = "barred"  # the network gives this phone no texts
    MEMORY = "memory"  # the phone is full
    PHONE = "phone"  # off or out of reach
    NETWORK = "network"  # a fault that passes
    STOPPED = "stopped"  # somebody cancelled it
    REFUSED = "refused"  # by a provider or network, which do not say why
    NO_REASON = "no reason"


# Looked for in this order, as whole words of the text in small letters: "sender" comes before "blacklist", since a
# blocked sender is no blocked person, and "memory exceeded" before "exceeded".
PHRASES: tuple[tuple[Failure, tuple[str, ...]], ...] = (
    (Failure.STOP, (
        "opt out", "opted out", "optout", "optedout", "unsubscribe", "unsubscribed", "unsubscribed recipient",
        "do not disturb", "dnd", "ndnc", "do not call", "do not contact", "stop list", "stoplist", "replied stop",
        "sent stop", "stop received", "stop request", "stop command", "stop keyword",
    )),
    (Failure.SENDER, (
        "sender", "senderid", "sender id", "sender name", "originator", "source address", "source addr", "invsrcadr",
        "src addr", "alpha name", "alphaname", "from number", "calling number",
    )),
    (Failure.STOP, (
        "blacklist", "blacklisted", "black list", "black listed", "blocklist", "blocklisted", "block list", "denylist",
        "recipient blocked", "number blocked", "blocked recipient", "blocked number", "blocked by recipient",
        "blocked by user", "blocked by subscriber",
    )),
    (Failure.CONTENT, (
        "spam", "content", "keyword", "keywords", "template", "filtered", "filter", "prohibited", "moderation",
        "forbidden text", "profanity", "phishing", "fraud", "antispam", "message blocked", "text blocked",
    )),
    (Failure.MEMORY, (
        "memory capacity exceeded", "memory exceeded", "memory full", "memory capacity", "ms memory", "inbox full",
        "mailbox full", "storage full", "sim full", "handset full",
    )),
    (Failure.BALANCE, (
        "balance", "insufficient funds", "insufficient fund", "not enough funds", "not enough money", "no credit",
        "no credits", "insufficient credit", "insufficient credits", "out of credit", "low credit", "payment required",
        "credit limit", "wallet",
    )),
    (Failure.ACCESS, (
        "unauthorized", "unauthorised", "api key", "apikey", "authentication", "authorization failed",
        "account suspended", "account blocked", "account disabled", "account inactive", "account closed",
        "permission denied", "access denied", "invbnd", "invpaswd", "invsysid",
    )),
    (Failure.ROUTE, (
        "route", "no route", "routing", "no coverage", "unsupported destination", "destination not supported",
        "network not supported", "operator not supported", "country not supported", "country not allowed",
        "not allowed to send to", "no tariff", "no price", "geo permission",
    )),
    (Failure.NUMBER, (
        "unknown subscriber", "subscriber unknown", "unidentified subscriber", "unknown handset", "unknown number",
        "unknown destination", "unallocated", "unassigned", "not allocated", "not assigned", "invalid number",
        "invalid msisdn", "invalid phone", "invalid destination", "invalid recipient", "invalid dest", "invdstadr",
        "incorrect number", "incorrect phone", "incorrect destination", "incorrect recipient", "wrong number",
        "bad number", "not a valid", "number not valid", "does not exist", "doesn t exist", "no such number",
        "no such subscriber", "not in service", "out of service number", "number not in use", "disconnected",
        "deactivated", "number changed", "ported out", "landline", "not a mobile", "inactive number",
    )),
    (Failure.BARRED, (
        "call barred", "barred", "barring", "illegal subscriber", "illegal equipment", "illegal ms",
        "teleservice not provisioned", "not provisioned", "facility not supported", "service not subscribed",
        "sms not supported", "suspended subscriber", "subscriber suspended",
    )),
    (Failure.PHONE, (
        "absent subscriber", "subscriber absent", "absent", "phone off", "phone is off", "switched off",
        "turned off", "powered off", "power off", "unreachable", "not reachable", "unavailable subscriber",
        "subscriber unavailable", "no paging response", "paging", "imsi detached", "detached", "out of coverage",
        "out of reach", "roaming", "subscriber busy", "busy for mt sms", "expired", "expire", "expiry", "validity",
    )),
    (Failure.NETWORK, (
        "system failure", "network error", "network failure", "network problem", "network fault", "carrier error",
        "congestion", "congested", "temporary", "temporarily", "throttle", "throttled", "throttling", "queue full",
        "msgqful", "timeout", "time out", "timed out", "submit fail", "submit failed", "sysfail", "syserr", "overload",
        "overloaded", "try again", "try later", "internal error", "gateway error", "smsc error", "protocol error",
        "equipment protocol error", "service unavailable", "hlr", "rate limit", "too many requests",
    )),
    (Failure.STOPPED, ("cancelled", "canceled", "deleted", "stopped")),
    (Failure.REFUSED, ("rejectd", "rejected", "reject", "refused", "denied", "blocked", "not allowed", "forbidden")),
)  # fmt: skip

_OF_STATUS = {
    Status.REJECTED: Failure.REFUSED,
    Status.UNDELIVERABLE: Failure.NUMBER,
    Status.EXPIRED: Failure.PHONE,
    Status.CANCELLED: Failure.STOPPED,
}
_SAYS_LITTLE = frozenset({Failure.REFUSED, Failure.STOPPED})
_TABLE = [(failure, re.compile(r"\b(" + "|".join(phrases) + r")\b")) for failure, phrases in PHRASES]


def classified(text: str) -> Failure | None:
    """What the words say it was about; None if no phrase of the table is in them."""
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())
    return next((failure for failure, pattern in _TABLE if pattern.search(plain)), None)


@dataclass(frozen=True, slots=True)
class Complaint:
    """One negative thing that a provider said about a message; `event` is the row that keeps it."""

    status: Status
    word: str
    detail: str = ""
    attempt: int = 0
    event: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a message failed, and the words that say so."""

    failure: Failure
    event: int | None = None
    said: str = ""
    message: int | None = None  # the try about which it was said
    in_words: bool = False  # the provider's own words say it, not the status alone


def cause(status: Status, complaints: Iterable[Complaint]) -> Cause:
    """Why a message of this status failed, from what was said about its last attempt; the newest telling words win.

    That somebody wants no texts is believed whenever it was said.
    """
    newest = sorted(complaints, key=lambda one: (one.attempt, one.event), reverse=True)
    read = [(one, classified(f"{one.word} {one.detail}")) for one in newest]
    stop = next((one for one, failure in read if failure is Failure.STOP), None)
    if stop is not None:
        return _cause(Failure.STOP, stop)
    last = [(one, failure) for one, failure in read if one.attempt == newest[0].attempt]
    for one, failure in last:
        if failure is not None and failure not in _SAYS_LITTLE and not _only_a_status(one, failure):
            return _cause(failure, one, in_words=True)
    by_status = _OF_STATUS.get(status)
    if by_status is None:
        by_status = next((failure for _, failure in last if failure is not None), Failure.NO_REASON)
    fitting = next((one for one, _ in last if one.status is status), last[0][0] if last else None)
    return _cause(by_status, fitting) if fitting else Cause(by_status)


def _only_a_status(complaint: Complaint, failure: Failure) -> bool:
    """ "expired" with nothing beside it is the status said again, and a later status knows better."""
    return failure is Failure.PHONE and complaint.status is Status.EXPIRED and not complaint.detail


def _cause(failure: Failure, complaint: Complaint, *, in_words: bool = False) -> Cause:
    return Cause(failure, complaint.event or None, complaint.detail or complaint.word, in_words=in_words)
