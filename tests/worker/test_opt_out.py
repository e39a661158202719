"""Who asked not to be texted is texted by nothing of ours: not by a person, a program, a run of many, or what waits."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import Refused
from dashboard.models import ApiToken, BulkItem, Message, Recipient, Retry, User
from dashboard.queries import filter_messages
from tests.factory import signed_in
from tests.worker.rig import Rig

pytestmark = pytest.mark.usefixtures("no_cool_down")


def opt_out(message: Message) -> None:
    answer = signed_in("support").post(f"/recipients/{message.recipient_id}/opt-out/", {"reason": "She asked for it"})
    assert answer.status_code == 302


def test_no_person_and_no_program_may_ask_for_it(rig: Rig, ops: User) -> None:
    message = rig.failed(rig.account("bsg"))
    opt_out(message)
    with pytest.raises(Refused) as refused:
        rig.ask_again(message, ops)
    assert (refused.value.code, refused.value.message) == ("blocked", "This person asked not to be texted.")
    _, secret = ApiToken.issue("program", {"retry"})
    answer = Client().post(
        f"/api/v1/messages/{message.pk}/retry",
        json.dumps({"reason": "asked to", "text": "Something else"}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": "k"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "blocked")
    assert not Retry.objects.exists()
    page = signed_in("support").get(f"/messages/{message.pk}/").content.decode()
    assert "This person asked not to be texted" in page
    assert f'href="/messages/{message.pk}/retry/"' not in page


@pytest.mark.parametrize("key", ["bsg", "esms_africa"])
def test_what_waits_is_dropped(rig: Rig, ops: User, key: str) -> None:
    message = rig.failed(rig.account(key))
    retry = rig.ask_again(message, ops)
    opt_out(message)
    rig.rounds(3)
    retry.refresh_from_db()
    assert (retry.state, rig.sim.ledger()) == ("cancelled", [])
    assert "asked not to be texted" in retry.detail
    message.refresh_from_db()
    assert message.effective == "failed"


def test_a_run_of_many_leaves_them_out_at_the_plan_and_at_their_turn(rig: Rig, ops: User) -> None:
    account = rig.account("bsg")
    messages = rig.put(account, 85, 85, 85)
    rig.later(3000)
    rig.work_all()
    rig.later(60)
    rig.sim.script(numbers={"*": "delivered"})
    before, after, other = messages
    opt_out(before)
    bulk = steps.plan(filter_messages(bucket="undeliverable"), user=ops, reason="down", filters={})
    steps.approve(bulk.pk, user=ops)
    opt_out(after)
    for _ in range(5):
        rig.work()
        rig.later(60)
    codes = dict(BulkItem.objects.filter(bulk=bulk).values_list("message", "code"))
    assert codes == {before.pk: "blocked", after.pk: "blocked", other.pk: ""}
    (sent,) = rig.sim.ledger()
    assert sent["to"].lstrip("+") == other.recipient.digits


def test_once_lifted_they_are_texted_like_anybody(rig: Rig, ops: User) -> None:
    message = rig.failed(rig.account("bsg"))
    opt_out(message)
    url = f"/recipients/{message.recipient_id}/opt-out/lift/"
    assert signed_in("ops").post(url, {"reason": "He asked again"}).status_code == 302
    Recipient.objects.get(opted_out_at=None)
    rig.ask_again(message, ops)
    rig.work()
    assert len(rig.sim.ledger()) == 1
