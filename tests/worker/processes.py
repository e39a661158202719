"""Workers in processes of their own, over the database of this test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["TEST_POSTGRES_URL"])._replace(path=_path(name)))


def _path(name: str) -> str:
    """A socket's folder may stand before the database's name."""
    before, _, _ = urlsplit(os.environ["TEST_POSTGRES_URL"]).path.rpartition("/")
    return f"{before}/{name}"


def start_worker(*arguments: str) -> subprocess.Popen[str]:
    return start(str(ROOT / "manage.py"), "worker", *arguments)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Python with these arguments, over the database of this test. It leads a group of its own."""
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


@contextmanager
def running_worker(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that is killed at the end, if it still runs."""
    process = start_worker(*arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something to happen; that it takes too long is the only thing that fails here."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
