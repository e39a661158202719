"""The tests' own safety net: the right database, and no way off this machine."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from django.db import connection

from tests.conftest import NetworkForbiddenError


@pytest.mark.django_db
def test_a_pass_runs_on_the_database_it_names() -> None:
    expected = {"sqlite": "sqlite", "postgres": "postgresql"}[os.environ.get("AFTERSEND_TEST_DB", "sqlite")]
    assert connection.vendor == expected


@pytest.mark.django_db
@pytest.mark.sqlite_only
def test_sqlite_is_a_file_with_a_write_ahead_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert Path(connection.settings_dict["NAME"]).is_file()


@pytest.mark.parametrize("host", ["93.184.216.34", "10.0.0.1", "169.254.169.254", "2606:2800:220:1::1"])
def test_no_test_can_connect_outside(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock, pytest.raises(NetworkForbiddenError):
        sock.connect((host, 80))


def test_no_test_can_ask_for_a_name() -> None:
    with pytest.raises(NetworkForbiddenError):
        socket.getaddrinfo("example.org", 80)


def test_the_event_loop_is_guarded_too() -> None:
    async def leave() -> None:
        await asyncio.open_connection("93.184.216.34", 80)

    with pytest.raises(NetworkForbiddenError):
        asyncio.run(leave())


def test_loopback_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname(), timeout=5).close()
