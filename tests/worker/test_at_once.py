"""Many at once, and workers that die: leases, one open retry, no second send."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from dashboard.ingest.checks import want_check
from dashboard.ingest.retry import Refused, request_retry
from dashboard.models import Account, Message, Retry, User
from dashboard.worker.asking import Answer, Due
from dashboard.worker.loop import Worker
from dashboard.worker.store import claim, save_answers
from providers.base import Entry, Report, Status
from tests.factory import person
from tests.worker.processes import running_worker, wait_until
from tests.worker.rig import Rig

pytestmark = pytest.mark.usefixtures("no_cool_down")


def two_workers() -> None:
    async def both() -> None:
        await asyncio.gather(Worker().run(once=True), Worker().run(once=True))

    asyncio.run(both())


# ------------------------------------------------------------------------------ leases


def test_two_workers_ask_about_each_message_once(rig: Rig) -> None:
    account = rig.account("smsbat")
    found = rig.put(account, *range(40))
    rig.later(60)
    two_workers()
    asked = Counter(rig.asked("smsbat"))
    assert asked == {f"/bat/message/{message.provider_message_id}": 1 for message in found}


def test_claims_made_at_the_same_moment_share_no_message(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.put(account, *range(60))
    start = threading.Barrier(4)

    def claims() -> list[Due]:
        start.wait()
        try:
            return [due for _ in range(3) for due in claim(account, timezone.now(), 10)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        taken = [due.pk for future in [pool.submit(claims) for _ in range(4)] for due in future.result()]
    assert len(taken) == len(set(taken))
    claimed = Message.objects.exclude(lease="").count()
    assert claimed == len(taken) > 0


def test_a_lease_that_ran_out_is_taken_again_and_the_late_answer_does_not_disturb_its_new_owner(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 5)
    (first,) = claim(account, timezone.now(), 10)
    assert claim(account, timezone.now(), 10) == []
    rig.later(91)
    (second,) = claim(account, timezone.now(), 10)
    assert second.lease != first.lease
    late = Report(id=first.target.id, entries=(Entry(word="sent", status=Status.SENT),))
    save_answers(account, [Answer(due=first, call="status", at=timezone.now(), report=late)])
    message.refresh_from_db()
    assert (message.status, message.lease) == ("sent", second.lease), "heard, and still the other's to ask"
    final = Report(id=first.target.id, entries=(Entry(word="delivered", status=Status.DELIVERED),))
    save_answers(account, [Answer(due=second, call="status", at=timezone.now(), report=final)])
    message.refresh_from_db()
    assert (message.status, message.lease, message.lease_until) == ("delivered", "", None)


def test_a_killed_workers_message_is_asked_about_again(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 5)
    rig.sim.advance(60)
    rig.sim.script(faults=[{"kind": "hang_after", "count": 1}])
    with running_worker() as worker:
        wait_until(lambda: rig.sim.requests("bsg"))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    message.refresh_from_db()
    assert message.lease
    rig.work()
    assert len(rig.sim.requests("bsg")) == 1, "the lease still holds"
    rig.later(91)
    rig.work()
    message.refresh_from_db()
    assert (message.status, message.lease) == ("delivered", "")


@pytest.mark.parametrize(("key", "seconds"), [("bsg", 5), ("smsbat", 30)])
def test_a_message_answered_a_moment_ago_is_not_asked_again_whoever_clicks(rig: Rig, key: str, seconds: int) -> None:
    rig.stop_clock()
    (message,) = rig.put(rig.account(key), 84)
    rig.work()
    message.refresh_from_db()
    assert not want_check(message)
    Message.objects.update(wanted_at=timezone.now(), next_check_at=timezone.now())
    rig.work_all()
    rig.later(seconds - 2)
    rig.work_all()
    assert len(rig.sim.requests(key)) == 1
    rig.later(3)
    message.refresh_from_db()
    assert want_check(message)
    rig.work()
    assert len(rig.sim.requests(key)) == 2


def test_somebody_waiting_is_served_first(rig: Rig) -> None:
    account = rig.account("smsbat")
    found = rig.put(account, *range(20))
    assert want_check(found[7])
    assert claim(account, timezone.now(), 10)[0].pk == found[7].pk


# ------------------------------------------------------------------------------ one open retry


@pytest.mark.parametrize("count", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_eight_clicks_at_once_on_each_message_send_one_text_each(rig: Rig, count: int) -> None:
    account = rig.account("bsg")
    roots = rig.put(account, *([85] * count))
    rig.later(60)
    rig.work()
    rig.later(60)
    people = [person("ops") for _ in range(-(-count // 10))]  # one of them may not send more than ten in a row
    start = threading.Barrier(8)

    def click(number: int) -> list[str]:
        found = []
        try:
            for place, root in enumerate(roots):
                start.wait()
                try:
                    request_retry(root.pk, reason="again", nonce=f"{root.pk}-{number}", user=people[place // 10])
                    found.append("stored")
                except Refused as refused:
                    found.append(refused.code)
            return found
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        said = Counter(word for future in [pool.submit(click, n) for n in range(8)] for word in future.result())
    assert said == {"stored": count, "open_retry": 7 * count}
    two_workers()
    rig.later(60)
    two_workers()
    assert Counter(entry["to"] for entry in rig.sim.ledger()) == {root.recipient.digits: 1 for root in roots}
    assert set(Retry.objects.values_list("state", flat=True)) == {"accepted"}


def test_two_workers_send_a_retry_once(rig: Rig, ops: User) -> None:
    account = rig.account("smsbat")
    roots = [rig.failed(account) for _ in range(5)]
    for root in roots:
        rig.ask_again(root, ops, f"n{root.pk}")
    two_workers()
    two_workers()
    assert len(rig.sim.ledger()) == 5


def test_a_worker_killed_while_sending_leaves_a_doubt_and_never_a_second_text(rig: Rig, ops: User) -> None:
    account = rig.account("bridgexapi")
    roots = rig.put(account, *([85] * 5))
    rig.sim.advance(60)
    rig.work()
    rig.sim.script(faults=[{"kind": "hang_after", "method": "POST"}])
    for count in (1, 3, 5):
        Message.objects.update(asked_at=timezone.now() - timedelta(hours=1))  # the worker's own clock is the real one
        for root in roots[max(count - 2, 0) : count]:
            rig.ask_again(root, ops, f"n{root.pk}")
        with running_worker() as worker:
            wait_until(lambda expected=count: len(rig.sim.ledger()) == expected)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    assert set(Retry.objects.values_list("state", flat=True)) == {"sending"}
    rig.sim.script(faults=[])
    rig.work()
    assert set(Retry.objects.values_list("state", flat=True)) == {"sending"}, "another worker may be at it"
    rig.later(61)
    rig.work()
    assert set(Retry.objects.values_list("state", "message__status")) == {("outcome_unknown", "outcome_unknown")}
    for _ in range(3):
        rig.later(60)
        rig.work()
    assert set(Retry.objects.values_list("state", flat=True)) == {"accepted"}, "each is in the provider's list"
    assert Counter(entry["to"] for entry in rig.sim.ledger()) == {root.recipient.digits: 1 for root in roots}


# ------------------------------------------------------------------------------ the command


def test_sigterm_ends_the_loop_cleanly_and_leaves_no_lease_behind(rig: Rig) -> None:
    rig.put(rig.account("smsbat", rate=2), *range(30))
    with running_worker() as worker:
        wait_until(lambda: len(rig.sim.requests("smsbat")) >= 3)
        worker.terminate()
        output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, output) == (0, "")
    assert not Message.objects.exclude(lease="").exists()
    assert len(rig.sim.requests("smsbat")) < 20, "what it had not asked yet is left to the next worker"


def test_once_ends_well_also_when_a_provider_is_down(rig: Rig) -> None:
    up, down = rig.account("bsg"), rig.account("roycetalk", base_url="http://127.0.0.1:9")
    (fine,), (stuck,) = rig.put(up, 5), rig.put(down, 5)
    rig.sim.advance(60)
    call_command("worker", "--once")
    fine.refresh_from_db()
    stuck.refresh_from_db()
    assert (fine.status, stuck.status, stuck.lease) == ("delivered", "queued", "")
    assert "refused the connection" in Account.objects.get(pk=down.pk).last_error


def test_once_takes_what_is_due_and_all_takes_every_unfinished_message(rig: Rig) -> None:
    account = rig.account("bsg")
    due, later, finished = rig.put(account, 5, 6, 7)
    Message.objects.filter(pk=later.pk).update(next_check_at=timezone.now() + timedelta(days=1))
    Message.objects.filter(pk=finished.pk).update(next_check_at=None, status="delivered", effective="delivered")
    rig.sim.advance(60)
    for arguments, expected in ((("--once",), [due]), (("--once", "--all"), [due, later])):
        call_command("worker", *arguments)
        asked = {path.rpartition("/")[2] for path in rig.asked("bsg")}
        assert asked == {message.provider_message_id for message in expected}


def test_all_without_once_is_refused() -> None:
    with pytest.raises(CommandError, match="--all goes with --once"):
        call_command("worker", "--all")
