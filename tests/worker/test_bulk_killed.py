"""Workers that are killed while they send many again: nobody is texted twice, and nobody is forgotten."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest
from django.utils import timezone

from dashboard.domain.bulk import Fate
from dashboard.fates import fates_of
from dashboard.ingest import bulk as steps
from dashboard.models import Bulk, BulkItem, Message, Retry, User
from dashboard.queries import filter_messages
from tests.factory import person
from tests.worker.processes import running_worker, wait_until
from tests.worker.rig import Rig

pytestmark = pytest.mark.usefixtures("no_cool_down")
ENDED = {"accepted", "cancelled", "not_sent", "refused"}


@pytest.mark.parametrize(
    ("count", "kills"), [(120, 3), pytest.param(1000, 20, marks=pytest.mark.slow)], ids=["120", "1000"]
)
def test_killed_workers_text_nobody_twice_and_forget_nobody(
    rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch, count: int, kills: int
) -> None:
    monkeypatch.setenv("RETRY_COOL_DOWN", "0,0")
    roots = _failed(rig, count)
    bulk = _approved(ops)
    chance = random.Random(count)
    for _ in range(kills):
        before = len(rig.sim.ledger())
        with running_worker() as worker:
            wait_until(lambda before=before: _moved(rig, bulk, before), seconds=120)
            time.sleep(chance.uniform(0, 0.7))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        _leases_run_out()
    _to_the_end(rig, bulk)

    numbers = Counter(entry["to"] for entry in rig.sim.ledger())
    assert max(numbers.values()) == 1, "nobody is texted twice"
    assert not BulkItem.objects.filter(bulk=bulk, code="", retry=None).exists(), "nobody is forgotten"
    assert BulkItem.objects.filter(bulk=bulk).count() == count
    assert set(Retry.objects.filter(bulk=bulk).values_list("state", flat=True)) <= ENDED
    accepted = Retry.objects.filter(bulk=bulk, state="accepted").values_list("root__recipient__digits", flat=True)
    assert set(accepted) == set(numbers), "what went out is what we say went out"
    found = fates_of([bulk.pk])[bulk.pk]
    assert found[Fate.DELIVERED] == len(numbers) >= 0.9 * len(roots)


def _failed(rig: Rig, count: int) -> list[Message]:
    """The worker's clock is the real one, so only the provider's is moved."""
    account = rig.account("bsg")
    roots = rig.put(account, *([85] * count))
    rig.sim.advance(60)
    rig.work()
    rig.sim.script(numbers={"*": "delivered"})
    return roots


def _approved(ops: User) -> Bulk:
    found = filter_messages(bucket="undeliverable")
    bulk = steps.plan(found, user=ops, reason="The network was down.", filters={"bucket": "undeliverable"})
    return steps.approve(bulk.pk, user=person("ops"), typed=steps.to_send(bulk).count())


def _leases_run_out() -> None:
    """As if the time had passed in which the dead worker might still be alive."""
    now = timezone.now()
    Bulk.objects.filter(state="running").update(next_at=now)
    Retry.objects.filter(lease_until__isnull=False).update(lease_until=now)
    Message.objects.filter(lease_until__isnull=False).update(lease_until=now)


def _moved(rig: Rig, bulk: Bulk, before: int) -> bool:
    rig.sim.advance(5)
    return len(rig.sim.ledger()) > before or not steps.to_send(bulk).exists()


def _to_the_end(rig: Rig, bulk: Bulk) -> None:
    """A worker that nobody kills; the leases of the dead run out."""
    for _ in range(400):
        rig.later(20)
        rig.work()
        bulk.refresh_from_db()
        on_the_way = Message.objects.filter(root__isnull=False, made_by__state="accepted").exclude(status="delivered")
        held = Retry.objects.filter(bulk=bulk, state__in=Retry.HOLDING)
        if bulk.state == "done" and not held.exists() and not on_the_way.exists():
            return
    raise AssertionError(f"it never ended: {bulk.state}, {fates_of([bulk.pk])[bulk.pk]}")
