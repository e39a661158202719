"""What the adapters know that keeps a text from going out twice: lists of what was sent lately, what may be repeated,
what a refusal is about, and whether the provider is still trying by another channel."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.domain.lifecycle import Said, State, fold
from providers import PROVIDERS
from providers.base import Ask, ProviderError, Reply, Report, Status, no_money, read

SINCE = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LISTING = {
    "bridgexapi": ("/api/v1/dlr", {"msisdn": "254712345678", "from_date": "2026-11-19", "limit": "500", "skip": "0"}),
    "roycetalk": ("/api/v1/sms-api/messages/", {}),
    "esms_africa": (
        "/api/messages",
        {"to": "+254712345678", "date_from": "2026-11-20T09:30:00Z", "page": "0", "limit": "50"},
    ),
}


def recent(key: str) -> Ask:
    ask = PROVIDERS[key].recent_ask("254712345678", SINCE)
    assert ask is not None
    return ask


def failure(key: str, call: str, status: int, body: Any) -> ProviderError:
    found = PROVIDERS[key].error(call, Reply(status=status, body=json.dumps(body).encode()))
    assert found is not None
    return found


# ------------------------------------------------------------------------------ what was sent lately


@pytest.mark.parametrize("key", LISTING)
def test_what_was_sent_lately_is_listed_by_number_and_day_where_that_is_documented(key: str) -> None:
    ask = recent(key)
    assert (ask.call, ask.request.path, dict(ask.request.params)) == ("recent", *LISTING[key])
    assert PROVIDERS[key].recent_ask("254712345678", SINCE, frozenset({"recent"})) is None


@pytest.mark.parametrize("key", ["bsg", "smsbat"])
def test_who_cannot_list_says_so(key: str) -> None:
    assert PROVIDERS[key].recent_ask("254712345678", SINCE) is None


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
@pytest.mark.parametrize("key", LISTING)
def test_a_server_that_knows_only_the_seeds_calls_has_no_such_list(key: str, status: int) -> None:
    assert failure(key, "recent", status, {"detail": "no"}).code == "unsupported"


def test_the_next_page_keeps_what_was_asked_for() -> None:
    bridge, esms = PROVIDERS["bridgexapi"], PROVIDERS["esms_africa"]
    first = bridge.split(recent("bridgexapi"), {"total": 3, "skip": 0, "limit": 2, "messages": [{}, {}]})
    assert first.more is not None
    assert dict(first.more.request.params) == LISTING["bridgexapi"][1] | {"skip": "2"}
    page = esms.split(recent("esms_africa"), {"messages": [{}] * 50, "total": 60})
    assert page.more is not None
    assert dict(page.more.request.params) == LISTING["esms_africa"][1] | {"page": "1"}
    told = {"data": {"results": [{}], "count": 2, "next": "https://elsewhere.example/?page=2"}}
    following = PROVIDERS["roycetalk"].split(recent("roycetalk"), told).more
    assert following is not None
    assert following.request.params == (("page", "2"),)


def test_a_row_tells_when_it_was_made_and_what_it_says_and_names_our_reference_where_it_can() -> None:
    esms = PROVIDERS["esms_africa"].report(
        "recent", {"id": "msg-1", "status": "sent", "text": "x" * 100, "created_at": "2026-11-20T09:30:05Z"}
    )
    assert (esms.text, esms.sent_at) == ("x" * 100, datetime(2026, 11, 20, 9, 30, 5, tzinfo=UTC))
    row = {"bx_message_id": "BX-1", "msisdn": "254712345678", "status": "SENT", "created_at": "2026-11-20T09:30:05"}
    bridge = PROVIDERS["bridgexapi"]
    assert bridge.report("recent", row).sent_at == datetime(2026, 11, 20, 9, 30, 5)
    assert bridge.report("status", row).sent_at is None, "elsewhere a time without a zone is no time of a send"
    told = {"id": "u-1", "status": "sent", "message_text": "Hi", "metadata": {"client_ref": "r1"}}
    royce = PROVIDERS["roycetalk"].report("recent", told)
    assert (royce.reference, royce.text) == ("r1", "Hi")


# ------------------------------------------------------------------------------ what may be repeated


def test_only_who_documents_it_may_be_sent_the_same_again() -> None:
    assert {key for key, provider in PROVIDERS.items() if provider.repeat_is_safe} == {"bsg", "esms_africa"}
    assert not [key for key, provider in PROVIDERS.items() if provider.busy_is_not_sent], "nobody documents a 503"


# ------------------------------------------------------------------------------ what a refusal is about

NO_MONEY: list[tuple[str, int, Any]] = [
    ("bridgexapi", 400, {"detail": "Insufficient balance"}),
    ("bsg", 200, {"error": "8", "errorDescription": "Not enough funds"}),
    ("roycetalk", 400, {"success": False, "message": "Insufficient balance", "errors": ["Insufficient balance"]}),
    ("roycetalk", 200, {"success": False, "message": "You have insufficient units"}),
    ("smsbat", 400, {"error": {"code": "INSUFFICIENT_BALANCE", "message": "x"}}),
    ("smsbat", 200, {"error": {"message": "Not enough money on your account"}}),
    ("esms_africa", 422, {"detail": {"code": "insufficient_balance", "message": "x"}}),
    *((key, 402, {}) for key in PROVIDERS),
]


@pytest.mark.parametrize(("key", "status", "body"), NO_MONEY)
def test_no_money_is_known_in_whatever_words(key: str, status: int, body: Any) -> None:
    assert failure(key, "send", status, body).code == "balance"


def test_other_refusals_are_not_about_money() -> None:
    assert no_money("insufficient_balance")
    assert no_money("x", "No credits left")
    assert not any(map(no_money, ("Balance of 5", "insufficient scope", "not enough parameters", "unitless", "")))
    assert failure("smsbat", "send", 400, {"error": {"code": "INVALID_SENDER"}}).code == "refused"
    assert failure("roycetalk", "send", 400, {"success": False, "errors": ["Invalid phone number"]}).code == "refused"


@pytest.mark.parametrize(
    ("code", "words"),
    [("not_retryable", "it is asked about once more"), ("max_retries_exceeded", "a new text is still possible")],
)
def test_nasty_03_esms_a_409_to_a_retry_has_a_sentence_of_its_own_and_its_own_words(code: str, words: str) -> None:
    found = failure("esms_africa", "retry", 409, {"detail": {"code": code, "message": "Said {so}"}})
    assert (found.code, found.provider_code) == ("refused", code)
    assert words in found.message
    assert "Said {so}" in found.message


# ------------------------------------------------------------------------------ a channel that is left

VIBER_FAILED, SMS_GOES_ON = {"viber": "undeliverable"}, {"viber": "undeliverable", "sms": "processing"}
CASCADES: list[tuple[str, Any, Status, int, str]] = [
    ("undeliverable", None, Status.UNDELIVERABLE, 0, ""),
    ("undeliverable", {"sms": "undeliverable"}, Status.UNDELIVERABLE, 0, ""),
    ("undeliverable", VIBER_FAILED | {"sms": "not_used"}, Status.UNDELIVERABLE, 0, ""),
    ("undeliverable", SMS_GOES_ON, Status.RETRYING, 1, "sms"),
    ("permanenterror", VIBER_FAILED | {"sms": "Scheduled"}, Status.RETRYING, 1, "sms"),
    ("processing", SMS_GOES_ON, Status.SUBMITTED, 1, ""),
    ("processing", {"viber": "processing", "sms": "not_used"}, Status.SUBMITTED, 0, ""),
    ("processing", {"viber": "processing", "sms": "scheduled"}, Status.SUBMITTED, 0, ""),
    ("undeliverable", VIBER_FAILED | {"sms": "undeliverable"}, Status.UNDELIVERABLE, 1, ""),
    ("delivered", VIBER_FAILED | {"sms": "delivered"}, Status.DELIVERED, 1, ""),
    ("delivered", {"viber": "delivered", "sms": "not_used"}, Status.DELIVERED, 0, ""),
    ("undeliverable", {"viber": "undeliverable", "rcs": "rejected", "sms": "sent"}, Status.RETRYING, 2, "sms"),
    ("undeliverable", VIBER_FAILED | {"sms": "a word of no list"}, Status.UNDELIVERABLE, 0, ""),
]


def cascade(word: str, channels: Any) -> Report:
    told = {"messageId": "m", "deliverystatus": word, "partscount": 1}
    return read(
        PROVIDERS["smsbat"].report, "status", told if channels is None else told | {"extendedStatuses": channels}
    )


@pytest.mark.parametrize(("word", "channels", "status", "attempt", "left"), CASCADES)
def test_a_failure_is_not_the_end_while_another_channel_goes_on(
    word: str, channels: Any, status: Status, attempt: int, left: str
) -> None:
    said = cascade(word, channels).entries[0]
    assert (said.word, said.status, said.attempt, said.part) == (word, status, attempt, left)
    assert (left in said.detail) if left else said.detail == ""


def test_a_channel_that_is_told_in_the_other_place_counts_once() -> None:
    told = {"messageId": "m", "deliverystatus": "undeliverable", "extendedStatuses": SMS_GOES_ON}
    both = told | {"fallbacks": [{"type": "sms", "status": "processing"}]}
    said = PROVIDERS["smsbat"].report("status", both).entries[0]
    assert (said.status, said.attempt, said.part) == (Status.RETRYING, 1, "sms")


def state_after(*reports: Report) -> State:
    return fold(
        Said(status=entry.status, attempt=entry.attempt, word=entry.word)
        for report in reports
        for entry in report.entries
    )


def test_a_cascade_ends_as_its_last_channel_does_whatever_was_heard_first() -> None:
    by_webhook = cascade("undeliverable", None)  # a webhook says nothing of channels
    waiting = state_after(by_webhook, cascade("undeliverable", SMS_GOES_ON), by_webhook)
    assert waiting.status is Status.RETRYING, "the failure of one channel does not outlive the next one's start"
    arrived = state_after(by_webhook, cascade("undeliverable", SMS_GOES_ON), cascade(*CASCADES[9][:2]))
    assert (arrived.status, arrived.conflict) == (Status.DELIVERED, False)
    failed = state_after(cascade("undeliverable", SMS_GOES_ON), cascade(*CASCADES[8][:2]), by_webhook)
    assert failed.status is Status.UNDELIVERABLE
