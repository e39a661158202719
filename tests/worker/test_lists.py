"""Asking about many at a time: everybody gets their own answer, and nobody somebody else's."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from dashboard.ingest.orphans import sweep
from dashboard.ingest.register import Send
from dashboard.models import Batch, Evidence, Message, Orphan
from providers.simulator.traffic import number
from tests.worker.rig import Rig, notes

MANY = {"bridgexapi": "/orders/", "bsg": "getStatus", "roycetalk": "?batch_id=", "esms_africa": "/status?ids="}


def numbers(rig: Rig, key: str, *fates: int) -> list[str]:
    return [number(key, rig.chance, fate) for fate in fates]


@pytest.mark.parametrize("key", MANY)
def test_one_question_is_enough_for_many_and_each_keeps_only_its_own_part(rig: Rig, key: str) -> None:
    account = rig.account(key)
    found = rig.put(account, *range(6), batch="" if key == "bsg" else "4711")
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 6}
    assert len(rig.asked(key, MANY[key])) >= 1
    assert not [path for path in rig.asked(key) if any(str(m.provider_message_id) in path.split("?")[0] for m in found)]
    ids = {message.provider_message_id for message in found}
    for message in found:
        for evidence in message.evidence.all():
            body = bytes(evidence.body or b"").decode()
            assert evidence.is_item
            assert not [other for other in ids - {message.provider_message_id} if str(other) in body]


@pytest.mark.parametrize("key", MANY)
def test_whoever_a_list_does_not_mention_is_asked_about_alone_in_the_same_pass(rig: Rig, key: str) -> None:
    account = rig.account(key)
    found = rig.put(account, *range(6), batch="" if key == "bsg" else "4711")
    Message.objects.filter(pk=found[0].pk).update(provider_message_id="77", match_id="77")
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 5, "queued": 1}
    assert notes(found[0]) == ["not_found"]
    assert [path for path in rig.asked(key) if "/77" in path.split("?")[0]]
    assert not account.unsupported


def test_esms_a_failure_without_its_story_is_asked_about_alone(rig: Rig) -> None:
    account = rig.account("esms_africa")
    rig.put(account, 5, 6, 7, 80)
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 3, "expired": 1}


def test_bridgexapi_an_order_that_is_not_known_yet_is_no_missing_call(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    found = rig.put(account, *range(5))
    Message.objects.update(provider_batch_id="99")  # an order that the provider's replica has not heard of
    rig.later(60)
    rig.work()
    account.refresh_from_db()
    assert (rig.statuses(account), account.unsupported) == ({"delivered": 5}, {})
    assert not [note for message in found for note in notes(message)]


def test_nasty_07_bridgexapi_an_item_that_moves_between_pages_is_taken_once(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    found = rig.put(account, *range(5), batch="22559")

    def page(skip: int, *ids: str | None) -> dict[str, Any]:
        rows = [{"bx_message_id": one, "msisdn": "1", "status": "DELIVERED", "sms_order_id": 22559} for one in ids]
        return {"total": 5, "skip": skip, "limit": 3, "messages": rows}

    a, b, c, d, e = (message.provider_message_id for message in found)
    rig.sim.script(
        faults=[
            {"kind": "reply", "path": "skip=0", "body": page(0, a, b, c)},
            {"kind": "reply", "path": "skip=3", "body": page(3, c, d)},  # `c` moved, so `e` is on no page
        ]
    )
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 5}
    assert [path for path in rig.asked("bridgexapi") if path == f"/api/v1/dlr/{e}"], "the one on no page, asked alone"
    assert found[2].evidence.count() == 1


def test_nasty_03_and_04_bridgexapi_null_ids_are_found_by_number_and_two_texts_to_one_number_share_none(
    rig: Rig,
) -> None:
    account = rig.account("bridgexapi")
    rig.sim.script(modes={"bridgexapi": {"null_ids": "all", "reverse": True}})
    one, two = numbers(rig, "bridgexapi", 5, 6)
    reply = rig.send_bulk(account, [one, two, one])
    assert [item["bx_message_id"] for item in reply["messages"]] == [None] * 3
    rig.later(60)
    rig.rounds(3, 70)
    ids = list(Message.objects.values_list("match_id", flat=True))
    assert (rig.statuses(account), len(set(ids)), None in ids) == ({"delivered": 3}, 3, False)
    by_id = {entry["id"]: entry["to"] for entry in rig.sim.ledger()}
    for message in Message.objects.select_related("recipient"):
        assert by_id[str(message.match_id)] == message.recipient.digits


def test_bridgexapi_one_null_id_beside_a_known_one_to_the_same_number(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    rig.sim.script(modes={"bridgexapi": {"null_ids": "first"}})
    (one,) = numbers(rig, "bridgexapi", 5)
    rig.send_bulk(account, [one, one])
    rig.later(60)
    rig.rounds(3, 70)
    assert {str(m) for m in Message.objects.values_list("match_id", flat=True)} == {e["id"] for e in rig.sim.ledger()}
    assert rig.statuses(account) == {"delivered": 2}


# ------------------------------------------------------------------------------ batches


@pytest.mark.parametrize("key", ["roycetalk", "esms_africa"])
def test_nasty_03_roycetalk_and_esms_a_bulk_without_ids_is_listed_and_the_skipped_number_is_rejected(
    rig: Rig, key: str
) -> None:
    account = rig.account(key)
    sent = numbers(rig, key, 5, 6, 7, 8, 99)
    rig.send_bulk(account, sent)
    assert Message.objects.filter(match_id=None).count() == 5
    rig.later(60)
    rig.work()
    assert Message.objects.filter(match_id=None).count() == 1
    assert rig.statuses(account)["rejected"] == 0, "one listing is not enough"
    rig.later(600)
    rig.work()
    assert rig.statuses(account)["rejected"] == 0, "nor are two that are close together"
    rig.later(400)
    rig.work()
    skipped = Message.objects.get(status="rejected")
    assert skipped.recipient.digits == sent[-1]
    assert "skipped by the provider" in skipped.events.values_list("word", flat=True)
    rig.rounds(2)
    assert rig.statuses(account) == {"delivered": 4, "rejected": 1}
    batch = Batch.objects.get()
    assert (batch.next_listing_at, batch.lease_until) == (None, None)


@pytest.mark.parametrize("key", ["roycetalk", "esms_africa"])
def test_a_bulk_given_without_its_request_appears_when_it_is_listed(rig: Rig, key: str) -> None:
    account = rig.account(key)
    sent = numbers(rig, key, 5, 6, 7, 8)
    rig.send_bulk(account, sent, tell_request=False)
    assert Message.objects.count() == 0
    rig.later(60)
    rig.work()
    assert {m.recipient.digits for m in Message.objects.select_related("recipient")} == set(sent)
    rig.rounds(2, 70)
    assert rig.statuses(account) == {"delivered": 4}
    rig.later(900)
    rig.work()
    assert Batch.objects.get().next_listing_at is None


def test_nasty_12_roycetalk_the_next_page_is_asked_of_our_own_host(rig: Rig) -> None:
    account = rig.account("roycetalk")
    rig.sim.script(modes={"roycetalk": {"next_host": "http://203.0.113.9"}})
    rig.send_bulk(account, numbers(rig, "roycetalk", *range(60)), tell_request=False)
    rig.later(60)
    rig.work()
    assert Message.objects.count() == 60
    assert rig.asked("roycetalk", "page=2")


def test_nasty_04_roycetalk_numbers_without_plus_are_the_same_numbers(rig: Rig) -> None:
    account = rig.account("roycetalk")
    rig.sim.script(modes={"roycetalk": {"bare_numbers": True}})
    rig.send_bulk(account, numbers(rig, "roycetalk", 5, 6))
    rig.later(60)
    rig.rounds(2, 70)
    assert rig.statuses(account) == {"delivered": 2}


@pytest.mark.parametrize("key", ["bsg", "roycetalk", "esms_africa"])
def test_the_providers_own_counters_stand_beside_ours(rig: Rig, key: str) -> None:
    account = rig.account(key)
    rig.send_bulk(account, numbers(rig, key, 5, 6, 80))
    rig.later(60)
    rig.rounds(2, 60)
    batch = Batch.objects.get()
    assert batch.report is not None
    assert batch.report["delivered"] == 2
    assert batch.report_at is not None
    rig.sim.script(faults=[{"kind": "404", "path": "/task/|/batch"}])
    kept = batch.report
    rig.rounds(1)
    batch.refresh_from_db()
    assert batch.report == kept


def test_nasty_10_bsg_counters_that_fall_are_shown_as_told_and_ours_stay(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.send_bulk(account, numbers(rig, "bsg", 5, 84))
    rig.later(60)
    rig.work()
    body = {"originator": "Shop", "body": "x", "validity": 72, "totalprice": 0.1, "currency": "EUR", "sent": 0,
            "delivered": 2, "expired": 0, "undeliverable": 0, "unknown": 9}  # fmt: skip
    rig.sim.script(faults=[{"kind": "reply", "path": "/task/", "body": body}])
    rig.later(60)
    rig.work()
    batch = Batch.objects.get()
    assert batch.report is not None
    assert (batch.report["pending"], batch.report["delivered"]) == (0, 2)
    assert rig.statuses(account) == {"delivered": 1, "sent": 1}


def test_nasty_12_bridgexapi_the_price_of_an_order_is_booked_once(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    reply = rig.send_bulk(account, numbers(rig, "bridgexapi", 5, 6, 7))
    rig.later(60)
    rig.rounds(2, 60)
    batch = Batch.objects.get()
    assert (batch.cost, batch.currency) == (Decimal(str(reply["cost"])), "EUR")
    assert set(Message.objects.values_list("cost", flat=True)) == {None}


def test_bsg_the_price_of_a_task_is_not_booked_beside_those_of_its_messages(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.send_bulk(account, numbers(rig, "bsg", 5, 6))
    rig.later(60)
    rig.rounds(2, 60)
    assert Batch.objects.get().cost is None
    assert set(Message.objects.values_list("cost", flat=True)) == {Decimal("0.23")}


def test_nasty_12_esms_a_list_that_cuts_the_text_overwrites_nothing(rig: Rig) -> None:
    account = rig.account("esms_africa")
    text = "long " * 30
    known = [rig.sim.add("esms_africa", to, text=text, batch="b-1") for to in numbers(rig, "esms_africa", 5, 6)]
    sends = [
        Send(to=to, provider_message_id=one, text=text, batch="b-1", provider_batch_id="b-1")
        for to, one in zip(("256777000001", "256777000002"), known, strict=True)
    ]
    rig.register(account, sends)
    rig.later(60)
    rig.work()
    assert set(Message.objects.values_list("text", flat=True)) == {text}


# ------------------------------------------------------------------------------ the deadline


def test_unknown_only_after_one_successful_question_past_the_deadline(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 84)
    rig.later(3600 * 71)
    rig.work()
    message.refresh_from_db()
    assert message.status == "sent"
    rig.sim.script(faults=[{"kind": "503"}])
    rig.later(3600 * 2)
    rig.rounds(3)
    message.refresh_from_db()
    assert message.status == "sent", "the provider could not be asked: still on its way, for all we know"
    rig.sim.script(faults=[{"kind": "wrong_identity"}])
    rig.later(600)
    rig.work()
    message.refresh_from_db()
    assert message.status == "sent", "an answer about another message decides nothing"
    rig.sim.script(faults=[])
    rig.later(700)
    rig.work()
    message.refresh_from_db()
    assert (message.status, message.next_check_at) == ("unknown", None)
    assert message.events.filter(word="deadline", by_provider=False).count() == 1


def test_late_delivered_still_wins_over_the_deadline(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 84)
    rig.later(3600 * 80)
    rig.rounds(2)
    rig.sim.say("bsg", message.provider_message_id or "", "delivered")
    rig.work_all()
    message.refresh_from_db()
    assert (message.status, message.conflict) == ("delivered", False)


def test_a_stated_validity_moves_the_deadline(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 84, valid_until=timezone.now() + timedelta(hours=1))
    rig.later(3600 * 24)
    rig.work()
    message.refresh_from_db()
    assert message.status == "sent"
    rig.later(3600 * 1.1)
    rig.work()
    message.refresh_from_db()
    assert message.status == "unknown"


def test_an_address_we_may_not_use_ages_nobody(rig: Rig, settings: Any) -> None:
    account = rig.account("smsbat")
    rig.put(account, 84)
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    rig.later(3600 * 80)
    rig.rounds(2)
    assert (rig.statuses(account), rig.sim.requests()) == ({"queued": 1}, [])


# ------------------------------------------------------------------------------ orphans


def test_the_worker_attaches_reports_whose_message_is_known_by_now(rig: Rig) -> None:
    account = rig.account("roycetalk")
    (message,) = rig.put(account, 84)
    body = json.dumps({"message_id": message.provider_message_id, "status": "delivered"}).encode()
    kept = Evidence(account=account, call="webhook", body=body, received_at=timezone.now())
    kept.save()
    Orphan.objects.create(
        account=account, match_id=str(message.match_id), word="delivered", evidence=kept, received_at=timezone.now()
    )
    rig.work()
    message.refresh_from_db()
    assert message.status == "delivered"
    assert Orphan.objects.get().message_id == message.pk
    assert sweep(timezone.now()) == 0
