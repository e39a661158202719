"""The webhook door: `POST /hooks/<token>/`. What each answer tells the provider:

200  stored (also if it could not be read, or we do not know the message): do not send it again
400  an empty or broken body  404  no such address        401  the signature is wrong
413  too big                  503  our database cannot keep it just now, or a key of ours is missing: send it again
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from dashboard.ingest.evidence import canonical, evidence, new_exchange
from dashboard.ingest.items import Item
from dashboard.ingest.record import record
from dashboard.models import Account
from dashboard.models.messages import Source
from dashboard.vault import Unreadable
from providers.base import ProviderError, Report, form_or_json, read

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
SEEN_EVERY = timedelta(seconds=30)  # how often `last_webhook_at` moves: it is one row for every webhook


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authentic webhook: whose, which bytes, when, and what its signature was worth."""

    account: Account
    body: bytes
    headers: Mapping[str, str]
    received_at: datetime
    signature: str  # "valid: current", "valid: previous" or "" (unsigned)
    token: str

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
    try:
        body = body_of(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        keep(authentic(token, body, headers))
    except Refused as refusal:
        error = {"code": refusal.code, "message": refusal.message}
        return JsonResponse({"error": error}, status=refusal.status)
    except (DatabaseError, InterfaceError, Unreadable) as error:
        log.error("A webhook could not be kept: %s", type(error).__name__)
        answer = {"error": {"code": "unavailable", "message": "Not stored; send it again.", "retry_after": 5}}
        return JsonResponse(answer, status=503, headers={"Retry-After": "5"})
    return JsonResponse({})


def body_of(request: HttpRequest) -> bytes:
    """The body, chunked or not: a missing Content-Length does not mean that there is none."""
    stated = request.headers.get("Content-Length") or ""
    if stated.isdigit() and int(stated) > MOST_BYTES:
        raise Refused(413, "too_big", f"A report has at most {MOST_BYTES} bytes.")
    if stated.isdigit() or not isinstance(request, WSGIRequest):
        body = request.read(MOST_BYTES + 1)
    else:
        body = _read_up_to(request.environ["wsgi.input"], MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise Refused(413, "too_big", f"A report has at most {MOST_BYTES} bytes.")
    if not body:
        raise Refused(400, "empty", "The body is empty.")
    if stated.isdigit() and len(body) < int(stated):
        raise Refused(400, "broken_off", "The body is shorter than its Content-Length.")
    return body


def _read_up_to(stream: Any, most: int) -> bytes:
    body = b""
    while len(body) < most and (chunk := stream.read(most - len(body))):
        body += chunk
    return body


def authentic(token: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
    """Whose webhook this is. Raises Refused for an unknown address (404) or a wrong signature (401)."""
    now = timezone.now()
    sha256 = Account.hash_hook(token)
    mine = Q(hook_sha256=sha256) | Q(old_hook_sha256=sha256, old_hook_until__gt=now)
    account = Account.objects.filter(mine).first()
    if account is None:
        raise Refused(404, "not_found", "There is no such address.")
    secrets = account.webhook_secrets(now)
    signature = ""
    if secrets and account.provider.webhook_signed:
        good = [name for name, secret in secrets if account.provider.webhook_signature_ok(body, headers, secret)]
        if not good:
            Account.objects.filter(pk=account.pk).update(
                last_error="A report came with a wrong or missing signature and was refused.", last_error_at=now
            )
            raise Refused(401, "bad_signature", "The signature is missing or wrong.")
        signature = f"valid: {good[0]}"
    return Delivery(account, body, headers, now, signature, token)


def keep(delivery: Delivery) -> None:
    """Evidence, events and state in one commit, before anybody is told that we have it."""
    with transaction.atomic():
        record(items_of(delivery))
        account = delivery.account
        if account.last_webhook_at is None or delivery.received_at - account.last_webhook_at > SEEN_EVERY:
            Account.objects.filter(pk=account.pk).update(last_webhook_at=delivery.received_at)


def items_of(delivery: Delivery) -> list[Item]:
    """The reports in the body; an unreadable body is one item with the reason."""
    provider = delivery.account.provider
    try:
        pieces = read(provider.webhook_items, form_or_json(delivery.body, delivery.content_type))
        reports = [(piece, read(provider.report, "webhook", piece)) for piece in pieces]
        if not reports:
            raise ProviderError("unparseable", "The report names no message.")
        if any(report.id is None and not report.reference for _, report in reports):
            raise ProviderError("unparseable", "The report does not say which message it is about.")
    except ProviderError as error:
        return [_item(delivery, delivery.body, Report(), problem=error.message)]
    if len(reports) == 1:
        return [_item(delivery, delivery.body, reports[0][1])]
    exchange_id = new_exchange()
    return [_item(delivery, canonical(piece), report, exchange_id, is_item=True) for piece, report in reports]


def _item(
    delivery: Delivery, body: bytes, report: Report, exchange_id: str = "", *, is_item: bool = False, problem: str = ""
) -> Item:
    row = evidence(
        delivery.account,
        "webhook",
        body,
        delivery.received_at,
        headers=delivery.headers,
        signature=delivery.signature,
        exchange_id=exchange_id,
        is_item=is_item,
        problem=problem,
        mask=[delivery.token],  # byte for byte but for our own token: the signature was judged on the whole
    )
    return Item(
        account=delivery.account,
        source=Source.WEBHOOK,
        report=report,
        received_at=delivery.received_at,
        evidence=row,
        signed=bool(delivery.signature),
    )
