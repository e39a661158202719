"""Who a program is: a Bearer token with scopes that do not include each other, perhaps for one account only."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import Literal

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from dashboard.api.errors import ApiError
from dashboard.models import Account, ApiToken, Message

Scope = Literal["read", "write", "retry"]
SEEN_EVERY = timedelta(minutes=1)  # how often `last_used_at` moves: a busy program must not write at every read
CALLS_A_SECOND, BURST = 300.0, 3_000.0  # of one token, in one process


class Needs(HttpBearer):
    """Lets a token with this scope in; the operation finds it as `request.auth`."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiToken:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise ApiError(401, "unauthorized", "Send an API token: Authorization: Bearer as_...")
        return self.authenticate(request, secret.strip())

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        found = token_of(token)
        if found is None:
            raise ApiError(401, "unauthorized", "This API token is unknown or revoked.")
        _pace(found)
        if not getattr(found, self.scope):
            raise ApiError(403, "forbidden", f"This token has not the scope {self.scope}.")
        return found


def token_of(secret: str) -> ApiToken | None:
    """The valid token with this secret. It counts as used, at most once a minute."""
    token = ApiToken.objects.select_related("account").filter(sha256=ApiToken.hash(secret), revoked_at=None).first()
    if token is not None:
        _seen(token)
    return token


def _seen(token: ApiToken) -> None:
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - SEEN_EVERY)
    if token.last_used_at is None or token.last_used_at < now - SEEN_EVERY:
        with contextlib.suppress(DatabaseError):  # a busy database is no reason to refuse a read
            ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


_left: dict[int, tuple[float, float]] = {}  # token id -> (calls left, at which monotonic second)


def _pace(token: ApiToken) -> None:
    """A token bucket: one program gone wild does not keep the people's pages from the database."""
    now = time.monotonic()
    calls, before = _left.get(token.pk, (BURST, now))
    calls = min(BURST, calls + (now - before) * CALLS_A_SECOND)
    if calls < 1:
        raise ApiError(429, "throttled", "Too many calls with this token; wait a moment.", retry_after=1)
    _left[token.pk] = (calls - 1, now)


def account_for(token: ApiToken, slug: str) -> Account:
    """The account of this name, if the token may know that it exists."""
    account = Account.objects.filter(slug=slug).first() if "\0" not in slug else None
    if account is None or token.account_id not in (None, account.pk):
        raise ApiError(404, "account_not_found", "There is no such account.", field="account")
    return account


def message_for(token: ApiToken, message_id: str) -> Message:
    """The message with this id of ours, if the token may know that it exists."""
    pk = own_id(message_id)
    mine = Message.objects.select_related("account", "batch", "recipient").filter(pk=pk)
    if token.account_id:
        mine = mine.filter(account_id=token.account_id)
    message = mine.first() if pk else None
    if message is None:
        raise ApiError(404, "not_found", "There is no such message.")
    return message


def own_id(text: str) -> int:
    """An id of ours as it stands in a URL; 0 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
