"""Providers in trouble: waits are kept, breakers open and close, and bad answers change nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.utils import timezone

from dashboard.ingest.checks import want_test
from dashboard.models import Account, Event, Evidence, Message
from dashboard.worker.asking import BREAKER
from dashboard.worker.store import LEASE
from providers.base import Provider, Report, Target
from tests.worker.rig import KEYS, Rig, notes

WAITS: dict[str, tuple[dict[str, Any], int]] = {
    "seconds": ({"retry_after": 120}, 120),
    "date": ({"retry_after": "date", "seconds": 120}, 118),
    "absent": ({}, 30),
    "garbage": ({"retry_after": "soon"}, 30),
    "for_ever": ({"retry_after": 1_000_000_000}, 86_400),
}


# ------------------------------------------------------------------------------ waits


@pytest.mark.parametrize("wait", WAITS)
def test_nasty_09_roycetalk_and_all_others_too_many_requests_silences_the_whole_account(rig: Rig, wait: str) -> None:
    rig.stop_clock()
    given, seconds = WAITS[wait]
    quiet, other = rig.account("smsbat", rate=5), rig.account("bsg")
    rig.put(quiet, *range(12))
    rig.put(other, *range(12))
    rig.later(60)
    rig.sim.script(faults=[{"kind": "429", "provider": "smsbat", **given}])
    rig.work()
    refused = len(rig.sim.requests("smsbat"))
    assert 1 <= refused < 12, "those that were under way already, and not all"
    assert rig.statuses(other) == {"delivered": 12}, "other accounts go on"
    quiet.refresh_from_db()
    assert quiet.pause_reason == "throttled"
    rig.work_all()
    rig.later(seconds - 2)
    rig.work_all()
    assert len(rig.sim.requests("smsbat")) == refused, "nothing is asked inside the wait, by no worker"
    rig.sim.script(faults=[])
    rig.later(seconds * 0.3 + 4)
    rig.work_all()
    assert rig.statuses(quiet) == {"delivered": 12}
    quiet.refresh_from_db()
    assert (quiet.paused_until, quiet.pause_reason) == (None, "")


def test_a_fault_of_ours_with_one_message_is_no_reason_to_lose_the_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = rig.account("smsbat", rate=6)  # so that its answer is not the last
    *others, first = rig.put(account, *range(12))
    rig.later(60)
    rightly = type(account.provider).report

    def faulty(provider: Provider, call: str, item: Any, target: Target | None) -> Report:
        if target is not None and target.id == first.provider_message_id:
            raise AssertionError("what nobody thought of")
        return rightly(provider, call, item, target)

    monkeypatch.setattr(type(account.provider), "report", faulty)
    rig.work()
    assert rig.statuses(account) == {"delivered": len(others), "queued": 1}
    monkeypatch.undo()
    rig.later(LEASE.total_seconds() + 1)
    rig.work()
    assert rig.statuses(account) == {"delivered": 12}


def test_nasty_11_smsbat_429_half_way_through_loses_nobody_and_an_answer_that_was_on_its_way_ends_no_wait(
    rig: Rig,
) -> None:
    account = rig.account("smsbat", rate=4)
    rig.put(account, *range(10))
    rig.later(60)
    rig.sim.script(faults=[{"kind": "429", "skip": 3, "retry_after": 300}])
    rig.work()
    account.refresh_from_db()
    assert account.paused_until is not None
    assert (account.paused_until - timezone.now()).total_seconds() > 290
    assert rig.statuses(account)["delivered"] == 3
    rig.sim.script(faults=[])
    rig.later(400)
    rig.work()
    assert rig.statuses(account) == {"delivered": 10}


def test_a_test_of_the_connection_keeps_a_wait_too(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.put(account, 5)
    rig.sim.script(faults=[{"kind": "429", "retry_after": 300, "count": 1}])
    rig.work()
    want_test(account)
    rig.work()
    account.refresh_from_db()
    assert (len(rig.sim.requests()), account.test_ok, account.pause_reason) == (1, None, "throttled")
    assert "quiet until" in account.test_result


def test_the_accounts_pace_is_never_exceeded(rig: Rig) -> None:
    rig.put(rig.account("smsbat", rate=20), *range(60))
    started = time.monotonic()
    rig.work()
    assert len(rig.sim.requests("smsbat")) == 60
    assert time.monotonic() - started >= 2.9, "20 a second, and no burst"


def test_nasty_01_roycetalk_403_pauses_the_account_and_fails_no_message(rig: Rig) -> None:
    account = rig.account("roycetalk", api_key="bad")
    found = rig.put(account, *range(8), batch="b-1")
    rig.work()
    asked = len(rig.sim.requests())
    account.refresh_from_db()
    assert (account.pause_reason, rig.statuses(account)) == ("credentials", {"queued": 8})
    assert not Event.objects.filter(message__in=found).exclude(note="").exists()
    rig.later(500)
    rig.work_all()
    assert len(rig.sim.requests()) == asked
    rig.account("roycetalk", api_key="good")
    rig.work_all()
    assert rig.statuses(account) == {"delivered": 8}, "a new key is tried at once"


# ------------------------------------------------------------------------------ the breaker


@pytest.mark.parametrize("kind", ["503", "reset_before"])
def test_after_five_failures_one_question_a_minute_and_one_answer_is_enough(rig: Rig, kind: str) -> None:
    account = rig.account("smsbat", rate=3)
    rig.put(account, *range(20))
    rig.later(60)
    rig.sim.script(faults=[{"kind": kind}])
    for _ in range(3):
        rig.work_all()
        rig.later(3)
    opened = len(rig.sim.requests())
    assert BREAKER <= opened <= BREAKER + 3, "those that were under way already"
    account.refresh_from_db()
    assert (account.pause_reason, account.failures >= BREAKER) == ("unreachable", True)
    for probes in (1, 2, 3):
        rig.later(75)
        rig.work_all()
        assert len(rig.sim.requests()) == opened + probes
    assert rig.statuses(account) == {"queued": 20}
    rig.sim.script(faults=[])
    rig.later(75)
    rig.work_all()
    rig.work_all()
    assert rig.statuses(account) == {"delivered": 20}
    account.refresh_from_db()
    assert (account.failures, account.paused_until) == (0, None)


def test_not_found_closes_the_breaker_since_the_provider_speaks_again(rig: Rig) -> None:
    account = rig.account("smsbat")
    Account.objects.update(failures=BREAKER)
    rig.put(account, 90, 90, 90)
    rig.work()
    account.refresh_from_db()
    assert account.failures == 0
    assert len(rig.sim.requests()) == 3


def test_a_provider_that_drips_does_not_hold_the_others(rig: Rig) -> None:
    slow, quick = rig.account("smsbat"), rig.account("bsg")
    rig.put(slow, 5)
    rig.put(quick, *range(10))
    rig.later(60)
    rig.sim.script(faults=[{"kind": "slow_body", "provider": "smsbat", "seconds": 1.5}])
    rig.work()
    quick.refresh_from_db()
    slow.refresh_from_db()
    assert quick.last_success_at is not None
    assert slow.last_success_at is not None
    assert quick.last_success_at < slow.last_success_at
    assert rig.statuses(slow) == {"delivered": 1}


# ------------------------------------------------------------------------------ bad answers

SILENT = ("500", "502", "reset_before", "reset_after", "502_after")
UNREADABLE = ("invalid_json", "truncated_json", "duplicate_keys", "huge_body", "gzip_bomb", "nan")


@pytest.mark.parametrize(
    ("kind", "key"), [(kind, ("bsg", "esms_africa")[n % 2]) for n, kind in enumerate(SILENT + UNREADABLE)]
)
def test_a_bad_answer_changes_no_state_and_the_message_is_asked_about_again(rig: Rig, kind: str, key: str) -> None:
    account = rig.account(key)
    (message,) = rig.put(account, 5)
    rig.later(60)
    fault: dict[str, Any] = {"kind": kind, "bytes": 3_000_000}
    if kind == "nan":
        fault = {"kind": "reply", "body": '{"id": "1", "status": "delivered", "price": NaN}'}
    waits = []
    for round_ in range(1, 4):
        rig.sim.script(faults=[fault])
        rig.work()
        message.refresh_from_db()
        assert (message.status, message.asked_at, message.asked, message.lease) == ("queued", None, round_, "")
        assert message.next_check_at is not None
        waits.append((message.next_check_at - timezone.now()).total_seconds())
        rig.later(waits[-1] + 1)
    assert waits[2] > waits[0] > 0, "the back-off grows"
    assert notes(message) == (["unreadable"] if kind in UNREADABLE else [])
    kept = Evidence.objects.filter(message=message, call="status")
    if kind in {"invalid_json", "truncated_json", "duplicate_keys", "nan"}:
        assert [bool(evidence.problem) for evidence in kept] == [True], "kept once, with the reason"
    rig.sim.script(faults=[])
    Account.objects.update(paused_until=None)
    rig.later(600)
    rig.work()
    message.refresh_from_db()
    assert message.status == "delivered"


def test_a_list_that_cannot_be_read_is_kept_once_on_nobodys_page(rig: Rig) -> None:
    account = rig.account("bridgexapi")
    found = rig.put(account, *range(6), batch="22559")
    rig.sim.script(faults=[{"kind": "truncated_json", "path": "/orders/"}])
    rig.work()
    assert rig.statuses(account) == {"queued": 6}
    (kept,) = Evidence.objects.exclude(problem="")
    assert (kept.message_id, kept.call) == (None, "orders")
    assert not Evidence.objects.filter(message__in=found).exists()


def test_an_id_that_fits_into_no_address_spoils_only_itself(rig: Rig) -> None:
    account = rig.account("smsbat")
    good, bad = rig.put(account, 5, 6)
    Message.objects.filter(pk=bad.pk).update(provider_message_id="..", match_id="..")
    rig.later(60)
    rig.work()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status, bad.lease) == ("delivered", "queued", "")


def test_nasty_08_smsbat_the_same_answer_again_and_again_is_one_event_and_one_piece_of_evidence(rig: Rig) -> None:
    (message,) = rig.put(rig.account("smsbat"), 84)
    rig.later(30)
    rig.rounds(8)
    (event,) = message.events.filter(word="processing")
    assert (event.count, message.evidence.count()) == (8, 1)


def test_nasty_11_roycetalk_no_redirect_is_followed(rig: Rig) -> None:
    (message,) = rig.put(rig.account("roycetalk"), 5)
    rig.later(60)
    rig.sim.script(faults=[{"kind": "redirect", "location": f"{rig.sim.url}/bsg/rest/sms/1"}])
    rig.work()
    message.refresh_from_db()
    assert (message.status, len(rig.sim.requests()), rig.sim.requests("bsg")) == ("queued", 1, [])


@pytest.mark.parametrize("prefix", ["/", "//"])
def test_nasty_12_smsbat_a_base_url_with_a_slash_at_its_end(rig: Rig, prefix: str) -> None:
    account = rig.account("smsbat", base_url=rig.sim.base_url("smsbat") + prefix)
    rig.put(account, 5)
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 1}


# ------------------------------------------------------------------------------ testing a connection


@pytest.mark.parametrize("key", KEYS)
def test_a_good_key_and_a_bad_key_are_told_apart_in_words(rig: Rig, key: str) -> None:
    good, bad = rig.account(key), rig.account(key, "other", api_key="bad")
    for account in (good, bad):
        want_test(account)
    rig.work()
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.test_ok, bad.test_ok) == (True, False)
    assert good.test_result.startswith("The provider accepted the credentials.")
    assert len(bad.test_result) > 20
    assert "{" not in bad.test_result
    assert (good.test_wanted_at, bad.test_wanted_at) == (None, None)


def test_a_server_that_is_not_there_and_one_without_the_call_are_told_in_words(make_rig: Any) -> None:
    rig = make_rig(seed_only=True)
    gone, silent = rig.account("bsg", "gone", base_url="http://127.0.0.1:9"), rig.account("roycetalk")
    for account in (gone, silent):
        want_test(account)
    rig.work()
    gone.refresh_from_db()
    silent.refresh_from_db()
    assert (gone.test_ok, "refused the connection" in gone.test_result) == (False, True)
    assert (silent.test_ok, "no call to test by" in silent.test_result) == (None, True)


def test_a_good_test_ends_a_pause_over_credentials(rig: Rig) -> None:
    account = rig.account("bsg")
    rig.put(account, 5)
    rig.sim.script(faults=[{"kind": "auth", "count": 1}])
    rig.work()
    want_test(account)
    rig.work()
    account.refresh_from_db()
    assert (account.test_ok, account.paused_until) == (True, None)
    rig.later(60)
    rig.work()
    assert rig.statuses(account) == {"delivered": 1}
