"""When a message is asked about next, and when asking ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from dashboard.domain import schedule
from dashboard.domain.lifecycle import FINALS, PENDING, UNRESOLVED
from providers.base import Status

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
END = T0 + timedelta(hours=72)
WAITING = sorted(PENDING - UNRESOLVED)


def wait(**changes: Any) -> timedelta | None:
    told: dict[str, Any] = {
        "now": T0, "status": Status.QUEUED, "asked": 0, "give_up_at": END, "reopens_until": None, "jitter": lambda: 1.0,
    }  # fmt: skip
    told |= changes
    at = schedule.next_check(**told)
    return None if at is None else at - told["now"]


def seconds(**changes: Any) -> float:
    found = wait(**changes)
    assert found is not None
    return found.total_seconds()


def test_asks_are_quick_at_first_and_then_ever_slower() -> None:
    steps = [seconds(asked=n) for n in range(20)]
    assert steps[:4] == [5, 10, 30, 60]
    assert steps == sorted(steps)
    assert steps[4] == 120
    assert steps[-1] == 6 * 3600


@given(st.integers(0, 40), st.floats(0, 1))
def test_jitter_only_brings_an_ask_forward_by_at_most_half(asked: int, jitter: float) -> None:
    full = schedule.BACK_OFF[min(asked, len(schedule.BACK_OFF) - 1)]
    assert full / 2 <= schedule.back_off(asked, jitter) <= full


def test_deadline_is_a_day_after_validity_or_three_days_after_the_send() -> None:
    assert schedule.deadline(T0, T0 + timedelta(hours=5)) == T0 + timedelta(hours=29)
    assert schedule.deadline(T0, None) == T0 + timedelta(hours=72)


@given(st.integers(0, 30), st.floats(0, 1), st.integers(0, 72 * 3600 - 1), st.sampled_from(WAITING))
def test_one_ask_falls_just_after_the_deadline(asked: int, jitter: float, past: int, status: Status) -> None:
    now = T0 + timedelta(seconds=past)
    at = schedule.next_check(
        now=now, status=status, asked=asked, give_up_at=END, reopens_until=None, jitter=lambda: jitter
    )
    assert at is not None
    assert now < at <= END + timedelta(seconds=1)


@pytest.mark.parametrize("status", WAITING)
def test_past_the_deadline_asking_goes_on_until_one_ask_was_answered(status: Status) -> None:
    assert seconds(now=END, status=status, asked=30) == 600


def test_unknown_past_the_deadline_is_not_asked_about_any_more() -> None:
    assert wait(now=END, status=Status.UNKNOWN) is None
    assert wait(now=T0, status=Status.UNKNOWN) is not None  # the provider said so early: it may still learn more


@pytest.mark.parametrize("status", sorted(FINALS))
def test_a_final_word_ends_asking(status: Status) -> None:
    assert wait(status=status) is None


@pytest.mark.parametrize("status", sorted(FINALS - {Status.DELIVERED}))
def test_a_failure_that_may_be_reopened_is_watched_slowly_while_it_may(status: Status) -> None:
    until = T0 + timedelta(minutes=30)
    assert seconds(status=status, reopens_until=until) == 300
    assert wait(now=until, status=status, reopens_until=until) is None


def test_delivered_is_not_watched_even_where_failures_are() -> None:
    assert wait(status=Status.DELIVERED, reopens_until=T0 + timedelta(minutes=30)) is None


@pytest.mark.parametrize("status", sorted(UNRESOLVED))
def test_our_own_unanswered_send_is_not_polled(status: Status) -> None:
    assert wait(status=status) is None
    assert wait(now=END, status=status) is None
