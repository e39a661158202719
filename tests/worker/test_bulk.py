"""Sending many again: planned once, approved by the right person, tried on a few, at a pace, and each at most once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.db.models import QuerySet
from django.test import override_settings
from django.utils import timezone

from dashboard.domain.bulk import CANARY, MOST_OPEN, Fate, pace
from dashboard.fates import fates_of, paid, quoted
from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import Refused
from dashboard.models import Account, Audit, Bulk, BulkItem, Message, Retry, User
from dashboard.queries import filter_messages
from dashboard.worker import bulk as runner
from providers.base import Status
from tests.factory import person, report
from tests.worker.rig import Rig

pytestmark = pytest.mark.usefixtures("no_cool_down")

IT_ARRIVES, IT_FAILS, IT_IS_STUCK = {"*": "delivered"}, {"*": "failed"}, {"*": "stuck"}


def failed(rig: Rig, account: Account, count: int, **fields: Any) -> list[Message]:
    """So many messages that have failed, and of which we know; whatever is sent from now on arrives."""
    rig.sim.script(numbers=IT_FAILS)
    found = rig.put(account, *([85] * count), **fields)
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    rig.sim.script(numbers=IT_ARRIVES)
    return rig.messages(message.pk for message in found)


def plan(user: User, found: QuerySet[Message] | None = None, **fields: Any) -> Bulk:
    found = filter_messages(bucket="undeliverable") if found is None else found
    return steps.plan(found, user=user, reason="The network was down.", filters={"bucket": "undeliverable"}, **fields)


def approved(user: User, found: QuerySet[Message] | None = None, **fields: Any) -> Bulk:
    bulk = plan(user, found, **fields)
    return steps.approve(bulk.pk, user=user, typed=steps.to_send(bulk).count())


def go(rig: Rig, bulk: Bulk, rounds: int = 100, seconds: float = 6) -> Bulk:
    """Work until the run is not running any more, or so many rounds."""
    for _ in range(rounds):
        rig.work()
        rig.later(seconds)
        bulk.refresh_from_db()
        if bulk.state != "running":
            break
    return bulk


def fates(bulk: Bulk) -> dict[Fate, int]:
    return dict(fates_of([bulk.pk])[bulk.pk])


def codes(bulk: Bulk) -> Counter[str]:
    return Counter(BulkItem.objects.filter(bulk=bulk).exclude(code="").values_list("code", flat=True))


def actions(bulk: Bulk) -> list[str]:
    rows = Audit.objects.filter(subject=f"bulk {bulk.pk}").order_by("pk")
    return [action.removeprefix("bulk.") for action in rows.values_list("action", flat=True)]


def texted(rig: Rig) -> Counter[str]:
    return Counter(entry["to"] for entry in rig.sim.ledger())


# ------------------------------------------------------------------------------ from the plan to the end


def test_all_of_a_plan_are_sent_once_after_the_first_few_arrived(rig: Rig, ops: User) -> None:
    messages = failed(rig, rig.account("bsg"), 60)
    bulk = approved(ops)
    go(rig, bulk, rounds=2)
    assert len(rig.sim.ledger()) == CANARY, "nothing else before these have a fate"
    assert bulk.canary == CANARY
    go(rig, bulk)
    rig.rounds(3)
    assert (bulk.state, bulk.canary, fates(bulk)) == ("done", 0, {Fate.DELIVERED: 60})
    assert texted(rig) == {message.recipient.digits: 1 for message in messages}
    assert actions(bulk) == ["planned", "approved", "went_on", "ended"]
    ended = Audit.objects.get(subject=f"bulk {bulk.pk}", action="bulk.ended")
    assert sum(ended.details.values()) == 60
    assert ended.actor_name == "worker"
    assert {retry.user_id for retry in Retry.objects.filter(bulk=bulk)} == {ops.pk}


def test_a_few_need_no_number_and_no_trial(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 30)
    bulk = steps.approve(plan(ops).pk, user=ops)
    go(rig, bulk, rounds=3)
    assert len(rig.sim.ledger()) == 30
    assert (go(rig, bulk).state, actions(bulk)) == ("done", ["planned", "approved", "ended"])


def test_oldest_first(rig: Rig, ops: User) -> None:
    messages = failed(rig, rig.account("bsg"), 5)
    items = BulkItem.objects.filter(bulk=plan(ops)).order_by("position")
    assert list(items.values_list("position", "message_id")) == list(enumerate([m.pk for m in messages], start=1))


def test_through_another_account(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 8)
    other = rig.account("smsbat")
    bulk = go(rig, approved(ops, through=other))
    assert bulk.state == "done"
    assert [entry["provider"] for entry in rig.sim.ledger()] == ["smsbat"] * 8
    assert [row["account"] for row in bulk.costs] == ["smsbat"]


def test_the_providers_own_retry_is_judged_by_its_new_attempt(rig: Rig, ops: User) -> None:
    rig.sim.script(modes={"esms_africa": {"retry": "same_id"}})
    account = rig.account("esms_africa")
    root = failed(rig, account, 1)[0]
    bulk = approved(ops, filter_messages(account=account.slug))
    retry = Retry(
        root=root, original=root, message=root, account=account, via="provider", user=ops, reason="again", nonce="x",
        reference="x", bulk=bulk, state="accepted", retry_count=root.attempt + root.own_retries,
        created_at=timezone.now(), changed_at=timezone.now(),
    )  # fmt: skip
    retry.save()
    BulkItem.objects.filter(bulk=bulk).update(retry=retry, code="", why="")
    assert fates(bulk) == {Fate.PENDING: 1}, "the failure is the one from before"
    report(root, Status.FAILED, attempt=root.attempt + 1)
    assert fates(bulk) == {Fate.FAILED: 1}
    report(root, Status.DELIVERED, attempt=root.attempt + 1)
    assert fates(bulk) == {Fate.DELIVERED: 1}
    assert paid(bulk) == {}, "its price was the first text's"


@pytest.mark.parametrize(
    ("state", "status", "effective", "fate"),
    [
        ("open", "created", "failed", Fate.PENDING),
        ("sending", "sending", "failed", Fate.PENDING),
        ("outcome_unknown", "outcome_unknown", "failed", Fate.UNKNOWN),
        ("outcome_unknown", "delivered", "delivered", Fate.DELIVERED),
        ("accepted", "queued", "queued", Fate.PENDING),
        ("accepted", "retrying", "retrying", Fate.PENDING),
        ("accepted", "delivered", "delivered", Fate.DELIVERED),
        ("accepted", "expired", "expired", Fate.FAILED),
        ("accepted", "rejected", "rejected", Fate.FAILED),
        ("accepted", "unknown", "unknown", Fate.UNKNOWN),
        ("refused", "failed", "failed", Fate.FAILED),
        ("not_sent", "failed", "failed", Fate.NOT_SENT),
        ("cancelled", "failed", "failed", Fate.NOT_SENT),
        ("cancelled", "failed", "delivered", Fate.NOT_NEEDED),
        ("not_sent", "delivered", "delivered", Fate.DELIVERED),
    ],
)
def test_what_became_of_a_message(rig: Rig, ops: User, state: str, status: str, effective: str, fate: Fate) -> None:
    failed(rig, rig.account("bsg"), 1)
    bulk = approved(ops)
    go(rig, bulk, rounds=1)
    item = BulkItem.objects.get(bulk=bulk)
    Retry.objects.update(state=state)
    Message.objects.filter(root=item.message_id).update(status=status)
    Message.objects.filter(pk=item.message_id).update(effective=effective)
    assert fates(bulk) == {fate: 1}


# ------------------------------------------------------------------------------ what is in the plan


def test_the_plan_is_frozen_what_matches_later_is_not_sent_and_what_arrived_since_is_left_out(
    rig: Rig, ops: User
) -> None:
    account = rig.account("bsg")
    first = failed(rig, account, 4)
    bulk = plan(ops)
    later = failed(rig, account, 3)
    assert filter_messages(bucket="undeliverable").count() == 7
    report(first[1], Status.DELIVERED)
    steps.approve(bulk.pk, user=ops)
    go(rig, bulk)
    assert (bulk.state, codes(bulk)) == ("done", {"delivered": 1})
    sent = texted(rig)
    assert sent == {message.recipient.digits: 1 for message in (first[0], first[2], first[3])}
    assert not any(message.recipient.digits in sent for message in later)


def test_a_message_and_what_was_sent_again_for_it_are_one_of_the_plan(rig: Rig, ops: User) -> None:
    root = failed(rig, rig.account("bsg"), 1)[0]
    rig.sim.script(numbers=IT_FAILS)
    rig.ask_again(root, ops)
    rig.work()
    rig.later(60)
    rig.rounds(2)
    found = filter_messages(bucket="undeliverable")
    assert found.count() == 2
    assert list(BulkItem.objects.filter(bulk=plan(ops, found)).values_list("message_id", flat=True)) == [root.pk]
    children = found.exclude(root=None)
    assert list(BulkItem.objects.filter(bulk=plan(ops, children)).values_list("message_id", flat=True)) == [root.pk]


def test_the_same_text_to_the_same_number_goes_once_and_the_newest_stands_for_it(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    first, second, other = failed(rig, account, 3)
    Message.objects.filter(pk=second.pk).update(recipient=first.recipient_id)
    Message.objects.filter(pk=other.pk).update(recipient=first.recipient_id, text="Something else")
    bulk = plan(ops)
    rows = BulkItem.objects.filter(bulk=bulk).values_list("message_id", "code")
    assert dict(rows) == {first.pk: "duplicate_number", second.pk: "", other.pk: ""}


def test_each_that_is_left_out_says_why(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    gone, old, out, arrived, fine = failed(rig, account, 5)
    Message.objects.filter(pk=gone.pk).update(text=None)
    Message.objects.filter(pk=old.pk).update(sent_at=timezone.now() - timedelta(days=40))
    out.recipient.opted_out_at = timezone.now()
    out.recipient.save()
    report(arrived, Status.DELIVERED)
    bulk = plan(ops, filter_messages(account=account.slug))
    rows = {pk: (code, why) for pk, code, why in bulk.items.values_list("message_id", "code", "why")}
    assert {pk: code for pk, (code, _) in rows.items()} == {
        gone.pk: "no_text", old.pk: "too_old", out.pk: "blocked", arrived.pk: "delivered", fine.pk: "",
    }  # fmt: skip
    assert all(why.endswith(".") for pk, (_, why) in rows.items() if pk != fine.pk)
    assert sum(row["messages"] for row in bulk.costs) == 1


def test_costs_are_kept_by_account_and_currency_and_unknown_prices_apart(rig: Rig, ops: User) -> None:
    one, two = failed(rig, rig.account("bsg", currency="EUR"), 2)
    failed(rig, rig.account("smsbat"), 1)
    Message.objects.filter(pk=one.pk).update(cost=Decimal("0.07"), currency="EUR")
    Message.objects.filter(pk=two.pk).update(cost=Decimal("0.013"), currency="EUR")
    Message.objects.filter(account__slug="smsbat").update(cost=None)
    assert plan(ops).costs == [
        {"account": "bsg", "currency": "EUR", "amount": "0.08300000", "messages": 2, "estimated": 0},
        {"account": "smsbat", "currency": "", "amount": None, "messages": 1, "estimated": 0},
    ]


def test_too_many_or_none_is_no_plan(rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch) -> None:
    failed(rig, rig.account("bsg"), 6)
    monkeypatch.setattr(steps, "MOST", 5)
    with pytest.raises(Refused, match=r"^6 messages match; a plan holds 5 at most"):
        plan(ops)
    monkeypatch.setattr(steps, "MOST_READ", 5)
    with pytest.raises(Refused, match=r"^More than 5 messages match"):
        plan(ops)
    with pytest.raises(Refused, match="No message matches"):
        plan(ops, filter_messages(bucket="expired"))
    with pytest.raises(Refused, match="Say why"):
        steps.plan(filter_messages(bucket="undeliverable"), user=ops, reason="  ", filters={})
    assert not Bulk.objects.exists()
    assert not Audit.objects.filter(action__startswith="bulk").exists()


def test_a_plan_is_written_in_chunks_with_as_many_questions_each(
    rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    failed(rig, rig.account("bsg"), 45)
    monkeypatch.setattr(steps, "CHUNK", 20)
    with django_assert_max_num_queries(75):
        bulk = plan(ops)
    assert list(bulk.items.order_by("position").values_list("position", flat=True)) == list(range(1, 46))


# ------------------------------------------------------------------------------ those that wait for their turn


def test_a_message_that_failed_a_moment_ago_waits_for_its_turn(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 3)
    with override_settings(RETRY_COOL_DOWN=("1800", "3600")):
        bulk = approved(ops)
        assert codes(bulk) == {}
        assert all(steps.waiting_until(why) for why in bulk.items.values_list("why", flat=True))
        go(rig, bulk, rounds=5, seconds=60)
        assert (bulk.state, rig.sim.ledger()) == ("running", [])
        rig.later(1800)
        assert (go(rig, bulk).state, len(rig.sim.ledger())) == ("done", 3)


def test_a_wait_that_is_too_long_leaves_it_out(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 1)
    with override_settings(RETRY_COOL_DOWN=("10000", "10000")):
        assert codes(plan(ops)) == {"cool_down": 1}


def test_what_nobody_signed_waits_to_be_confirmed_and_is_left_out_after_an_hour(rig: Rig, ops: User) -> None:
    confirmed, not_confirmed = failed(rig, rig.account("bsg"), 2)
    Message.objects.update(unconfirmed=True, final_at=timezone.now())
    bulk = approved(ops)
    rig.sim.script(faults=[{"kind": "503", "method": "GET"}])
    go(rig, bulk, rounds=3, seconds=70)
    assert (codes(bulk), rig.sim.ledger()) == ({}, [])
    rig.sim.script(faults=[])
    Message.objects.filter(pk=confirmed.pk).update(unconfirmed=False)
    Message.objects.filter(pk=not_confirmed.pk).update(next_check_at=None)
    Account.objects.update(paused_until=None, failures=0)
    go(rig, bulk, rounds=3, seconds=70)
    assert texted(rig) == {confirmed.recipient.digits: 1}
    rig.later(3600)
    assert (go(rig, bulk).state, codes(bulk)) == ("done", {"unconfirmed": 1})


def test_what_somebody_else_sends_again_waits_and_is_not_sent_twice(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    theirs, ours = failed(rig, account, 2)
    bulk = approved(ops)
    rig.ask_again(theirs, ops, "by hand")
    runner.run(timezone.now())
    assert fates(bulk) == {Fate.PENDING: 1, Fate.TO_COME: 1}
    go(rig, bulk, seconds=70)
    assert (bulk.state, codes(bulk)) == ("done", {"pending": 1})
    assert texted(rig) == {theirs.recipient.digits: 1, ours.recipient.digits: 1}


# ------------------------------------------------------------------------------ approving


def test_above_the_limit_a_second_person_is_needed(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 3)
    bulk = plan(ops)
    with override_settings(BULK_APPROVAL_ABOVE="2"):
        with pytest.raises(Refused, match="Somebody else"):
            steps.approve(bulk.pk, user=ops)
        assert Bulk.objects.get().state == "planned"
        second = person("ops")
        assert steps.approve(bulk.pk, user=second).approved_by == second
    assert actions(bulk) == ["planned", "approved"]


def test_who_lost_the_role_meanwhile_approves_nothing_and_nothing_is_sent_in_their_name(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 3)
    bulk = plan(ops)
    second = person("ops", "support")
    User.objects.filter(pk=second.pk).update(ops=False)
    with pytest.raises(Refused, match="role"):
        steps.approve(bulk.pk, user=second)
    steps.approve(bulk.pk, user=ops)
    User.objects.filter(pk=ops.pk).update(is_active=False)
    go(rig, bulk)
    assert (bulk.state, rig.sim.ledger()) == ("paused", [])
    assert "may not send any more" in bulk.note


def test_an_old_plan_and_a_dropped_one_cannot_be_approved(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 3)
    old, dropped = plan(ops), plan(ops)
    steps.stop(dropped.pk, user=ops)
    with pytest.raises(Refused, match="dropped"):
        steps.approve(dropped.pk, user=ops)
    rig.later(24 * 3600 + 10)
    with pytest.raises(Refused, match="older than a day"):
        steps.approve(old.pk, user=ops)
    assert actions(dropped) == ["planned", "dropped"]
    assert set(Bulk.objects.values_list("state", flat=True)) == {"planned", "stopped"}


def test_a_plan_that_was_cut_off_can_only_be_dropped(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 1)
    now = timezone.now()
    bulk = Bulk.objects.create(user=ops, reason="again", created_at=now, changed_at=now)
    with pytest.raises(Refused, match="still being planned"):
        steps.approve(bulk.pk, user=ops)
    assert steps.stop(bulk.pk, user=ops).state == "stopped"


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Do these at the same moment; what each came to, an exception included."""
    start = threading.Barrier(len(jobs))

    def one(job: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return job()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(one, job) for job in jobs]]


