"""eSMS Africa's nasty cases, as far as they are about what becomes of a message, its batch and its retries."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.domain.lifecycle import Bucket
from dashboard.ingest.record import record
from dashboard.ingest.trees import sent_again_as
from dashboard.models import Account, Batch, Event, Message
from dashboard.tallies import tally
from tests.core.conftest import Door
from tests.core.making import (
    account,
    answer,
    assert_row_is_its_fold,
    fresh,
    lines,
    message,
    poll,
    printed,
    replied,
    says,
    webhook,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def esms() -> Account:
    return account("esms_africa")


def told(provider_id: str, word: str, number: int, **more: Any) -> dict[str, Any]:
    return says("esms_africa", provider_id, word, retry_count=number, **more)


def test_nasty_01_a_retry_under_a_fresh_id_leaves_the_original_failed_and_counts_once(esms: Account) -> None:
    original = message(esms, "msg-1", batch="b")
    webhook(esms, told("1", "failed", 2))
    again = message(esms, "9237c404")
    sent_again_as(original.pk, again.pk)
    Message.objects.filter(pk=original.pk).update(own_retries=1)
    webhook(esms, told("9237c404", "failed", 0))
    webhook(esms, told("9237c404", "delivered", 1))
    poll(original, told("1", "failed", 3))
    after = fresh(original)
    assert (after.status, after.attempt, after.effective) == ("failed", 2, "delivered")
    batch = Batch.objects.get()
    assert tally([batch.pk])[batch.pk] == {**dict.fromkeys(Bucket, 0), Bucket.DELIVERED: 1}
    assert_row_is_its_fold()


def test_nasty_02_a_retry_under_the_same_id_goes_on_as_a_new_attempt(esms: Account) -> None:
    one = message(esms, "msg-1")
    webhook(esms, told("msg-1", "failed", 2))
    assert poll(one, told("msg-1", "retrying", 3)).status == "retrying"
    after = poll(one, told("msg-1", "delivered", 3))
    assert (after.status, after.attempt, after.conflict) == ("delivered", 3, False)


def test_nasty_04_an_automatic_retry_is_never_counted_twice(esms: Account) -> None:
    one = message(esms, "msg-1", batch="b")
    batch = Batch.objects.get()
    buckets = []
    for word, number in [("failed", 0), ("retrying", 1), ("submitted", 1), ("delivered", 1)]:
        poll(one, told("msg-1", word, number))
        counted = tally([batch.pk])[batch.pk]
        assert sum(counted.values()) == 1
        buckets.append(next(bucket for bucket, number_in_it in counted.items() if number_in_it))
    assert buckets == ["undeliverable", "pending", "pending", "delivered"]


@pytest.mark.parametrize("other", ["a1b2c3d4-E5", "msg-a1b2c3d4-e5", "msg_A1B2C3D4-e5", "MSG-a1b2c3d4-e5"])
def test_nasty_05_the_webhooks_bare_id_is_the_same_message(esms: Account, other: str) -> None:
    one = message(esms, "msg-a1b2c3d4-e5")
    webhook(esms, told(other, "delivered", 0))
    assert fresh(one).status == "delivered"
    assert fresh(one).provider_message_id == "msg-a1b2c3d4-e5"


def test_nasty_05_an_id_that_lower_case_would_make_too_long_is_kept_as_it_is(esms: Account, door: Door) -> None:
    assert door.post(esms, told("\u0130" * 255, "delivered", 0)) == 200
    assert message(esms, "\u0130" * 255).status == "delivered"


def test_nasty_07_six_copies_are_one_event_and_a_late_failed_leaves_delivered(esms: Account, door: Door) -> None:
    one = message(esms, "msg-1")
    for _ in range(6):
        assert door.post(esms, told("1", "delivered", 0, delivered_at="2026-11-20T10:00:05Z")) == 200
    assert door.post(esms, told("1", "failed", 0, failed_at="2026-11-20T10:00:01Z")) == 200
    assert Event.objects.get(message=one, status="delivered").count == 6
    assert (fresh(one).status, fresh(one).conflict) == ("delivered", True)


@pytest.mark.parametrize(
    ("detail", "bucket"), [("DLR: EXPIRED", "expired"), ("DLR: THROTTLED", "undeliverable"), (None, "undeliverable")]
)
def test_nasty_08_only_the_carriers_expired_counts_as_expired(esms: Account, detail: str | None, bucket: str) -> None:
    timeline = [{"event": "failed", "status": "failed", "detail": detail, "at": "2026-11-20T10:00:00Z"}]
    assert poll(message(esms, "msg-1"), told("msg-1", "failed", 2, timeline=timeline)).bucket == bucket


def test_nasty_08_a_bare_failed_by_webhook_and_its_expired_by_poll_are_one_fact(esms: Account) -> None:
    at = "2026-11-20T10:00:00Z"
    one = message(esms, "msg-1")
    webhook(esms, told("1", "failed", 0, failed_at=at))
    assert fresh(one).bucket == "undeliverable"
    timeline = [{"event": "failed", "status": "failed", "detail": "DLR: EXPIRED", "at": at}]
    assert poll(one, told("msg-1", "failed", 0, timeline=timeline)).bucket == "expired"
    event = Event.objects.get(message=one, by_provider=True)
    assert (event.status, event.count, event.source_names) == ("expired", 2, ["webhook", "poll"])
    webhook(esms, told("1", "failed", 0, failed_at=at))
    assert fresh(one).bucket == "expired"
    assert_row_is_its_fold()


def test_nasty_09_a_timeline_that_grows_repeats_nothing_and_keeps_its_order(esms: Account) -> None:
    one = message(esms, "msg-1")
    second = "2026-11-20T10:00:01Z"
    grown = [
        {"event": "queued", "status": "queued", "detail": None, "at": second},
        {"event": "submitted", "status": "submitted", "detail": None, "at": second, "metadata": None},
        {"event": "screened", "status": "screened", "detail": "spam check", "at": second},
        {"event": "delivered", "status": "delivered", "detail": None, "at": "2026-11-20T10:00:09Z"},
    ]
    for length in (1, 2, 3, 4, 4):
        poll(one, told("msg-1", grown[length - 1]["status"] or "", 0, timeline=grown[:length]))
    words = [line[2] for line in lines(one) if line[2] != "registered"]
    assert words == ["screened", "queued", "submitted", "delivered"]
    assert Event.objects.filter(message=one, by_provider=True).count() == 4
    assert Event.objects.get(word="screened").note == "unmapped"
    assert fresh(one).status == "delivered"


def test_nasty_10_a_send_that_failed_at_once_is_failed_at_once(esms: Account) -> None:
    reply = {**printed("esms_africa", "send"), "status": "failed"}
    (one,) = replied(esms, reply, printed("esms_africa", "send_request"))
    assert (one.status, one.bucket) == ("failed", Bucket.UNDELIVERABLE)


def test_nasty_12_a_lists_cut_text_and_the_routes_price_do_not_overwrite_ours(esms: Account) -> None:
    (one,) = replied(esms, printed("esms_africa", "send"), printed("esms_africa", "send_request"))
    before = (one.text, one.cost, one.currency)
    assert before[2] == "KES"
    listed = told(one.provider_message_id or "", "delivered", 0, text="Hello fr", cost=35, currency="UGX")
    record([answer(one, listed, call="bulk")])
    after = fresh(one)
    assert ((after.text, after.cost, after.currency), after.status) == (before, "delivered")
