"""Every page and list as somebody opens it, on what bench.generate made: for measuring, and for tests of plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from dashboard.keyset import from_row
from dashboard.models import Account, Message, Recipient, User
from providers.base import Status

TOKEN = "as_for_measuring"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request; `role` signs in, without one it is a program with its token. `kind` is what it is measured as."""

    kind: str
    path: str
    role: str = "ops"
    post: dict[str, str] | None = None
    part: bool = False  # asked for by htmx
    query: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        asked = "&".join(f"{name}={value}" for name, value in {**self.query, **(self.post or {})}.items())
        return f"{self.role or 'program'} {self.path}{'?' if asked else ''}{asked}"


class Visitors:
    """A signed-in browser of each role."""

    def __init__(self) -> None:
        self._clients = {role: Client() for role in ("support", "ops", "admin")}
        for role, client in self._clients.items():
            client.force_login(User.objects.get(username=role), backend="dashboard.web.sessions.Backend")
        self._program = Client(headers={"authorization": f"Bearer {TOKEN}"})

    def go(self, visit: Visit) -> Any:
        client = self._clients[visit.role] if visit.role else self._program
        headers = {"HX-Request": "true"} if visit.part else {}
        if visit.post is None:
            return client.get(visit.path, visit.query, headers=headers)
        if visit.role:
            return client.post(visit.path, visit.post, headers=headers)
        return client.post(visit.path, visit.post, content_type="application/json", headers=headers)


def visits() -> list[Visit]:
    return [*_support(), *_lists(), *_others(), *_programs()]


def _some(**which: Any) -> Message:
    """The newest message with these values, and a text."""
    found = Message.objects.filter(root=None, **which).select_related("recipient").order_by("-pk").first()
    assert found is not None, which
    return found


def _support() -> Iterator[Visit]:
    plain, old = _some(status="delivered", country="KE"), Message.objects.select_related("recipient").order_by("pk")[5]
    digits = plain.recipient.digits
    heavy = Recipient.objects.order_by("created_at").get(pk="0" * 16)
    yield Visit("find a number", "/find/", "support", {"q": f"+{digits}"})
    for last in (4, 5, 8):
        yield Visit("find last digits", "/find/", "support", {"q": digits[-last:]})
    ids = (
        plain.provider_message_id,
        f"ORD-{plain.pk // 2 * 2}",
        str(old.pk),
        "spring",
        "campaign 1",
        "nothing-like-it",
    )
    for text in ids:
        yield Visit("find any id", "/find/", "support", {"q": text or ""})
    for person in (plain.recipient_id, old.recipient_id, heavy.pk):
        yield Visit("recipient", f"/recipients/{person}/", "support")
    deep = Message.objects.filter(recipient=heavy, root=None).order_by("pk")[1].pk
    yield Visit("recipient", f"/recipients/{heavy.pk}/", "support", query={"cursor": from_row(deep)})
    told = [plain, old, _some(status="failed"), _some(effective="sent"), _some(status="failed", effective="delivered")]
    told += [_some(country="IS"), _some(account__slug="rare"), _some(batch=1)]
    for message in told:
        for role in ("support", "ops", "admin"):
            yield Visit("message", f"/messages/{message.pk}/", role)
    for message in told[2:3]:
        yield Visit("send again", f"/messages/{message.pk}/retry/", "support")
    kept = plain.evidence.order_by("-pk")[0]
    yield Visit("evidence", f"/messages/{plain.pk}/evidence/{kept.pk}/", "support", part=True)
    small = _some(batch__gt=1, batch__provider_batch_id="").batch_id
    for batch in (1, small):
        yield Visit("batch", f"/batches/{batch}/", "support")
        yield Visit("batch, live", f"/batches/{batch}/", "support", part=True, query={"live": "1", "v": "x"})
    batches: tuple[dict[str, str], ...] = (
        {}, {"account": "main"}, {"account": "rare"}, {"account": "orders"}, {"singles": "on"},
    )  # fmt: skip
    for query in batches:
        yield Visit("batches", "/batches/", "support", query=query)
    yield Visit("batches by name", "/batches/", "support", query={"name": "campaign 1"})


