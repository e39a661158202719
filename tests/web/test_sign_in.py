"""Signing in, staying in, and being signed out."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from tests.factory import PASSWORD, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def sign_in(client: Client, name: str, password: str = PASSWORD, **more: str) -> object:
    return client.post("/sign-in/", {"username": name, "password": password, **more})


def age(client: Client, **seconds: int) -> None:
    """Move the session's own times into the past."""
    session = client.session
    for name, back in seconds.items():
        session[name] = int(time.time()) - back
    session.save()


def test_a_visitor_is_sent_to_the_sign_in_page_and_then_where_they_wanted_to_go(client: Client) -> None:
    ann = person("support", name="ann")
    asked = client.get("/find/")
    assert asked.status_code == 302
    assert asked["Location"] == "/sign-in/?next=%2Ffind%2F"
    answer = sign_in(client, ann.username, next="/find/")
    assert (answer.status_code, answer["Location"]) == (302, "/find/")
    assert client.get("/find/").status_code == 200


@pytest.mark.parametrize(
    "page", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_signing_in_never_leads_to_another_site(client: Client, page: str) -> None:
    ann = person("support")
    assert sign_in(client, ann.username, next=page)["Location"] == "/"


def test_the_session_gets_a_new_key_when_somebody_signs_in(client: Client) -> None:
    ann = person("support")
    client.get("/sign-in/")
    planted = client.session
    planted["x"] = 1
    planted.save()
    before = planted.session_key
    client.cookies["session"] = before
    sign_in(client, ann.username)
    assert client.cookies["session"].value != before


def test_a_wrong_name_and_a_wrong_password_look_the_same(client: Client) -> None:
    person("support", name="zoe")
    known = sign_in(client, "zoe", "wrong").content.decode()
    unknown = sign_in(client, "bob", "wrong").content.decode()
    assert "is wrong" in known
    assert _without_token(known).replace("zoe", "") == _without_token(unknown).replace("bob", "")


def _without_token(page: str) -> str:
    return re.sub(r"[A-Za-z0-9]{64}", "", page)


def test_a_guesser_is_slowed_down_and_nobody_else_is_locked_out(client: Client) -> None:
    person("support", name="ann")
    person("support", name="eve")
    answers = [sign_in(client, "ann", f"guess {n}").status_code for n in range(12)]
    assert answers[-1] == 429
    locked = sign_in(client, "ann")
    assert locked.status_code == 429
    assert b"Too many tries" in locked.content
    elsewhere = Client(REMOTE_ADDR="10.9.9.9")
    assert sign_in(elsewhere, "ann").status_code == 302
    assert sign_in(client, "eve").status_code == 302


def test_a_name_that_nobody_has_is_locked_just_the_same(client: Client) -> None:
    answers = [sign_in(client, "nobody", "x").status_code for n in range(12)]
    assert answers[-1] == 429


def test_half_an_hour_without_a_click_ends_the_session() -> None:
    client = signed_in("support")
    client.get("/")
    age(client, seen=30 * 60)
    answer = client.get("/find/")
    assert answer["Location"] == "/sign-in/?next=%2Ffind%2F&why=idle"
    assert b"30 minutes without a click" in client.get(answer["Location"]).content


def test_twelve_hours_end_the_session_whatever_was_clicked() -> None:
    client = signed_in("support")
    client.get("/")
    age(client, began=12 * 60 * 60)
    assert "why=limit" in client.get("/")["Location"]


def test_a_click_keeps_the_session_and_a_page_refreshing_itself_does_not() -> None:
    client = signed_in("support")
    client.get("/")
    age(client, seen=20 * 60)
    client.get("/?v=abc", headers={"HX-Request": "true"})
    assert time.time() - client.session["seen"] >= 20 * 60
    client.get("/")
    assert time.time() - client.session["seen"] < 60


@pytest.mark.parametrize("how", ["run out", "removed", "of another key"])
def test_a_session_that_is_over_in_the_database_is_nobodys(how: str, settings: Any) -> None:
    client = signed_in("support")
    assert client.get("/").status_code == 200
    if how == "run out":
        Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    elif how == "removed":
        Session.objects.all().delete()
    else:
        settings.SECRET_KEY = "y" * 50
    assert client.get("/")["Location"] == "/sign-in/"


def test_whatever_refreshes_itself_says_so_in_its_address() -> None:
    found = [
        (file.name, tag)
        for file in (Path(settings.BASE_DIR) / "templates").rglob("*.html")
        for tag in re.findall(r"<[^>]*hx-trigger=\"every .*", file.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 4
    assert [name for name, tag in found if "v=" not in tag and "list.follow" not in tag] == []


def test_a_refresh_after_the_end_leads_the_whole_page_to_the_sign_in() -> None:
    client = signed_in("support")
    client.get("/")
    age(client, seen=31 * 60)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/messages/5/?x=1"}
    for _ in range(2):  # the first ends the session, the second has none
        answer = client.get("/messages/5/?v=abc", headers=headers)
        assert answer.status_code == 401
        assert answer["HX-Redirect"].startswith("/sign-in/?next=%2Fmessages%2F5%2F%3Fx%3D1")


def test_signing_out_ends_the_session_and_needs_a_post() -> None:
    client = signed_in("support")
    assert client.get("/sign-out/")["Location"] == "/"
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/")["Location"] == "/sign-in/"


def test_a_password_made_by_an_admin_is_replaced_first() -> None:
    client = signed_in("support", name="new")
    user = person("support", name="fresh")
    user.must_change_password = True
    user.save()
    client = Client()
    client.force_login(user, backend="dashboard.web.sessions.Backend")
    assert client.get("/find/")["Location"] == "/password/"
    assert client.get("/password/").status_code == 200


def test_colours_are_remembered_in_a_cookie_that_names_nobody() -> None:
    client = signed_in("support")
    answer = client.post("/theme/", {"theme": "dark", "next": "/find/"})
    assert answer["Location"] == "/find/"
    assert client.cookies["theme"].value == "dark"
    assert 'data-bs-theme="dark"' in client.get("/").content.decode()
    client.post("/theme/", {"theme": "<script>", "next": "//evil.example"})
    assert client.cookies["theme"].value == "dark"