def test_two_approvals_at_once_are_one(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 3)
    second = person("ops")
    bulk = plan(ops)
    found = at_once(*(lambda user=user: steps.approve(bulk.pk, user=user) for user in (ops, second, ops, second)))
    assert {one.state for one in found} == {"running"}
    assert len({one.approved_by_id for one in found}) == 1
    assert actions(bulk) == ["planned", "approved"]


def test_an_approval_and_a_drop_at_once_are_one_of_both(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 1)
    for _ in range(5):
        bulk = plan(ops)
        at_once(lambda: steps.approve(bulk.pk, user=ops), lambda: steps.stop(bulk.pk, user=ops))  # noqa: B023
        bulk.refresh_from_db()
        assert bulk.state == "stopped"
        assert actions(bulk) in (["planned", "dropped"], ["planned", "approved", "stopped"])
    assert rig.sim.ledger() == []


# ------------------------------------------------------------------------------ pause, resume, stop


def test_a_pause_asks_for_no_more_and_resume_goes_on(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg", rate=8), 30)
    bulk = approved(ops)
    go(rig, bulk, rounds=1)
    asked = Retry.objects.filter(bulk=bulk).count()
    assert 0 < asked < 30
    steps.pause(bulk.pk, user=ops)
    steps.pause(bulk.pk, user=ops)
    go(rig, bulk, rounds=1)
    rig.rounds(3)
    assert Retry.objects.filter(bulk=bulk).count() == asked
    assert fates(bulk)[Fate.DELIVERED] == asked, "what was asked for goes on"
    steps.resume(bulk.pk, user=ops)
    assert go(rig, bulk).state == "done"
    assert len(rig.sim.ledger()) == 30
    assert actions(bulk) == ["planned", "approved", "paused", "resumed", "ended"]


def test_a_stop_cancels_what_is_not_on_the_wire_and_leaves_what_is(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    messages = failed(rig, account, 30)
    bulk = approved(ops)
    runner.run(timezone.now())
    asked = list(Retry.objects.filter(bulk=bulk).order_by("pk"))
    Retry.objects.filter(pk=asked[0].pk).update(state="sending", lease_until=timezone.now() + timedelta(minutes=1))
    stopped = steps.stop(bulk.pk, user=ops, reason="Call me on 254712345678")
    assert stopped.note == "Call me on •••••••"
    states = dict(Retry.objects.filter(bulk=bulk).values_list("pk", "state"))
    assert states.pop(asked[0].pk) == "sending"
    assert set(states.values()) == {"cancelled"}
    assert set(Retry.objects.filter(bulk=bulk, state="cancelled").values_list("detail", flat=True)) == {
        "The run was stopped; nothing was sent."
    }
    made = Message.objects.filter(made_by__state="cancelled")
    assert set(made.values_list("status", "not_sent")) == {("failed", True)}
    go(rig, bulk, rounds=1)
    rig.rounds(3)
    assert rig.sim.ledger() == []
    found = fates(bulk)
    assert found.pop(Fate.NOT_SENT) == len(asked) - 1
    assert found.pop(Fate.STOPPED) == len(messages) - len(asked)
    assert sum(found.values()) == 1, "the one on the wire"
    for step in (steps.resume, steps.pause):
        with pytest.raises(Refused, match="It was stopped"):
            step(bulk.pk, user=ops)
    steps.stop(bulk.pk, user=ops)
    assert actions(bulk) == ["planned", "approved", "stopped"]
    again = plan(ops)
    assert codes(again).total() <= 1, "what was stopped may be planned again"


def test_nothing_is_asked_for_after_a_stop_however_it_falls_together(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 40)
    for _ in range(3):
        bulk = approved(ops)
        at_once(lambda: runner.run(timezone.now()), lambda: steps.stop(bulk.pk, user=ops))  # noqa: B023
        assert not Retry.objects.filter(bulk=bulk, state__in=["open", "sending"]).exists()
        rig.later(60)
    assert rig.sim.ledger() == []


# ------------------------------------------------------------------------------ stopping by itself


def test_a_run_whose_first_ones_fail_stops_by_itself(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 60)
    rig.sim.script(numbers=IT_FAILS)
    bulk = go(rig, approved(ops))
    assert (bulk.state, len(rig.sim.ledger())) == ("stopped", CANARY)
    assert "of the first" in bulk.note
    assert fates(bulk)[Fate.STOPPED] == 40
    assert actions(bulk) == ["planned", "approved", "stopped"]


def test_a_run_stops_by_itself_when_it_goes_wrong_later(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg", rate=12), 100)
    bulk = approved(ops)
    while bulk.canary:
        go(rig, bulk, rounds=1)
    rig.sim.script(numbers=IT_FAILS)
    go(rig, bulk)
    assert bulk.state == "stopped"
    assert "of the last" in bulk.note
    assert CANARY < len(rig.sim.ledger()) < 100


def test_a_run_whose_first_ones_are_never_reported_pauses_and_a_person_decides(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 60)
    rig.sim.script(numbers=IT_IS_STUCK)
    bulk = go(rig, approved(ops), seconds=400)
    assert (bulk.state, len(rig.sim.ledger())) == ("paused", CANARY)
    assert bulk.note.startswith("Only 0 of the first 20 have a final report.")
    rig.sim.script(numbers=IT_ARRIVES)
    steps.resume(bulk.pk, user=ops)
    assert go(rig, bulk).state == "done"
    assert len(rig.sim.ledger()) == 60


def test_refused_credentials_stop_it_at_once(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 60)
    bulk = approved(ops)
    rig.sim.script(keys={"bsg": ["another"]})
    go(rig, bulk)
    assert (bulk.state, rig.sim.ledger()) == ("stopped", [])
    assert bulk.note.startswith("bsg: ")
    assert not Retry.objects.filter(bulk=bulk, state="open").exists()


def test_an_account_without_money_stops_it_at_once(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    failed(rig, account, 60)
    bulk = approved(ops)
    go(rig, bulk, rounds=2)
    Account.objects.update(no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="No money is left.")
    go(rig, bulk, rounds=2)
    assert (bulk.state, bulk.note) == ("stopped", "bsg: No money is left.")


def test_an_account_in_trouble_that_the_run_does_not_use_does_not_concern_it(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 5)
    rig.account("smsbat")
    Account.objects.filter(slug="smsbat").update(
        no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="No money is left."
    )
    assert go(rig, approved(ops)).state == "done"


def test_the_accounts_limit_of_a_day_pauses_it_and_it_goes_on_when_there_is_room(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 6)
    Account.objects.update(resend_cap=4)
    bulk = go(rig, approved(ops))
    rig.rounds(2)
    assert (bulk.state, len(rig.sim.ledger())) == ("paused", 4)
    assert "that is its limit" in bulk.note
    assert codes(bulk) == {}, "nothing is left out for it"
    Account.objects.update(resend_cap=10)
    steps.resume(bulk.pk, user=ops)
    assert (go(rig, bulk).state, len(rig.sim.ledger())) == ("done", 6)


def test_the_accounts_limit_of_money_pauses_it(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg", currency="EUR"), 6)
    Account.objects.update(spend_cap=Decimal("0.2"))
    Message.objects.update(cost=Decimal("0.06"), currency="EUR")
    bulk = go(rig, approved(ops))
    rig.rounds(2)
    assert bulk.state == "paused"
    assert "a day are spent through" in bulk.note
    assert len(rig.sim.ledger()) == 3
    assert quoted(bulk) == {("EUR", ""): Decimal("0.18")}


# ------------------------------------------------------------------------------ the pace


def test_it_keeps_to_the_accounts_pace(rig: Rig, ops: User) -> None:
    account = rig.account("bsg", rate=8)
    failed(rig, account, 40)
    bulk = approved(ops)
    asked = []
    for _ in range(8):
        runner.run(timezone.now())
        asked.append(Retry.objects.filter(bulk=bulk).count())
        rig.clock.shift(1)
    assert asked[0] == 4 * pace(8)
    assert asked[-1] <= 2 * 4 * pace(8)


def test_no_more_than_so_many_wait_for_the_wire(rig: Rig, ops: User) -> None:
    failed(rig, rig.account("bsg"), 90)
    bulk = approved(ops)
    Bulk.objects.update(canary=0)
    for _ in range(10):
        runner.run(timezone.now())
        rig.clock.shift(6)
    assert Retry.objects.filter(bulk=bulk, state="open").count() == MOST_OPEN


def test_an_account_that_must_be_left_alone_keeps_its_messages_waiting_and_no_others(rig: Rig, ops: User) -> None:
    quiet, other = rig.account("bsg"), rig.account("smsbat")
    failed(rig, quiet, 22)
    failed(rig, other, 3)
    Account.objects.filter(pk=quiet.pk).update(paused_until=timezone.now() + timedelta(minutes=30))
    bulk = approved(ops)
    go(rig, bulk, rounds=10)
    assert fates(bulk) == {Fate.DELIVERED: 3, Fate.TO_COME: 22}
    rig.later(1800)
    assert (go(rig, bulk).state, len(rig.sim.ledger())) == ("done", 25)


# ------------------------------------------------------------------------------ many workers


def test_looks_at_the_same_moment_ask_for_no_message_twice(rig: Rig, ops: User) -> None:
    messages = failed(rig, rig.account("bsg"), 60)
    bulk = approved(ops)
    Bulk.objects.update(canary=0)
    for _ in range(4):
        at_once(*[lambda: runner.run(timezone.now())] * 3)
        Bulk.objects.filter(state="running").update(next_at=timezone.now())  # as if a lease had run out
        at_once(*[lambda: runner._look(Bulk.objects.get(), timezone.now())] * 3)
        rig.later(6)
        rig.work()
    go(rig, bulk)
    assert texted(rig) == {message.recipient.digits: 1 for message in messages}
    assert Retry.objects.filter(bulk=bulk).count() == 60
