"""BridgeXAPI's nasty cases, as far as they are about what becomes of a message, a batch and its price."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from dashboard.domain.lifecycle import Bucket
from dashboard.ingest.items import note
from dashboard.ingest.record import record
from dashboard.models import Account, Batch, Message
from dashboard.tallies import sends, tally
from providers.base import Report
from tests.core.making import (
    account,
    assert_row_is_its_fold,
    fresh,
    heard,
    lines,
    message,
    poll,
    printed,
    replied,
    says,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bridge() -> Account:
    return account("bridgexapi")


def order(*messages: tuple[str | None, str], **more: Any) -> dict[str, Any]:
    named = [{"bx_message_id": each, "msisdn": number, "status": "QUEUED"} for each, number in messages]
    return {"status": "success", "order_id": 7, "route_id": 1, "messages": named, "cost": Decimal("0.264"), **more}


def test_nasty_01_accepted_and_then_failed_is_failed_with_its_reason(bridge: Account) -> None:
    (one,) = replied(bridge, printed("bridgexapi", "send"))
    assert (one.status, one.provider_status) == ("queued", "QUEUED")
    after = poll(one, says("bridgexapi", one.match_id or "", "FAILED", error="absent subscriber"))
    assert (after.status, after.bucket) == ("failed", Bucket.UNDELIVERABLE)
    assert ("FAILED", "absent subscriber") in [(line[2], line[5]) for line in lines(one)]


def test_nasty_02_no_record_yet_is_no_failure(bridge: Account) -> None:
    one = message(bridge, "BX-1")
    for _ in range(2):
        record([heard(one, Report(entries=(note("not_found", "not found", "DLR record not found"),)))])
    assert (fresh(one).status, fresh(one).reported) == ("queued", False)
    assert fresh(one).next_check_at is not None
    poll(one, says("bridgexapi", "BX-1", "QUEUED"))
    assert poll(one, says("bridgexapi", "BX-1", "DELIVERED")).status == "delivered"
    notes = [event for event in one.events.all() if event.note == "not_found"]
    assert [event.count for event in notes] == [2]


def test_nasty_03_a_message_without_an_id_is_there_and_waits_for_it(bridge: Account) -> None:
    made = replied(bridge, order(("BX-1", "254712000001"), (None, "254712000002"), ("BX-3", "254712000003")))
    assert [one.provider_message_id for one in made] == ["BX-1", None, "BX-3"]
    assert Batch.objects.get().next_listing_at is not None
    told = {"bx_message_id": "BX-2", "msisdn": "254712000002", "status": "SENT", "error": None, "sms_order_id": 7}
    record([heard(made[1], bridge.provider.report("orders", told), call="orders")])
    assert (fresh(made[1]).provider_message_id, fresh(made[1]).status) == ("BX-2", "sent")


def test_nasty_04_the_same_number_twice_is_two_messages_and_the_reply_twice_is_none_more(bridge: Account) -> None:
    reply = order(("BX-2", "254712000002"), (None, "254712000001"), (None, "254712000001"))
    first = replied(bridge, reply, {"numbers": ["254712000001", "254712000002", "254712000001"]})
    assert len({one.pk for one in first}) == 3
    assert [one.recipient.digits for one in first] == ["254712000002", "254712000001", "254712000001"]
    assert [one.pk for one in replied(bridge, reply)] == [one.pk for one in first]
    assert Message.objects.count() == 3


def test_nasty_06_a_word_in_another_case_is_the_same_fact_in_any_order(bridge: Account) -> None:
    ends = []
    for number, words in enumerate(permutations(["DELIVERED", "delivered ", "Delivered"])):
        one = message(bridge, f"BX-{number}")
        for word in words:
            poll(one, says("bridgexapi", f"BX-{number}", word))
        ends.append((fresh(one).provider_status, lines(one)))
    assert all(end == ends[0] for end in ends)
    assert len(ends[0][1]) == 2
    assert_row_is_its_fold()


def test_nasty_08_the_order_is_one_batch_whether_its_id_is_a_number_or_a_text(bridge: Account) -> None:
    replied(bridge, order(("BX-1", "254712000001")))
    replied(bridge, order(("BX-2", "254712000002"), order_id="7"))
    batch = Batch.objects.get()
    assert (batch.name, batch.provider_batch_id) == ("7", "7")
    assert tally([batch.pk])[batch.pk][Bucket.PENDING] == 2


@pytest.mark.parametrize("stale", ["SENT", "QUEUED", "FAILED"])
def test_nasty_11_a_stale_answer_after_delivered_regresses_nothing(bridge: Account, stale: str) -> None:
    one = message(bridge, "BX-1")
    poll(one, says("bridgexapi", "BX-1", "DELIVERED"))
    after = poll(one, says("bridgexapi", "BX-1", stale))
    assert (after.status, after.effective, after.next_check_at) == ("delivered", "delivered", None)
    assert after.conflict is (stale == "FAILED")


def test_nasty_12_the_cost_of_an_order_of_three_is_booked_once(bridge: Account) -> None:
    reply = order(("BX-1", "254712000001"), ("BX-2", "254712000002"), ("BX-3", "254712000003"))
    for _ in range(3):
        made = replied(bridge, reply)
    assert [one.cost for one in made] == [None, None, None]
    (cost,) = sends(Batch.objects.get()).costs
    assert (cost.plain, cost.currency, cost.level) == ("0.264", "EUR", "batch")
