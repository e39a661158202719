"""BSG's nasty cases, as far as they are about what becomes of a message, a batch and its price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dashboard.domain.lifecycle import Bucket
from dashboard.models import Account, Batch, Event, Message
from dashboard.tallies import sends, tally
from providers.base import ProviderError
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
def bsg() -> Account:
    return account("bsg", time_zone="Europe/Kyiv")


def test_nasty_01_an_error_instead_of_a_status_is_never_a_status(bsg: Account) -> None:
    one = message(bsg, "211")
    for error in ("20", 20):
        with pytest.raises(ProviderError):
            answer(one, {"error": error, "errorDescription": "SMS not found", "id": "211", "status": "delivered"})
    assert poll(one, says("bsg", "211", "sent") | {"error": "0"}).status == "sent"


def test_nasty_03_a_refused_item_of_a_bulk_send_is_rejected_at_once_and_costs_nothing(bsg: Account) -> None:
    request = {
        "phones": [{"msisdn": f"25471200000{n}", "reference": f"ext_id_2{n}"} for n in (1, 2, 3)], "body": "Hello",
    }  # fmt: skip
    made = replied(bsg, printed("bsg", "send_bulk_one_refused"), request)
    assert [(one.provider_message_id, one.status) for one in made] == [
        ("216", "queued"), (None, "rejected"), ("218", "queued"),
    ]  # fmt: skip
    batch = Batch.objects.get()
    assert tally([batch.pk])[batch.pk] | {} == {
        Bucket.DELIVERED: 0, Bucket.EXPIRED: 0, Bucket.UNDELIVERABLE: 1, Bucket.UNKNOWN: 0, Bucket.PENDING: 2,
    }  # fmt: skip
    assert [(cost.plain, cost.currency) for cost in sends(batch).costs] == [("0.46", "EUR")]
    assert "already in the list" in Event.objects.get(status="rejected").detail


def test_nasty_04_nested_and_flat_replies_make_the_same_message(bsg: Account) -> None:
    (nested,) = replied(bsg, printed("bsg", "send_nested"), {"msisdn": "254712000001"})
    (flat,) = replied(bsg, printed("bsg", "send_flat"), {"msisdn": "254712000001"})
    assert nested.status == flat.status == "queued"
    assert nested.match_id
    assert flat.match_id


def test_nasty_05_ids_with_and_without_a_leading_zero_are_two_messages(bsg: Account) -> None:
    plain, zero = message(bsg, "211"), message(bsg, "0211")
    webhook(bsg, says("bsg", "0211", "failed"))
    webhook(bsg, {**says("bsg", "", "delivered"), "id": 211})
    assert (fresh(plain).status, fresh(zero).status) == ("delivered", "failed")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-10-25 02:30:00", datetime(2026, 10, 24, 23, 30, tzinfo=UTC)),
        ("2026-10-25 03:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # there were two of these: the first
        ("2026-10-25 04:30:00", datetime(2026, 10, 25, 2, 30, tzinfo=UTC)),
        ("2026-03-29 03:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # there was none
    ],
)
def test_nasty_06_a_naive_time_near_a_dst_change_is_shown_and_decides_nothing(
    bsg: Account, said: str, meant: datetime
) -> None:
    one = poll(message(bsg, "211"), says("bsg", "211", "delivered", time_dr=said))
    event = Event.objects.get(message=one, status="delivered")
    assert (event.at, event.at_raw, event.zone) == (meant, said, "account")
    assert poll(one, says("bsg", "211", "sent", time_sent="2030-01-01 00:00:00")).status == "delivered"


@pytest.mark.parametrize("empty", [None, "", "0000-00-00 00:00:00"])
def test_nasty_06_no_time_is_one_fact_with_every_other_no_time(bsg: Account, empty: str | None) -> None:
    one = message(bsg, "211")
    poll(one, says("bsg", "211", "sent"))
    poll(one, says("bsg", "211", "sent", time_sent=empty))
    assert Event.objects.filter(message=one, status="sent").count() == 1


def test_nasty_07_three_words_for_one_thing_count_in_one_bucket(bsg: Account) -> None:
    for number, word in enumerate(["undeliverable", "failed", "undelivered"]):
        assert poll(message(bsg, f"{number}1", batch="b"), says("bsg", f"{number}1", word)).bucket == "undeliverable"
    batch = Batch.objects.get()
    assert tally([batch.pk])[batch.pk][Bucket.UNDELIVERABLE] == 3


def test_nasty_08_a_tasks_counters_are_not_a_messages_status(bsg: Account) -> None:
    one = message(bsg, "211")
    with pytest.raises(ProviderError):
        answer(one, printed("bsg", "task"))
    webhook(bsg, printed("bsg", "task") | {"id": "211"})
    assert fresh(one).status == "queued"


def test_nasty_09_a_test_keys_answer_about_another_message_overwrites_nothing(bsg: Account) -> None:
    one, other = message(bsg, "211", text="Mine"), message(bsg, "999")
    after = poll(one, says("bsg", "999", "delivered", msisdn="380971234567", body="Theirs", price="9"))
    assert (after.status, after.text, after.cost, after.provider_message_id) == ("queued", "Mine", None, "211")
    assert fresh(other).status == "queued"
    assert lines(one)[-1][2] == "other id"


def test_nasty_10_the_providers_own_counters_never_move_ours(bsg: Account) -> None:
    message(bsg, "211", batch="t", provider_batch_id="6")
    batch = Batch.objects.get()
    for told in ({"sent": 5, "delivered": 9}, {"sent": 2, "delivered": 1}):
        Batch.objects.filter(pk=batch.pk).update(report=told)
        assert tally([batch.pk])[batch.pk][Bucket.PENDING] == 1
        assert sum(tally([batch.pk])[batch.pk].values()) == 1


def test_nasty_11_prices_in_two_currencies_are_never_added_up(bsg: Account) -> None:
    for number, (price, currency) in enumerate([("1.1000000", "EUR"), (0.23, "EUR"), (0, "EUR"), ("2", "UAH")]):
        one = message(bsg, f"{number}1", batch="t", provider_batch_id="6")
        poll(one, says("bsg", f"{number}1", "sent", price=price, currency=currency))
    assert [(cost.currency, cost.amount) for cost in sends(Batch.objects.get()).costs] == [
        ("EUR", Decimal("1.33")), ("UAH", Decimal(2)),
    ]  # fmt: skip


def test_nasty_12_a_reference_that_is_taken_is_a_note_on_the_message_and_no_failure(bsg: Account) -> None:
    request = {"msisdn": "254712000001", "reference": "r1", "body": "Hello"}
    reply = {"task_id": "9", "result": [{"error": 23, "errorDescription": "Reference exists", "reference": "r1"}]}
    (one,) = replied(bsg, reply, request)
    assert (one.status, one.provider_message_id) == ("queued", None)
    assert [event.note for event in Event.objects.filter(message=one, by_provider=True)] == ["duplicate"]
    assert Message.objects.count() == 1
    assert_row_is_its_fold()
