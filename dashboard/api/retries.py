"""Asking for a message to be sent again: it costs money and texts a person, so the same wish is only ever one send."""

from __future__ import annotations

import hashlib
from datetime import datetime
from math import ceil
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Status

from dashboard.api.auth import Needs, account_for, message_for
from dashboard.api.body import read_model
from dashboard.api.errors import ApiError
from dashboard.api.messages import known_parameters
from dashboard.api.schemas import ErrorAnswer, RetryIn, RetryOut
from dashboard.api.shapes import retry_shape
from dashboard.ingest.incoming import LONGEST_TEXT
from dashboard.ingest.retry import Refused, request_retry
from dashboard.models import ApiToken
from providers.base import is_control

LONGEST_KEY = 255
LONGEST_SENDER = 50

router = Router(tags=["retries"], auth=Needs("retry"))


@router.post(
    "/messages/{message_id}/retry",
    response={
        frozenset((200, 202)): RetryOut,
        frozenset((400, 401, 403, 404, 409, 413, 415, 422, 429)): ErrorAnswer,
    },
    summary="Send again",
    openapi_extra={
        "parameters": [
            {
                "in": "header",
                "name": "Idempotency-Key",
                "required": True,
                "schema": {"type": "string", "maxLength": LONGEST_KEY},
                "description": "Yours, new for each wish: the same key again answers 200 with the same retry.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RetryIn"}}},
        },
    },
)
def retry_message(request: HttpRequest, message_id: str) -> Status[dict[str, Any]]:
    """202: it is wanted, and a worker asks about the message once more before it sends. 200: this very wish was stored
    before. 409 says why not, with `retry_after` where waiting is enough.

    delivered: it arrived. pending: it is on its way. provider_retrying: the provider is trying again by itself.
    outcome_unknown: nobody knows whether the last try went out. unconfirmed: reported, though we thought it was not
    sent. open_retry: it is being sent again. blocked: refused as it is, or the person wants no texts; another text,
    sender or account may lift the first, nothing the second. too_old: its validity is over, which a new text lifts; or
    first sent over 30 days ago. cap_message: sent again 3 times. cap_recipient: 3 texts sent again to this number in
    24 hours. cool_down: it failed a moment ago. account_disabled: off, or its sends are stopped. cap_account,
    spend_cap: the account's own limits of texts and of money in 24 hours; a text without a known price passes no limit
    of money. no_text: send the text along.
    """
    known_parameters(request)
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    key = _key(request)
    message = message_for(token, message_id)
    body = read_model(request, RetryIn)
    _check(body)
    if body.account:
        account_for(token, body.account)
    try:
        retry, created = request_retry(
            message.pk,
            token=token,
            reason=body.reason,
            nonce=hashlib.sha256(f"{token.pk} {key}".encode()).hexdigest(),
            account_slug=body.account,
            text=body.text,
            sender=body.sender,
        )
    except Refused as refusal:
        raise _refused(refusal) from None
    if retry.root_id != message.root_pk:
        raise ApiError(409, "idempotency_key_reused", "This Idempotency-Key was used for another message.")
    return Status(202 if created else 200, retry_shape(retry))


def _key(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if not key or len(key) > LONGEST_KEY:
        raise ApiError(
            400, "idempotency_key_missing", f"Send a header Idempotency-Key of 1 to {LONGEST_KEY} characters."
        )
    return key


def _check(body: RetryIn) -> None:
    if not body.reason.strip():
        raise ApiError(422, "reason_missing", "Say why it is sent again.", field="reason")
    if len(body.text) > LONGEST_TEXT:
        raise ApiError(422, "too_long", f"A text has at most {LONGEST_TEXT} characters.", field="text")
    if len(body.sender) > LONGEST_SENDER or any(is_control(c) for c in body.sender):
        raise ApiError(422, "invalid", f"A sender has at most {LONGEST_SENDER} plain characters.", field="sender")


def _refused(refusal: Refused) -> ApiError:
    match refusal.code:
        case "reason_missing":
            return ApiError(422, refusal.code, refusal.message, field="reason")
        case "account_not_found":
            return ApiError(404, refusal.code, refusal.message, field="account")
        case _:
            return ApiError(409, refusal.code, refusal.message, retry_after=_seconds_until(refusal.possible_at))


def _seconds_until(moment: datetime | None) -> int | None:
    return max(1, ceil((moment - timezone.now()).total_seconds())) if moment else None
