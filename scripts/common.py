"""What every part of the set-up shares."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


class SetupError(Exception):
    """Something a person can put right; its text is one line that says how."""


def say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone while we still have processes to stop
        print(line, flush=True)


def var() -> Path:
    """The folder of everything a start leaves behind. Databases hold phone numbers, so only the owner reads it."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    return VAR


def environment(**changes: str) -> dict[str, str]:
    """The environment of our own processes: unbuffered, and found by Django from wherever we were started."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "dashboard.settings", **changes}


def manage(*arguments: str) -> list[str]:
    return [str(PYTHON), str(ROOT / "manage.py"), *arguments]
