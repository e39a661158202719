"""Sends of which nobody knows what came: each settled by the way there is, and never by a second text."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from dashboard.ingest.register import Send
from dashboard.ingest.retry import Refused
from dashboard.models import Account, Audit, Message, Orphan, Retry, User
from dashboard.worker import sending
from dashboard.worker.asking import Lane
from dashboard.worker.loop import Worker
from providers.base import Status
from providers.http import Caller
from tests.factory import report
from tests.worker.processes import running_worker, wait_until
from tests.worker.rig import KEYS, TEXT, Rig, after, hook, notes

pytestmark = pytest.mark.usefixtures("at_most_once")

LATER_IT_ARRIVES = {"*": ["failed", "delivered"]}
NO_ANSWER = {"kind": "reset_after", "method": "POST"}  # it is taken
NEVER_THERE = {"kind": "reset_before", "method": "POST", "path": "create|send|messagelist"}  # it is not


def doubtful(rig: Rig, ops: User, key: str, fault: dict[str, Any], **fields: Any) -> Retry:
    """A send that has just become a doubt."""
    rig.sim.script(numbers=LATER_IT_ARRIVES)
    root = rig.failed(rig.account(key))
    if key == "esms_africa":
        fields.setdefault("text", "Another text.")  # a send of our own, and not the provider's own retry
    retry = rig.ask_again(root, ops, **fields)
    rig.sim.script(faults=[{**fault, "count": 1}])
    rig.work()
    rig.sim.script(faults=[])
    assert after(retry).state == "outcome_unknown"
    return retry


def rounds(rig: Rig, count: int, seconds: float = 60) -> None:
    for _ in range(count):
        rig.later(seconds)
        rig.work()


def audited(retry: Retry) -> list[str]:
    rows = Audit.objects.filter(action="retry ended", details__retry=retry.pk)
    return [row.details["state"] for row in rows]


# ------------------------------------------------------------------------------ it holds the slot


def test_where_nothing_can_be_asked_it_stays_and_nothing_is_sent(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "smsbat", NO_ANSWER)
    with pytest.raises(Refused) as refused:
        rig.ask_again(after(retry).root, ops, "n2")
    assert refused.value.code == "outcome_unknown"
    rounds(rig, 2)
    rounds(rig, 2, 3600 * 100)
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.next_look_at) == ("outcome_unknown", "outcome_unknown", None)
    assert (len(rig.sim.ledger()), audited(retry)) == (1, [])


# ------------------------------------------------------------------------------ 1: a report


def test_a_late_report_by_our_reference_settles_it(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "roycetalk", NO_ANSWER)
    (sent,) = rig.sim.ledger()
    hook(after(retry).account, {"message_id": sent["id"], "status": "Delivered", "client_ref": sent["reference"]})
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.provider_message_id) == ("accepted", "delivered", sent["id"])
    made.root.refresh_from_db()
    assert made.root.effective == "delivered"
    assert audited(retry) == ["accepted"]


# ------------------------------------------------------------------------------ 2, 3: our reference, the same again


def test_nasty_12_bsg_is_asked_by_our_reference_and_finds_it(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bsg", NO_ANSWER)
    rounds(rig, 3)
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, len(rig.sim.ledger())) == ("accepted", "delivered", 1)
    assert len(rig.asked("bsg", "create")) == 1, "what is found is not sent again"


def test_nasty_12_bsg_has_seen_our_reference_before_and_that_proves_it(rig: Rig, ops: User) -> None:
    root = rig.failed(rig.account("bsg"))
    retry = rig.ask_again(root, ops)
    answer = {"error": "23", "errorDescription": "SMS with this external ID is already present"}
    rig.sim.script(faults=[{"kind": "reply_after", "path": "create", "body": answer}])
    rig.work()
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.match_id) == ("accepted", "queued", None)
    rounds(rig, 2, 10)
    child = Message.objects.get(pk=made.message_id)
    assert child.match_id == rig.sim.ledger()[0]["id"], "its id is looked up"


def test_bsg_what_never_got_there_goes_out_under_the_same_reference(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bsg", NEVER_THERE)
    rounds(rig, 3)
    made = after(retry)
    assert (made.state, len(rig.asked("bsg", "create"))) == ("accepted", 2)
    assert [entry["reference"] for entry in rig.sim.ledger()] == [made.reference]


def test_bsg_a_look_up_that_lags_behind_makes_no_second_text(rig: Rig, ops: User) -> None:
    """Not found, so the same is sent once more: error 23 says that it was there all along."""
    retry = doubtful(rig, ops, "bsg", NO_ANSWER)
    body = {"error": "20", "errorDescription": "SMS not found"}
    rig.sim.script(faults=[{"kind": "reply", "path": "/reference/|/sms/r", "body": body, "count": 3}])
    rounds(rig, 2)
    assert (after(retry).state, after(retry).detail) == (
        "accepted", "The provider has our reference already, so it went out.",
    )  # fmt: skip
    rounds(rig, 2)
    assert (after(retry).state, len(rig.sim.ledger()), len(rig.asked("bsg", "create"))) == ("accepted", 1, 2)


def test_bsg_not_known_three_times_in_ten_minutes_and_not_to_be_repeated_was_not_sent(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bsg", NEVER_THERE)
    Account.objects.update(no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="No funds")
    rounds(rig, 3)
    assert after(retry).state == "outcome_unknown"
    rounds(rig, 4, 200)
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.not_sent) == ("not_sent", "failed", True)
    assert (rig.sim.ledger(), audited(retry)) == ([], ["not_sent"])
    Account.objects.update(no_sends_until=None)
    again = rig.ask_again(made.root, ops, "n2")
    rig.work()
    assert (after(again).state, len(rig.sim.ledger())) == ("accepted", 1)


@pytest.mark.parametrize("key", ["bsg", "esms_africa"])
def test_what_arrived_meanwhile_is_not_sent_again(rig: Rig, ops: User, key: str) -> None:
    retry = doubtful(rig, ops, key, NEVER_THERE)
    report(after(retry).root, Status.DELIVERED)
    rounds(rig, 8, 120)
    # BSG says that it does not know our reference; at eSMS Africa nothing proves that it is not there.
    assert after(retry).state == ("not_sent" if key == "bsg" else "outcome_unknown")
    assert rig.sim.ledger() == []


@pytest.mark.parametrize("key", ["bsg", "esms_africa"])
def test_another_key_may_be_another_account_where_nothing_is_repeated_and_nothing_proves_absence(
    rig: Rig, ops: User, key: str
) -> None:
    retry = doubtful(rig, ops, key, NO_ANSWER)
    rig.account(key, api_key="another")
    rig.sim.script(faults=[{"kind": "reply", "path": "messages[?]", "body": {"messages": [], "total": 0}}])
    rounds(rig, 8, 120)
    assert (after(retry).state, len(rig.sim.ledger())) == ("outcome_unknown", 1)


@pytest.mark.parametrize("fault", [NO_ANSWER, NEVER_THERE])
def test_esms_the_same_under_the_same_key_is_one_text_and_its_answer_tells_the_id(
    rig: Rig, ops: User, fault: dict[str, Any]
) -> None:
    retry = doubtful(rig, ops, "esms_africa", fault)
    rig.sim.script(faults=[{"kind": "404", "path": "messages[?]"}])  # a server without the list
    rounds(rig, 3)
    made = after(retry)
    assert made.message is not None
    (sent,) = rig.sim.ledger()
    assert (made.state, made.message.match_id, sent["via"]) == ("accepted", sent["id"], "send")
    assert len(rig.asked("esms_africa", "send")) == 2
    assert str(UUID(sent["idempotency_key"])) == sent["idempotency_key"], "as the documents want it"


def test_esms_a_refusal_of_the_repeat_says_nothing_about_the_first(rig: Rig, ops: User) -> None:
    """The first may have taken the last money."""
    retry = doubtful(rig, ops, "esms_africa", NO_ANSWER)
    rig.sim.script(faults=[{"kind": "low_balance", "method": "POST"}, {"kind": "404", "path": "messages[?]"}])
    rounds(rig, 2)
    account = Account.objects.get()
    assert (after(retry).state, account.no_sends_until is not None) == ("outcome_unknown", True)
    rig.sim.script(faults=[])
    rounds(rig, 1)
    assert len(rig.asked("esms_africa", "send")) == 2, "nor is it repeated while the account is held"


def test_esms_what_is_old_is_looked_for_and_not_repeated(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "esms_africa", NO_ANSWER)
    rig.sim.script(faults=[{"kind": "503", "path": "messages[?]"}])
    rig.later(601)
    rounds(rig, 3)
    assert (after(retry).state, len(rig.asked("esms_africa", "send"))) == ("outcome_unknown", 1)
    rig.sim.script(faults=[])
    rounds(rig, 2, 300)
    assert (after(retry).state, after(retry).detail) == ("accepted", "The provider lists it, so it went out.")
    assert len(rig.asked("esms_africa", "send")) == 1


def test_a_repeat_without_an_answer_begins_the_doubt_anew(rig: Rig, ops: User) -> None:
    """The first never got there, the second did: it is looked for where it is, and settled no sooner than it may be."""
    retry = doubtful(rig, ops, "esms_africa", NEVER_THERE)
    since = after(retry).changed_at
    rig.sim.script(faults=[{"kind": "503", "path": "messages[?]"}, {**NO_ANSWER, "count": 1}])
    rounds(rig, 3)
    assert (after(retry).state, len(rig.sim.ledger())) == ("outcome_unknown", 1)
    assert after(retry).changed_at - since > timedelta(seconds=61)
    rig.sim.script(faults=[{**NEVER_THERE, "path": "send"}])
    rig.later(601)
    rounds(rig, 2, 300)
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.detail) == ("accepted", "The provider lists it, so it went out.")
    assert made.message.match_id == rig.sim.ledger()[0]["id"]


# ------------------------------------------------------------------------------ 4: in a list


@pytest.mark.parametrize("key", ["bridgexapi", "roycetalk"])
def test_the_one_in_the_list_that_is_ours_went_out(rig: Rig, ops: User, key: str) -> None:
    retry = doubtful(rig, ops, key, NO_ANSWER)
    rounds(rig, 3)
    made = after(retry)
    assert made.message is not None
    (sent,) = rig.sim.ledger()
    assert (made.state, made.message.provider_message_id, made.message.status) == ("accepted", sent["id"], "delivered")
    assert audited(retry) == ["accepted"]


@pytest.mark.parametrize("key", ["bridgexapi", "roycetalk"])
def test_none_in_the_list_proves_nothing(rig: Rig, ops: User, key: str) -> None:
    retry = doubtful(rig, ops, key, NEVER_THERE)
    rounds(rig, 10, 300)
    assert (after(retry).state, rig.sim.ledger()) == ("outcome_unknown", [])
    assert after(retry).looks >= 5


def test_two_in_the_list_that_could_be_it_prove_nothing(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bridgexapi", NO_ANSWER)
    rig.sim.add("bridgexapi", after(retry).root.recipient.digits, text=TEXT)
    rounds(rig, 3)
    assert after(retry).state == "outcome_unknown"


def test_another_send_to_the_number_that_is_in_doubt_as_well_makes_the_list_prove_nothing(rig: Rig, ops: User) -> None:
    first = doubtful(rig, ops, "bridgexapi", NO_ANSWER)
    to = after(first).root.recipient.digits
    known = rig.sim.add("bridgexapi", to, text=TEXT, fate="failed")
    (other,) = rig.register(after(first).account, [Send(to=to, provider_message_id=known, text=TEXT, sender="Shop")])
    report(other, Status.FAILED)
    second = rig.ask_again(other, ops, "n2")
    Retry.objects.filter(pk=second.pk).update(state="outcome_unknown", next_look_at=None)
    rounds(rig, 3)
    assert after(first).state == "outcome_unknown"
    Retry.objects.filter(pk=second.pk).update(state="accepted", changed_at=timezone.now())  # a person, without its id
    rounds(rig, 2, 400)
    assert after(first).state == "outcome_unknown"
    Retry.objects.filter(pk=second.pk).update(state="not_sent")
    rounds(rig, 2, 600)
    assert after(first).state == "accepted"


def test_one_in_the_list_that_is_ours_already_is_not_it(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bridgexapi", NEVER_THERE)
    to = after(retry).root.recipient.digits
    known = rig.sim.add("bridgexapi", to, text=TEXT)
    rig.register(after(retry).account, [Send(to=to, provider_message_id=known)])
    rounds(rig, 3)
    assert after(retry).state == "outcome_unknown"


def test_a_report_that_came_first_is_taken_along_when_the_list_tells_the_id(rig: Rig, ops: User) -> None:
    rig.sim.script(modes={"roycetalk": {"no_metadata": True}})
    retry = doubtful(rig, ops, "roycetalk", NO_ANSWER)
    (sent,) = rig.sim.ledger()
    hook(after(retry).account, {"message_id": sent["id"], "status": "delivered"})  # names no reference
    assert Orphan.objects.get().message_id is None
    rounds(rig, 1, 15)
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status) == ("accepted", "delivered")
    assert Orphan.objects.get().message_id == made.message_id


def test_a_server_that_cannot_list_is_asked_once_and_nothing_fails(make_rig: Callable[..., Rig], ops: User) -> None:
    rig = make_rig(seed_only=True)
    retry = doubtful(rig, ops, "bridgexapi", NO_ANSWER)
    rounds(rig, 4, 600)
    account = Account.objects.get()
    assert "recent" in account.unsupported
    assert len(rig.asked("bridgexapi", "dlr?")) == 1
    assert (after(retry).state, after(retry).next_look_at, account.failures) == ("outcome_unknown", None, 0)


def test_looks_keep_to_pauses_and_to_the_breaker(rig: Rig, ops: User) -> None:
    retry = doubtful(rig, ops, "bridgexapi", NO_ANSWER)
    Account.objects.update(paused_until=timezone.now() + timedelta(minutes=10), pause_reason="throttled")
    rounds(rig, 3)
    assert rig.asked("bridgexapi", "dlr?") == []
    Account.objects.update(paused_until=None, pause_reason="", enabled=False)
    rounds(rig, 2)
    assert rig.asked("bridgexapi", "dlr?") == []
    assert after(retry).looks == 0


# ------------------------------------------------------------------------------ the provider's own retry


def retried(rig: Rig, ops: User, fate: int, fault: dict[str, Any] | None = None, **modes: Any) -> Retry:
    rig.sim.script(modes={"esms_africa": modes})
    root = rig.failed(rig.account("esms_africa"), fate)
    retry = rig.ask_again(root, ops)
    assert retry.via == "provider"
    rig.sim.script(faults=[{**(fault or NO_ANSWER), "count": 1}])
    rig.work()
    rig.sim.script(faults=[])
    return retry


@pytest.mark.parametrize("fate", [85, 88])
def test_nasty_03_esms_a_retry_without_an_answer_is_found_as_a_new_message(rig: Rig, ops: User, fate: int) -> None:
    """Whether or not its own tries were spent: the list says more than a count."""
    retry = retried(rig, ops, fate)
    assert after(retry).state == "outcome_unknown"
    rounds(rig, 3)
    made = after(retry)
    assert made.message is not None
    (sent,) = rig.sim.ledger()
    assert (made.state, made.message.match_id, made.message.root_id) == ("accepted", sent["id"], made.root_id)
    assert (made.message.status, made.root.effective, made.original.own_retries) == ("delivered", "delivered", 1)


def test_esms_a_grown_count_proves_that_our_retry_ran_only_once_its_own_tries_are_spent(rig: Rig, ops: User) -> None:
    spent = retried(rig, ops, 88, retry="same")
    assert after(spent).original.attempt == 2
    rounds(rig, 2)
    assert (after(spent).state, after(spent).message_id) == ("accepted", after(spent).original_id)


def test_esms_tries_that_we_asked_for_before_are_none_of_its_own(rig: Rig, ops: User) -> None:
    """Two of ours leave it two of its own, each of which could grow the count."""
    rig.sim.script(modes={"esms_africa": {"retry": "same"}}, numbers={"*": {"fate": "failed", "retry": "failed"}})
    root = rig.failed(rig.account("esms_africa"))
    for nonce in ("n1", "n2"):
        first = rig.ask_again(root, ops, nonce)
        rig.work()
        assert after(first).state == "accepted"
        rounds(rig, 3)
    doubt = rig.ask_again(root, ops, "n3")
    rig.sim.script(faults=[{**NO_ANSWER, "count": 1}])
    rig.work()
    rounds(rig, 6, 300)
    assert (after(doubt).retry_count, after(doubt).state, after(doubt).original.attempt) == (2, "outcome_unknown", 3)


def test_esms_its_own_try_could_have_grown_the_count_too(rig: Rig, ops: User) -> None:
    fresh = retried(rig, ops, 85, retry="same")
    rounds(rig, 6, 300)
    assert (after(fresh).state, len(rig.sim.ledger())) == ("outcome_unknown", 1)


def test_esms_it_ran_and_no_new_message_can_be_found(rig: Rig, ops: User) -> None:
    retry = retried(rig, ops, 88)
    rig.sim.script(faults=[{"kind": "404", "path": "messages[?]"}])  # a server without that list
    rounds(rig, 2)
    Message.objects.filter(pk=after(retry).original_id).update(next_check_at=timezone.now())
    rounds(rig, 3)
    made = after(retry)
    assert (made.state, made.message_id) == ("accepted", None)
    assert "it ran" in made.detail


@pytest.mark.parametrize(
    ("code", "words"),
    [("not_retryable", "is asked about once more"), ("max_retries_exceeded", "a new text is still possible")],
)
def test_nasty_03_esms_says_409_and_is_quoted(rig: Rig, ops: User, code: str, words: str) -> None:
    refusal = {"detail": {"code": code, "message": "This one cannot be retried"}}
    retry = retried(rig, ops, 85, {"kind": "reply", "method": "POST", "status": 409, "body": refusal})
    made = after(retry)
    assert (made.state, "cannot be retried" in made.detail, words in made.detail) == ("refused", True, True)
    rig.sim.say("esms_africa", made.root.provider_message_id or "", "delivered")
    rig.later(10)
    rig.work()
    made.root.refresh_from_db()
    assert made.root.status == "delivered", "a refusal is a reason to look once more"


def test_nasty_01_esms_an_id_that_it_does_not_know_itself_is_given_up_for_the_original(rig: Rig, ops: User) -> None:
    """The reply names a new id, and the message that is tried again is the old one."""
    retry = retried(rig, ops, 85, {"kind": "wrong_identity", "method": "POST"}, retry="same")
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message_id != made.original_id) == ("accepted", "queued", True)
    rounds(rig, 12)
    phantom = Message.objects.get(pk=made.message_id)
    followed = after(retry)
    assert (phantom.status, phantom.not_sent, "not_found" in notes(phantom)) == ("failed", True, True)
    assert (followed.message_id, followed.original.own_retries) == (followed.original_id, 0)
    assert "does not know the id" in followed.detail
    assert (followed.root.status, followed.root.effective, len(rig.sim.ledger())) == ("delivered", "delivered", 1)


# ------------------------------------------------------------------------------ another channel is left


def test_smsbat_the_button_waits_for_the_channel_that_is_left(rig: Rig, ops: User) -> None:
    account = rig.account("smsbat")
    rig.sim.script(modes={"smsbat": {"pending": "sms"}})
    (root,) = rig.put(account, 85)
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    root.refresh_from_db()
    assert (root.status, root.provider_status, root.attempt) == ("retrying", "permanenterror", 1)
    with pytest.raises(Refused) as refused:
        rig.ask_again(root, ops)
    assert (refused.value.code, "by sms" in refused.value.message) == ("provider_retrying", True)
    hook(account, {"messageId": root.provider_message_id, "deliverystatus": "permanenterror"})
    root.refresh_from_db()
    assert root.status == "retrying", "a webhook says nothing of channels"
    rig.sim.say("smsbat", root.provider_message_id or "", "delivered")
    rounds(rig, 2)
    root.refresh_from_db()
    assert (root.status, root.conflict) == ("delivered", False)


# ------------------------------------------------------------------------------ killed between writing and storing

ENDS_AS = {
    "bridgexapi": "accepted",
    "bsg": "accepted",
    "roycetalk": "accepted",
    "smsbat": "outcome_unknown",
    "esms_africa": "accepted",
}


class CutWorker(Worker):
    """Stops to exist between the request and the storing of its reply, as far as that send is concerned."""

    async def _send(self, caller: Caller, lane: Lane, job: sending.Job) -> None:
        await sending.send(caller, lane, job)
        lane.in_flight -= 1


def ten_each(rig: Rig) -> list[Retry]:
    """Fifty wishes to send again: ten at each provider, all texts of our own."""
    roots: list[Message] = []
    for key in KEYS:
        roots += rig.put(rig.account(key), *([85] * 10))
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    retries = rig.ask_each_again(roots, text="The same once more.")
    assert {retry.via for retry in retries} == {"send"}
    return retries


def check_fifty(rig: Rig, retries: list[Retry]) -> None:
    once = Counter(entry["to"] for entry in rig.sim.ledger())
    assert once == {retry.root.recipient.digits: 1 for retry in retries}
    rig.later(61)
    rig.work()
    states = Retry.objects.values_list("state", "message__status")
    assert Counter(states) == {("outcome_unknown", "outcome_unknown"): 50}
    rounds(rig, 3)
    assert Counter(entry["to"] for entry in rig.sim.ledger()) == once
    found = {key: Counter[str]() for key in KEYS}
    for retry in Retry.objects.select_related("account", "message"):
        found[retry.account.provider_key][retry.state] += 1
        sent = rig.sim.ledger(to=retry.root.recipient.digits)[0]["id"]
        assert retry.message is not None
        assert retry.message.match_id == (None if retry.state == "outcome_unknown" else sent)
    assert found == {key: {state: 10} for key, state in ENDS_AS.items()}


def test_fifty_kills_between_writing_and_storing_are_fifty_doubts_and_no_second_text(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.worker.rig.Worker", CutWorker)
    retries = ten_each(rig)
    for _ in range(2):
        rig.work()
    assert Counter(Retry.objects.values_list("state", flat=True)) == {"sending": 50}
    monkeypatch.setattr("tests.worker.rig.Worker", Worker)
    rig.work()
    assert len(rig.sim.ledger()) == 50, "another worker may be at it"
    check_fifty(rig, retries)


def test_a_worker_that_is_really_killed_leaves_the_same(rig: Rig) -> None:
    """One kill, a text at each of the five providers on the wire."""
    roots = [rig.put(rig.account(key), 85)[0] for key in KEYS]
    rig.sim.advance(3000)
    rig.work_all()
    retries = rig.ask_each_again(roots, text="The same once more.")
    Message.objects.update(asked_at=timezone.now() - timedelta(hours=1))  # the worker's own clock is the real one
    rig.sim.script(faults=[{"kind": "hang_after", "method": "POST", "path": "create|send|messagelist"}])
    with running_worker() as worker:
        wait_until(lambda: len(rig.sim.ledger()) == 5)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    rig.sim.script(faults=[])
    assert Counter(Retry.objects.values_list("state", flat=True)) == {"sending": 5}
    rig.later(3600)
    rounds(rig, 4)
    states = {after(retry).account.provider_key: after(retry).state for retry in retries}
    assert states == ENDS_AS
    assert Counter(entry["to"] for entry in rig.sim.ledger()) == {root.recipient.digits: 1 for root in roots}
