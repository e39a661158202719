"""The secrets of an installation: made once into `.env`, or fresh for a demo."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

_EXPLAINED = {
    "SECRET_KEY": "Signs sessions. A new one signs everybody out.",
    "CREDENTIAL_KEYS": "Encrypts provider credentials, newest key first. Without it all of them must be entered again.",
    "PHONE_INDEX_KEY": "Finds a phone number whose digits are gone. Without it old ones are no longer found.",
}


def fresh() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CREDENTIAL_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "PHONE_INDEX_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def ensure(path: Path) -> bool:
    """Writes `.env`, for its owner only, and says whether it did. An existing one is never touched."""
    missing = {name: value for name, value in fresh().items() if not os.environ.get(name)}
    if path.exists() or not missing:
        return False
    lines = ["# Made on the first start. Keep a copy somewhere safe: a backup of the database needs these keys."]
    for name, value in missing.items():
        lines += [f"# {_EXPLAINED[name]}", f"{name}={value}"]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return True


def setting(name: str, default: str, path: Path) -> str:
    """A setting as the dashboard will see it: the environment, then `.env`, then the default."""
    if name in os.environ:
        return os.environ[name]
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        key, _, value = line.partition("=")
        if key.removeprefix("export ").strip() == name:
            return value.strip().strip("\"'")
    return default
