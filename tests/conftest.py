"""What every test shares: which tests run in which pass, no network but loopback, and counts for a machine to read."""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.sqlite3.base import DatabaseOperations
from hypothesis import HealthCheck, settings as hypothesis_settings

# The same examples in every run, and nothing written beside the code.
hypothesis_settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis_settings.load_profile("same")

MARKERS = (
    "database: needs the database; runs on SQLite and again on PostgreSQL",
    "sqlite_only: about SQLite itself; left out on PostgreSQL",
    "any_database: about people, forms and pages, whatever the database; runs on one of them",
    "postgres_only: about PostgreSQL itself; left out on SQLite",
)
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "django_db_serialized_rollback"}
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    database = os.environ.get("AFTERSEND_TEST_DB", "sqlite")
    slow = config.getoption("--slow")
    left_out = [item for item in items if not _belongs(item, database, slow)]
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)
    # The browser's first and in one piece: Chromium is started once for each file. Then the worker's, so that the
    # longest tests are not the last, for which all others would wait.
    items.sort(key=lambda item: ("browser" not in item.keywords, item.path.parent.name != "worker"))


def pytest_collection_finish() -> None:
    """What was collected stays to the end. Looking through it for garbage again and again took a third of the time."""
    gc.collect()
    gc.freeze()


def _belongs(item: pytest.Item, database: str, slow: bool) -> bool:
    marks = {mark.name for mark in item.iter_markers()}
    if "slow" in marks and not slow:
        return False
    if database == "sqlite":
        return "postgres_only" not in marks
    uses_database = marks & {"database", "django_db", "postgres_only"} or DATABASE_FIXTURES & set(
        getattr(item, "fixturenames", ())
    )
    return bool(uses_database) and not marks & {"sqlite_only", "any_database", "browser"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The counts for `scripts/dev.py test`, which adds up the passes."""
    if report := os.environ.get("AFTERSEND_TEST_REPORT"):
        counts = {outcome: len(terminalreporter.stats.get(outcome, ())) for outcome in OUTCOMES}
        Path(report).write_text(json.dumps(counts), encoding="utf-8")


def pytest_unconfigure() -> None:
    from tests import settings  # noqa: PLC0415 - only after pytest-django has read it

    shutil.rmtree(settings.TEST_FOLDER, ignore_errors=True)


class NetworkForbiddenError(AssertionError):
    """A test tried to leave this machine."""


def _require_local(host: object) -> None:
    if host in (None, "", b"", "localhost", b"localhost"):
        return
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        if ipaddress.ip_address(text.partition("%")[0]).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkForbiddenError(f"a test tried to reach {text}")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Sockets reach loopback only; names other than localhost are not looked up. Addresses may be: nothing is sent."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def is_internet(sock: socket.socket) -> bool:
        return sock.family in (socket.AF_INET, socket.AF_INET6)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if is_internet(self):
            _require_local(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if is_internet(self):
            _require_local(address[0])
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        try:
            ipaddress.ip_address(str(host).partition("%")[0])
        except ValueError:
            _require_local(host)
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(scope="session", autouse=True)
def _flush_past_the_triggers() -> Iterator[None]:
    """After a test with real transactions SQLite's tables are emptied by DELETE, which evidence and audit refuse
    without the marker of a maintenance transaction. PostgreSQL truncates.

    With foreign keys checked SQLite would look for what points to each of the rows: minutes for 20,000 messages."""
    flush, execute, marker = (
        DatabaseOperations.sql_flush, DatabaseOperations.execute_sql_flush, "dashboard_maintenance",
    )  # fmt: skip

    def sql_flush(self: Any, style: Any, tables: Any, **options: Any) -> list[str]:
        statements = flush(self, style, [table for table in tables if table != marker], **options)
        first = f"INSERT INTO {marker} (why) VALUES ('tests')"  # noqa: S608
        return [first, *statements, f"DELETE FROM {marker}"] if marker in tables else statements  # noqa: S608

    def execute_sql_flush(self: Any, statements: list[str]) -> None:
        with self.connection.constraint_checks_disabled():
            execute(self, statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        patch.setattr(DatabaseOperations, "execute_sql_flush", execute_sql_flush)
        yield


@pytest.fixture(scope="session")
def chromium_options() -> dict[str, Any]:
    """What playwright's `chromium.launch()` needs: the system's browser, without its sandbox only for root."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.fail("Chromium is missing; set CHROMIUM to a browser's path")
    return {"executable_path": path, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}
