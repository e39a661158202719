"""People, accounts and messages for tests, made through the same doors as the real ones."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from django.utils import timezone

from dashboard.ingest.items import Item
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.models import Account, Message, User
from dashboard.models.messages import Source
from dashboard.people import add_person
from providers.base import Entry, Report, Status

PASSWORD = "a-long-test-password"


def person(*roles: str, name: str = "") -> User:
    """Somebody with these roles and PASSWORD."""
    return add_person(name or f"{'-'.join(roles)}-{secrets.token_hex(3)}", roles, PASSWORD, must_change=False)


def signed_in(*roles: str, name: str = "") -> Client:
    """A browser in which a new person with these roles is signed in."""
    client = Client()
    client.force_login(person(*roles, name=name), backend="dashboard.web.sessions.Backend")
    return client


def account(slug: str = "bsg", provider: str = "bsg", **fields: Any) -> Account:
    return Account.make(slug=slug, provider_key=provider, **fields)


def sends(account: Account, count: int, *, first: int = 0, **fields: Any) -> list[Message]:
    """`count` registered sends to different numbers, oldest first."""
    numbers = range(first, first + count)
    registered = register(
        account,
        [Send(to=f"2547{n:08d}", provider_message_id=f"{account.slug}-{n}", **fields) for n in numbers],
        Source.API,
    )
    pks = [result.message_id for result in registered if result.message_id]
    return list(Message.objects.filter(pk__in=pks).order_by("pk"))


def report(message: Message, status: Status, word: str = "", **entry: Any) -> None:
    """The provider says this about the message."""
    reports([(message, status)], word, **entry)


def reports(said: Sequence[tuple[Message, Status]], word: str = "", **entry: Any) -> None:
    now = timezone.now()
    record(
        [
            Item(
                account=message.account,
                source=Source.POLL,
                report=Report(id=message.match_id, entries=(Entry(word=word or status.value, status=status, **entry),)),
                received_at=now,
                message_id=message.pk,
                answered=True,
            )
            for message, status in said
        ]
    )


def webhook(account: Account, body: object, *, content_type: str = "application/json") -> int:
    """Post a body (bytes as they are, anything else as JSON) to the account's webhook; the answer's HTTP status."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = urlsplit(account.webhook_url).path
    return Client().post(path, data=data, content_type=content_type).status_code
