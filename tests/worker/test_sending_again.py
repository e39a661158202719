"""Sending again: once per wish, never twice, and never "not sent" where we cannot know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from dashboard.ingest.retry import Refused
from dashboard.models import Account, Event, Message, Retry, User
from tests.worker.rig import KEYS, Rig, notes

BY_SENDING = ("bridgexapi", "bsg", "roycetalk", "smsbat")
LATER_IT_ARRIVES = {"*": ["failed", "delivered"]}


@pytest.fixture(autouse=True)
def _nobody_is_texted_more_often_than_allowed(rig: Rig, no_cool_down: None) -> Iterator[None]:
    """After every test: what left us is at most what the retries own up to."""
    yield
    for root in Message.objects.filter(root=None).select_related("recipient"):
        owned = root.retries.filter(state__in=["accepted", "outcome_unknown", "sending"]).count()
        assert len(rig.sim.ledger(to=root.recipient.digits)) <= owned


def after(retry: Retry) -> Retry:
    return Retry.objects.select_related("message", "root", "original").get(pk=retry.pk)


def hook(account: Account, body: dict[str, Any]) -> None:
    path = account.webhook_url.removeprefix("http://testserver")
    answer = Client().post(path, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200


# ------------------------------------------------------------------------------ one more text


@pytest.mark.parametrize("key", KEYS)
def test_a_text_goes_out_once_and_its_root_counts_as_delivered(rig: Rig, ops: User, key: str) -> None:
    account = rig.account(key)
    rig.sim.script(numbers=LATER_IT_ARRIVES)
    root = rig.failed(account)
    assert root.status == "failed"
    retry = rig.ask_again(root, ops)
    rig.work()
    made = after(retry)
    assert (made.state, len(rig.sim.ledger(key))) == ("accepted", 1)
    assert made.message is not None
    assert (made.message.root_id, made.message.match_id is not None) == (root.pk, True)
    rig.later(60)
    rig.rounds(2)
    root.refresh_from_db()
    assert (root.status, root.effective) == ("failed", "delivered")
    assert len(rig.sim.ledger(key)) == 1


@pytest.mark.parametrize("key", KEYS)
def test_delivered_meanwhile_is_seen_by_the_last_look_and_nothing_is_sent(rig: Rig, ops: User, key: str) -> None:
    root = rig.failed(rig.account(key))
    retry = rig.ask_again(root, ops)
    rig.sim.say(key, root.provider_message_id or "", "delivered")
    rig.work()
    assert (after(retry).state, rig.sim.ledger()) == ("cancelled", [])
    root.refresh_from_db()
    assert root.effective == "delivered"
    child = Message.objects.filter(root=root).first()
    assert child is None or (child.status, child.not_sent) == ("failed", True)


@pytest.mark.parametrize("key", ["bsg", "esms_africa"])
def test_what_cannot_be_asked_about_first_is_not_sent(rig: Rig, ops: User, key: str) -> None:
    root = rig.failed(rig.account(key))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "503", "method": "GET"}])
    rig.rounds(3)
    assert (after(retry).state, rig.sim.ledger()) == ("open", [])
    rig.later(600)
    rig.work()
    rig.sim.script(faults=[])
    rig.rounds(2)
    assert (after(retry).state, rig.sim.ledger()) == ("cancelled", [])
    assert "could not be asked" in after(retry).detail
    root.refresh_from_db()
    assert root.effective == "failed"


def test_an_answer_about_another_message_is_no_last_look(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "wrong_identity", "method": "GET"}])
    rig.rounds(2)
    assert (after(retry).state, rig.sim.ledger()) == ("open", [])


def test_a_retry_of_an_account_that_is_switched_off_is_cancelled(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    retry = rig.ask_again(rig.failed(account), ops)
    Account.objects.update(enabled=False)
    rig.work()
    assert (after(retry).state, rig.sim.ledger()) == ("cancelled", [])


def test_another_account_sends_it_and_the_batch_still_counts_one_message(rig: Rig, ops: User) -> None:
    first, second = rig.account("bsg"), rig.account("smsbat")
    rig.sim.script(numbers={"*": "delivered"})
    root = rig.failed(first, batch="offer")
    rig.sim.say("bsg", root.provider_message_id or "", "failed")
    Message.objects.filter(pk=root.pk).update(status="failed", effective="failed", final_at=root.sent_at)
    retry = rig.ask_again(root, ops, account_slug=second.slug)
    rig.work()
    rig.later(60)
    rig.rounds(1)
    assert after(retry).state == "accepted"
    assert [entry["provider"] for entry in rig.sim.ledger()] == ["smsbat"]
    root.refresh_from_db()
    assert (root.effective, Message.objects.filter(batch=root.batch, root=None).count()) == ("delivered", 1)


def test_the_same_click_twice_is_one_retry(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    one, again = rig.ask_again(root, ops, "same"), rig.ask_again(root, ops, "same")
    rig.work()
    late = rig.ask_again(root, ops, "same")
    assert one.pk == again.pk == late.pk
    assert len(rig.sim.ledger()) == 1


# ------------------------------------------------------------------------------ refused, not sent


def test_refused_by_the_provider_says_so_in_its_words(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    rig.sim.script(numbers={"*": "refused"})
    retry = rig.ask_again(root, ops)
    rig.work()
    made = after(retry)
    assert (made.state, "Incorrect phone number" in made.detail) == ("refused", True)
    assert made.message is not None
    assert (made.message.status, rig.sim.ledger()) == ("failed", [])


def test_nasty_10_bridgexapi_no_money_records_nothing_as_sent(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bridgexapi"))
    rig.sim.script(balances={"bridgexapi": "0.01"})
    retry = rig.ask_again(root, ops)
    rig.work()
    made = after(retry)
    assert (made.state, "nsufficient balance" in made.detail, rig.sim.ledger()) == ("refused", True, [])
    root.refresh_from_db()
    assert root.effective == "failed"


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_refused_while_sending_pauses_the_account(rig: Rig, ops: User, key: str) -> None:
    account = rig.account(key)
    root = rig.failed(account)
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "auth", "method": "POST"}])
    if key == "bsg":  # a second question must not meet the fault
        rig.sim.script(faults=[{"kind": "auth", "method": "POST", "path": "create"}])
    rig.work()
    account.refresh_from_db()
    assert (after(retry).state, account.pause_reason, rig.sim.ledger()) == ("refused", "credentials", [])


def test_too_many_requests_while_sending_is_not_sent(rig: Rig, ops: User) -> None:
    account = rig.account("smsbat")
    root = rig.failed(account)
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "429", "method": "POST", "retry_after": 100}])
    rig.work()
    account.refresh_from_db()
    assert (after(retry).state, account.pause_reason, rig.sim.ledger()) == ("not_sent", "throttled", [])


def test_a_refused_connection_is_not_sent_and_a_report_about_it_is_a_conflict(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    dead = rig.account("roycetalk", "dead", base_url="http://127.0.0.1:9")
    retry = rig.ask_again(root, ops, account_slug="dead")
    rig.work()
    made = after(retry)
    assert made.state == "not_sent"
    assert made.message is not None
    assert (made.message.status, made.message.not_sent, made.message.conflict) == ("failed", True, False)
    root.refresh_from_db()
    assert root.effective == "failed"
    hook(dead, {"message_id": "f2672215-c20b", "status": "sent", "client_ref": made.reference})
    child = Message.objects.get(pk=made.message_id)
    assert (child.conflict, child.match_id) == (True, "f2672215-c20b")
    with pytest.raises(Refused) as refused:
        rig.ask_again(root, ops, "n2")
    assert refused.value.code == "unconfirmed"


# ------------------------------------------------------------------------------ we cannot tell


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("bridgexapi", "reset_after"),
        ("bridgexapi", "502_after"),
        ("roycetalk", "reset_after"),
        ("roycetalk", "truncated_json"),
        ("smsbat", "502_after"),
        ("smsbat", "truncated_json"),
        ("esms_africa", "reset_after"),
        ("esms_africa", "truncated_json"),
    ],
)
def test_no_answer_to_a_send_holds_the_slot_and_nothing_is_sent_again(
    rig: Rig, ops: User, key: str, fault: str
) -> None:
    root = rig.failed(rig.account(key))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": fault, "method": "POST"}])
    rig.work()
    assert (after(retry).state, len(rig.sim.ledger(key))) == ("outcome_unknown", 1)
    with pytest.raises(Refused) as refused:
        rig.ask_again(root, ops, "n2")
    assert refused.value.code == "outcome_unknown"
    rig.sim.script(faults=[])
    rig.rounds(2)
    rig.later(3600 * 100)
    rig.rounds(2)
    assert (after(retry).state, len(rig.sim.ledger(key))) == ("outcome_unknown", 1)
    child = after(retry).message
    assert child is None or child.status == "outcome_unknown", "no deadline passes while we do not know"


def test_a_late_report_by_our_reference_settles_the_doubt(rig: Rig, ops: User) -> None:
    account = rig.account("roycetalk")
    root = rig.failed(account)
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "reset_after", "method": "POST"}])
    rig.work()
    (sent,) = rig.sim.ledger()
    hook(account, {"message_id": sent["id"], "status": "Delivered", "client_ref": sent["reference"]})
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.provider_message_id) == ("accepted", "delivered", sent["id"])
    root.refresh_from_db()
    assert root.effective == "delivered"


def test_nasty_12_bsg_looks_up_its_reference_and_finds_that_it_went_out(rig: Rig, ops: User) -> None:
    rig.sim.script(numbers=LATER_IT_ARRIVES)
    root = rig.failed(rig.account("bsg"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "reset_after", "path": "create"}])
    rig.work()
    assert after(retry).state == "outcome_unknown"
    for _ in range(3):
        rig.later(60)
        rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, len(rig.sim.ledger())) == ("accepted", "delivered", 1)


def test_nasty_12_bsg_a_reference_it_has_seen_before_is_looked_up_and_no_failure(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    retry = rig.ask_again(root, ops)
    answer = {"error": "23", "errorDescription": "SMS with this external ID is already present"}
    rig.sim.script(faults=[{"kind": "reply_after", "path": "create", "body": answer}])
    rig.work()
    assert after(retry).state == "outcome_unknown"
    for _ in range(3):
        rig.later(60)
        rig.work()
    assert (after(retry).state, len(rig.sim.ledger())) == ("accepted", 1)


def test_bsg_not_known_by_its_reference_three_times_in_ten_minutes_was_not_sent(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    retry = rig.ask_again(root, ops)
    rig.sim.script(faults=[{"kind": "reset_before", "path": "create", "count": 1}])
    rig.work()
    seen = []
    for _ in range(6):
        seen.append(after(retry).state)
        rig.later(200)
        rig.work()
    made = after(retry)
    assert seen[:3] == ["outcome_unknown"] * 3
    assert made.message is not None
    assert (made.state, made.message.status, made.message.not_sent) == ("not_sent", "failed", True)
    again = rig.ask_again(root, ops, "n2")
    rig.work()
    assert (after(again).state, len(rig.sim.ledger())) == ("accepted", 1)


# ------------------------------------------------------------------------------ the provider's own retry


def test_nasty_01_esms_a_fresh_id_is_a_new_message_and_the_original_stays_failed(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("esms_africa"))
    retry = rig.ask_again(root, ops)
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.via, made.message.root_id, made.message.status) == ("provider", root.pk, "queued")
    rig.later(60)
    rig.rounds(2)
    root.refresh_from_db()
    child = after(retry).message
    assert child is not None
    assert (child.status, root.effective) == ("delivered", "delivered")
    assert (root.status, root.attempt, root.own_retries) == ("failed", 0, 1), "the counter that grew is ours"
    assert "retry" in notes(root)


def test_nasty_02_esms_the_same_id_goes_on_under_a_higher_attempt(rig: Rig, ops: User) -> None:
    rig.sim.script(modes={"esms_africa": {"retry": "same"}})
    root = rig.failed(rig.account("esms_africa"))
    retry = rig.ask_again(root, ops)
    rig.work()
    made = after(retry)
    assert (made.state, made.message_id, Message.objects.count()) == ("accepted", root.pk, 1)
    rig.later(60)
    rig.rounds(2)
    root.refresh_from_db()
    assert (root.status, root.attempt, root.own_retries, root.conflict) == ("delivered", 1, 0, False)
    assert len(rig.sim.ledger()) == 1


@pytest.mark.parametrize("code", ["not_retryable", "max_retries_exceeded"])
def test_nasty_03_esms_says_409_and_is_quoted(rig: Rig, ops: User, code: str) -> None:
    root = rig.failed(rig.account("esms_africa"))
    retry = rig.ask_again(root, ops)
    refusal = {"detail": {"code": code, "message": "This one cannot be retried"}}
    rig.sim.script(faults=[{"kind": "reply", "method": "POST", "status": 409, "body": refusal}])
    rig.work()
    assert (after(retry).state, "cannot be retried" in after(retry).detail) == ("refused", True)
    rig.sim.say("esms_africa", root.provider_message_id or "", "delivered")
    rig.later(10)
    rig.work()
    root.refresh_from_db()
    assert root.status == "delivered", "a refusal is a reason to look once more"


def test_esms_a_grown_count_proves_that_our_retry_ran_once_its_own_tries_are_spent(rig: Rig, ops: User) -> None:
    rig.sim.script(modes={"esms_africa": {"retry": "same"}})
    account = rig.account("esms_africa")
    spent, fresh = rig.failed(account, 88), rig.failed(account, 85)
    assert (spent.attempt, fresh.attempt) == (2, 0)
    one, other = rig.ask_again(spent, ops, "n1"), rig.ask_again(fresh, ops, "n2")
    rig.sim.script(faults=[{"kind": "reset_after", "method": "POST"}])
    rig.work()
    rig.later(60)
    rig.work()
    rig.later(60)
    rig.work()
    assert (after(one).state, after(other).state) == ("accepted", "outcome_unknown")
    assert len(rig.sim.ledger()) == 2


def test_nasty_04_esms_automatic_retries_count_one_message(rig: Rig) -> None:
    account = rig.account("esms_africa")
    (message,) = rig.put(account, 87, batch="b-1")
    seen = []
    for _ in range(6):
        rig.later(3)
        Message.objects.update(asked_at=None)
        rig.work_all()
        message.refresh_from_db()
        seen.append((message.attempt, message.status))
    assert seen[-1] == (1, "delivered")
    assert seen == sorted(seen, key=lambda pair: pair[0]), "an attempt never steps back"
    assert Message.objects.filter(batch=message.batch).count() == 1
    assert Event.objects.filter(message=message, status="retrying").count() == 1
