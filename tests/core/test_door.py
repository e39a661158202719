"""The door before Django: one thread keeps what waits in one commit, and answers each report by itself."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPException
from typing import Any

import pytest
from django.db import DataError, connection
from django.utils import timezone

from dashboard.ingest import door, webhook
from dashboard.ingest.door import Door, Writer
from dashboard.ingest.items import Item
from dashboard.ingest.webhook import UNAVAILABLE, Answer, Delivery
from dashboard.models import Account, Evidence, Orphan
from tests.core.conftest import APPLICATIONS, Server, serving
from tests.core.making import account, assert_row_is_its_fold, fresh, message, says, token_of
from tests.core.test_webhook_server import locked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer(transactional_db: None) -> Iterator[Writer]:
    writer = Writer()
    yield writer
    writer.stop()


def told(of: Account, provider_id: str, word: str = "sent", token: str = "") -> Delivery:
    body = json.dumps(says(of.provider_key, provider_id, word)).encode()
    return Delivery(token or token_of(of), body, {"content-type": "application/json"}, timezone.now())


@contextmanager
def held(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The writer is busy with a first commit until the end of the block; yields the sizes of its commits."""
    sizes: list[int] = []
    entered, go_on, keep = threading.Event(), threading.Event(), door.keep

    def slow(deliveries: list[Delivery]) -> list[Answer]:
        sizes.append(len(deliveries))
        entered.set()
        assert go_on.wait(30)
        return keep(deliveries)

    monkeypatch.setattr(door, "keep", slow)
    first = threading.Thread(target=writer.keep, args=[Delivery("nobody", b"{}", {}, timezone.now())])
    first.start()
    assert entered.wait(30)
    try:
        yield sizes
    finally:
        go_on.set()
        first.join(30)


HELD: list[Writer] = []


def together(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, deliveries: list[Delivery]
) -> tuple[list[int], list[int]]:
    """The answers to these, which come while a commit is under way, and the sizes of the commits."""
    with ThreadPoolExecutor(len(deliveries)) as threads:
        with held(writer, monkeypatch) as sizes:
            answers = [threads.submit(writer.keep, each) for each in deliveries]
            wait_until(lambda: writer._queue.qsize() == len(deliveries))
        return [answer.result(60).status for answer in answers], sizes


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# ------------------------------------------------------------------------------ one commit for many


