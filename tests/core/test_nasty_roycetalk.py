"""RoyceTalk's nasty cases, as far as they are about what becomes of a message and of a report."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.domain.lifecycle import Bucket
from dashboard.ingest.items import note
from dashboard.ingest.record import record
from dashboard.ingest.replies import ReplyRefused, register_reply
from dashboard.models import Account, Batch, Event, Evidence, Message, Orphan
from dashboard.models.messages import Source
from dashboard.tallies import tally
from providers.base import Report
from tests.core.conftest import Door
from tests.core.making import T0, account, fresh, heard, lines, message, poll, printed, replied, says, webhook

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def royce() -> Account:
    return account("roycetalk")


def test_nasty_02_success_false_registers_nothing_and_is_kept(royce: Account) -> None:
    for _ in range(2):
        with pytest.raises(ReplyRefused):
            register_reply(royce, printed("roycetalk", "error_200"), None, Source.API)
    assert Message.objects.count() == 0
    assert Evidence.objects.count() == 1


def test_nasty_03_each_number_asked_is_a_message_until_the_listing_settles_it(royce: Account) -> None:
    done = register_reply(
        royce, printed("roycetalk", "send_bulk"), printed("roycetalk", "send_bulk_request"), Source.API
    )
    assert [fault.code for _, fault in done.faults] == ["not_a_number"]  # "12" cannot even be a phone number
    batch = Batch.objects.get()
    assert tally([batch.pk])[batch.pk][Bucket.PENDING] == 4
    assert batch.next_listing_at is not None
    assert (str(batch.cost), batch.report) == ("2.00000000", None)


def test_nasty_04_a_number_without_its_plus_is_the_same_person(royce: Account) -> None:
    first, second = message(royce, "m-1", to="254712345678"), message(royce, "m-2", to="254712345678")
    assert first.recipient_id == second.recipient_id
    (listed,) = replied(royce, printed("roycetalk", "send"), {"phone_number": "+254 712 345678"})
    assert listed.recipient_id == first.recipient_id


def test_nasty_05_a_rejected_webhook_before_its_send_waits_and_counts(royce: Account) -> None:
    nested = printed("roycetalk", "webhook_nested")
    webhook(royce, nested)
    orphan = Orphan.objects.get()
    one = message(royce, orphan.match_id)
    assert (one.status, one.bucket) == ("rejected", Bucket.UNDELIVERABLE)
    assert Orphan.objects.get().message_id == one.pk


def test_nasty_05_a_form_a_capital_and_a_nested_status_are_one_fact(royce: Account, door: Door) -> None:
    one = message(royce, "m-1")
    assert door.post(royce, b"message_id=m-1&status=Delivered", FORM) == 200
    assert door.post(royce, {"event": "sms", "data": {"message_id": "m-1", "status": "delivered"}}) == 200
    assert door.post(royce, {"id": "m-1", "status": " DELIVERED "}) == 200
    (event,) = Event.objects.filter(message=one, by_provider=True)
    assert (event.status, event.count, event.word) == ("delivered", 3, "delivered")


@pytest.mark.parametrize("later", ["sent", "pending", "not found"])
def test_nasty_06_delivered_by_webhook_stands_against_a_later_poll_and_both_are_told(
    royce: Account, later: str
) -> None:
    one = message(royce, "m-1")
    webhook(royce, says("roycetalk", "m-1", "delivered"))
    if later == "not found":
        record([heard(one, Report(entries=(note("not_found", "not found"),)))])
    else:
        poll(one, says("roycetalk", "m-1", later))
    after = fresh(one)
    assert (after.status, after.conflict, after.unconfirmed, after.next_check_at) == ("delivered", False, False, None)
    assert {line[2] for line in lines(one)} == {"registered", "delivered", later}


def test_nasty_07_delivered_at_says_nothing_while_the_word_is_sent(royce: Account) -> None:
    one = message(royce, "m-1")
    told = says("roycetalk", "m-1", "sent", sent_at="2026-11-20T10:00:09Z", delivered_at="2026-11-20T10:00:01Z")
    assert poll(one, told).status == "sent"
    after = poll(one, told | {"status": "delivered"})
    assert after.status == "delivered"
    assert [line[2] for line in lines(one)] == ["registered", "delivered", "sent"]  # by their own clock, shown as said


def test_nasty_08_no_metadata_is_no_reason_to_lose_a_report(royce: Account) -> None:
    one = message(royce, "m-1")
    after = poll(one, says("roycetalk", "m-1", "sent", metadata=None, provider_message_id=12345))
    assert (after.status, after.extra["carrier_message_id"]) == ("sent", "12345")


def test_nasty_10_not_found_straight_after_a_send_is_no_end(royce: Account) -> None:
    one = message(royce, "m-1")
    record([heard(one, Report(entries=(note("not_found", "not found"),)), at=T0 + timedelta(seconds=5))])
    assert fresh(one).status == "queued"
    assert fresh(one).next_check_at is not None
    assert poll(one, says("roycetalk", "m-1", "sent")).status == "sent"
