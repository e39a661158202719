"""The engine `celery` with a real broker, which may be killed, and workers, which may be killed too."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from dashboard.models import Message, Retry, User
from dashboard.worker import store
from dashboard.worker.celery import LOOK_EVERY, OUTLIVED_AFTER, app
from tests.worker.processes import start_worker, wait_until
from tests.worker.rig import KEYS, Rig

pytestmark = [pytest.mark.postgres_only, pytest.mark.usefixtures("no_cool_down")]


class Broker:
    """A Redis that keeps nothing: when it is killed, every job in it is gone."""

    def __init__(self, folder: Path) -> None:
        path = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
        if not path:
            pytest.fail("Redis is missing; set REDIS_SERVER to a server's path")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)
        self._command = [path, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """A broker, and `manage.py worker` uses it."""
    broker = Broker(tmp_path)
    monkeypatch.setenv("WORKER_ENGINE", "celery")
    monkeypatch.setenv("BROKER_URL", broker.url)
    yield broker
    broker.client.close()
    broker.kill()


@contextmanager
def celery_worker() -> Iterator[subprocess.Popen[str]]:
    """Its beat and its pool are killed with it."""
    process = start_worker()
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_everything_is_asked_about_and_sent_once_though_the_broker_is_killed(
    rig: Rig, ops: User, broker: Broker
) -> None:
    accounts = [rig.account(key, rate=20 if key == "smsbat" else 500) for key in KEYS]
    failed = [message for account in accounts for message in rig.put(account, 85, 85)]
    rig.sim.advance(3000)
    rig.work()
    Message.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    rig.sim.script(numbers={"*": "delivered"})
    waiting = [message.pk for account in accounts for message in rig.put(account, *([5] * 40))]
    retries = rig.ask_each_again(failed[::2])
    rig.sim.advance(60)
    before = len(rig.sim.requests("smsbat"))
    with celery_worker() as worker:
        wait_until(lambda: len(rig.sim.requests("smsbat")) > before + 5)
        broker.kill()
        waiting += [message.pk for account in accounts for message in rig.put(account, *([5] * 20))]
        retries += rig.ask_each_again(failed[1::2])
        rig.sim.advance(60)
        broker.start()
        wait_until(lambda: not Message.objects.filter(pk__in=waiting).exclude(status="delivered").exists())
        wait_until(lambda: not Retry.objects.exclude(state="accepted").exists())
        worker.terminate()
        worker.communicate(timeout=60)
    assert set(Message.objects.filter(pk__in=waiting).values_list("asked", "lease")) == {(1, "")}
    texts = Counter(entry["to"] for entry in rig.sim.ledger())
    assert texts == Counter(retry.root.recipient.digits for retry in retries)


def test_a_killed_workers_job_comes_back_within_half_a_minute_and_frees_what_it_had_claimed(
    rig: Rig, broker: Broker
) -> None:
    options = app.conf.broker_transport_options
    assert OUTLIVED_AFTER + LOOK_EVERY < 30 < store.LEASE.total_seconds()
    assert (options["visibility_timeout"], options["unacked_restore_interval"]) == (OUTLIVED_AFTER, LOOK_EVERY)
    assert options["unacked_restore_throttle"] == 1
    assert (app.conf.task_acks_late, app.conf.task_reject_on_worker_lost, app.conf.worker_prefetch_multiplier) == (
        True, True, 1,
    )  # fmt: skip
    (message,) = rig.put(rig.account("bsg"), 5)
    rig.sim.advance(60)
    rig.sim.script(faults=[{"kind": "hang_after", "count": 1}])
    with celery_worker() as worker:
        wait_until(lambda: rig.sim.requests("bsg"))
        kill(worker)
    message.refresh_from_db()
    assert message.lease, "which has more than a minute left"
    for job, at in broker.client.zrange("unacked_index", 0, -1, withscores=True):
        broker.client.zadd("unacked_index", {job: at - OUTLIVED_AFTER})  # as if so long had passed
    with celery_worker():
        wait_until(lambda: Message.objects.filter(pk=message.pk, status="delivered", lease="").exists())
    assert len(rig.sim.requests("bsg")) == 2


def test_a_service_that_is_stopped_with_all_its_processes_leaves_no_lease_behind(rig: Rig, broker: Broker) -> None:
    rig.put(rig.account("smsbat", rate=2), *range(30))
    with celery_worker() as worker:
        wait_until(lambda: len(rig.sim.requests("smsbat")) >= 2)
        os.killpg(worker.pid, signal.SIGTERM)
        output, _ = worker.communicate(timeout=60)
    assert "WorkerLost" not in output
    assert not Message.objects.exclude(lease="").exists()
