"""Settling a doubt by hand: who may, when, what is shown, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.domain.lifecycle import Bucket
from dashboard.ingest.ending import doubt, end
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Audit, Message, Retry
from dashboard.tallies import tally
from providers.base import Status
from tests.factory import account, person, report, sends, signed_in, webhook

pytestmark = pytest.mark.django_db

WHY = "I saw it in the provider's own list."


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Iterator[Any]:
    settings.RETRY_COOL_DOWN = (0, 0)
    with time_machine.travel(datetime(2026, 11, 20, 9, 0, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def doubtful(through: Account, clock: Any, *, minutes: int = 15, **fields: Any) -> Retry:
    """A message sent again so long ago, of which nobody knows whether it went out."""
    (root,) = sends(through, 1, text="Hello", sender="Shop", batch="offer")
    report(root, Status.FAILED)
    asked = request_retry(root.pk, reason="The customer asked.", nonce="n1", user=person("ops"), **fields)[0]
    retry = Retry.objects.select_related("account", "original", "root").get(pk=asked.pk)
    doubt(retry, "We cannot tell whether it went out: The provider did not answer in time.", timezone.now())
    clock.shift(timedelta(minutes=minutes))
    return Retry.objects.get(pk=asked.pk)


def say(client: Client, retry: Retry, verdict: str, reason: str = WHY, **fields: str) -> Any:
    return client.post(f"/messages/{retry.root_id}/doubt/", {"verdict": verdict, "reason": reason, **fields})


def after(retry: Retry) -> Retry:
    return Retry.objects.select_related("message", "root", "original").get(pk=retry.pk)


# ------------------------------------------------------------------------------ what is shown, and to whom


def test_the_page_says_what_may_have_happened_what_was_tried_and_what_comes_next(clock: Any) -> None:
    retry = doubtful(account("rt", "roycetalk"), clock)
    Retry.objects.filter(pk=retry.pk).update(looks=3, next_look_at=timezone.now() + timedelta(minutes=5))
    client = signed_in("ops")
    answer = client.get(f"/messages/{retry.message_id}/doubt/")
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "It may already have been sent; sending again can text this person twice." in shown
    assert "The provider did not answer in time." in shown
    assert "RoyceTalk lists as sent to this number" in shown
    assert "3 times" in shown
    assert "in 5 min" in shown
    assert retry.reference in shown
    assert "It did not go out" in shown


def test_where_nobody_can_be_asked_the_page_says_so(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    Retry.objects.filter(pk=retry.pk).update(next_look_at=None)
    shown = signed_in("ops").get(f"/messages/{retry.root_id}/doubt/").content.decode()
    assert "SMSBat has no way of being asked about it." in shown
    assert "only a report or a person can settle it" in shown


def test_the_message_and_the_attention_page_lead_there_for_operations_only(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    address = f"/messages/{retry.root_id}/doubt/"
    for role, leads in (("ops", True), ("support", False)):
        assert (address in signed_in(role).get(f"/messages/{retry.root_id}/").content.decode()) is leads
    for role, leads in (("ops", True), ("admin", False)):
        shown = signed_in(role).get("/attention/").content.decode()
        assert "did not answer in time" in shown
        assert (address in shown) is leads


@pytest.mark.parametrize("role", ["support", "admin"])
def test_nobody_else_may_settle_it(clock: Any, role: str) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    client = signed_in(role)
    assert client.get(f"/messages/{retry.root_id}/doubt/").status_code == 403
    assert say(client, retry, "went_out").status_code == 403
    assert after(retry).state == "outcome_unknown"


def test_who_is_admin_and_operations_may(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    assert say(signed_in("admin", "ops"), retry, "not_sent").status_code == 302


# ------------------------------------------------------------------------------ when


def test_for_fifteen_minutes_nobody_has_to(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock, minutes=14)
    client = signed_in("ops")
    for answer in (client.get(f"/messages/{retry.root_id}/doubt/"), say(client, retry, "went_out")):
        assert answer.status_code == 409
        shown = answer.content.decode()
        assert "It is still being looked up. A person may settle it in 1 min" in shown
        assert "<textarea" not in shown
        assert 'name="reason"' not in shown
    assert after(retry).state == "outcome_unknown"
    clock.shift(60)
    assert client.get(f"/messages/{retry.root_id}/doubt/").status_code == 200


def test_what_was_settled_meanwhile_is_not_settled_again(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    client = signed_in("ops")
    assert client.get(f"/messages/{retry.root_id}/doubt/").status_code == 200
    assert end(retry, Retry.State.ACCEPTED, "A report proves that it went out.", timezone.now())
    assert not end(retry, Retry.State.NOT_SENT, "Somebody was slower.", timezone.now())
    assert Audit.objects.filter(action="retry ended").count() == 1
    answer = say(client, retry, "not_sent")
    assert answer.status_code == 409
    assert "settled meanwhile: A report proves that it went out." in answer.content.decode()
    assert (after(retry).state, Message.objects.get(pk=retry.message_id).not_sent) == ("accepted", False)


def test_a_message_without_a_doubt_has_nothing_to_settle() -> None:
    (message,) = sends(account(), 1)
    answer = signed_in("ops").get(f"/messages/{message.pk}/doubt/")
    assert answer.status_code == 409
    assert "Nothing of the kind is open" in answer.content.decode()


@pytest.mark.parametrize(("verdict", "reason"), [("went_out", " "), ("perhaps", WHY), ("", WHY)])
def test_it_needs_an_answer_and_a_reason(clock: Any, verdict: str, reason: str) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    assert say(signed_in("ops"), retry, verdict, reason).status_code == 422
    assert after(retry).state == "outcome_unknown"


# ------------------------------------------------------------------------------ what comes of it


def test_it_went_out_and_goes_on_as_handed_over(clock: Any) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    ops = signed_in("ops", name="olga")
    assert say(ops, retry, "went_out", f"{WHY} She is at 254712345678.").status_code == 302
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.reported) == ("accepted", "submitted", False)
    assert made.message.next_check_at is not None, "its deadline still counts"
    assert made.root.effective == "submitted", "so nothing is sent beside it"
    (row,) = Audit.objects.filter(action="retry ended")
    assert (row.actor_name, row.subject, row.ip) == ("olga", f"message {retry.root_id}", "127.0.0.1")
    assert (row.details["state"], row.details["message"]) == ("accepted", made.message_id)
    assert row.reason.startswith(WHY)
    assert "254712345678" not in row.reason + made.detail
    shown = ops.get(f"/messages/{made.message_id}/").content.decode()
    assert "olga" in shown
    assert "a person" in shown


def test_it_did_not_go_out_and_may_be_sent_again_and_a_report_about_it_blocks(clock: Any) -> None:
    rt = account("rt", "roycetalk")
    retry = doubtful(rt, clock)
    say(signed_in("ops"), retry, "not_sent")
    made = after(retry)
    assert made.message is not None
    assert (made.state, made.message.status, made.message.not_sent) == ("not_sent", "failed", True)
    assert made.root.effective == "failed"
    batch = made.root.batch_id or 0
    assert tally([batch])[batch][Bucket.UNDELIVERABLE] == 1
    request_retry(made.root_id, reason="Once more.", nonce="n2", user=person("ops"))
    webhook(rt, {"message_id": "u-1", "status": "delivered", "client_ref": retry.reference})
    late = Message.objects.get(pk=made.message_id)
    assert (late.status, late.conflict) == ("delivered", True)


def test_with_its_id_it_is_followed_like_any_other(clock: Any) -> None:
    bat = account("bat", "smsbat")
    webhook(bat, {"messageId": "abc", "deliverystatus": "delivered"})  # nobody knew whose it was
    retry = doubtful(bat, clock)
    say(signed_in("ops"), retry, "went_out", provider_id=" abc ")
    made = after(retry)
    assert made.message is not None
    assert (made.message.provider_message_id, made.message.status) == ("abc", "delivered")
    assert made.root.effective == "delivered"


@pytest.mark.parametrize(
    ("given", "problem"), [("bat-0", "This id belongs to message"), ("..", "This is no id of a message.")]
)
def test_an_id_that_cannot_be_it_is_refused_and_nothing_is_changed(clock: Any, given: str, problem: str) -> None:
    retry = doubtful(account("bat", "smsbat"), clock)
    answer = say(signed_in("ops"), retry, "went_out", provider_id=given)
    assert answer.status_code == 409
    shown = answer.content.decode()
    assert problem in shown
    assert WHY.replace("'", "&#x27;") in shown, "what was typed is kept"
    assert after(retry).state == "outcome_unknown"


# ------------------------------------------------------------------------------ the provider's own retry


@pytest.fixture
def esms() -> Account:
    return account("es", "esms_africa")


def test_a_providers_own_retry_that_went_out_becomes_a_message_of_its_own(esms: Account, clock: Any) -> None:
    retry = doubtful(esms, clock)
    assert (retry.via, retry.message_id) == ("provider", None)
    say(signed_in("ops"), retry, "went_out")
    made = after(retry)
    assert made.message is not None
    assert (made.message.root_id, made.message.status, made.message.match_id) == (made.root_id, "submitted", None)
    assert (made.root.status, made.root.effective, made.message.batch_id) == ("failed", "submitted", made.root.batch_id)


def test_a_providers_own_retry_is_followed_by_the_id_a_person_finds(esms: Account, clock: Any) -> None:
    retry = doubtful(esms, clock)
    say(signed_in("ops"), retry, "went_out", provider_id="msg-NEW")
    made = after(retry)
    assert made.message is not None
    assert (made.message.match_id, made.original.own_retries, made.message.root_id) == ("new", 1, made.root_id)


def test_a_providers_own_retry_may_go_on_under_its_old_id(esms: Account, clock: Any) -> None:
    retry = doubtful(esms, clock)
    say(signed_in("ops"), retry, "went_out", provider_id="msg-es-0")
    made = after(retry)
    assert (made.state, made.message_id, made.original.own_retries) == ("accepted", made.root_id, 0)


def test_a_providers_own_retry_that_did_not_run_changes_nothing(esms: Account, clock: Any) -> None:
    retry = doubtful(esms, clock)
    say(signed_in("ops"), retry, "not_sent")
    assert (after(retry).state, Message.objects.count(), after(retry).root.effective) == ("not_sent", 1, "failed")


# ------------------------------------------------------------------------------ no money


def test_an_account_without_money_is_named_among_those_in_trouble_and_its_sentence_is_told_once(clock: Any) -> None:
    said = "BSG says: Not enough funds (error 8)"
    held = account(no_sends_until=timezone.now() + timedelta(minutes=10), no_sends_why=said, last_error=said)
    held.set_credentials({"api_key": "k"}, "a test")
    Account.objects.filter(pk=held.pk).update(sealed_credentials=held.sealed_credentials)
    shown = signed_in("ops").get("/attention/").content.decode()
    assert f"Nothing is sent through it until 2026-11-20 09:10:00 UTC: {said}." in shown
    assert shown.count("Not enough funds") == 1
    assert "Not enough funds" in signed_in("admin").get("/accounts/").content.decode()
    clock.shift(601)
    assert "Nothing is sent through it" not in signed_in("ops").get("/attention/").content.decode()
