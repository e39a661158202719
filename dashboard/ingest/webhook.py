"""The webhook door: `POST /hooks/<token>/`. What each answer tells the provider:

200  stored (also if it could not be read, or we do not know the message): do not send it again
400  an empty or broken body  404  no such address        401  the signature is wrong
413  too big                  503  our database cannot keep it just now, or a key of ours is missing: send it again

`answer_to` is the whole of it. The view here keeps one report in a commit of its own; `door.py` keeps all that wait in
one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from dashboard.ingest.evidence import canonical, evidence, new_exchange
from dashboard.ingest.items import Item
from dashboard.ingest.objects import Reads
from dashboard.ingest.record import record
from dashboard.models import Account
from dashboard.models.messages import Source
from dashboard.vault import Unreadable
from providers.base import ProviderError, Report, form_or_json, read

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
SEEN_EVERY = timedelta(seconds=30)  # how often `last_webhook_at` moves: it is one row for every webhook
AGAIN_AFTER = 5  # seconds

Environ = Mapping[str, Any]  # as WSGI has it, and Django's request.META


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, why it is not 200, and whether to come again."""

    status: int = 200
    code: str = ""
    message: str = ""
    retry_after: int | None = None

    @property
    def content(self) -> dict[str, Any]:
        if self.status == 200:
            return {}
        again = {} if self.retry_after is None else {"retry_after": self.retry_after}
        return {"error": {"code": self.code, "message": self.message, **again}}

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


KEPT = Answer()
NO_SUCH_ADDRESS = Answer(404, "not_found", "There is no such address.")
BAD_SIGNATURE = Answer(401, "bad_signature", "The signature is missing or wrong.")
UNAVAILABLE = Answer(503, "unavailable", "Not stored; send it again.", AGAIN_AFTER)


