"""A test text from an account's page: one text, by the way of every retry, followed like any message."""

from __future__ import annotations

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from dashboard.domain.retries import MOST_TESTS, MOST_TO_ONE_NUMBER
from dashboard.ingest.retry import Refused, request_retry
from dashboard.ingest.trial import Trial, request_trial
from dashboard.models import Account, ApiToken, Audit, Message, Recipient, Retry, User
from dashboard.vault import phone_hmac
from tests.factory import signed_in
from tests.worker.rig import KEYS, SENDER, TEXT, Rig

NUMBER = "+254 712 345 678"
DIGITS = "254712345678"


def typed(**fields: str) -> dict[str, str]:
    return {"to": NUMBER, "text": TEXT, "sender": SENDER, **fields}


def look(client: Client, account: Account, **fields: str) -> dict[str, str]:
    """Type it and look at it; what the button would then send."""
    page = client.post(f"/accounts/{account.slug}/test-text/", typed(**fields))
    assert page.status_code == 200, page.content.decode()
    shown = re.search(r'id="look".*?</form>', page.content.decode(), re.S)
    assert shown, "there is no button"
    return dict(re.findall(r'name="(to|text|sender|permission)" value="([^"]*)"', shown[0]))


def press(client: Client, account: Account, said: dict[str, str]) -> Any:
    return client.post(f"/accounts/{account.slug}/test-text/", said)


def send(client: Client, account: Account, **fields: str) -> Retry:
    answer = press(client, account, look(client, account, **fields))
    assert answer.status_code == 302, answer.content.decode()
    pk = int(answer["Location"].rstrip("/").rsplit("/", 1)[1])
    return Retry.objects.get(root=pk)


def trial(account: Account, number: str = DIGITS) -> Trial:
    return Trial(account=account, to=number, text=TEXT, sender=SENDER)


# ------------------------------------------------------------------------------ sent once, followed like any other


@pytest.mark.parametrize("key", KEYS)
def test_it_goes_out_once_and_its_delivery_is_heard_of(rig: Rig, key: str) -> None:
    account, admin = rig.account(key), signed_in("admin")
    rig.sim.script(numbers={"*": "delivered"})
    retry = send(admin, account)
    assert (retry.state, retry.is_first, rig.sim.ledger()) == ("open", True, [])
    message = Message.objects.get()
    assert (message.status, message.root_id, message.sent_by_us, message.batch_id) == ("created", None, True, None)
    rig.work()
    retry.refresh_from_db()
    (sent,) = rig.sim.ledger(key)
    assert (retry.state, sent["to"].lstrip("+"), sent["text"]) == ("accepted", DIGITS, TEXT)
    rig.later(60)
    rig.rounds(2)
    message.refresh_from_db()
    assert message.match_id
    assert (message.status, message.effective, len(rig.sim.ledger())) == ("delivered", "delivered", 1)


def test_the_same_press_twice_is_one_text(rig: Rig) -> None:
    account, ops = rig.account("bsg"), signed_in("ops")
    said = look(ops, account)
    one, again = press(ops, account, said), press(ops, account, said)
    rig.work()
    late = press(ops, account, said)
    assert one["Location"] == again["Location"] == late["Location"]
    assert (Retry.objects.count(), len(rig.sim.ledger())) == (1, 1)


