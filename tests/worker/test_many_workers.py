"""Four workers over one database, each a process: they share the work and every account's pace."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from dashboard.models import Account, Message, Retry, User
from dashboard.worker.asking import Lane
from dashboard.worker.loop import Worker
from providers.base import ProviderError, Reply, Request
from providers.http import Caller
from tests.worker.processes import running_worker, wait_until
from tests.worker.rig import KEYS, Rig

WORKERS = 4


@contextmanager
def four_workers() -> Iterator[None]:
    """They are asked to stop at the end, and have to do it well."""
    with ExitStack() as stack:
        workers = [stack.enter_context(running_worker()) for _ in range(WORKERS)]
        yield
        for worker in workers:
            worker.terminate()
        assert [worker.communicate(timeout=60)[0] for worker in workers] == [""] * WORKERS


@pytest.mark.postgres_only
@pytest.mark.usefixtures("no_cool_down")
def test_four_workers_ask_about_each_message_once_and_send_each_text_once(rig: Rig, ops: User) -> None:
    accounts = [rig.account(key) for key in KEYS]
    failed = [message for account in accounts for message in rig.put(account, 85, 85)]
    rig.sim.advance(3000)
    rig.work()
    Message.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    rig.sim.script(numbers={"*": "delivered"})
    waiting = [message.pk for account in accounts for message in rig.put(account, *([5] * 60))]
    rig.sim.advance(60)
    retries = rig.ask_each_again(failed)
    with four_workers():
        wait_until(lambda: not Message.objects.filter(pk__in=waiting).exclude(status="delivered").exists())
        wait_until(lambda: not Retry.objects.exclude(state="accepted").exists())
    assert set(Message.objects.filter(pk__in=waiting).values_list("asked", "lease")) == {(1, "")}
    asked = Counter(path for path in rig.asked("smsbat", "/bat/message/"))
    for message in Message.objects.filter(pk__in=waiting, account__slug="smsbat"):
        assert asked[f"/bat/message/{message.provider_message_id}"] == 1
    texts = Counter(entry["to"] for entry in rig.sim.ledger())
    assert texts == Counter(retry.root.recipient.digits for retry in retries)


@pytest.mark.postgres_only
def test_four_workers_together_keep_to_an_accounts_pace(rig: Rig) -> None:
    rate, count = 40, 200
    found = rig.put(rig.account("smsbat", rate=rate), *([5] * count))
    rig.sim.advance(60)
    Message.objects.update(next_check_at=timezone.now() + timedelta(days=1))
    left = [message.pk for message in found]
    owners: set[str] = set()

    def all_there() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return bool(cursor.fetchone()[0] > WORKERS)

    def done() -> bool:
        """A few more become due each time, so that whoever looks next finds some."""
        due, left[:] = left[:10], left[10:]
        Message.objects.filter(pk__in=due).update(next_check_at=timezone.now())
        owners.update(lease[:16] for lease in Message.objects.exclude(lease="").values_list("lease", flat=True))
        return len(rig.sim.requests("smsbat")) >= count

    with four_workers():
        wait_until(all_there)
        wait_until(done)
    at = [request["at"] for request in rig.sim.requests("smsbat")]
    assert len(at) == count
    assert len(owners) > 1, "several had a share"
    assert max(at) - min(at) >= 0.8 * count / rate, "a pace of its own for each would take a quarter of the time"


def test_what_another_worker_was_told_holds_for_us_until_it_is_over(rig: Rig) -> None:
    account = rig.account("smsbat")
    worker = Worker()

    def lane() -> Lane:
        return worker._lane(Account.objects.get(pk=account.pk))

    async def ask(lane: Lane) -> tuple[Reply | None, ProviderError | None]:
        async with Caller(allow_private=True) as caller:
            return await lane.call(caller, "status", Request(method="GET", path="/bat/message/1"))

    Account.objects.update(paused_until=timezone.now() + timedelta(seconds=300), pause_reason="throttled")
    reply, error = asyncio.run(ask(lane()))
    assert (reply, error and error.code, rig.sim.requests()) == (None, "throttled", [])
    Account.objects.update(paused_until=None, pause_reason="")
    assert lane().trouble is None
