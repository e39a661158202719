"""People, passwords, API tokens and the audit."""

from __future__ import annotations

import re

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard import people
from dashboard.models import ApiToken, Audit, User
from tests.factory import PASSWORD, account, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

NEW = "quite-another-password"


@pytest.fixture
def admin(db: None) -> Client:
    return signed_in("admin", name="ada")


def ada() -> User:
    return User.objects.get(username="ada")


def secret_on(page: bytes) -> str:
    found = re.search(r'id="secret">([^<]+)<', page.decode())
    return found[1] if found else ""


def actions() -> list[str]:
    return list(Audit.objects.order_by("pk").values_list("action", flat=True))


# ------------------------------------------------------------------------------ adding


def test_a_new_person_signs_in_once_with_the_password_shown_once(admin: Client) -> None:
    response = admin.post("/people/add/", {"name": "otto", "roles": ["ops", "support"]})
    assert response.headers["Location"] == "/people/"
    page = admin.get("/people/")
    password = secret_on(page.content)
    assert len(password) == 19
    assert secret_on(admin.get("/people/").content) == ""
    otto = User.objects.get(username="otto")
    assert otto.check_password(password)
    assert otto.must_change_password
    assert otto.roles == {"ops", "support"}
    browser = Client()
    browser.post("/sign-in/", {"username": "otto", "password": password})
    assert browser.get("/batches/").headers["Location"] == "/password/"
    row = Audit.objects.get()
    assert (row.actor_name, row.action, row.subject, row.details) == (
        "ada", "person.added", "person otto", {"roles": ["ops", "support"]},
    )  # fmt: skip


def test_the_password_waits_sealed_in_the_session(admin: Client) -> None:
    admin.post("/people/add/", {"name": "otto", "roles": ["ops"]})
    stored = str([session.get_decoded() for session in Session.objects.all()])
    assert secret_on(admin.get("/people/").content) not in stored
    assert secret_on(admin.get("/people/tokens/").content) == ""


@pytest.mark.parametrize(
    "given",
    [
        {}, {"name": "x"}, {"roles": ["ops"]}, {"name": "x", "roles": ["root"]}, {"name": "", "roles": ["ops"]},
        {"name": "a b", "roles": ["ops"]}, {"name": "a/b", "roles": ["ops"]}, {"name": "x" * 151, "roles": ["ops"]},
        {"name": "ADA", "roles": ["ops"]}, {"name": "ada", "roles": ["admin"]}, {"name": "\0", "roles": ["ops"]},
        {"name": "<b>", "roles": ["ops"]},
    ],
)  # fmt: skip
def test_a_bad_name_or_role_is_said_and_nobody_is_added(admin: Client, given: dict[str, object]) -> None:
    response = admin.post("/people/add/", given)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert User.objects.count() == 1
    assert not Audit.objects.exists()


# ------------------------------------------------------------------------------ changing


def test_roles_are_changed_and_noted_with_what_they_were(admin: Client) -> None:
    otto = person("support", name="otto")
    assert admin.post(f"/people/{otto.pk}/", {"roles": ["ops", "admin"]}).status_code == 302
    assert User.objects.get(pk=otto.pk).roles == {"ops", "admin"}
    assert Audit.objects.get().details == {"before": ["support"], "now": ["admin", "ops"]}
    admin.post(f"/people/{otto.pk}/", {"roles": ["ops", "admin"]})
    assert Audit.objects.count() == 1
    for bad in ({}, {"roles": ["root"]}):
        assert admin.post(f"/people/{otto.pk}/", bad).context["form"].errors


def test_nobody_takes_the_admin_role_or_access_from_themselves(admin: Client) -> None:
    person("admin")
    response = admin.post(f"/people/{ada().pk}/", {"roles": ["ops"]})
    assert response.context["form"].errors["roles"] == [
        "You cannot take the admin role from yourself; another admin can."
    ]
    assert b"cannot disable yourself" in admin.post(f"/people/{ada().pk}/disable/", follow=True).content
    assert ada().roles == {"admin"}
    assert ada().is_active
    assert admin.post(f"/people/{ada().pk}/reset/").headers["Location"] == "/password/"
    assert ada().check_password(PASSWORD)
    assert not Audit.objects.exists()