def test_an_answer_that_is_lost_leaves_it_in_doubt_and_is_settled_by_our_reference(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.sim.script(numbers={"*": "delivered"}, faults=[{"kind": "reset_after", "path": "create", "count": 1}])
    retry = send(signed_in("admin"), account)
    rig.work()
    retry.refresh_from_db()
    assert (retry.state, len(rig.sim.ledger())) == ("outcome_unknown", 1)
    with pytest.raises(Refused) as refused:
        request_retry(retry.root_id, reason="it did not come", nonce="n2", user=retry.user)
    assert refused.value.code == "outcome_unknown"
    for _ in range(3):
        rig.later(60)
        rig.work()
    retry.refresh_from_db()
    assert (retry.state, Message.objects.get().status, len(rig.sim.ledger())) == ("accepted", "delivered", 1)


def test_a_text_the_worker_never_took_is_dropped_and_says_why(rig: Rig) -> None:
    account = rig.account("bsg")
    retry = send(signed_in("admin"), account)
    rig.later(3600)
    rig.work()
    retry.refresh_from_db()
    assert (retry.state, rig.sim.ledger()) == ("cancelled", [])
    assert "not free in time" in retry.detail
    message = Message.objects.get()
    assert (message.status, message.not_sent) == ("failed", True)


def test_a_message_that_is_not_sent_yet_is_not_asked_about(rig: Rig) -> None:
    retry = send(signed_in("admin"), rig.account("bsg"))
    support = signed_in("support")
    assert b"It has not been sent yet." in support.get(f"/messages/{retry.root_id}/").content
    support.post(f"/messages/{retry.root_id}/check/")
    assert Message.objects.get().wanted_at is None


# ------------------------------------------------------------------------------ no retry of itself


def test_it_is_no_retry_in_the_lists_and_may_be_sent_again_as_often_as_any(
    rig: Rig, ops: User, no_cool_down: None
) -> None:
    account = rig.account("bsg")
    rig.sim.script(numbers={"*": "failed"})
    first = send(signed_in("ops", name="otto"), account)
    rig.work()
    rig.later(3000)
    rig.work_all()
    Retry.objects.update(created_at=timezone.now() - timedelta(days=2))
    page = signed_in("support").get(f"/messages/{first.root_id}/").content.decode()
    assert "otto asked for it through" in page
    _, secret = ApiToken.issue("program", {"read"})
    told = Client().get(f"/api/v1/messages/{first.root_id}", headers={"Authorization": f"Bearer {secret}"}).json()
    assert told["retries"] == []
    assert 'id="again"' not in page
    for turn in range(3):
        again, _ = request_retry(first.root_id, reason="asked to", nonce=f"n{turn}", user=ops)
        rig.later(60)
        rig.work()
        again.refresh_from_db()
        assert again.state == "accepted"
        rig.later(3000)
        rig.work_all()
        Retry.objects.update(created_at=timezone.now() - timedelta(days=2))  # so that the number's limit is no matter
    with pytest.raises(Refused) as refused:
        request_retry(first.root_id, reason="asked to", nonce="n4", user=ops)
    assert refused.value.code == "cap_message"
    page = signed_in("support").get(f"/messages/{first.root_id}/").content.decode()
    assert page.split('id="again"')[1].count("asked to") == 3


# ------------------------------------------------------------------------------ refused


def test_who_asked_not_to_be_texted_gets_no_test_text_and_one_on_its_way_is_dropped(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    retry = send(signed_in("admin"), account)
    Recipient.objects.update(opted_out_at=timezone.now())
    page = signed_in("admin").post(f"/accounts/{account.slug}/test-text/", typed())
    assert b"This person asked not to be texted." in page.content
    assert b"Send 1 test text" not in page.content
    with pytest.raises(Refused) as refused:
        request_trial(trial(account), ops, "n9")
    assert refused.value.code == "blocked"
    rig.work()
    retry.refresh_from_db()
    assert (retry.state, rig.sim.ledger()) == ("cancelled", [])
    assert "asked not to be texted" in retry.detail


def test_the_limits_of_a_number_and_of_a_person_hold_to_the_last_text(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    for turn in range(MOST_TO_ONE_NUMBER):
        request_trial(trial(account), ops, f"n{turn}")
    with pytest.raises(Refused) as refused:
        request_trial(trial(account), ops, "another")
    assert refused.value.code == "cap_recipient"
    for turn in range(MOST_TO_ONE_NUMBER, MOST_TESTS):
        request_trial(trial(account, f"25470000000{turn}"), ops, f"n{turn}")
    with pytest.raises(Refused) as refused:
        request_trial(trial(account, "254700000009"), ops, "one more")
    assert refused.value.code == "cap_user"
    rig.later(601)
    assert request_trial(trial(account, "254700000009"), ops, "later")[1]


def test_many_presses_at_the_same_moment_are_one_text_or_as_many_as_are_allowed(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    start = threading.Barrier(8)

    def ask(nonce: str) -> str:
        start.wait()
        try:
            return "stored" if request_trial(trial(account), ops, nonce)[1] else "known"
        except Refused as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        same = Counter(pool.map(ask, ["same"] * 8))
        others = Counter(pool.map(ask, [f"n{n}" for n in range(8)]))
    assert same == {"stored": 1, "known": 7}
    assert others == {"stored": MOST_TO_ONE_NUMBER - 1, "cap_recipient": 9 - MOST_TO_ONE_NUMBER}
    rig.work()
    assert len(rig.sim.ledger()) == MOST_TO_ONE_NUMBER


def test_the_limits_of_an_account_hold(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    Account.objects.update(resend_cap=1)
    account.refresh_from_db()
    request_trial(trial(account), ops, "n1")
    with pytest.raises(Refused) as refused:
        request_trial(trial(account), ops, "n2")
    assert refused.value.code == "cap_account"
    Account.objects.update(enabled=False)
    account.refresh_from_db()
    with pytest.raises(Refused) as refused:
        request_trial(trial(account), ops, "n3")
    assert refused.value.code == "account_disabled"
    assert Retry.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"to": "hello"}, "This is not a phone number."),
        ({"to": "+25471"}, "too few or too many digits"),
        ({"to": ""}, "This field is required."),
        ({"text": ""}, "This field is required."),
        ({"text": "x" * 481}, "at most 480"),
    ],
)
def test_what_cannot_be_sent_is_said_beside_its_field(rig: Rig, fields: dict[str, str], sentence: str) -> None:
    account = rig.account("bsg")
    page = signed_in("admin").post(f"/accounts/{account.slug}/test-text/", typed(**fields))
    assert (page.status_code, sentence in page.content.decode()) == (422, True)
    assert not Message.objects.exists()


def test_the_providers_own_rules_speak_before_anything_is_stored(rig: Rig) -> None:
    account = rig.account("bsg")
    page = signed_in("admin").post(f"/accounts/{account.slug}/test-text/", typed(sender="")).content.decode()
    assert "BSG takes senders of 3 to 15 characters." in page
    assert "Send 1 test text" not in page


def test_a_changed_or_old_permission_sends_nothing(rig: Rig) -> None:
    account, admin, other = rig.account("bsg"), signed_in("admin"), signed_in("admin")
    said = look(admin, account)
    for client, given in (
        (admin, said | {"to": "+254700000001"}),
        (admin, said | {"text": "something else"}),
        (admin, said | {"permission": "made up"}),
        (other, said),
        (admin, said | {"late": "yes"}),
    ):
        if "late" in given:
            rig.later(601)
        answer = press(client, account, given)
        assert (answer.status_code, b"Nothing was sent" in answer.content) == (409, True)
    assert not Retry.objects.exists()
    assert not Message.objects.exists()


def test_a_refused_press_says_why_and_is_noted(rig: Rig) -> None:
    account, admin = rig.account("bsg"), signed_in("admin")
    said = look(admin, account)
    Account.objects.update(enabled=False)
    answer = press(admin, account, said)
    assert (answer.status_code, b"The account is switched off" in answer.content) == (409, True)
    row = Audit.objects.get(action="test text refused")
    assert (row.subject, row.details) == ("account bsg", {"code": "account_disabled"})


def test_the_audit_names_the_recipient_and_no_number(rig: Rig) -> None:
    digits = "0123456789abcdef"  # an id that could be masked as a number
    Recipient.objects.create(id=digits, digits=DIGITS, reversed=DIGITS[::-1], hmac=phone_hmac(DIGITS))
    retry = send(signed_in("admin", name="ann"), rig.account("bsg"))
    row = Audit.objects.get(action="test text")
    assert (row.actor_name, row.subject) == ("ann", f"message {retry.root_id}")
    assert row.details == {"retry": retry.pk, "account": "bsg", "recipient": digits}
    assert DIGITS not in str(list(Audit.objects.values()))


def test_only_operations_and_admins_may(rig: Rig) -> None:
    rig.account("bsg")
    assert signed_in("support").post("/accounts/bsg/test-text/", typed()).status_code == 403
    assert signed_in("ops").get("/accounts/bsg/test-text/").status_code == 200
    assert signed_in("ops").get("/accounts/none/test-text/").status_code == 404
