"""From the send to the last word, provider by provider: every fate ends where the design says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.models import Account, Batch, Event, Evidence, Message
from tests.worker.rig import KEYS, Rig, by_fate, notes, words

PENDING = {"queued", "submitted", "sent"}
FATES = (5, 65, 80, 81, 82, 83, 84, 85, 87, 88, 89, 90, 91, 92)
SAME = {
    5: "delivered", 65: "delivered", 84: "sent", 85: "failed", 87: "delivered", 88: "failed",
    90: "delivered", 91: "delivered", 92: "delivered",
}  # fmt: skip
ENDS: dict[str, dict[int, str]] = {
    "bridgexapi": {80: "expired", 81: "failed", 82: "failed", 83: "sent"},
    "bsg": {80: "expired", 81: "undeliverable", 82: "rejected", 83: "unknown"},
    "roycetalk": {80: "failed", 81: "failed", 82: "rejected", 83: "sent"},
    "smsbat": {80: "undeliverable", 81: "undeliverable", 82: "undeliverable", 83: "submitted", 84: "submitted"},
    "esms_africa": {80: "expired", 81: "failed", 82: "failed", 83: "unknown"},
}
# The call about many that a server of today knows, and that of the seed documents.
MANY = {"bridgexapi": "orders", "bsg": "bulk", "roycetalk": "list", "esms_africa": "bulk"}


def test_esms_a_timeline_that_contradicts_itself_is_delivered_and_in_conflict(rig: Rig) -> None:
    account = rig.account("esms_africa")
    (message,) = rig.put(account, 86)
    rig.later(60)
    rig.work()
    message.refresh_from_db()
    assert (message.status, message.conflict) == ("delivered", True)


def _late_words_arrive(rig: Rig, account: Account) -> None:
    """Two of the fates turn a final word around; a person who asks sees it."""
    Message.objects.filter(account=account, status__in=["expired", "undeliverable", "failed"]).update(
        next_check_at=timezone.now()
    )
    rig.work()


@pytest.mark.parametrize("seed_only", [False, True], ids=["today", "seed_only"])
@pytest.mark.parametrize("key", KEYS)
def test_every_fate_ends_where_the_design_says(make_rig: Callable[..., Rig], key: str, seed_only: bool) -> None:
    rig = make_rig(seed_only=seed_only)
    account = rig.account(key)
    found = by_fate(rig.put(account, *FATES, batch="" if key in {"bsg", "smsbat"} else "4711"))
    rig.rounds(5)
    _late_words_arrive(rig, account)
    found = by_fate(found.values())
    ends = {fate: message.status for fate, message in found.items()}
    odd = ends.pop(89)
    assert ends == SAME | ENDS[key]
    assert odd in PENDING, "a word that no table lists is never a failure"
    assert "unmapped" in notes(found[89])
    assert notes(found[90]).count("not_found") == 1
    assert (found[87].attempt, found[88].attempt) == ((1, 2) if key == "esms_africa" else (0, 0))
    account.refresh_from_db()
    assert (account.failures, account.paused_until) == (0, None)
    assert account.last_success_at is not None
    assert not rig.sim.ledger(), "asking sends nothing"


@pytest.mark.parametrize("key", MANY)
def test_server_that_knows_only_the_seed_is_asked_its_way_in_the_same_pass(
    make_rig: Callable[..., Rig], key: str
) -> None:
    rig = make_rig(seed_only=True)
    account = rig.account(key)
    found = rig.put(account, 5, 6, 7, 8, 9, batch="" if key == "bsg" else "4711")
    rig.later(30)
    rig.work()
    assert rig.statuses(account) == {"delivered": 5}
    asked_many = len(rig.sim.requests(key)) - 5
    assert asked_many >= 1
    account.refresh_from_db()
    assert MANY[key] in account.unsupported
    assert not Event.objects.filter(message__in=found).exclude(note="").exists(), "nobody failed, nobody aged"
    assert (account.failures, account.last_error) == (0, "")


@pytest.mark.parametrize("key", MANY)
def test_what_a_server_does_not_know_is_remembered_for_a_day_by_every_worker(
    make_rig: Callable[..., Rig], key: str
) -> None:
    rig = make_rig(seed_only=True)
    account = rig.account(key)

    def asked_for_five() -> int:
        before = len(rig.sim.requests(key))
        rig.put(account, 5, 6, 7, 8, 9, batch="" if key == "bsg" else "4711")
        rig.later(30)
        rig.work()  # each time another worker, with an empty memory
        return len(rig.sim.requests(key)) - before

    assert asked_for_five() > 5
    rig.later(3600 * 23)
    assert asked_for_five() == 5
    rig.later(3600 * 2)
    assert asked_for_five() > 5
    assert rig.statuses(account) == {"delivered": 15}


def test_missing_summary_and_listing_do_not_keep_a_batch_busy(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seed_only=True)
    for key in ("roycetalk", "esms_africa"):
        rig.put(rig.account(key), 5, 65, batch="b-1")
    rig.work()
    assert set(Batch.objects.values_list("report", "next_report_at", "next_listing_at", "lease_until")) == {
        (None, None, None, None)
    }


def test_bsg_counts_of_a_task_come_from_the_seeds_own_url(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seed_only=True)
    account = rig.account("bsg")
    rig.put(account, 5, 80, 81, batch="77")
    rig.later(60)
    rig.work()
    batch = Batch.objects.get()
    assert batch.report is not None
    assert {name: batch.report[name] for name in ("sent", "delivered", "expired", "undeliverable", "unknown")} == {
        "sent": 3, "delivered": 1, "expired": 1, "undeliverable": 1, "unknown": 0,
    }  # fmt: skip
    assert rig.asked("bsg", "/rest/sms/77") == ["/rest/sms/77"]


def test_nasty_08_bsg_a_task_in_the_place_of_a_message_changes_nothing(rig: Rig) -> None:
    account = rig.account("bsg")
    (message,) = rig.put(account, 5)
    task = {"originator": "Shop", "body": "x", "validity": 72, "totalprice": 0.23, "currency": "EUR",
            "sent": 1, "delivered": 1, "expired": 0, "undeliverable": 0, "unknown": 0}  # fmt: skip
    rig.sim.script(faults=[{"kind": "reply", "provider": "bsg", "count": 1, "body": task}])
    rig.work()
    message.refresh_from_db()
    assert (message.status, message.asked_at, notes(message)) == ("queued", None, ["unreadable"])
    evidence = Evidence.objects.get(message=message, call="status")
    assert evidence.problem
    rig.later(60)
    rig.work()
    message.refresh_from_db()
    assert message.status == "delivered"


@pytest.mark.parametrize("key", KEYS)
def test_nasty_09_bsg_and_all_others_an_answer_about_another_id_is_only_a_note(rig: Rig, key: str) -> None:
    account = rig.account(key)
    (message,) = rig.put(account, 5)
    rig.later(30)
    rig.sim.script(faults=[{"kind": "wrong_identity", "count": 1}])
    rig.work()
    before = message.provider_message_id
    message.refresh_from_db()
    assert message.status == "queued"
    assert notes(message) == ["other_id"]
    assert message.provider_message_id == before
    rig.later(60)
    rig.work()
    message.refresh_from_db()
    assert message.status == "delivered"


def test_nasty_09_bsg_a_test_keys_random_answers_overwrite_nothing(rig: Rig) -> None:
    account = rig.account("bsg", api_key="test_1")
    (message,) = rig.put(account, 5)
    number, known = message.recipient.digits, message.provider_message_id
    rig.rounds(3)
    message.refresh_from_db()
    assert (message.status, message.provider_message_id, message.cost) == ("queued", known, None)
    assert message.recipient.digits == number
    assert set(notes(message)) == {"other_id"}
    assert not message.evidence.exists(), "another person's answer is not on this message's page"
    assert Evidence.objects.filter(problem__contains="another message").exists()


def test_nasty_06_bsg_a_time_without_zone_is_read_in_the_accounts_zone(rig: Rig) -> None:
    rig.sim.script(modes={"bsg": {"zone": "Europe/Kyiv"}})
    zoned = rig.account("bsg", time_zone="Europe/Kyiv")
    zoneless = rig.account("bsg", "other", time_zone="")
    (one,), (other,) = rig.put(zoned, 5), rig.put(zoneless, 5)
    rig.later(30)
    rig.work()
    said = one.events.get(status="delivered")
    assert said.at is not None
    assert (said.zone, abs(said.at - timezone.now()) < timedelta(minutes=2)) == ("account", True)
    unsaid = other.events.get(status="delivered")
    assert (unsaid.at, unsaid.zone, len(unsaid.at_raw)) == (None, "", 19)


def test_nasty_02_bridgexapi_record_not_found_twice_then_queued_then_delivered(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    rig.sim.script(numbers={"*": {"fate": "delivered", "lag": 2, "steps": [[0, "queued"], [100, "delivered"]]}})
    (message,) = rig.put(account, 5)
    seen = []
    for _ in range(4):
        rig.work_all()
        message.refresh_from_db()
        seen.append(message.status)
        rig.later(10)
    rig.later(200)
    rig.work()
    message.refresh_from_db()
    assert (seen, message.status) == (["queued"] * 4, "delivered")
    assert words(message)[:3] == ["registered", "not found", "QUEUED"]


@pytest.mark.parametrize("key", KEYS)
def test_nasty_11_bridgexapi_and_all_others_a_stale_answer_never_takes_delivered_back(rig: Rig, key: str) -> None:
    account = rig.account(key)
    (message,) = rig.put(account, 92)
    rig.later(30)
    rig.work()
    Message.objects.update(next_check_at=timezone.now())
    rig.later(40)
    rig.work()
    message.refresh_from_db()
    assert message.status == "delivered"
    assert message.asked == 2


def test_nasty_10_roycetalk_404_straight_after_a_send_is_not_an_end(rig: Rig) -> None:
    account = rig.account("roycetalk")
    (message,) = rig.put(account, 90)
    rig.work()
    message.refresh_from_db()
    assert (message.status, notes(message)) == ("queued", ["not_found"])
    rig.rounds(4)
    message.refresh_from_db()
    assert message.status == "delivered"