class Refused(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request: which address, which bytes, and when."""

    token: str
    body: bytes
    headers: Mapping[str, str]  # names in lower case
    received_at: datetime

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


@csrf_exempt
@login_not_required
@require_http_methods(["POST", "HEAD"])
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Keep one report, then answer. Some providers try the address with HEAD first."""
    if request.method == "HEAD":
        return HttpResponse()
    answer = answer_to(request.META, token, keep_one)
    return JsonResponse(answer.content, status=answer.status, headers=answer.headers)


def answer_to(environ: Environ, token: str, keep_it: Callable[[Delivery], Answer]) -> Answer:
    """The answer to one request; `keep_it` answers once it is stored."""
    try:
        return keep_it(Delivery(token, body_of(environ), headers_of(environ), timezone.now()))
    except Refused as refusal:
        return refusal.answer


# ------------------------------------------------------------------------------ reading the request


def body_of(environ: Environ) -> bytes:
    """The body, chunked or not: a missing Content-Length does not mean that there is none."""
    stated = str(environ.get("CONTENT_LENGTH") or "")
    length = int(stated) if stated.isascii() and stated.isdigit() else None
    if length is not None and length > MOST_BYTES:
        raise Refused(_too_big())
    body = _read_up_to(environ["wsgi.input"], MOST_BYTES + 1 if length is None else length)
    if len(body) > MOST_BYTES:
        raise Refused(_too_big())
    if not body:
        raise Refused(Answer(400, "empty", "The body is empty."))
    if length is not None and len(body) < length:
        raise Refused(Answer(400, "broken_off", "The body is shorter than its Content-Length."))
    return body


def _too_big() -> Answer:
    return Answer(413, "too_big", f"A report has at most {MOST_BYTES} bytes.")


def _read_up_to(stream: Any, most: int) -> bytes:
    body = b""
    while len(body) < most and (chunk := stream.read(most - len(body))):
        body += chunk
    return body


def headers_of(environ: Environ) -> dict[str, str]:
    """By their names in lower case."""
    found = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    if (content_type := environ.get("CONTENT_TYPE")) is not None:
        found["content-type"] = content_type
    return found


# ------------------------------------------------------------------------------ keeping


def keep_one(delivery: Delivery) -> Answer:
    """Keep one in a commit of its own."""
    try:
        return keep([delivery])[0]
    except (DatabaseError, InterfaceError) as error:
        log.error("A webhook could not be kept: %s", type(error).__name__)
        return UNAVAILABLE


def keep(deliveries: Sequence[Delivery]) -> list[Answer]:
    """Evidence, events and state of all of them in one commit, before anybody is told that we have it.

    Who is refused harms nobody else. If anything is raised here, nothing of any of them is stored.
    """
    addresses = _addresses_of(deliveries)
    judged = [_judge(delivery, addresses.get(delivery.token)) for delivery in deliveries]
    items = [item for each in judged if isinstance(each, list) for item in each]
    forged = {
        addresses[d.token].account.pk for d, each in zip(deliveries, judged, strict=True) if each is BAD_SIGNATURE
    }
    if items or forged:
        with transaction.atomic():
            record(items)
            _note({item.account.pk: item.account for item in items}, forged)
    return [KEPT if isinstance(each, list) else each for each in judged]


@dataclass(frozen=True, slots=True)
class _Address:
    """Whose it is, and what may have signed its reports (None: our key to that is lost)."""

    account: Account
    secrets: list[tuple[str, str]] | None


_READS = Reads(Account)
_BY_TOKEN = {
    vendor: f"WITH told (sha256) AS ({told}) SELECT {_READS.columns('one')} FROM {Account._meta.db_table} AS one "  # noqa: S608
    "WHERE hook_sha256 IN (SELECT sha256 FROM told) OR old_hook_sha256 IN (SELECT sha256 FROM told)"
    for vendor, told in {
        "sqlite": "SELECT value FROM json_each(%s)", "postgresql": "SELECT json_array_elements_text(%s)",
    }.items()
}  # fmt: skip


def _addresses_of(deliveries: Iterable[Delivery]) -> dict[str, _Address]:
    """By token: an account's own, and for a week the one before it. Looked up each time: a change holds at once."""
    now = timezone.now()
    tokens = {Account.hash_hook(token): token for token in {delivery.token for delivery in deliveries}}
    found: dict[str, _Address] = {}
    accounts: list[Account] = _READS.objects(_BY_TOKEN[connection.vendor], [json.dumps(list(tokens))])
    for account in accounts:
        valid = [account.hook_sha256]
        if account.old_hook_until and account.old_hook_until > now:
            valid.append(account.old_hook_sha256)
        address = _Address(account, _secrets(account, now))
        found |= {tokens[sha256]: address for sha256 in valid if sha256 in tokens}
    return found


def _secrets(account: Account, now: datetime) -> list[tuple[str, str]] | None:
    try:
        return account.webhook_secrets(now) if account.provider.webhook_signed else []
    except Unreadable:
        log.error("A webhook of %s cannot be kept: its secret cannot be opened.", account.slug)
        return None


def _judge(delivery: Delivery, address: _Address | None) -> list[Item] | Answer:
    """What it says, or why it is refused."""
    if address is None:
        return NO_SUCH_ADDRESS
    if address.secrets is None:
        return UNAVAILABLE
    signature = ""
    if address.secrets:
        fits = address.account.provider.webhook_signature_ok
        good = [name for name, secret in address.secrets if fits(delivery.body, delivery.headers, secret)]
        if not good:
            return BAD_SIGNATURE
        signature = f"valid: {good[0]}"
    return items_of(delivery, address.account, signature)


def _note(seen: Mapping[int, Account], forged: Iterable[int]) -> None:
    """When an account last reported, now and then, and that somebody tried a wrong signature."""
    now = timezone.now()
    due = [pk for pk, one in seen.items() if one.last_webhook_at is None or now - one.last_webhook_at > SEEN_EVERY]
    if due:
        Account.objects.filter(pk__in=due).update(last_webhook_at=now)
    if forged:
        Account.objects.filter(pk__in=forged).update(
            last_error="A report came with a wrong or missing signature and was refused.", last_error_at=now
        )


def items_of(delivery: Delivery, account: Account, signature: str) -> list[Item]:
    """The reports in the body; an unreadable body is one item with the reason."""
    provider = account.provider
    try:
        pieces = read(provider.webhook_items, form_or_json(delivery.body, delivery.content_type))
        reports = [(piece, read(provider.report, "webhook", piece)) for piece in pieces]
        if not reports:
            raise ProviderError("unparseable", "The report names no message.")
        if any(report.id is None and not report.reference for _, report in reports):
            raise ProviderError("unparseable", "The report does not say which message it is about.")
    except ProviderError as error:
        return [_item(delivery, account, signature, delivery.body, Report(), problem=error.message)]
    if len(reports) == 1:
        return [_item(delivery, account, signature, delivery.body, reports[0][1])]
    exchange_id = new_exchange()
    return [
        _item(delivery, account, signature, canonical(piece), report, exchange_id, is_item=True)
        for piece, report in reports
    ]


def _item(
    delivery: Delivery,
    account: Account,
    signature: str,
    body: bytes,
    report: Report,
    exchange_id: str = "",
    *,
    is_item: bool = False,
    problem: str = "",
) -> Item:
    row = evidence(
        account,
        "webhook",
        body,
        delivery.received_at,
        headers=delivery.headers,
        signature=signature,
        exchange_id=exchange_id,
        is_item=is_item,
        problem=problem,
        mask=[delivery.token],  # byte for byte but for our own token: the signature was judged on the whole
    )
    return Item(
        account=account,
        source=Source.WEBHOOK,
        report=report,
        received_at=delivery.received_at,
        evidence=row,
        signed=bool(signature),
    )