def _lists() -> Iterator[Visit]:
    today = timezone.now().date()
    days = {"since": f"{today - timedelta(days=61)}", "until": f"{today - timedelta(days=60)}"}
    singles = [{"status": status.value} for status in Status]
    singles += [{"bucket": name} for name in ("delivered", "expired", "undeliverable", "unknown", "pending")]
    singles += [{"account": slug} for slug in Account.objects.values_list("slug", flat=True)]
    singles += [{"country": code} for code in ("KE", "IS", "BR")] + [{"ended": "any"}, {"ended": "missed"}]
    singles += [{"batch": "id:1"}, {"batch": "campaign 1"}, {"reference": "spring"}, {"reference": "ORD-20"}]
    singles += [{"provider_message_id": _some().provider_message_id or ""}]
    singles += [{"last": span} for span in ("1h", "24h", "7d")] + [
        {"since": days["since"]},
        {"until": days["until"]},
        days,
    ]
    singles += [{"overdue": "on"}, {"conflict": "on"}, {"twice": "on"}]
    yield Visit("messages", "/messages/")
    for query in singles:
        yield Visit("messages, one filter", "/messages/", query=query)
    newest = Message.objects.order_by("-sent_at", "-pk").values_list("pk", flat=True)[0]
    for query in ({}, {"bucket": "pending"}, {"account": "main"}, {"country": "KE"}):
        asks = {"cursor": from_row(newest), "live": "1", "v": "x", **query}
        yield Visit("messages, live", "/messages/", part=True, query=asks)
    deep = Message.objects.order_by("sent_at").values_list("pk", flat=True)[Message.objects.latest("pk").pk // 3]
    yield Visit("messages, far down", "/messages/", query={"cursor": from_row(deep)})
    for first in (
        {"status": "rejected"}, {"status": "cancelled"}, {"bucket": "undeliverable"}, {"account": "main"},
        {"account": "rare"}, {"country": "KE"}, {"country": "IS"}, {"batch": "id:1"}, {"ended": "missed"},
        {"overdue": "on"}, {"twice": "on"}, {"conflict": "on"}, {"reference": "spring"},
    ):  # fmt: skip
        for second in (days, {"last": "24h"}, {"account": "royce"}, {"country": "BR"}, {"bucket": "pending"}):
            yield Visit("messages, filters together", "/messages/", query={**first, **second})
    yield Visit(
        "messages, filters together", "/messages/",
        query={**days, "account": "main", "country": "UG", "ended": "missed", "bucket": "expired"},
    )  # fmt: skip


def _others() -> Iterator[Visit]:
    for role in ("support", "ops", "admin"):
        yield Visit("overview", "/", role)
    yield Visit("overview, live", "/", part=True, query={"live": "1", "v": "x"})
    yield Visit("overview, 7 days", "/", query={"span": "7d"})
    yield Visit("attention", "/attention/")
    yield Visit("accounts", "/accounts/")
    yield Visit("accounts", "/accounts/main/", "admin")
    yield Visit("bulk", "/bulk/")
    yield Visit("bulk", "/bulk/1/")
    yield Visit("bulk", "/bulk/1/", query={"show": "delivered"})
    yield Visit("bulk", "/bulk/1/", part=True, query={"live": "1", "state": "done", "v": "x"})
    yield Visit("bulk", "/bulk/new/", query={"status": "failed", "last": "24h"})
    today = timezone.now().date()
    days = {"since": f"{today - timedelta(days=61)}", "until": f"{today - timedelta(days=60)}"}
    retried = Message.objects.filter(root__isnull=False).values_list("root_id", flat=True)[0]
    for query in (
        {}, {"subject": f"message {retried}"}, {"subject": str(retried)}, {"actor": "ops"}, {"actor": "admin"},
        {"action": "retry"}, {"action": "person.roles"}, {"action": "account.added"}, days, {**days, "actor": "admin"},
        {**days, "action": "person.roles"}, {"actor": "admin", "action": "retry"},
        {**days, "actor": "ops", "action": "account.changed"},
    ):  # fmt: skip
        yield Visit("audit", "/audit/", "admin", query=query)


def _programs() -> Iterator[Visit]:
    plain = _some(status="delivered")
    for query in ({}, {"status": "failed"}, {"bucket": "pending"}, {"account": "rare"}, {"batch": "1"},
                  {"reference": "spring"}, {"provider_message_id": plain.provider_message_id or ""}):  # fmt: skip
        yield Visit("API, lists", "/api/v1/messages", "", query=query)
    yield Visit("API, lists", "/api/v1/messages/search", "", {"phone": f"+{plain.recipient.digits}"})
    for query in ({}, {"account": "orders"}, {"name": "campaign 1"}, {"provider_batch_id": f"o-{plain.pk}"}):
        yield Visit("API, lists", "/api/v1/batches", "", query=query)
    yield Visit("API, one", f"/api/v1/messages/{plain.pk}", "")
    yield Visit("API, one", "/api/v1/batches/1", "")
    yield Visit("metrics", "/metrics", "")
