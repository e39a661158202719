"""The story people read: one line per (attempt, part, word), with everybody who said it, in one order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from dashboard.domain.timeline import Fact, TimelineEntry, timeline
from providers.base import Status

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def fact(word: str, status: Status | None, minutes: int, **fields: Any) -> Fact:
    base = Fact(
        status=status, word=word, note="", detail="", attempt=0, part="", by_provider=True, at=None, at_raw="", zone="",
        received_at=T0 + timedelta(minutes=minutes), sources=("poll",), count=1, evidence_id=None,
    )  # fmt: skip
    return replace(base, **fields)


def stated(minutes: int, zone: str = "stated") -> dict[str, Any]:
    at = T0 + timedelta(minutes=minutes)
    return {"at": at, "at_raw": at.isoformat(), "zone": zone}


def words(entries: list[TimelineEntry]) -> list[str]:
    return [entry.word for entry in entries]


def test_a_webhook_and_a_poll_about_the_same_news_are_one_line() -> None:
    webhook = fact("delivered", Status.DELIVERED, 5, sources=("webhook",), evidence_id=1, **stated(3))
    poll = fact("delivered", Status.DELIVERED, 7, evidence_id=2, count=4)
    (line,) = timeline([poll, webhook])
    assert line.sources == ["webhook", "poll"]
    assert line.count == 5
    assert line.evidence_ids == [1, 2]
    assert (line.occurred_at, line.zone) == (T0 + timedelta(minutes=3), "stated")
    assert line.received_at == T0 + timedelta(minutes=5)


def test_the_earliest_stated_time_is_shown() -> None:
    lines = [fact("sent", Status.SENT, n, **stated(at)) for n, at in ((1, 9), (2, 4), (3, 6))]
    assert timeline(lines)[0].occurred_at == T0 + timedelta(minutes=4)


def test_a_time_with_a_zone_is_better_than_an_earlier_one_without() -> None:
    lines = [fact("sent", Status.SENT, 1, **stated(2, "account")), fact("sent", Status.SENT, 2, **stated(9))]
    for order in permutations(lines):
        assert (timeline(order)[0].occurred_at, timeline(order)[0].zone) == (T0 + timedelta(minutes=9), "stated")


def test_a_time_we_cannot_place_is_shown_as_given() -> None:
    (line,) = timeline([fact("sent", Status.SENT, 1), fact("sent", Status.SENT, 2, at_raw="yesterday")])
    assert (line.occurred_at, line.at_raw, line.zone) == (None, "yesterday", "")
    assert line.when == line.received_at


def test_case_does_not_make_two_lines_and_an_attempt_or_a_part_does() -> None:
    same = [fact("Sent", Status.SENT, 1), fact("SENT", Status.SENT, 2)]
    assert len(timeline(same)) == 1
    others = [fact("sent", Status.SENT, 3, attempt=1), fact("sent", Status.SENT, 4, part="viber")]
    assert len(timeline(same + others)) == 3


def test_our_own_word_is_not_the_providers() -> None:
    ours, theirs = fact("sending", Status.SENDING, 1, by_provider=False), fact("sending", Status.SUBMITTED, 2)
    assert [line.status for line in timeline([ours, theirs])] == [Status.SENDING, Status.SUBMITTED]


def test_order_is_attempt_then_time_then_rank() -> None:
    lines = [
        fact("delivered", Status.DELIVERED, 1, attempt=1),
        fact("failed", Status.FAILED, 9),
        fact("sent", Status.SENT, 20, **stated(2)),  # heard late, happened early
        fact("queued", Status.QUEUED, 3),
        fact("submitted", Status.SUBMITTED, 3),
        fact("huh", None, 3),
    ]
    for order in permutations(lines):
        assert words(timeline(order)) == ["sent", "huh", "queued", "submitted", "failed", "delivered"]


def test_a_clock_of_unknown_zone_does_not_order() -> None:
    late = fact("sent", Status.SENT, 1, **stated(500, "account"))
    assert words(timeline([late, fact("delivered", Status.DELIVERED, 2)])) == ["sent", "delivered"]


def test_of_two_readings_of_one_word_the_more_telling_is_shown_in_any_order() -> None:
    first = fact("failed", Status.FAILED, 1, detail="", **stated(1))
    later = fact("failed", Status.EXPIRED, 2, detail="DLR: EXPIRED", **stated(2))
    for order in permutations([first, later]):
        (line,) = timeline(order)
        assert (line.status, line.detail, line.count) == (Status.EXPIRED, "DLR: EXPIRED", 2)


def test_the_first_reason_that_was_given_is_kept() -> None:
    lines = [fact("failed", Status.FAILED, 1), fact("failed", Status.FAILED, 2, detail="absent subscriber")]
    assert timeline(lines)[0].detail == "absent subscriber"


def test_nothing_said_is_no_story() -> None:
    assert timeline([]) == []
