"""The webhook door behind the web server that we ship: real sockets, real commits, many at a time."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from dashboard.ingest.webhook import MOST_BYTES
from dashboard.models import Account, Event, Evidence, Message, Orphan
from tests.core.conftest import Door, Server
from tests.core.making import account, assert_row_is_its_fold, fresh, message, says, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def path_of(of: Account) -> str:
    return f"/hooks/{token_of(of)}/"


def body(provider_id: str, word: str) -> bytes:
    return json.dumps(says("bsg", provider_id, word)).encode()


def chunked(path: str, *pieces: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_without_content_length_is_read(server: Server) -> None:
    of = account("bsg")
    one = message(of, "211")
    whole = body("211", "delivered")
    assert status_of(server.raw(chunked(path_of(of), whole[:5], whole[5:20], whole[20:]))) == 200
    assert fresh(one).status == "delivered"
    assert bytes(Evidence.objects.get().body or b"") == whole


def test_a_chunked_body_has_the_same_limits(server: Server) -> None:
    path = path_of(account("bsg"))
    assert status_of(server.raw(chunked(path))) == 400
    assert status_of(server.raw(chunked(path, b"x" * 30_000, b"x" * 30_000, b"x" * 30_000))) == 413
    assert status_of(server.raw(chunked(path, b"x" * MOST_BYTES))) == 200
    assert Evidence.objects.count() == 1


def test_a_body_with_content_length_has_them_as_well(server: Server) -> None:
    path = path_of(account("bsg"))
    assert server.post(path, b"x" * (MOST_BYTES + 1))[0] == 413
    assert server.post(path, b"")[0] == 400
    assert server.post("/hooks/nobody/", b"{}")[0] == 404
    head = f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    assert status_of(server.raw(head)) == 200


def test_a_connection_that_breaks_off_stores_nothing(server: Server) -> None:
    of = account("bsg")
    head = f"POST {path_of(of)} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
        link.sendall(head.encode() + b'{"error": 0, "id": "1"')
    assert server.post(path_of(of), body("2", "sent"))[0] == 200
    assert Evidence.objects.count() == 1


@pytest.mark.parametrize("known", [True, False])
def test_fifty_copies_at_once_are_one_event_heard_fifty_times(server: Server, known: bool) -> None:
    of = account("bsg")
    if known:
        message(of, "211")
    path, told = path_of(of), body("211", "delivered")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: server.post(path, told)[0], range(50)))
    assert answers == [200] * 50
    assert Evidence.objects.count() == 50
    one = message(of, "211") if not known else Message.objects.get()
    (event,) = Event.objects.filter(message=one, by_provider=True)
    assert (event.count, event.status) == (50, "delivered")
    assert not Orphan.objects.filter(message=None).exists()
    assert_row_is_its_fold()


def test_many_reports_about_many_messages_at_once_lose_nothing(server: Server) -> None:
    of = account("esms_africa")
    all_of_them = [message(of, f"id-{n}", to=f"2547123{n:05d}", batch="b") for n in range(10)]
    path = path_of(of)
    told = [(f"id-{n}", word) for word in ("submitted", "sent", "delivered") for n in range(10)]
    jobs = [json.dumps(says("esms_africa", each, word, retry_count=0)).encode() for each, word in told]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda job: server.post(path, job)[0], reversed(jobs))) == {200}
    assert {fresh(one).status for one in all_of_them} == {"delivered"}
    assert Event.objects.filter(by_provider=True).count() == 30
    assert_row_is_its_fold()


def test_many_different_reports_about_one_message_at_once_overwrite_none_of_each_other(server: Server) -> None:
    of = account("esms_africa")
    one = message(of, "id-1")
    path = path_of(of)
    jobs = [json.dumps(says("esms_africa", "id-1", "failed", retry_count=n)).encode() for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda job: server.post(path, job)[0], jobs)) == {200}
    assert (fresh(one).attempt, fresh(one).negatives) == (39, (1 << 40) - 1)
    assert_row_is_its_fold()


# ------------------------------------------------------------------------------ a database that is locked


@contextmanager
def locked() -> Iterator[None]:
    """Somebody else holds what a webhook has to write; we wait for 50 ms only."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        connection.cursor().execute("PRAGMA busy_timeout = 50")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()
        return
    holding, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold, args=(holding, done))
    holder.start()
    assert holding.wait(30)
    connection.cursor().execute("SET lock_timeout = '50ms'")
    try:
        yield
    finally:
        done.set()
        holder.join(30)
        connection.cursor().execute("RESET lock_timeout")


def _hold(holding: threading.Event, done: threading.Event) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT id FROM dashboard_message FOR UPDATE")
            cursor.execute("SELECT pg_advisory_xact_lock(id::int, n) FROM dashboard_account, generate_series(0, 63) n")
            holding.set()
            done.wait(30)
    finally:
        connection.close()


@pytest.mark.parametrize("provider_id", ["211", "not known"])
def test_a_locked_database_is_503_and_nothing_is_half_stored(door: Door, provider_id: str) -> None:
    of = account("bsg")
    one = message(of, "211")
    before = fresh(one).heard_at
    told = says("bsg", provider_id, "delivered")
    with locked():
        answer: Any = door.client.post(path_of(of), told, content_type="application/json")
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert (Evidence.objects.count(), Orphan.objects.count()) == (0, 0)
    assert not Event.objects.filter(by_provider=True).exists()
    assert (fresh(one).status, fresh(one).heard_at) == ("queued", before)
    assert door.post(of, told) == 200
    assert Evidence.objects.count() == 1
