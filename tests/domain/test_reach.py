"""Does this number get our texts? Scripted histories of one number, and what its page must say of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest

from dashboard.domain.reach import Record, Sent, reach
from providers import PROVIDERS
from providers.base import Status
from tests.domain.test_verdict import TRADE

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
S = Status


def text(status: Status, days_ago: float, account: str = "Main", *, root: int = 0, took: int = 6, **more: bool) -> Sent:
    """A message that became what it is `days_ago`."""
    pk, decided_at = next(NUMBERS), NOW - timedelta(days=days_ago)
    sent_at = decided_at - timedelta(seconds=took)
    final_at = None if status in (S.SENT, S.UNKNOWN) else decided_at
    return Sent(pk=pk, root=root or pk, status=status, account=account, sent_at=sent_at, final_at=final_at, **more)


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    sentence: str
    on: str
    sent: list[Sent]


NUMBERS = count(100, -1)  # newest first
CASES = [
    Case("arrived", "arrived", "The last text arrived 2 days ago", "message-100", [text(S.DELIVERED, 2)]),
    Case("always arrives", "arrived", "The last text arrived 1 day ago", "message-99 strip",
         [text(S.DELIVERED, days) for days in (1, 2, 3)]),
    Case("arrived at the second try", "arrived", "The last text arrived 1 day ago", "message-96",
         [text(S.DELIVERED, 1, root=95), text(S.EXPIRED, 1.1, root=95)]),
    Case("arrived at the first try, after it was sent again", "arrived", "The last text arrived 1 day ago",
         "message-93",
         [text(S.FAILED, 1, root=93, not_sent=True), text(S.DELIVERED, 1, root=93)]),
    Case("on its way, and reached before", "on_its_way", "sent 1 hour ago, is on its way", "message-92 message-91",
         [text(S.SENT, 1 / 24), text(S.DELIVERED, 3)]),
    Case("on its way, and never reached", "on_its_way", "is on its way", "message-90 strip", [text(S.SENT, 1 / 24)]),
    Case("nobody knows", "unknown", "Nobody can tell", "message-89 strip", [text(S.UNKNOWN, 4)]),
    Case("missed one", "one_missed", "did not arrive: the phone was off or out of reach.", "message-88 message-87",
         [text(S.EXPIRED, 1), text(S.DELIVERED, 3)]),
    Case("four expired in a row", "phone_off", "The last 4 texts did not arrive, since 11:59 EAT on Monday",
         "message-86 message-85 message-84 message-82", [*(text(S.EXPIRED, days) for days in (1, 2, 3, 4)),
         text(S.DELIVERED, 9)]),
    Case("never reached, called wrong", "bad_number", "probably the number is wrong", "message-81 message-80 strip",
         [text(S.UNDELIVERABLE, 1), text(S.UNDELIVERABLE, 2)]),
    Case("failed for several reasons", "missed", "for more than one reason",
         "message-79 message-78 message-77 message-76",
         [text(S.FAILED, 1), text(S.REJECTED, 2), text(S.EXPIRED, 3), text(S.DELIVERED, 4)]),
    Case("one account reaches it, another does not", "another_account",
         "all went through Main, while one through Other", "message-75 message-74 message-73",
         [text(S.EXPIRED, 1), text(S.EXPIRED, 2), text(S.DELIVERED, 3, "Other")]),
    Case("reached through another account long ago", "phone_off", "probably the phone is off",
         "message-72 message-71 message-70",
         [text(S.EXPIRED, 1), text(S.EXPIRED, 2), text(S.DELIVERED, 90, "Other")]),
    Case("both accounts fail", "phone_off", "probably the phone is off", "message-69 message-68 message-67",
         [text(S.EXPIRED, 1), text(S.EXPIRED, 2, "Third"), text(S.DELIVERED, 3, "Other")]),
    Case("on its way, and the three before it expired", "on_its_way", "is on its way; the 3 before it did not arrive.",
         "message-66 message-65 message-64 message-62",
         [text(S.SENT, 1 / 24), *(text(S.EXPIRED, days) for days in (1, 2, 3)), text(S.DELIVERED, 4)]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_verdict_over_a_number(case: Case) -> None:
    found = reach(Record(case.sent, NOW, ZoneInfo("Africa/Nairobi")))
    assert found is not None
    assert found.kind == case.kind
    assert case.sentence in found.sentence
    assert " ".join(clause.on for clause in found.because) == case.on
    for part in (found.sentence, found.customer, found.now, *(clause.text for clause in found.because)):
        assert part.endswith(".")
        assert not re.search(r"[{}!]|None(?! of)|-\d", part)
    assert not TRADE.search(found.customer)
    assert not [p.label for p in PROVIDERS.values() if p.label in found.customer]
    assert not re.search(r"Main|Other|Third", found.customer)


@pytest.mark.parametrize(
    ("status", "not_sent", "why", "side"),
    [
        (S.UNDELIVERABLE, False, "the network calls the number wrong", "handset"),
        (S.REJECTED, False, "it was refused", "provider"),
        (S.CANCELLED, False, "it was stopped", "provider"),
        (S.FAILED, False, "it failed", "cannot_know"),
        (S.FAILED, True, "it never left us", "ours"),
    ],
)
def test_one_missed_text_says_why(status: Status, not_sent: bool, why: str, side: str) -> None:
    found = reach(Record([text(status, 1, not_sent=not_sent), text(S.DELIVERED, 2)], NOW, ZoneInfo("UTC")))
    assert found is not None
    assert f"did not arrive: {why}" in found.sentence
    assert found.side == side
    assert "{" not in found.customer


def test_nothing_more_is_sent_to_who_asked_for_that() -> None:
    found = reach(Record([text(S.EXPIRED, 1)], NOW, ZoneInfo("UTC"), opted_out=True))
    assert found is not None
    assert "asked not to be texted" in found.now


def test_without_texts_there_is_no_verdict() -> None:
    assert reach(Record([], NOW, ZoneInfo("UTC"))) is None


def test_the_usual_time_needs_three_texts_that_arrived() -> None:
    two = [text(S.DELIVERED, 1, took=5), text(S.DELIVERED, 2, took=7)]
    assert Record(two, NOW, ZoneInfo("UTC")).usual is None
    three = [*two, text(S.DELIVERED, 3, took=600)]
    assert Record(three, NOW, ZoneInfo("UTC")).usual == timedelta(seconds=7)


def test_the_last_proof_of_life_is_the_newest_arrival_not_the_newest_send() -> None:
    late = Sent(pk=5, root=5, status=S.DELIVERED, account="A", sent_at=NOW - timedelta(days=9), final_at=NOW)
    soon = text(S.DELIVERED, 1)
    assert Record([soon, late], NOW, ZoneInfo("UTC")).alive is late
