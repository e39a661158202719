"""The second factor when somebody guesses, loses the phone, or reads the database."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
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
    ann,
    codes_on,
    inside,
    now,
    secret_on,
    user,
    with_password,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database, pytest.mark.usefixtures("https")]


# ------------------------------------------------------------------------------ guessing


def guess(client: Client, count: int) -> list[Any]:
    return [client.post(CODE, {"code": "000000"}) for _ in range(count)]


def test_five_wrong_codes_in_a_row_sign_out(clock: Any) -> None:
    ann(clock)
    client = with_password("ann")
    answers = guess(client, 5)
    assert [answer.status_code for answer in answers] == [200] * 4 + [302]
    assert answers[-1]["Location"] == "/sign-in/?why=codes"
    assert b"five wrong codes" in client.get(answers[-1]["Location"]).content
    assert client.get("/find/")["Location"].startswith("/sign-in/")
    again = with_password("ann")
    again.post(CODE, {"code": now()})
    assert inside(again)
    assert user().wrong_codes == []


def test_ten_wrong_codes_refuse_the_right_one_for_fifteen_minutes(clock: Any) -> None:
    recovery = ann(clock)
    waiting = with_password("ann")
    guess(with_password("ann"), 5)
    last = guess(with_password("ann"), 5)[-1]
    assert last.status_code == 429
    assert b"Too many tries" in last.content

    right = {"username": "ann", "password": PASSWORD}
    refused = Client().post("/sign-in/", right)
    assert refused.status_code == 429
    assert b"No code is taken" in refused.content
    assert Client().post("/sign-in/", {**right, "password": "wrong"}).status_code == 200  # says no more than before
    assert waiting.post(CODE, {"code": now()}).status_code == 429
    assert waiting.get("/find/")["Location"].startswith("/sign-in/")
    assert rules.try_recovery_code(user(), recovery[0]) is rules.Answer.REFUSED
    assert len(user().recovery_codes) == 10

    clock.shift(15 * 60 - 1)
    assert Client().post("/sign-in/", right).status_code == 429
    clock.shift(1)
    client = with_password("ann")
    client.post(CODE, {"code": now()})
    assert inside(client)
    assert "person.second_factor_refused" in actions()


def test_wrong_codes_long_apart_do_not_refuse(clock: Any) -> None:
    ann(clock)
    for _ in range(12):
        assert guess(with_password("ann"), 1)[0].status_code == 200
        clock.shift(100)
    assert len(user().wrong_codes) == 10
    client = with_password("ann")
    client.post(CODE, {"code": now()})
    assert inside(client)


def test_whoever_is_signed_in_already_stays_when_somebody_guesses(clock: Any) -> None:
    ann(clock)
    mine = with_password("ann")
    mine.post(CODE, {"code": now()})
    for _ in range(2):
        guess(with_password("ann"), 5)
    assert inside(mine)


# ------------------------------------------------------------------------------ without the phone


def test_a_recovery_code_opens_one_sign_in(clock: Any) -> None:
    recovery = ann(clock)
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in recovery)
    assert recovery[0] not in str(list(User.objects.values()))
    client = with_password("ann")
    answer = client.post(CODE, {"recovery": f" {recovery[3].upper().replace('-', ' ')} ", "next": "/find/"})
    assert answer["Location"] == "/find/"
    assert b"9 recovery codes are left." in client.get("/find/").content
    again = with_password("ann")
    assert b"was used before" in again.post(CODE, {"recovery": recovery[3]}).content
    assert not inside(again)
    again.post(CODE, {"recovery": recovery[4]})
    assert inside(again)
    assert b"8 recovery codes are left." in again.get("/password/").content
    assert actions() == ["person.recovery_code_used"] * 2


def test_new_recovery_codes_need_the_password_and_replace_the_old_ones(clock: Any) -> None:
    recovery = ann(clock)
    client = with_password("ann")
    client.post(CODE, {"code": now()})
    assert client.post(CODES, {"password": "wrong"})["Location"] == "/password/"
    assert b"This is not your password." in client.get("/password/").content
    made = client.post(CODES, {"password": PASSWORD})
    new = codes_on(client.get(made["Location"]).content)
    assert len(new) == 10
    assert not set(new) & set(recovery)
    assert codes_on(client.get(CODES, follow=True).content) == []
    assert rules.try_recovery_code(user(), recovery[0]) is rules.Answer.WRONG
    assert rules.try_recovery_code(user(), new[0]) is rules.Answer.RIGHT
    answers = [client.post(CODES, {"password": "wrong"})["Location"] for _ in range(5)]
    assert answers == ["/password/"] * 4 + ["/sign-in/"]


def test_another_phone_counts_once_its_code_was_typed(clock: Any) -> None:
    ann(clock)
    client, other = with_password("ann"), with_password("ann")
    client.post(CODE, {"code": now()})
    other.post(CODE, {"code": now(1)})
    assert client.get(SET_UP)["Location"] == "/"
    assert client.post("/second-factor/replace/", {"password": "wrong"})["Location"] == "/password/"
    assert client.get(SET_UP)["Location"] == "/"
    assert client.post("/second-factor/replace/", {"password": PASSWORD})["Location"] == SET_UP
    new = secret_on(client.get(SET_UP).content).replace(" ", "")
    assert new != SECRET
    clock.shift(2 * rules.STEP)
    assert rules.try_code(user(), now()) is rules.Answer.RIGHT  # the old one until then
    assert client.post(SET_UP, {"code": now(secret=new)})["Location"].startswith(CODES)
    assert inside(client)
    assert not inside(other)
    clock.shift(rules.STEP)
    assert rules.try_code(user(), now()) is rules.Answer.WRONG
    assert rules.try_code(user(), now(secret=new)) is rules.Answer.RIGHT
    assert client.get(SET_UP)["Location"] == "/"


def test_an_admin_resets_it_and_the_person_starts_over(clock: Any) -> None:
    ann(clock)
    ann(clock, "admin", name="ada")
    theirs, admin = with_password("ann"), with_password("ada")
    theirs.post(CODE, {"code": now()})
    admin.post(CODE, {"code": now()})
    reset = f"/people/{user().pk}/second-factor/reset/"
    assert reset.encode() in admin.get(f"/people/{user().pk}/").content
    assert theirs.post(reset).status_code == 403
    assert admin.get(reset)["Location"] == f"/people/{user().pk}/"
    assert admin.post(reset)["Location"] == "/people/"
    assert theirs.get("/find/")["Location"].startswith("/sign-in/")
    found = user()
    assert (found.sealed_totp, found.totp_step, found.recovery_codes, found.wrong_codes) == ("", 0, [], [])
    assert with_password("ann").get("/find/")["Location"].startswith(SET_UP)
    row = Audit.objects.get(action="person.second_factor_reset")
    assert (row.actor_name, row.subject) == ("ada", "person ann")


def test_an_admins_own_is_not_reset_without_the_password(clock: Any) -> None:
    ann(clock, "admin", name="ada")
    admin = with_password("ada")
    admin.post(CODE, {"code": now()})
    assert admin.post(f"/people/{user('ada').pk}/second-factor/reset/")["Location"] == "/password/"
    assert user("ada").sealed_totp


# ------------------------------------------------------------------------------ the secret at rest


def test_a_secret_opens_for_its_person_only(clock: Any) -> None:
    ann(clock)
    person("support", name="eve")
    User.objects.filter(username="eve").update(sealed_totp=user().sealed_totp)
    assert rules.try_code(user("eve"), now()) is rules.Answer.WRONG
    with pytest.raises(vault.Unreadable):
        vault.open_sealed(user().sealed_totp, user().pk, "credentials")


def test_what_is_sealed_for_an_account_is_nobodys_secret(clock: Any) -> None:
    models = apps.get_app_config("dashboard").get_models()
    sealed = {
        (model, field.name) for model in models for field in model._meta.concrete_fields if "sealed" in field.name
    }
    assert {model for model, name in sealed if name == f"sealed_{rules.FIELD}"} == {User}
    eve = person("support", name="eve")
    for model, name in sealed - {(User, "sealed_totp")}:  # of an account whose id is the person's
        token = vault.seal({"secret": SECRET}, eve.pk, name.removeprefix("sealed_"))
        User.objects.filter(pk=eve.pk).update(sealed_totp=token)
        assert rules.try_code(eve, now()) is rules.Answer.WRONG, model


def test_rotating_the_keys_takes_the_second_factors_along(clock: Any, settings: Any) -> None:
    ann(clock)
    before, old = user().sealed_totp, list(settings.CREDENTIAL_KEYS)
    settings.CREDENTIAL_KEYS = ["bmV3IGtleSBmb3IgdGVzdHMgb25seSwgMzIgYnl0ZXM=", *old]
    call_command("rotate_keys")
    assert user().sealed_totp != before
    settings.CREDENTIAL_KEYS = settings.CREDENTIAL_KEYS[:1]
    assert rules.try_code(user(), now()) is rules.Answer.RIGHT


def test_with_the_key_lost_a_recovery_code_still_opens(clock: Any, settings: Any) -> None:
    recovery = ann(clock)
    settings.CREDENTIAL_KEYS = ["bmV3IGtleSBmb3IgdGVzdHMgb25seSwgMzIgYnl0ZXM="]
    client = with_password("ann")
    assert client.post(CODE, {"code": now()}).status_code == 200
    client.post(CODE, {"recovery": recovery[0]})
    assert inside(client)