def test_the_last_admin_stays(admin: Client) -> None:
    other = person("admin", name="other")
    people.set_enabled(other, False, by=ada())
    with pytest.raises(people.NotAllowed, match="last admin"):
        people.change_roles(ada(), {"ops"}, by=other)
    with pytest.raises(people.NotAllowed, match="last admin"):
        people.set_enabled(ada(), False, by=other)
    people.change_roles(other, {"ops"}, by=ada())  # a disabled admin is none


def test_a_disabled_person_is_out_at_once_and_stays_out_when_let_in_again(admin: Client) -> None:
    otto = signed_in("ops", name="otto")
    assert otto.get("/batches/").status_code == 200
    pk = User.objects.get(username="otto").pk
    admin.post(f"/people/{pk}/disable/")
    assert otto.get("/batches/").headers["Location"].startswith("/sign-in/")
    admin.post(f"/people/{pk}/enable/")
    assert otto.get("/batches/").headers["Location"].startswith("/sign-in/")
    assert admin.get("/people/").status_code == 200  # others stay signed in
    assert actions() == ["person.disabled", "person.enabled"]
    admin.post(f"/people/{pk}/enable/")
    assert len(actions()) == 2


def test_a_reset_password_ends_the_sessions_and_is_shown_once(admin: Client) -> None:
    otto = signed_in("ops", name="otto")
    pk = User.objects.get(username="otto").pk
    page = admin.post(f"/people/{pk}/reset/", follow=True)
    found = User.objects.get(pk=pk)
    assert found.check_password(secret_on(page.content))
    assert found.must_change_password
    assert otto.get("/batches/").status_code == 302
    assert actions() == ["person.password_reset"]


def test_people_that_are_not_there_are_404_and_changes_need_a_post(admin: Client) -> None:
    assert admin.get("/people/999999/").status_code == 404
    for what in ("enable", "disable", "reset"):
        assert admin.post(f"/people/999999/{what}/").status_code == 404
        assert admin.get(f"/people/{ada().pk}/{what}/")["Location"] == f"/people/{ada().pk}/"


# ------------------------------------------------------------------------------ one's own password


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> object:
    return client.post("/password/", {"old": old, "new": new, "again": again})


@pytest.mark.parametrize("role", ["support", "ops", "admin"])
def test_everybody_changes_their_own_password_and_other_sessions_end(role: str) -> None:
    here = signed_in(role, name="otto")
    elsewhere = Client()
    elsewhere.post("/sign-in/", {"username": "otto", "password": PASSWORD})
    assert elsewhere.get("/batches/").status_code == 200
    User.objects.update(must_change_password=True)
    assert b"made by an admin" in here.get("/password/").content
    response = change(here)
    assert response.headers["Location"] == "/"  # type: ignore[attr-defined]
    otto = User.objects.get()
    assert otto.check_password(NEW)
    assert not otto.must_change_password
    assert here.get("/batches/").status_code == 200
    assert elsewhere.get("/batches/").status_code == 302
    assert actions() == ["person.password_changed"]


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", NEW, NEW, "old"), ("", NEW, NEW, "old"), (PASSWORD, "short", "short", "new"),
        (PASSWORD, "password123", "password123", "new"), (PASSWORD, "otto-otto-otto", "otto-otto-otto", "new"),
        (PASSWORD, PASSWORD, PASSWORD, "new"), (PASSWORD, NEW, NEW + "x", "again"), (PASSWORD, NEW, "", "again"),
        (PASSWORD, "x" * 5000, "x" * 5000, "new"), (PASSWORD, "\0" * 12, "\0" * 12, "new"),
    ],
)  # fmt: skip
def test_a_password_that_cannot_be_taken_is_said_beside_its_field(old: str, new: str, again: str, field: str) -> None:
    client = signed_in("ops", name="otto-otto-otto")
    response = change(client, old, new, again)
    assert field in response.context["form"].errors  # type: ignore[attr-defined]
    assert User.objects.get().check_password(PASSWORD)
    for typed in (old, new):
        assert len(typed) < 6 or f'value="{typed}"' not in response.content.decode()  # type: ignore[attr-defined]


def test_whoever_guesses_the_old_password_is_signed_out() -> None:
    client = signed_in("ops")
    for _try in range(4):
        change(client, old="wrong")
    assert client.get("/password/").status_code == 200
    assert change(client, old="wrong").headers["Location"] == "/sign-in/"  # type: ignore[attr-defined]
    assert client.get("/password/").status_code == 302
    assert actions() == ["person.signed_out"]


# ------------------------------------------------------------------------------ API tokens


