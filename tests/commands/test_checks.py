"""`manage.py check`: each wrong setting is named with its cause and its fix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from dashboard.checks import CHECKS, settings_are_right
from dashboard.settings import database

ROOT = Path(__file__).parent.parent.parent
KEY = "dGVzdHMgb25seSwgbm90IGEgcmVhbCBrZXkhISEhISE="


def test_right_settings_have_no_problem() -> None:
    assert settings_are_right(None) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("PUBLIC_URL", "sms.example.com"),
        ("PUBLIC_URL", "ftp://sms.example.com"),
        ("PUBLIC_URL", "https://sms.example.com/path"),
        ("PUBLIC_URL", ""),
        ("CREDENTIAL_KEYS", []),
        ("CREDENTIAL_KEYS", ["nonsense"]),
        ("CREDENTIAL_KEYS", [KEY, KEY[:-4]]),
        ("CREDENTIAL_KEYS", ["é" * 44]),
        ("PHONE_INDEX_KEY", ""),
        ("PHONE_INDEX_KEY", "nonsense"),
        ("PHONE_INDEX_KEY", KEY[:20]),
        ("PHONE_INDEX_KEY", "é"),
        ("SITE_LANGUAGE", "klingon"),
        ("SITE_LANGUAGE", ""),
        ("SITE_TIME_ZONE", "Mars/Olympus"),
        ("SITE_TIME_ZONE", "../etc/passwd"),
        ("SITE_TIME_ZONE", ""),
        ("DEFAULT_REGION", "XX"),
        ("DEFAULT_REGION", "Kenya"),
        ("RETRY_COOL_DOWN", ["300"]),
        ("RETRY_COOL_DOWN", ["300", "soon"]),
        ("RETRY_COOL_DOWN", ["300", "-1"]),
        ("BULK_APPROVAL_ABOVE", ""),
        ("BULK_APPROVAL_ABOVE", "many"),
        ("BULK_APPROVAL_ABOVE", "-1"),
        ("BULK_APPROVAL_ABOVE", "\N{SUPERSCRIPT TWO}"),
        ("WORKER_ENGINE", "cron"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_setting_is_named_with_cause_and_fix(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    problems = settings_are_right(None)
    assert len(problems) == 1
    problem = problems[0]
    assert problem.msg.startswith(f"{name}: ")
    assert len(problem.msg) > len(name) + 10
    assert problem.hint
    assert str(problem.id).startswith("aftersend.E")


def test_a_database_that_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "default", database("mysql://somebody:secret@host/name"))
    assert [problem.msg.split(":")[0] for problem in settings_are_right(None)] == ["DATABASE_URL"]


def test_what_was_answered_survives_a_power_cut() -> None:
    assert "synchronous=FULL" in database("sqlite:///here.sqlite3")["OPTIONS"]["init_command"]  # tests have it off


def test_through_pgbouncer_nothing_lives_longer_than_a_transaction() -> None:
    url = "postgres://somebody:secret@host/name"
    straight, pooled = database(url), database(f"{url}?pgbouncer=on")
    assert "lock_timeout=5s" in straight["OPTIONS"]["options"]
    assert "DISABLE_SERVER_SIDE_CURSORS" not in straight
    assert pooled["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert pooled["OPTIONS"] == {"connect_timeout": 5}


@pytest.mark.parametrize("url", ["", "amqp://127.0.0.1", "redis://", "127.0.0.1:6379"])
def test_celery_needs_its_packages_and_a_redis(settings: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    settings.WORKER_ENGINE, settings.BROKER_URL = "celery", url
    (problem,) = settings_are_right(None)
    assert problem.msg.startswith("BROKER_URL: ")
    assert problem.hint
    settings.BROKER_URL = "redis://127.0.0.1:6379/0"
    assert settings_are_right(None) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = settings_are_right(None)
    assert problem.msg == "WORKER_ENGINE: celery needs packages that are not installed: celery, redis."
    assert "requirements-celery.txt" in (problem.hint or "")


def test_every_check_has_a_test() -> None:
    assert {name for name, _ in CHECKS} == {
        "SECRET_KEY", "PUBLIC_URL", "CREDENTIAL_KEYS", "PHONE_INDEX_KEY", "DATABASE_URL", "SITE_LANGUAGE",
        "SITE_TIME_ZONE", "DEFAULT_REGION", "RETRY_COOL_DOWN", "BULK_APPROVAL_ABOVE", "WORKER_ENGINE", "BROKER_URL",
        "LOG_LEVEL", "DEBUG", "ALLOW_PRIVATE_PROVIDER_URLS",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CREDENTIAL_KEYS", "nonsense"),
        ("PHONE_INDEX_KEY", ""),
        ("RETRY_COOL_DOWN", "soon"),
        ("SECRET_KEY", ""),
        ("DEFAULT_REGION", "XX"),
        ("DATABASE_URL", "mysql://a@b/c"),
        ("DATABASE_URL", "nonsense"),
        ("DEBUG", "perhaps"),
        ("ALLOW_PRIVATE_PROVIDER_URLS", "perhaps"),
        ("SITE_TIME_ZONE", "Mars"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_the_command_names_the_setting_and_ends_with_1(tmp_path: Path, name: str, value: str) -> None:
    right = {
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": KEY,
        "PHONE_INDEX_KEY": KEY,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    ran = subprocess.run(command, env={**right, name: value}, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert name in ran.stderr
    assert "Traceback" not in ran.stderr