def test_what_comes_during_a_commit_shares_the_next_one(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    of = account("bsg")
    ones = [message(of, f"{n}", batch="b") for n in range(12)]
    answers, sizes = together(writer, monkeypatch, [told(of, f"{n}", "delivered") for n in range(12)])
    assert (answers, sizes) == ([200] * 12, [1, 12])
    assert {fresh(one).status for one in ones} == {"delivered"}
    assert_row_is_its_fold()


def test_those_who_come_again_at_once_share_the_next_commit_too(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "GATHERING", 10_000)
    of, rounds = account("bsg"), 4

    def again_and_again(n: int) -> set[int]:
        return {writer.keep(told(of, f"{n}-{turn}")).status for turn in range(rounds)}

    with ThreadPoolExecutor(8) as threads:
        with held(writer, monkeypatch) as sizes:
            answers = [threads.submit(again_and_again, n) for n in range(8)]
            wait_until(lambda: writer._queue.qsize() == 8)
        assert [answer.result(60) for answer in answers] == [{200}] * 8
    assert sizes == [1, *[8] * rounds]


def test_a_commit_takes_so_many_and_no_more(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_AT_ONCE", 5)
    of = account("bsg")
    answers, sizes = together(writer, monkeypatch, [told(of, f"{n}") for n in range(12)])
    assert (answers, sizes) == ([200] * 12, [1, 5, 5, 2])
    assert Evidence.objects.count() == 12


def test_each_gets_its_own_answer(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    bsg, esms = account("bsg"), account("esms_africa")
    esms.set_credentials({"api_key": "k", "webhook_secret": "whsec_1"}, "test")
    esms.save()
    lost = account("esms_africa", "lost")
    lost.set_credentials({"api_key": "k", "webhook_secret": "whsec_2"}, "test")
    lost.sealed_credentials = esms.sealed_credentials  # sealed for somebody else: it cannot be opened
    lost.save()
    deliveries = [told(bsg, "1"), told(bsg, "2", token="nobody"), told(esms, "3"), told(lost, "4"), told(bsg, "5")]
    assert together(writer, monkeypatch, deliveries) == ([200, 404, 401, 503, 200], [1, 5])
    assert set(Orphan.objects.values_list("match_id", flat=True)) == {"1", "5"}
    assert Account.objects.get(slug="esms-africa").last_error


# ------------------------------------------------------------------------------ neighbours


@pytest.mark.parametrize(("error", "status"), [(DataError("no"), 503), (TypeError("no"), 500)])
def test_one_that_cannot_be_kept_harms_no_neighbour(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    of = account("bsg")
    ones = [message(of, f"{n}") for n in range(6)]
    record = webhook.record

    def choosy(items: list[Item]) -> Any:
        done = record(items)
        if any(item.report.id == "3" for item in items):
            raise error
        return done

    monkeypatch.setattr(webhook, "record", choosy)
    answers, _ = together(writer, monkeypatch, [told(of, f"{n}", "delivered") for n in range(6)])
    assert answers == [status if n == 3 else 200 for n in range(6)]
    assert [fresh(one).status for one in ones] == ["queued" if n == 3 else "delivered" for n in range(6)]
    assert Evidence.objects.count() == 5
    assert_row_is_its_fold()


def test_a_writer_that_falls_over_is_replaced(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    of = account("bsg")
    with monkeypatch.context() as patch:
        patch.setattr(door, "PATIENCE", 0.05)
        patch.setattr(door, "write", lambda group: {}["a fault of ours"])
        patch.setattr(threading, "excepthook", lambda _: None)
        assert writer.keep(told(of, "1")) == UNAVAILABLE
        wait_until(lambda: not (writer._thread and writer._thread.is_alive()))
    assert writer.keep(told(of, "1")).status == 200


@pytest.mark.postgres_only
def test_a_connection_that_died_is_opened_anew(writer: Writer) -> None:
    of = account("bsg")
    assert writer.keep(told(of, "1")).status == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                       "AND datname = current_database()")  # fmt: skip
    assert writer.keep(told(of, "2")).status == 200
    assert Evidence.objects.count() == 2


# ------------------------------------------------------------------------------ when it cannot be kept


def test_a_full_queue_is_503_with_a_time_to_come_again(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 2)
    of = account("bsg")
    with ThreadPoolExecutor(2) as threads:
        waiting: list[Future[Answer]] = []
        with held(writer, monkeypatch):
            for n in range(2):
                waiting.append(threads.submit(writer.keep, told(of, f"{n}")))
                wait_until(lambda: writer._queue.qsize() == len(waiting))
            status, headers, content = asked(writer, f"/hooks/{token_of(of)}/", b"{}")
        assert [each.result(30).status for each in waiting] == [200, 200]
    assert (status, headers["Retry-After"]) == ("503 unavailable", "5")
    assert json.loads(content)["error"]["code"] == "unavailable"
    assert Evidence.objects.count() == 2


def test_a_locked_database_is_503_for_all_and_nothing_is_half_stored(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = account("bsg")
    ones = [message(of, f"{n}") for n in range(3)]
    options = connection.settings_dict["OPTIONS"]
    short = {"timeout": 0.05} if connection.vendor == "sqlite" else {"options": "-c lock_timeout=50ms"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {**options, **short})
    with locked():
        answers, _ = together(writer, monkeypatch, [told(of, f"{n}", "delivered") for n in range(3)])
    assert answers == [503] * 3
    assert (Evidence.objects.count(), {fresh(one).status for one in ones}) == (0, {"queued"})
    assert writer.keep(told(of, "1", "delivered")).status == 200


def test_nobody_waits_for_ever(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    of = account("bsg")
    with held(writer, monkeypatch):
        monkeypatch.setattr(door, "PATIENCE", 0.05)
        assert writer.keep(told(of, "1")) == UNAVAILABLE


def test_what_waits_is_kept_before_the_end(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    of = account("bsg")
    with ThreadPoolExecutor(5) as threads:
        with held(writer, monkeypatch):
            waiting = [threads.submit(writer.keep, told(of, f"{n}")) for n in range(4)]
            wait_until(lambda: writer._queue.qsize() == 4)
            ending = threads.submit(writer.stop)
            wait_until(lambda: writer._queue.qsize() == 5)
            assert writer.keep(told(of, "late")) == UNAVAILABLE
        ending.result(30)
        assert [each.result(30).status for each in waiting] == [200] * 4
    assert Evidence.objects.count() == 4


# ------------------------------------------------------------------------------ addresses and secrets


def test_a_change_of_address_holds_at_once(writer: Writer) -> None:
    of = account("bsg")
    first = token_of(of)
    assert writer.keep(told(of, "1", token=first)).status == 200
    of.new_hook()
    of.save()
    assert [writer.keep(told(of, "1", token=token)).status for token in (first, token_of(of))] == [200, 200]
    Account.objects.update(old_hook_until=timezone.now() - timedelta(seconds=1))
    assert [writer.keep(told(of, "1", token=token)).status for token in (first, token_of(of))] == [404, 200]


def test_a_change_of_secret_holds_at_once(writer: Writer) -> None:
    of = account("esms_africa")
    assert writer.keep(told(of, "1")).status == 200
    of.set_credentials({"api_key": "k", "webhook_secret": "whsec_1"}, "test")
    of.save()
    assert writer.keep(told(of, "1")).status == 401
    of.set_credentials({"api_key": "k"}, "test")
    of.save()
    assert writer.keep(told(of, "1")).status == 200


def asked(writer: Writer, path: str, body: bytes, method: str = "POST") -> tuple[str, dict[str, str], bytes]:
    said: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)),
               "CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body)}  # fmt: skip

    def django(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("299 Django", [])
        return [environ["PATH_INFO"].encode()]

    content = b"".join(Door(django, writer.keep)(environ, lambda *head: said.extend(head)))
    return said[0], dict(said[1]), content


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/hooks/abc/"), ("HEAD", "/hooks/abc/"), ("POST", "/hooks/"), ("POST", "/hooks//"), ("POST", "/hooks/abc"),
     ("POST", "/hooks/a/b/"), ("POST", "/"), ("POST", "/api/v1/sends"), ("POST", "/x/hooks/abc/")],
)  # fmt: skip
def test_everything_else_is_passed_on_as_it_is(writer: Writer, method: str, path: str) -> None:
    assert asked(writer, path, b"{}", method)[::2] == ("299 Django", path.encode())


# ------------------------------------------------------------------------------ killed


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_that_was_answered_200_is_lost_when_the_server_is_killed(how: signal.Signals) -> None:
    of = account("bsg")
    path, kept, failed = f"/hooks/{token_of(of)}/", [], threading.Event()

    def report(server: Server, start: int) -> None:
        for n in range(start, 100_000, 8):
            body = json.dumps(says("bsg", f"{n}", "sent")).encode()
            try:
                status, _ = server.post(path, body)
            except (OSError, HTTPException):
                failed.set()
                return
            if status == 200:
                kept.append(f"{n}")

    with serving(APPLICATIONS["before Django"]) as server, ThreadPoolExecutor(8) as threads:
        reporting = [threads.submit(report, server, start) for start in range(8)]
        wait_until(lambda: len(kept) > 40)
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, how)
        for each in reporting:
            each.result(60)
    assert failed.is_set()
    assert set(kept) <= set(Orphan.objects.values_list("match_id", flat=True))
    assert Orphan.objects.count() == Evidence.objects.count() >= len(kept)