def test_a_tokens_secret_is_shown_once_and_it_works_until_revoked(admin: Client) -> None:
    account("bsg", label="BSG Kenya")
    response = admin.post("/people/tokens/create/", {"name": "crm", "scopes": ["read", "write"], "account": "bsg"})
    assert response.headers["Location"] == "/people/tokens/"
    secret = secret_on(admin.get("/people/tokens/").content)
    assert secret.startswith(ApiToken.PREFIX)
    assert secret.encode() not in admin.get("/people/tokens/").content
    token = ApiToken.objects.get(sha256=ApiToken.hash(secret))
    assert (token.read, token.write, token.retry, token.account.slug) == (True, True, False, "bsg")  # type: ignore[union-attr]
    program, bearer = Client(), {"Authorization": f"Bearer {secret}"}
    assert program.get("/api/v1/batches", headers=bearer).status_code == 200
    assert admin.post(f"/people/tokens/{token.pk}/revoke/").status_code == 302
    admin.post(f"/people/tokens/{token.pk}/revoke/")
    assert program.get("/api/v1/batches", headers=bearer).status_code == 401
    assert actions() == ["token.created", "token.revoked"]
    assert secret not in str(list(Audit.objects.values_list("details", flat=True)))


@pytest.mark.parametrize(
    "given",
    [
        {}, {"name": "x"}, {"name": "", "scopes": ["read"]}, {"name": "x", "scopes": ["all"]},
        {"name": "x", "scopes": ["read"], "account": "nobody"}, {"name": "x" * 101, "scopes": ["read"]},
        {"name": "\0", "scopes": ["read"]},
    ],
)  # fmt: skip
def test_a_bad_token_form_is_said_and_makes_none(admin: Client, given: dict[str, object]) -> None:
    response = admin.post("/people/tokens/create/", given)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert not ApiToken.objects.exists()


def test_a_token_that_is_not_there_is_404(admin: Client) -> None:
    assert admin.post("/people/tokens/99/revoke/").status_code == 404
    assert admin.get("/people/tokens/99/revoke/")["Location"] == "/people/tokens/"


# ------------------------------------------------------------------------------ the audit


def test_the_audit_is_newest_first_and_filtered_by_subject_and_person(admin: Client) -> None:
    for n in range(60):
        Audit.objects.create(actor_name="otto" if n % 2 else "eve", action="did", subject=f"thing {n % 3}")
    first = admin.get("/audit/")
    assert len(first.context["rows"]) == 50
    assert first.context["rows"][0].row.subject == "thing 2"
    second = admin.get("/audit/" + first.context["older"])
    assert len(second.context["rows"]) == 10
    assert len(admin.get("/audit/?subject=thing+1").context["rows"]) == 20
    assert len(admin.get("/audit/?subject=thing+1&actor=otto").context["rows"]) == 10
    assert b"Nothing matches" in admin.get("/audit/?actor=nobody").content
    assert admin.get("/audit/?cursor=x").status_code == 400
    assert admin.get("/audit/?actor=%00").context["form"].errors
    assert admin.get("/audit/?subject=" + "x" * 101).context["form"].errors


def test_details_of_any_shape_are_shown_as_text(admin: Client) -> None:
    Audit.objects.create(
        actor_name="<i>", action="<b>", subject="<u>", reason="<s>", ip="10.0.0.1",
        details={"<k>": "<v>", "list": [1, {"a": None}], "empty": "", "nested": {"x": ["<y>"]}, "zero": 0},
    )  # fmt: skip
    page = admin.get("/audit/").content.decode()
    for tag in ("<i>", "<b>", "<u>", "<s>", "<k>", "<v>", "<y>"):
        assert tag not in page.split("<tbody>")[1].replace("<b></b>", "")
    assert "10.0.0.1" in page


@pytest.mark.parametrize("path", ["/audit/", "/people/", "/people/tokens/"])
def test_the_number_of_queries_does_not_grow(admin: Client, path: str) -> None:
    counts = []
    admin.get(path)
    for rows in (1, 50, 500):
        User.objects.bulk_create(User(username=f"p{rows}-{n}", ops=True) for n in range(rows))
        for n in range(rows):
            Audit.objects.create(actor=ada(), actor_name="ada", action="did", subject=f"thing {n}")
        ApiToken.objects.bulk_create(ApiToken(name="t", sha256=f"{rows}-{n}", read=True) for n in range(rows))
        with CaptureQueriesContext(connection) as queries:
            admin.get(path)
        counts.append(len(queries))
    assert len(set(counts)) == 1
    assert counts[0] <= 6
