"""Every order of a history, each report up to three times, through the webhook door itself."""

from __future__ import annotations

from itertools import permutations

import pytest

from dashboard.models import Account, Batch, Event, Message
from dashboard.tallies import tally
from tests.core.conftest import Door
from tests.core.making import account, assert_row_is_its_fold, fresh, lines, message, says, state

pytestmark = pytest.mark.django_db

# (word, retry_count, time)
FIVE = [
    ("submitted", 0, None),
    ("failed", 0, "2026-11-20T10:00:10Z"),
    ("retrying", 1, None),
    ("failed", 1, "2026-11-20T10:05:00Z"),
    ("delivered", 1, "2026-11-20T10:04:00Z"),
]


def test_all_120_orders_of_five_reports_end_in_one_state_and_one_timeline(door: Door) -> None:
    of = account("esms_africa")
    found: list[tuple[Message, dict[str, int]]] = []
    for number, order in enumerate(permutations(FIVE)):
        one = message(of, f"id-{number}", to=f"2547123{number:05d}", batch="all orders")
        times = {report: 1 + {0: 2, 1: 1}.get((number + place) % 5, 0) for place, report in enumerate(order)}
        for report in order:
            tell(door, of, f"id-{number}", report, 1)
        for report in order:
            tell(door, of, f"id-{number}", report, times[report] - 1)  # repeated later, in between or at once
        expected: dict[str, int] = {"registered": 1}
        for (word, attempt, _), heard in times.items():
            expected[f"{word} {attempt}"] = heard
        found.append((one, expected))
    first = fresh(found[0][0])
    assert (first.status, first.attempt, first.conflict, first.bucket) == ("delivered", 1, True, "delivered")
    for one, expected in found:
        assert state(one) == state(first)
        assert sorted(lines(one), key=str) == sorted(lines(first), key=str)
        rows = Event.objects.filter(message=one)
        assert {e.word if not e.by_provider else f"{e.word} {e.attempt}": e.count for e in rows} == expected
    batch = Batch.objects.get()
    assert tally([batch.pk])[batch.pk] == {
        "delivered": 120, "expired": 0, "undeliverable": 0, "unknown": 0, "pending": 0,
    }  # fmt: skip
    assert_row_is_its_fold()


def tell(door: Door, of: Account, provider_id: str, report: tuple[str, int, str | None], times: int) -> None:
    word, attempt, at = report
    field = {"failed": "failed_at", "delivered": "delivered_at", "submitted": "submitted_at"}.get(word, "created_at")
    payload = says("esms_africa", provider_id, word, retry_count=attempt, **{field: at})
    for _ in range(times):
        assert door.post(of, payload) == 200


def test_all_24_orders_of_a_providers_words_are_one(door: Door) -> None:
    """BSG: no attempts, no zones, and three words for one thing."""
    of = account("bsg")
    ends = []
    for number, order in enumerate(permutations(["waiting", "Sent", "undelivered", "delivered"])):
        one = message(of, f"id-{number}", to=f"2547123{number:05d}")
        for place, word in enumerate(order):
            for _ in range(2 - place % 2):
                assert door.post(of, says("bsg", f"id-{number}", word, time_dr="2026-10-25 02:30:00")) == 200
        ends.append((state(one), sorted(lines(one), key=str)))
    assert all(end == ends[0] for end in ends)
    assert (ends[0][0][0], ends[0][0][6]) == ("delivered", True)  # it also failed: shown, and delivered stands
