"""Accounts, people, tokens and keys from the command line: what they print, and one clear line when they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import authenticate
from django.core.management import load_command_class
from django.db import OperationalError
from django.test import RequestFactory

from dashboard.models import Account, ApiToken, Audit, User
from tests.commands.conftest import Shell

OURS = ("add_account", "add_user", "api_token", "import_sends", "simulator", "rotate_keys", "prune", "erase")


@pytest.mark.parametrize("name", OURS)
def test_help_shows_an_example(shell: Shell, name: str) -> None:
    ran = shell(name, "--help")
    assert ran.code == 0
    assert "example:" in ran.out
    assert f"manage.py {name}" in ran.out.split("example:")[1]
    assert "--pythonpath" not in ran.out


@pytest.mark.parametrize("name", OURS)
def test_an_unknown_option_is_one_line_and_code_1(shell: Shell, name: str) -> None:
    assert "--help" in shell.fails(name, "--nonsense", "x")


def test_a_broken_database_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OperationalError("no such table: dashboard_account\nand more")

    monkeypatch.setattr("dashboard.management.commands.api_token.ApiToken.issue", broken)
    assert "no such table" in shell.fails("api_token", "x", "--scope", "read")


# ------------------------------------------------------------------------------ accounts


def test_an_account_is_made_and_its_address_printed(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text('{"api_key": "live_secret"}')
    ran = shell(
        "add_account", "main", "--provider", "bsg", "--label", "Main", "--base-url", "http://127.0.0.1:8100/bsg/",
        "--time-zone", "Africa/Nairobi", "--rate", "2.5", "--currency", "KES", "--credentials", str(file),
    )  # fmt: skip
    assert ran.code == 0, ran
    account = Account.objects.get()
    assert json.loads(ran.out) == {"slug": "main", "webhook_url": account.webhook_url}
    assert (account.label, account.base_url, account.time_zone) == (
        "Main",
        "http://127.0.0.1:8100/bsg",
        "Africa/Nairobi",
    )
    assert (account.rate, account.currency, account.credentials) == (2.5, "KES", {"api_key": "live_secret"})
    assert "live_secret" not in ran.out + ran.err + str(list(Audit.objects.values()))


def test_an_update_keeps_the_token_and_what_is_not_given(shell: Shell) -> None:
    first = shell("add_account", "main", "--provider", "bsg", "--credentials", "-", stdin='{"api_key": "k"}')
    second = shell("add_account", "main", "--label", "Later")
    assert json.loads(first.out) == json.loads(second.out)
    account = Account.objects.get()
    assert (account.label, account.credentials, account.rate) == ("Later", {"api_key": "k"}, 10.0)


def test_a_new_base_url_without_credentials_wipes_them(shell: Shell) -> None:
    shell("add_account", "main", "--provider", "bsg", "--credentials", "-", stdin='{"api_key": "k"}')
    shell("add_account", "main", "--base-url", "http://127.0.0.1:9/")
    assert Account.objects.get().credentials == {}


def test_smsbat_takes_a_name_and_a_password_instead(shell: Shell) -> None:
    pair = '{"username": "u", "password": "p"}'
    assert shell("add_account", "bat", "--provider", "smsbat", "--credentials", "-", stdin=pair).code == 0
    assert Account.objects.get().rate == 5.0


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["main"], "", "provider"),
        (["main", "--provider", "twilio"], "", "bridgexapi, bsg, roycetalk, smsbat, esms_africa"),
        (["ma in", "--provider", "bsg"], "", "letters, digits"),
        (["main", "--provider", "bsg", "--credentials", "-"], "", "not JSON"),
        (["main", "--provider", "bsg", "--credentials", "-"], "{", "not JSON"),
        (["main", "--provider", "bsg", "--credentials", "-"], '["k"]', "one JSON object"),
        (["main", "--provider", "bsg", "--credentials", "-"], '{"api_key": 5}', "one JSON object"),
        (["main", "--provider", "bsg", "--credentials", "-"], '{"api_key": "a", "api_key": "b"}', "not JSON"),
        (["main", "--provider", "bsg", "--credentials", "-"], '{"api_kee": "secret"}', "api_kee"),
        (["main", "--provider", "bsg", "--credentials", "-"], "{}", "api_key"),
        (["main", "--provider", "bsg", "--credentials", "/nowhere/file"], "", "cannot be read"),
        (["main", "--provider", "bsg", "--base-url", "ftp://a.example"], "", ""),
        (["main", "--provider", "bsg", "--time-zone", "Mars"], "", "time zone"),
        (["main", "--provider", "bsg", "--rate", "0"], "", "rate"),
        (["main", "--provider", "bsg", "--rate", "many"], "", "--rate"),
        ([], "", "SLUG"),
    ],
)
def test_a_wrong_account_is_refused_in_one_line(shell: Shell, arguments: list[str], stdin: str, said: str) -> None:
    line = shell.fails("add_account", *arguments, stdin=stdin)
    assert said in line
    assert "secret" not in line
    assert not Account.objects.exists()


def test_a_private_address_is_refused_unless_allowed(shell: Shell, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    for url in ("http://127.0.0.1:8100", "https://127.0.0.1", "https://10.0.0.1", "http://example.com"):
        shell.fails("add_account", "main", "--provider", "bsg", "--base-url", url)


def test_the_provider_of_an_account_stays(shell: Shell, account: Account) -> None:
    assert "bsg" in shell.fails("add_account", "main", "--provider", "smsbat")


# ------------------------------------------------------------------------------ people


def sign_in(name: str, password: str) -> Any:
    return authenticate(RequestFactory().post("/sign-in/"), username=name, password=password)


def test_a_person_gets_a_password_alone_on_its_line(shell: Shell) -> None:
    ran = shell("add_user", "ann", "--role", "support", "--role", "ops")
    assert (ran.code, ran.err, len(ran.out.splitlines())) == (0, "", 1)
    person = User.objects.get()
    assert person.roles == {"support", "ops"}
    assert sign_in("ann", ran.out.strip()) == person
    assert person.must_change_password is False
    assert not person.is_superuser


def test_a_one_time_password_must_be_changed(shell: Shell) -> None:
    shell("add_user", "ann", "--role", "admin", "--one-time")
    assert User.objects.get().must_change_password is True


def test_a_password_from_standard_input_is_not_printed(shell: Shell) -> None:
    ran = shell("add_user", "ann", "--role", "admin", "--password-stdin", stdin="correct horse battery\n")
    assert (ran.code, ran.out) == (0, "")
    assert sign_in("ann", "correct horse battery")


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["bob"], "", "--role"),
        (["bob", "--role", "king"], "", "king"),
        (["b o b", "--role", "ops"], "", "letters"),
        (["x" * 151, "--role", "ops"], "", "150"),
        (["bob", "--role", "ops", "--password-stdin"], "", "no password"),
        (["bob", "--role", "ops", "--password-stdin"], "short\n", "10"),
        (["bob", "--role", "ops", "--password-stdin"], "password123\n", "common"),
        (["bobbobbobbob", "--role", "ops", "--password-stdin"], "bobbobbobbob\n", "similar"),
    ],
)
def test_a_wrong_person_is_refused_in_one_line(shell: Shell, arguments: list[str], stdin: str, said: str) -> None:
    assert said in shell.fails("add_user", *arguments, stdin=stdin)
    assert not User.objects.exists()


def test_a_name_is_taken_once(shell: Shell) -> None:
    shell("add_user", "ann", "--role", "ops")
    assert "already" in shell.fails("add_user", "Ann", "--role", "admin")


# ------------------------------------------------------------------------------ tokens


def test_a_token_is_printed_alone_and_only_its_hash_kept(shell: Shell, account: Account) -> None:
    ran = shell("api_token", "shop", "--scope", "read", "--scope", "write", "--account", "main")
    token = ApiToken.objects.get()
    assert ran.out.count("\n") == 1
    assert token.sha256 == ApiToken.hash(ran.out.strip())
    assert (token.read, token.write, token.retry, token.account) == (True, True, False, account)
    assert ran.out.strip() not in str(list(ApiToken.objects.values())) + str(list(Audit.objects.values()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop"], "--scope"),
        (["shop", "--scope", "all"], "all"),
        (["shop", "--scope", "read", "--account", "nobody"], "nobody"),
        (["", "--scope", "read"], "1 to 100"),
        (["x" * 101, "--scope", "read"], "1 to 100"),
    ],
)
def test_a_wrong_token_is_refused_in_one_line(shell: Shell, arguments: list[str], said: str) -> None:
    assert said in shell.fails("api_token", *arguments)
    assert not ApiToken.objects.exists()


# ------------------------------------------------------------------------------ keys


def test_keys_are_rotated(shell: Shell, account: Account, settings: Any) -> None:
    account.set_credentials({"api_key": "k"}, "test")
    account.save()
    address = account.webhook_url
    old, new = settings.CREDENTIAL_KEYS, Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *old]
    assert shell("rotate_keys").out == "2 secrets are sealed with the newest key.\n"
    settings.CREDENTIAL_KEYS = [new]
    again = Account.objects.get()
    assert (again.credentials, again.webhook_url) == ({"api_key": "k"}, address)
    assert shell("rotate_keys", "--check").out == "All 2 secrets can be opened.\n"


def test_one_lost_secret_changes_nothing(shell: Shell, account: Account, settings: Any) -> None:
    lost = Account.make(slug="lost", provider_key="bsg")
    Account.objects.filter(pk=lost.pk).update(sealed_hook=account.sealed_hook)  # moved by somebody
    before = list(Account.objects.values_list("sealed_hook", flat=True))
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode(), *settings.CREDENTIAL_KEYS]
    assert f"1 of 2 secrets cannot be opened with CREDENTIAL_KEYS: Account {lost.pk}" in shell.fails("rotate_keys")
    assert list(Account.objects.values_list("sealed_hook", flat=True)) == before


# ------------------------------------------------------------------------------ simulator


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--port", "70000"], "port"), (["--port", "x"], "--port"), (["--script", "/nowhere"], "cannot start")],
)
def test_a_simulator_that_cannot_start_says_why(shell: Shell, arguments: list[str], said: str) -> None:
    assert said in shell.fails("simulator", *arguments)


def test_the_simulator_is_told_what_was_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "dashboard.management.commands.simulator.run",
        lambda port, script, *, speed, seed_only: ran.append((port, script, speed, seed_only)),
    )
    assert shell("simulator").code == 0
    script = tmp_path / "script.json"
    script.write_text("{}")
    assert shell("simulator", "--port", "0", "--script", str(script), "--speed", "60", "--seed-only").code == 0
    assert ran == [(8100, None, 1.0, False), (0, {}, 60.0, True)]


def test_commands_called_from_code_raise(db: None) -> None:
    command = load_command_class("dashboard", "api_token")
    with pytest.raises(Exception, match="--scope"):
        command.create_parser("manage.py", "api_token").parse_args(["x"])
