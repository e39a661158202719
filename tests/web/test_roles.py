"""Who gets in where. A new address without a line here, or a view without roles, fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.models import User
from dashboard.web.access import roles as mark
from tests.factory import account, sends, signed_in

ROLES = ("support", "ops", "admin")
ALL, LISTS, OPS, ADMIN, SENDERS = set(ROLES), {"ops", "admin"}, {"ops"}, {"admin"}, {"support", "ops"}

# URL name -> who gets in. Those with None answer everybody (they have their own key, or show nothing).
WHO: dict[str, set[str] | None] = {
    "hook": None, "healthz": None, "readyz": None, "metrics": None, "sign-in": None, "sign-out": None,
    "home": ALL, "theme": ALL, "story": ALL, "columns": LISTS, "password": ALL, "help": ALL, "zone": ALL,
    "second-factor": ALL, "second-factor-set-up": ALL, "second-factor-codes": ALL, "second-factor-replace": ALL,
    "find": ALL, "recipient": ALL, "message": ALL, "message-check": ALL, "message-evidence": ALL,
    "message-retry": SENDERS, "message-doubt": OPS, "recipient-opt-out": SENDERS, "recipient-opt-out-lift": OPS,
    "messages": LISTS, "messages-export": OPS, "batches": ALL, "batch": ALL, "batch-export": OPS,
    "messages-export-json": OPS, "batch-export-json": OPS,
    "bulks": LISTS, "bulk": LISTS, "bulk-new": OPS, "bulk-report": OPS,
    "bulk-approve": OPS, "bulk-pause": OPS, "bulk-resume": OPS, "bulk-stop": OPS,
    "attention": LISTS, "orphan-evidence": LISTS, "orphan-attach": LISTS,
    "accounts": LISTS, "account": ADMIN, "account-add": ADMIN, "account-edit": ADMIN, "account-credentials": ADMIN,
    "account-test": ADMIN, "account-rotate": ADMIN, "account-test-text": LISTS,
    "people": ADMIN, "person": ADMIN, "person-add": ADMIN, "person-enable": ADMIN, "person-disable": ADMIN,
    "person-reset": ADMIN, "person-second-factor-reset": ADMIN,
    "tokens": ADMIN, "token-create": ADMIN, "token-revoke": ADMIN, "audit": ADMIN, "audit-export": ADMIN,
}  # fmt: skip
PROGRAMS = "api/"  # has its own keys and its own tests


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in (resolver or get_resolver()).url_patterns:
        where = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, where)
        else:
            yield where, entry


def pages() -> list[tuple[str, URLPattern]]:
    return [(where, entry) for where, entry in patterns() if not where.startswith(PROGRAMS)]


@pytest.mark.parametrize("where", [where for where, _ in patterns()])
def test_every_view_names_its_roles_or_is_open_on_purpose(where: str) -> None:
    view: Any = dict(patterns())[where].callback
    open_to_all = not getattr(view, "login_required", True)
    assert open_to_all or getattr(view, "roles", None), f"{where} would answer 403 to everybody"


@pytest.mark.parametrize("where", [where for where, _ in pages()])
def test_the_roles_of_every_page_are_those_agreed(where: str) -> None:
    entry = dict(pages())[where]
    view: Any = entry.callback
    expected = WHO[str(entry.name)]
    if expected is None:
        assert view.login_required is False
    else:
        assert set(view.roles) == expected


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_a_page_answers_403_to_whoever_may_not_see_it(role: str) -> None:
    message = sends(account(), 1)[0]
    client = signed_in(role)
    for where, entry in pages():
        expected = WHO[str(entry.name)]
        if expected is None:
            continue
        page = "/" + (
            where.replace("<int:pk>", str(message.pk))
            .replace("<int:evidence_pk>", "1")
            .replace("<slug:pk>", message.recipient_id)
            .replace("<slug:slug>", "bsg")
        )
        answer = client.get(page)
        if role in expected:
            assert answer.status_code != 403, page
        else:
            assert answer.status_code == 403, page
        assert answer.status_code < 500, page


@pytest.mark.django_db
def test_a_reload_never_ends_at_an_address_that_only_takes_forms() -> None:
    message = sends(account(), 1)[0]
    client = signed_in(*ROLES)
    for where, entry in pages():
        if WHO[str(entry.name)] is None:
            continue
        page = "/" + where.replace("<int:pk>", str(message.pk)).replace("<slug:pk>", message.recipient_id)
        answer = client.get(page.replace("<int:evidence_pk>", "1").replace("<slug:slug>", "bsg"), follow=True)
        assert answer.status_code != 405, (entry.name, answer.redirect_chain)
        assert len(answer.redirect_chain) <= 2
    assert client.get("/sign-out/")["Location"] == "/"
    assert client.get("/people/add/", follow=True).redirect_chain == [("/people/", 302)]
    opt_out = f"/recipients/{message.recipient_id}/opt-out/"
    assert client.get(f"{opt_out}lift/", follow=True).redirect_chain[-1] == (opt_out.replace("opt-out/", ""), 302)
    assert client.get("/attention/orphans/5/attach/")["Location"] == "/attention/"


@pytest.mark.django_db
def test_nobody_signed_in_sees_no_page(client: Client) -> None:
    for where, entry in pages():
        if WHO[str(entry.name)] is not None:
            page = "/" + where.replace("<int:pk>", "1").replace("<int:evidence_pk>", "1")
            page = page.replace("<slug:pk>", "x").replace("<slug:slug>", "bsg")
            assert client.get(page)["Location"].startswith("/sign-in/"), page


@pytest.mark.django_db
def test_a_person_without_a_role_sees_nothing() -> None:
    client = Client()
    nobody = User.objects.create(username="nobody")
    client.force_login(nobody, backend="dashboard.web.sessions.Backend")
    assert client.get("/").status_code == 403
    assert client.get("/find/").status_code == 403


def test_a_role_that_does_not_exist_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="roles are"):
        mark("boss")
    with pytest.raises(ValueError, match="roles are"):
        mark()
