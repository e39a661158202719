"""Secrets at rest: Fernet under our own list of keys, each bound to its owner and field.

Fernet has no associated data, so the owner's id and the field's name are inside the sealed text and checked: whoever
can write to the database cannot move one account's key to another. Accounts and people have no such field in common.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class Unreadable(Exception):
    """A sealed value cannot be opened: CREDENTIAL_KEYS lost a key, or the value was moved."""


@lru_cache(maxsize=8)
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def keyring() -> MultiFernet:
    return _keys(tuple(settings.CREDENTIAL_KEYS))


def seal(value: dict[str, Any], owner: int, field: str) -> str:
    """The value as a token that opens only for this owner and field."""
    return keyring().encrypt(json.dumps({"owner": owner, "field": field, "value": value}).encode()).decode()


def open_sealed(token: str, owner: int, field: str) -> dict[str, Any]:
    """The value sealed for this owner and field. Raises Unreadable."""
    try:
        found = json.loads(keyring().decrypt(token.encode()))
    except (InvalidToken, ValueError):
        raise Unreadable("A stored secret cannot be opened with CREDENTIAL_KEYS.") from None
    if found.get("owner") != owner or found.get("field") != field:
        raise Unreadable("A stored secret belongs somewhere else.")
    value: dict[str, Any] = found["value"]
    return value


def reseal(token: str) -> str:
    """The same secret under the newest key."""
    return keyring().rotate(token.encode()).decode()


@lru_cache(maxsize=8)
def phone_key(text: str) -> bytes:
    """The bytes of a base64url key, padded or not. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def phone_hmac(digits: str) -> str:
    """The blind index of a number: finds it again without keeping it."""
    return hmac.digest(phone_key(settings.PHONE_INDEX_KEY), digits.encode(), "sha256").hex()
