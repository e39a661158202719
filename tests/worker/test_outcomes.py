"""Every outcome of one send, end to end: what the simulator's ledger says left us, and what we say of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError
from django.utils import timezone

from dashboard.ingest.checks import want_test
from dashboard.models import Account, Audit, Message, Retry, User
from dashboard.worker import results
from providers.base import Status
from providers.http import Caller
from tests.factory import report
from tests.worker.rig import KEYS, Rig, after

pytestmark = pytest.mark.usefixtures("at_most_once")

HTML = "<html>oops</html>"
BUSY = {"kind": "reply", "status": 503, "headers": {"Retry-After": "5"}}
NAMELESS = {"messagelistId": 7, "messages": [{"status": "accepted"}]}
# What goes wrong at a provider that has no other way of asking -> state, message's status, whether a text left us.
ROWS: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "nothing": ({"kind": "latency", "seconds": 0}, "accepted", "queued", 1),
    "reset before": ({"kind": "reset_before"}, "outcome_unknown", "outcome_unknown", 0),
    "reset after": ({"kind": "reset_after"}, "outcome_unknown", "outcome_unknown", 1),
    "429": ({"kind": "429", "retry_after": 5}, "sending", "sending", 0),
    "429 for longer": ({"kind": "429", "retry_after": 700}, "not_sent", "failed", 0),
    "500": ({"kind": "500"}, "outcome_unknown", "outcome_unknown", 0),
    "500 after": ({"kind": "500_after"}, "outcome_unknown", "outcome_unknown", 1),
    "502 html": ({"kind": "502"}, "outcome_unknown", "outcome_unknown", 0),
    "503 later": (BUSY, "outcome_unknown", "outcome_unknown", 0),
    "200 html": ({"kind": "reply_after", "body": HTML}, "outcome_unknown", "outcome_unknown", 1),
    "200 cut": ({"kind": "truncated_json"}, "outcome_unknown", "outcome_unknown", 1),
    "200 no id": ({"kind": "reply_after", "body": NAMELESS}, "outcome_unknown", "outcome_unknown", 1),
    "200 empty": ({"kind": "reply_after", "body": {}}, "outcome_unknown", "outcome_unknown", 1),
    "302": ({"kind": "redirect"}, "refused", "failed", 0),
    "400": ({"kind": "400"}, "refused", "failed", 0),
    "401": ({"kind": "auth"}, "refused", "failed", 0),
    "402": ({"kind": "402"}, "refused", "failed", 0),
    "no money": ({"kind": "low_balance"}, "refused", "failed", 0),
    "404": ({"kind": "404"}, "refused", "failed", 0),
    "409": ({"kind": "409"}, "outcome_unknown", "outcome_unknown", 0),
    "422": ({"kind": "422"}, "refused", "failed", 0),
}  # fmt: skip


def test_every_row_of_the_table(rig: Rig) -> None:
    roots = []
    for row in ROWS:
        (root,) = rig.put(rig.account("smsbat", row.replace(" ", "-")), 85, text=f"Row {row}.")
        roots.append(root)
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    faults = [{"method": "POST", "sent": f"Row {row}[.]", **fault} for row, (fault, *_) in ROWS.items()]
    rig.sim.script(faults=faults)
    retries = [after(retry) for retry in rig.ask_each_again(roots)]
    rig.work()
    found = {}
    for row, retry in zip(ROWS, retries, strict=True):
        made = after(retry)
        assert made.message is not None
        sent = rig.sim.ledger(to=made.root.recipient.digits)
        found[row] = (made.state, made.message.status, len(sent))
    assert found == {row: expected for row, (_, *rest) in ROWS.items() for expected in [tuple(rest)]}
    untouched = set(Message.objects.filter(root=None).values_list("status", "effective"))
    assert ("failed", "failed") in untouched
    assert set(Account.objects.exclude(no_sends_until=None).values_list("slug", flat=True)) == {"402", "no-money"}
    paused = dict(Account.objects.exclude(pause_reason="").values_list("slug", "pause_reason"))
    assert paused == {"401": "credentials", "429": "throttled", "429-for-longer": "throttled"}


def test_a_time_out_after_writing_is_unknown(rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Caller.__init__.__kwdefaults__, "deadline", 0.5)
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "hang_after", "method": "POST", "seconds": 60}])
    rig.work()
    assert (after(retry).state, len(rig.sim.ledger())) == ("outcome_unknown", 1)


# ------------------------------------------------------------------------------ surely not sent: the same once more


def test_a_refused_connection_is_tried_three_times_more_and_then_was_not_sent(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    rig.account("roycetalk", "dead", base_url="http://127.0.0.1:9")
    retry = rig.ask_again(root, ops, account_slug="dead")
    seen = []
    for _ in range(5):
        rig.work()
        made = after(retry)
        assert made.message is not None
        seen.append((made.state, made.looks, made.message.status))
        rig.later(80)
    assert seen == [("sending", n, "sending") for n in (1, 2, 3)] + [("not_sent", 3, "failed")] * 2
    assert "refused the connection" in after(retry).detail
    root.refresh_from_db()
    assert (root.effective, rig.sim.ledger()) == ("failed", [])


def test_what_was_not_taken_goes_out_once_when_it_may(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "429", "method": "POST", "retry_after": 100, "count": 2}])
    rig.work()
    assert (after(retry).state, rig.sim.ledger()) == ("sending", [])
    rig.later(90)
    rig.work()
    assert len(rig.asked("smsbat", "messagelist")) == 1, "a wait is a wait"
    for _ in range(3):
        rig.later(130)
        rig.work()
    assert (after(retry).state, len(rig.sim.ledger()), len(rig.asked("smsbat", "messagelist"))) == ("accepted", 1, 3)
    assert len({entry["reference"] for entry in rig.sim.ledger()}) == 1


def test_before_it_is_tried_once_more_it_is_asked_about_once_more(rig: Rig, ops: User) -> None:
    first, dead = rig.account("bsg"), rig.account("roycetalk", "dead", base_url="http://127.0.0.1:9")
    root = rig.failed(first)
    retry = rig.ask_again(root, ops, account_slug=dead.slug)
    rig.work()
    asked = len(rig.asked("bsg"))
    rig.sim.script(faults=[{"kind": "503", "method": "GET"}])
    Account.objects.filter(pk=dead.pk).update(base_url=rig.sim.base_url("roycetalk"))
    rig.later(30)
    rig.work()
    assert len(rig.asked("bsg")) > asked
    assert (after(retry).state, rig.sim.ledger()) == ("sending", []), "not asked is not sent"
    rig.sim.script(faults=[])
    rig.later(40)
    rig.work()
    assert (after(retry).state, len(rig.sim.ledger())) == ("accepted", 1)


def test_ten_minutes_after_it_was_asked_for_nothing_goes_out_by_itself(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "429", "method": "POST", "retry_after": 500, "count": 1}])
    rig.work()
    assert after(retry).state == "sending"
    rig.later(601)
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.not_sent) == ("not_sent", "failed", True)
    assert rig.sim.ledger() == []


def test_a_worker_killed_between_two_tries_loses_nothing(rig: Rig, ops: User) -> None:
    """What waits has no lease that could run out, and any worker may take it."""
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "429", "method": "POST", "retry_after": 5, "count": 1}])
    rig.work()
    waiting = after(retry)
    assert (waiting.state, waiting.lease_until) == ("sending", None)
    rig.later(100)
    rig.work()
    rig.later(40)
    rig.work()
    assert (after(retry).state, len(rig.sim.ledger())) == ("accepted", 1)


# ------------------------------------------------------------------------------ it arrived after all


@pytest.mark.parametrize("key", KEYS)
def test_a_late_delivery_cancels_what_is_not_on_the_wire_though_nobody_can_ask(rig: Rig, ops: User, key: str) -> None:
    account = rig.account(key)
    root = rig.failed(account)
    retry = rig.ask_again(root, ops)
    Account.objects.update(paused_until=timezone.now() + timedelta(minutes=5), pause_reason="throttled")
    rig.work()
    assert after(retry).state == "open"
    report(root, Status.DELIVERED)
    rig.work()
    made = after(retry)
    assert (made.state, made.detail) == ("cancelled", "It was delivered in the meantime; nothing was sent.")
    assert made.message is None or made.message.not_sent
    assert [row.details["state"] for row in Audit.objects.filter(action="retry ended")] == ["cancelled"]


def test_a_late_delivery_cancels_what_waits_for_another_try(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "429", "method": "POST", "retry_after": 300, "count": 1}])
    rig.work()
    report(root, Status.DELIVERED)
    rig.work()
    assert (after(retry).state, rig.sim.ledger()) == ("cancelled", [])


def test_a_late_delivery_does_not_cancel_what_is_on_the_wire(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "reset_after", "method": "POST"}])
    rig.work()
    report(root, Status.DELIVERED)
    rig.work()
    assert (after(retry).state, len(rig.sim.ledger())) == ("outcome_unknown", 1)


# ------------------------------------------------------------------------------ no money


def test_no_money_holds_the_accounts_texts_and_asking_goes_on(rig: Rig) -> None:
    account = rig.account("bsg")
    roots = rig.put(account, 85, 85)
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    rig.sim.script(balances={"bsg": "0.01"})
    (first,) = rig.ask_each_again(roots[:1])
    rig.work()
    account.refresh_from_db()
    assert (after(first).state, account.no_sends_why) == ("refused", "BSG says: Not enough funds (error 8)")
    held = {"no_sends_until": account.no_sends_until, "no_sends_why": account.no_sends_why}
    Account.objects.update(no_sends_until=None)
    (second,) = rig.ask_each_again(roots[1:2])
    Account.objects.update(**held)  # it was asked for just before
    rig.sim.script(balances={"bsg": "100"})
    rig.work()
    assert (after(second).state, rig.sim.ledger()) == ("open", [])
    assert rig.asked("bsg")[-1].startswith("/rest/sms/"), "it is asked about all the same"
    want_test(account)
    rig.work()
    account.refresh_from_db()
    assert (account.test_ok, account.no_sends_until, account.no_sends_why) == (True, None, "")
    rig.work()
    assert (after(second).state, len(rig.sim.ledger())) == ("accepted", 1)


def test_a_hold_that_outlasts_the_wish_cancels_it_and_says_why(rig: Rig, ops: User) -> None:
    retry = rig.ask_again(rig.failed(rig.account("bsg")), ops)
    Account.objects.update(no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="No funds")
    rig.work()
    rig.later(601)
    rig.work()
    assert (after(retry).state, after(retry).detail) == (
        "cancelled",
        "The account has no money left; nothing was sent.",
    )


def test_new_credentials_end_a_hold(rig: Rig) -> None:
    account = rig.account("bsg")
    Account.objects.update(no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="No funds")
    rig.account("bsg", api_key="another")
    account.refresh_from_db()
    assert (account.no_sends_until, account.no_sends_why) == (None, "")


# ------------------------------------------------------------------------------ our own trouble


def test_an_answer_that_the_database_does_not_take_is_a_doubt(
    rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DataError("value too long")

    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    monkeypatch.setattr(results, "_take", refuse)
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, len(rig.sim.ledger())) == ("outcome_unknown", "outcome_unknown", 1)
    assert "could not be stored" in made.detail


def test_a_request_whose_turn_comes_too_late_is_not_made(rig: Rig, ops: User, monkeypatch: pytest.MonkeyPatch) -> None:
    root = rig.failed(rig.account("smsbat"))
    retry = rig.ask_again(root, ops)
    monkeypatch.setattr("dashboard.worker.sending.STARTS_WITHIN", timedelta(seconds=-1))
    rig.work()
    made = after(retry)
    assert (made.state, made.looks, rig.asked("smsbat", "messagelist")) == ("sending", 0, [])
    assert "too late" in made.detail


# ------------------------------------------------------------------------------ the audit


def test_what_came_of_it_is_in_the_audit_with_what_was_quoted_and_what_it_cost(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"), cost=Decimal("0.20"), currency="EUR")
    retry = rig.ask_again(root, ops)
    rig.work()
    (row,) = Audit.objects.filter(action="retry ended")
    assert (row.actor, row.actor_name, row.subject) == (None, "worker", f"message {root.pk}")
    made = after(retry)
    assert made.message is not None
    assert row.details == {
        "retry": retry.pk,
        "state": "accepted",
        "quoted": {"amount": str(made.quoted_cost), "currency": "EUR"},
        "message": made.message_id,
        "cost": {"amount": str(made.message.cost), "currency": "EUR"},
    }


def test_each_end_has_its_row_and_only_one(rig: Rig) -> None:
    accounts = {
        "accepted": rig.account("bsg", "fine"),
        "refused": rig.account("bsg", "refusing"),
        "not_sent": rig.account("smsbat", "busy"),
    }
    roots = [rig.put(account, 85, text=f"For {name}.")[0] for name, account in accounts.items()]
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    rig.sim.script(
        faults=[
            {"kind": "400", "sent": "For refused", "method": "POST"},
            {"kind": "429", "sent": "For not_sent", "method": "POST", "retry_after": 3600},
        ]
    )
    retries = rig.ask_each_again(roots)
    for _ in range(3):
        rig.work()
    assert [after(retry).state for retry in retries] == list(accounts)
    rows = Audit.objects.filter(action="retry ended").values_list("subject", "details__state")
    assert Counter(rows) == {(f"message {root.pk}", name): 1 for root, name in zip(roots, accounts, strict=True)}
    assert Retry.objects.exclude(next_look_at=None).count() == 0
