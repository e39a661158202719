"""The second factor behind https: setting it up and giving the code; no page opens before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from dashboard import second_factor as rules, vault
from dashboard.models import Audit, User
from tests.factory import PASSWORD, person
from tests.web.phones import (
    CODE,
    CODES,
    SECRET,
    SET_UP,
    actions,
    addresses,
    ann,
    codes_on,
    inside,
    now,
    secret_on,
    user,
    with_password,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.usefixtures("https")]


# ------------------------------------------------------------------------------ setting it up


def test_the_first_sign_in_leads_through_the_set_up(clock: Any) -> None:
    person("support", name="ann")
    client = with_password("ann")
    led = client.get("/find/")
    assert led["Location"] == f"{SET_UP}?next=%2Ffind%2F"
    page = client.get(led["Location"]).content
    shown = secret_on(page)
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", shown)
    secret = shown.replace(" ", "")
    assert f"otpauth://totp/Aftersend:ann?secret={secret}&amp;issuer=Aftersend" in page.decode()
    assert b'src="data:image/svg+xml' in page
    assert b"style=" not in page
    assert secret_on(client.get(SET_UP).content) == shown  # a reload keeps what was scanned

    wrong = client.post(SET_UP, {"code": "000000"})
    assert b"does not belong" in wrong.content
    assert not inside(client)

    before = client.cookies["session"].value
    done = client.post(SET_UP, {"code": now(secret=secret), "next": "/find/"})
    assert done["Location"] == f"{CODES}?next=%2Ffind%2F"
    assert client.cookies["session"].value != before
    codes = client.get(done["Location"])
    assert len(set(codes_on(codes.content))) == 10
    assert b'href="/find/"' in codes.content
    assert client.get(CODES)["Location"] == "/password/"  # once
    assert inside(client)
    assert actions() == ["person.second_factor_set_up"]


def test_the_secret_is_sealed_and_in_no_answer_after_the_set_up(clock: Any) -> None:
    admin = person("support", "ops", "admin", name="ada")
    client = with_password("ada")
    secret = secret_on(client.get(SET_UP).content).replace(" ", "")
    pages = [client.post(SET_UP, {"code": now(secret=secret)})]
    assert secret not in str(list(User.objects.values()))
    assert vault.open_sealed(user("ada").sealed_totp, admin.pk, "totp") == {"secret": secret}
    pages += [client.get(where) for where, _ in addresses()]
    pages += [client.get(f"/people/{admin.pk}/"), client.get(SET_UP), client.post(SET_UP, {"code": "1"})]
    for page in pages:
        text = b"".join(page).decode() if page.streaming else page.content.decode()
        assert secret not in text.replace(" ", "")
        assert secret not in str(page.headers)
    assert secret not in str(client.session.items())
    assert secret not in str(list(Audit.objects.values()))


def test_whoever_has_none_reaches_only_their_password_and_the_way_out() -> None:
    person("support", "ops", "admin", name="ann")
    client = with_password("ann")
    for where, entry in addresses():
        answer = client.get(where)
        if entry.name in ("password", "second-factor-set-up"):
            assert answer.status_code == 200, where
        else:
            assert answer.status_code == 302, where
            assert answer["Location"].startswith(SET_UP), where
    assert client.post("/sign-out/")["Location"] == "/sign-in/"


def test_a_password_made_by_an_admin_is_replaced_before_the_set_up_and_after_the_code(clock: Any) -> None:
    ann(clock)
    User.objects.update(must_change_password=True)
    client = with_password("ann")
    assert client.get("/password/")["Location"].startswith(CODE)
    assert client.get(CODE).status_code == 200
    client.post(CODE, {"code": now()})
    assert client.get("/find/")["Location"] == "/password/"

    fresh = person("support", name="fresh")
    fresh.must_change_password = True
    fresh.save()
    client = with_password("fresh")
    assert client.get(SET_UP)["Location"] == "/password/"
    new = "quite-another-password"
    assert client.post("/password/", {"old": PASSWORD, "new": new, "again": new})["Location"] == "/"
    assert client.get("/")["Location"] == SET_UP


def test_a_second_browser_cannot_set_it_up_again(clock: Any) -> None:
    person("support", name="ann")
    first, second = with_password("ann"), with_password("ann")
    theirs = secret_on(second.get(SET_UP).content).replace(" ", "")
    mine = secret_on(first.get(SET_UP).content).replace(" ", "")
    assert mine != theirs
    first.post(SET_UP, {"code": now(secret=mine)})
    sealed = user().sealed_totp
    second.post(SET_UP, {"code": now(secret=theirs)})
    assert user().sealed_totp == sealed
    assert not inside(second)
    assert rules.set_up(user(), theirs, now(secret=theirs)) is None


# ------------------------------------------------------------------------------ signing in


def test_the_code_opens_the_page_that_was_wanted_under_a_new_session_key(clock: Any) -> None:
    ann(clock)
    client = with_password("ann")
    led = client.get("/find/")["Location"]
    assert led == f"{CODE}?next=%2Ffind%2F"
    assert b'autocomplete="one-time-code"' in client.get(led).content
    before = client.cookies["session"].value
    typed = f"{now()[:3]} {now()[3:]}"
    answer = client.post(CODE, {"code": typed, "next": "/find/"})
    assert (answer.status_code, answer["Location"]) == (302, "/find/")
    assert client.cookies["session"].value != before
    assert inside(client)
    stolen = Client()
    stolen.cookies["session"] = before
    assert stolen.get("/find/")["Location"].startswith("/sign-in/")
    assert client.get(CODE)["Location"] == "/"
    for evil in ("https://evil.example/", "//evil.example"):
        assert client.get(CODE, {"next": evil})["Location"] == "/"


def test_no_page_opens_before_the_code(clock: Any) -> None:
    ann(clock, "support", "ops", "admin")
    client = with_password("ann")
    for where, entry in addresses():
        for answer in (client.get(where), client.post(where)):
            if entry.name == "second-factor":
                assert answer.status_code == 200
            else:
                assert answer.status_code == 302, where
                assert answer["Location"].startswith(CODE), where
    assert client.post("/sign-out/")["Location"] == "/sign-in/"


def test_a_new_sign_in_in_the_same_browser_asks_again(clock: Any) -> None:
    ann(clock)
    client = with_password("ann")
    client.post(CODE, {"code": now()})
    assert inside(client)
    client.post("/sign-in/", {"username": "ann", "password": PASSWORD})
    assert not inside(client)


def test_a_code_opens_one_session_only(clock: Any) -> None:
    ann(clock)
    first, second = with_password("ann"), with_password("ann")
    typed = now()
    first.post(CODE, {"code": typed})
    again = second.post(CODE, {"code": typed})
    assert b"was used before" in again.content
    assert (inside(first), inside(second)) == (True, False)
    second.post(CODE, {"code": now(1)})  # the next one does
    assert inside(second)


def test_the_code_of_the_set_up_does_not_sign_in(clock: Any) -> None:
    rules.set_up(person("support", name="ann"), SECRET, now())
    client = with_password("ann")
    client.post(CODE, {"code": now()})
    assert not inside(client)


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_the_phones_clock_may_be_one_step_off(clock: Any, steps: int, good: bool) -> None:
    ann(clock)
    clock.shift(5 * rules.STEP)
    client = with_password("ann")
    client.post(CODE, {"code": now(steps)})
    assert inside(client) is good


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\x00" * 6, "1" * 5000])
def test_what_is_no_code_is_a_wrong_one(clock: Any, typed: str) -> None:
    ann(clock)
    client = with_password("ann")
    for field in ("code", "recovery"):
        answer = client.post(CODE, {field: typed})
        assert answer.status_code == 200
        assert b'role="alert"' in answer.content
    assert len(user().wrong_codes) == 2


def test_a_refresh_before_the_code_leads_the_whole_page_to_it(clock: Any) -> None:
    ann(clock)
    person("support", name="bob")
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/messages/5/?x=1"}
    for name, where in (("ann", CODE), ("bob", SET_UP)):
        answer = with_password(name).get("/messages/5/?v=abc", headers=headers)
        assert answer.status_code == 401
        assert answer["HX-Redirect"] == f"{where}?next=%2Fmessages%2F5%2F%3Fx%3D1"


# ------------------------------------------------------------------------------ without https


def test_without_https_nothing_of_it_is_there(clock: Any, settings: Any) -> None:
    ann(clock, "admin")
    person("admin", name="bob")
    settings.HTTPS = False
    for name in ("ann", "bob"):
        client = with_password(name)
        assert inside(client)
        assert client.get(CODE)["Location"] == client.get(SET_UP)["Location"] == "/"
        assert client.get(CODES)["Location"] == "/password/"
        assert client.post(CODES, {"password": PASSWORD})["Location"] == "/password/"
        assert b"econd factor" not in client.get("/password/").content + client.get(f"/people/{user().pk}/").content
