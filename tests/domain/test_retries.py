"""May this be sent again? Every refusal by itself, and every limit at its edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.domain import retries as rules
from dashboard.domain.prices import Price
from dashboard.domain.retries import ACCOUNT, SENDER, TEXT, Doubts, Refusal, Situation, Through, left_out, refusal
from providers.base import Status

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
COOL_DOWN = (300, 3600)
PRICE = Price(Decimal("0.05"), "EUR")
ANOTHER = frozenset({ACCOUNT})


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


def asked(**given: Any) -> Refusal | None:
    """The refusal of a message that failed two hours ago and may be sent again but for what is given."""
    status = given.get("status", Status.FAILED)
    default: dict[str, Any] = {
        "status": status, "effective": status, "now": NOW, "final_at": ago(hours=2), "sent_at": ago(hours=3),
        "price": PRICE,
    }  # fmt: skip
    return refusal(Situation(**(default | given)), COOL_DOWN)


def code(**given: Any) -> str:
    found = asked(**given)
    return found.code if found else ""


def through(**given: Any) -> Through:
    return Through(**({"name": "Acme", "currency": "EUR"} | given))


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.UNDELIVERABLE, Status.CANCELLED])
@pytest.mark.parametrize("ops", [False, True])
def test_what_failed_may_be_sent_again(status: Status, ops: bool) -> None:
    assert asked(status=status, ops=ops) is None


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"effective": Status.DELIVERED}, "delivered", "nothing to send again"),
    ({"opted_out": True}, "blocked", "asked not to be texted"),
    ({"has_number": False}, "too_old", "nobody to send it to"),
    ({"not_sent_but_reported": True}, "unconfirmed", "Look at it first"),
    ({"held_by": "outcome_unknown"}, "outcome_unknown", "Do not send again"),
    ({"status": Status.OUTCOME_UNKNOWN}, "outcome_unknown", "Do not send again"),
    ({"held_by": "open"}, "open_retry", "under way"),
    ({"held_by": "sending"}, "open_retry", "under way"),
    ({"status": Status.RETRYING}, "provider_retrying", "by itself; wait"),
    ({"status": Status.RETRYING, "channel": "viber"}, "provider_retrying", "by viber"),
    ({"status": Status.SENT}, "pending", "on its way"),
    ({"status": Status.UNKNOWN}, "unconfirmed", "Only operations"),
    ({"said_stop": True}, "blocked", "must not be texted"),
    ({"status": Status.REJECTED}, "blocked", "refused again"),
    ({"sent_at": ago(days=31)}, "too_old", "more than 30 days"),
    ({"valid_until": ago(minutes=3)}, "too_old", "3 min ago"),
    ({"retries": 3}, "cap_message", "3 times"),
    ({"to_number": 3}, "cap_recipient", "3 times in the last day"),
    ({"final_at": ago(minutes=1)}, "cool_down", "in 4 min"),
    ({"through": through(enabled=False)}, "account_disabled", "switched off"),
    ({"through": through(held_until=later(minutes=20), held_why="No money.")}, "account_disabled",
     "through Acme for 20 min: No money."),
    ({"through": through(resent=10, resend_cap=10)}, "cap_account", "10 texts were sent again through Acme"),
    ({"through": through(spent=Decimal("9.96"), spend_cap=Decimal(10))}, "spend_cap", "9.96 of at most 10 EUR"),
    ({"by_person": 10}, "cap_user", "wait a few minutes"),
    ({"by_person_today": 10}, "cap_user", "ask operations"),
    ({"has_text": False}, "no_text", "write the text"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected", "says"), REFUSALS)
def test_each_refusal_has_its_code_and_its_sentence(given: dict[str, Any], expected: str, says: str) -> None:
    found = asked(**given)
    assert found is not None
    assert (found.code, says in found.sentence) == (expected, True), found.sentence
    assert found.sentence[0].isupper() or found.sentence[0].isdigit()
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("given", "last_allowed", "first_refused"),
    [
        ("retries", 2, 3),
        ("to_number", 2, 3),
        ("by_person", 9, 10),
        ("by_person_today", 9, 10),
        ("sent_at", ago(days=30), ago(days=30, seconds=1)),
        ("valid_until", later(seconds=1), NOW),
        ("final_at", ago(seconds=300), ago(seconds=299)),
        ("through", through(resent=9, resend_cap=10), through(resent=10, resend_cap=10)),
        ("through", through(resend_cap=1), through(resend_cap=0)),
        ("through", through(held_until=NOW), through(held_until=later(seconds=1))),
        ("through", through(spent=Decimal("0.95"), spend_cap=Decimal(1)),
         through(spent=Decimal("0.95000001"), spend_cap=Decimal(1))),
    ],
)  # fmt: skip
def test_every_limit_at_its_edge(given: str, last_allowed: Any, first_refused: Any) -> None:
    assert asked(**{given: last_allowed}) is None
    assert asked(**{given: first_refused}) is not None


def test_after_expired_the_wait_is_the_longer_one_and_its_end_is_told() -> None:
    found = asked(status=Status.EXPIRED, final_at=ago(minutes=30))
    assert found is not None
    assert (found.code, found.possible_at) == ("cool_down", later(minutes=30))
    assert asked(status=Status.EXPIRED, final_at=ago(minutes=60)) is None


def test_operations_may_send_what_is_unknown_and_more_than_ten_a_day() -> None:
    assert asked(status=Status.UNKNOWN, ops=True) is None
    assert asked(by_person_today=500, ops=True) is None
    assert code(by_person=10, ops=True) == "cap_user"


@pytest.mark.parametrize("changed", [TEXT, SENDER, ACCOUNT])
def test_a_rejected_one_passes_changed_and_by_operations_only(changed: str) -> None:
    change = frozenset({changed})
    assert asked(status=Status.REJECTED, ops=True, changed=change) is None
    assert code(status=Status.REJECTED, ops=False, changed=change) == "blocked"
    found = asked(status=Status.REJECTED, ops=True)
    assert found is not None
    assert found.lifted_by == {TEXT, SENDER, ACCOUNT}


@pytest.mark.parametrize("given", [{"opted_out": True}, {"said_stop": True}])
def test_nothing_lifts_that_a_person_wants_no_texts(given: dict[str, bool]) -> None:
    found = asked(**given, ops=True, changed=frozenset({TEXT, SENDER, ACCOUNT}))
    assert found is not None
    assert (found.code, found.lifted_by) == ("blocked", frozenset())


@pytest.mark.parametrize(
    ("given", "lifted_by"),
    [
        ({"valid_until": ago(minutes=3)}, {TEXT}),
        ({"has_text": False}, {TEXT}),
        ({"through": through(enabled=False)}, {ACCOUNT}),
        ({"through": through(held_until=later(hours=1))}, {ACCOUNT}),
        ({"through": through(resend_cap=0)}, {ACCOUNT}),
        ({"through": through(spend_cap=Decimal(0))}, {ACCOUNT}),
        ({"sent_at": ago(days=31)}, set()),
        ({"retries": 3}, set()),
        ({"by_person": 10}, set()),
    ],
)
def test_what_a_person_may_change_to_be_allowed(given: dict[str, Any], lifted_by: set[str]) -> None:
    found = asked(**given)
    assert found is not None
    assert found.lifted_by == lifted_by


@pytest.mark.parametrize(
    ("price", "currency"),
    [(None, "EUR"), (Price(Decimal("0.01"), "USD"), "EUR"), (Price(Decimal("0.01"), ""), ""), (PRICE, "")],
)
def test_a_limit_of_money_that_cannot_be_checked_lets_nothing_pass(price: Price | None, currency: str) -> None:
    capped, free = (through(currency=currency, spend_cap=cap) for cap in (Decimal(1000), None))
    assert code(price=price, through=capped) == "spend_cap"
    assert asked(price=price, through=free) is None


def test_the_providers_own_retry_needs_no_text() -> None:
    assert asked(has_text=False, needs_text=False) is None


def test_the_most_final_reason_is_told_first() -> None:
    """Each line adds a reason that comes before all those below it."""
    reasons: list[tuple[str, dict[str, Any]]] = [
        ("no_text", {"has_text": False}),
        ("cap_user", {"by_person": 10}),
        ("spend_cap", {"through": through(spend_cap=Decimal(0))}),
        ("cap_account", {"through": through(spend_cap=Decimal(0), resend_cap=0)}),
        ("account_disabled", {"through": through(spend_cap=Decimal(0), resend_cap=0, enabled=False)}),
        ("cool_down", {"final_at": ago(seconds=1)}),
        ("cap_recipient", {"to_number": 3}),
        ("cap_message", {"retries": 3}),
        ("too_old", {"valid_until": ago(seconds=1)}),
        ("blocked", {"said_stop": True}),
        ("open_retry", {"held_by": "open"}),
        ("unconfirmed", {"not_sent_but_reported": True}),
        ("blocked", {"opted_out": True}),
        ("delivered", {"effective": Status.DELIVERED}),
    ]
    given: dict[str, Any] = {}
    for expected, reason in reasons:
        given |= reason
        assert code(**given) == expected


# ------------------------------------------------------------------------------ many at once


@pytest.mark.parametrize(
    ("doubts", "expected"),
    [
        (Doubts(), ""),
        (Doubts(may_reopen_until=later(minutes=5)), "provider_retrying"),
        (Doubts(unconfirmed=True), "unconfirmed"),
        (Doubts(code_sent_at=ago(minutes=11)), "too_old"),
        (Doubts(code_sent_at=ago(minutes=10)), ""),
        (Doubts(same_text=5), "same_text"),
    ],
)
def test_many_at_once_leave_out_what_only_a_person_may_weigh(doubts: Doubts, expected: str) -> None:
    found = left_out(doubts, NOW)
    assert (found.code if found else "") == expected


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ({}, later(minutes=20)),
        ({"status": Status.EXPIRED}, None),
        ({"attempt": 1}, later(minutes=20)),
        ({"attempt": 2}, None),  # its own tries are spent
        ({"seconds": 0}, None),  # it never tries by itself
        ({"final_at": None}, None),
        ({"final_at": ago(minutes=30)}, None),  # its time is over
        ({"asked_at": ago(minutes=1)}, later(minutes=20)),  # asked nine minutes after the failure
        ({"asked_at": NOW}, None),  # asked ten minutes after: still failed
    ],
)
def test_until_when_a_provider_may_try_by_itself(given: dict[str, Any], until: datetime | None) -> None:
    default: dict[str, Any] = {
        "status": Status.FAILED, "attempt": 0, "final_at": ago(minutes=10), "asked_at": ago(minutes=10),
        "seconds": 1800, "now": NOW,
    }  # fmt: skip
    assert rules.may_reopen_until(**(default | given)) == until


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=40), "40 s"),
        (timedelta(seconds=90), "1 min"),
        (timedelta(hours=3, minutes=50), "3 h"),
        (timedelta(days=1, hours=3), "1 day"),
        (timedelta(days=4), "4 days"),
    ],
)
def test_spans_in_words(span: timedelta, words: str) -> None:
    assert rules.in_words(span) == words
