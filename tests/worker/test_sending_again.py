"""Sending again: once per wish, never twice, and never "not sent" where we cannot know."""

from __future__ import annotations

import pytest

from dashboard.ingest.retry import Refused
from dashboard.models import Account, Event, Message, User
from tests.worker.rig import KEYS, Rig, after, hook, notes

LATER_IT_ARRIVES = {"*": ["failed", "delivered"]}


pytestmark = pytest.mark.usefixtures("at_most_once")


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


def test_a_report_about_what_was_not_sent_is_a_conflict_and_blocks(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    dead = rig.account("roycetalk", "dead", base_url="http://127.0.0.1:9")
    retry = rig.ask_again(root, ops, account_slug="dead")
    rig.work()
    rig.later(601)
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
