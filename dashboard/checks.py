"""Wrong or missing settings, each named with its cause and its fix (`manage.py check`, and before every start)."""

from __future__ import annotations

import binascii
import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import phonenumbers
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from dashboard.vault import phone_key

Problem = tuple[str, str]
BROKERS = {"redis", "rediss", "redis+socket"}
SWITCHES = {"on", "off", "true", "false", "yes", "no", "1", "0", "y", "n", "ok", "t", "f", ""}


@register()
def settings_are_right(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every check of ours, in the order of docs/operating.md."""
    found: list[CheckMessage] = []
    for number, (name, check) in enumerate(CHECKS, start=1):
        for cause, fix in check():
            found.append(Error(f"{name}: {cause}", hint=fix, id=f"aftersend.E{number:03d}"))
    return found


def _secret_key() -> Iterator[Problem]:
    try:
        long_enough = len(settings.SECRET_KEY) >= 32
    except ImproperlyConfigured:  # Django's own way to say that it is empty
        long_enough = False
    if not long_enough:
        yield "it is missing or shorter than 32 characters.", "Run `make run` once, or set a long random text in .env."


def _public_url() -> Iterator[Problem]:
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path or parts.query:
        yield "it is not an address like https://sms.example.com.", "Give scheme and host, without a path."


def _credential_keys() -> Iterator[Problem]:
    if not settings.CREDENTIAL_KEYS:
        yield "there is none, so no credential can be stored.", "Set one or more Fernet keys, newest first."
    for number, key in enumerate(settings.CREDENTIAL_KEYS, start=1):
        try:
            Fernet(key)
        except (ValueError, binascii.Error):
            yield f"key number {number} is not a Fernet key.", "A Fernet key is 32 bytes in base64url, 44 characters."


def _phone_index_key() -> Iterator[Problem]:
    try:
        right = len(phone_key(settings.PHONE_INDEX_KEY)) == 32
    except ValueError:
        right = False
    if not right:
        yield "it is missing or not 32 bytes in base64url.", "Run `make run` once; never change it afterwards."


def _database_url() -> Iterator[Problem]:
    engine = settings.DATABASES["default"]["ENGINE"]
    if not engine.endswith(("sqlite3", "postgresql")):
        yield "its kind of database is not supported.", "Use sqlite:///file or postgres://user:password@host/name."


def _site_language() -> Iterator[Problem]:
    if settings.SITE_LANGUAGE not in dict(settings.LANGUAGES):
        yield f"{settings.SITE_LANGUAGE!r} is not a language that Django knows.", "Use a code like en, fr or pt-br."


def _site_time_zone() -> Iterator[Problem]:
    try:
        ZoneInfo(settings.SITE_TIME_ZONE)
    except (KeyError, ValueError, OSError):
        yield f"{settings.SITE_TIME_ZONE!r} is not a time zone.", "Use a name like Africa/Kampala or UTC."


def _default_region() -> Iterator[Problem]:
    region = settings.DEFAULT_REGION
    if region and region not in phonenumbers.SUPPORTED_REGIONS:
        yield f"{region!r} is not a country.", "Use two letters like KE, or leave it empty."


def _retry_cool_down() -> Iterator[Problem]:
    values = settings.RETRY_COOL_DOWN
    if len(values) != 2 or not all(value.strip().isdigit() for value in values):
        yield "it is not two numbers of seconds.", "Use for example 300,3600 (after a failure, after expired)."


def _bulk_approval_above() -> Iterator[Problem]:
    value = settings.BULK_APPROVAL_ABOVE.strip()
    if not (value.isascii() and value.isdigit()):
        yield f"{value!r} is not a number of messages.", "Use for example 500; 0 always asks for a second person."


def _log_level() -> Iterator[Problem]:
    if settings.LOG_LEVEL not in settings.LOG_LEVELS:
        yield f"{settings.LOG_LEVEL!r} is not a level.", f"Use one of {', '.join(settings.LOG_LEVELS)}."


def _switch(name: str) -> Iterator[Problem]:
    """What is neither on nor off would silently be off."""
    stated = os.environ.get(name, "off").strip().lower()
    if stated not in SWITCHES:
        yield f"{stated!r} is neither on nor off.", "Use on or off."


def _worker_engine() -> Iterator[Problem]:
    if settings.WORKER_ENGINE not in {"embedded", "celery"}:
        yield f"{settings.WORKER_ENGINE!r} is not an engine.", "Use embedded or celery."
    if settings.WORKER_ENGINE != "celery":
        return
    missing = [name for name in ("celery", "redis") if importlib.util.find_spec(name) is None]
    if missing:
        fix = "Run `pip install --require-hashes -r requirements-celery.txt`, or use embedded."
        yield f"celery needs packages that are not installed: {', '.join(missing)}.", fix


def _broker_url() -> Iterator[Problem]:
    if settings.WORKER_ENGINE != "celery":
        return
    parts = urlsplit(settings.BROKER_URL)
    if parts.scheme not in BROKERS or not (parts.hostname or parts.path.strip("/")):
        yield "WORKER_ENGINE=celery needs a Redis, and this names none.", "Use for example redis://127.0.0.1:6379/0."


CHECKS: tuple[tuple[str, Callable[[], Iterator[Problem]]], ...] = (
    ("SECRET_KEY", _secret_key),
    ("PUBLIC_URL", _public_url),
    ("CREDENTIAL_KEYS", _credential_keys),
    ("PHONE_INDEX_KEY", _phone_index_key),
    ("DATABASE_URL", _database_url),
    ("SITE_LANGUAGE", _site_language),
    ("SITE_TIME_ZONE", _site_time_zone),
    ("DEFAULT_REGION", _default_region),
    ("RETRY_COOL_DOWN", _retry_cool_down),
    ("BULK_APPROVAL_ABOVE", _bulk_approval_above),
    ("WORKER_ENGINE", _worker_engine),
    ("BROKER_URL", _broker_url),
    ("LOG_LEVEL", _log_level),
    ("DEBUG", partial(_switch, "DEBUG")),
    ("ALLOW_PRIVATE_PROVIDER_URLS", partial(_switch, "ALLOW_PRIVATE_PROVIDER_URLS")),
)
