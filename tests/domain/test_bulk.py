"""When a run goes on, when it stops by itself, how fast it goes, and who may approve it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from dashboard.domain import bulk as rules
from dashboard.domain.bulk import CANARY, CANARY_WAIT, LATEST, Fate, Go, of_canary, of_latest

D, F, N, P, U = Fate.DELIVERED, Fate.FAILED, Fate.NOT_SENT, Fate.PENDING, Fate.UNKNOWN
NOT_NEEDED = Fate.NOT_NEEDED
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SOON, LATE = timedelta(minutes=1), CANARY_WAIT


# ------------------------------------------------------------------------------ the first few


@pytest.mark.parametrize(
    ("fates", "waited", "go"),
    [
        ([D] * 20, SOON, Go.ON),
        ([D] * 10 + [F] * 10, SOON, Go.ON),
        ([D] * 9 + [F] * 11, SOON, Go.STOP),
        ([F] * 11, SOON, Go.STOP),  # nothing that the others do can save it
        ([N] * 11, SOON, Go.STOP),
        ([F] * 10, SOON, Go.WAIT),
        ([D] * 19, SOON, Go.WAIT),
        ([D] * 19 + [NOT_NEEDED], SOON, Go.WAIT),  # another goes in its place
        ([D] * 20 + [NOT_NEEDED], SOON, Go.ON),
        ([D] * 19 + [P], SOON, Go.WAIT),
        ([D] * 19 + [P], LATE, Go.ON),
        ([F] * 3 + [D] * 2 + [P] * 15, LATE, Go.STOP),
        ([F] * 2 + [D] * 3 + [P] * 15, LATE, Go.ON),
        ([D] * 4 + [P] * 16, LATE, Go.DOUBT),
        ([P] * 20, LATE, Go.DOUBT),
        ([F] * 4 + [P] * 16, LATE, Go.DOUBT),  # too few to say so
        ([U] * 20, SOON, Go.WAIT),  # it may still turn out
        ([U] * 20, LATE, Go.DOUBT),
        ([], LATE, Go.WAIT),
    ],
)
def test_what_the_first_few_say(fates: list[Fate], waited: timedelta, go: Go) -> None:
    assert of_canary(fates, CANARY, waited).go is go


@given(st.lists(st.sampled_from([D, F, N, P, U, NOT_NEEDED]), max_size=25), st.sampled_from([SOON, LATE]))
def test_the_first_few_never_let_the_others_follow_when_most_of_those_reported_failed(
    fates: list[Fate], waited: timedelta
) -> None:
    judgement = of_canary(fates, CANARY, waited)
    bad = sum(fate in (F, N) for fate in fates)
    if judgement.go is Go.ON:
        assert bad <= fates.count(D)
    assert (judgement.why == "") == (judgement.go is Go.WAIT)


def test_the_sentence_counts_what_it_judges() -> None:
    assert of_canary([F] * 11 + [D] * 3, CANARY, SOON).why == (
        "11 of the first 14 did not arrive. The others were not sent."
    )
    assert of_canary([F] * 4 + [D] * 2 + [P] * 14, CANARY, LATE).why == (
        "4 of the first 6 with a report did not arrive. The others were not sent."
    )


# ------------------------------------------------------------------------------ while it goes on


def test_the_latest_stop_a_run_and_the_early_ones_do_not() -> None:
    assert of_latest([F] * 26 + [D] * 1000).go is Go.STOP
    assert of_latest([F] * 25 + [D] * 25 + [F] * 1000).go is Go.WAIT
    assert of_latest([P, U, NOT_NEEDED] * 100 + [F] * 26 + [D] * 24).go is Go.STOP


def test_a_few_failures_do_not_stop_a_run_yet() -> None:
    assert of_latest([F] * (CANARY - 1)).go is Go.WAIT
    assert of_latest([F] * CANARY).go is Go.STOP
    assert LATEST > CANARY


# ------------------------------------------------------------------------------ those that wait


@pytest.mark.parametrize(
    ("code", "possible_in", "unconfirmed_for", "waits"),
    [
        ("cool_down", timedelta(minutes=40), None, timedelta(minutes=40)),
        ("cool_down", timedelta(hours=2), None, timedelta(hours=2)),
        ("cool_down", timedelta(hours=2, seconds=1), None, None),
        ("provider_retrying", timedelta(minutes=20), None, timedelta(minutes=20)),
        ("provider_retrying", None, None, None),
        ("delivered", None, None, None),
        ("open_retry", None, None, timedelta(minutes=1)),
        ("unconfirmed", None, timedelta(minutes=59), timedelta(minutes=1)),
        ("unconfirmed", None, timedelta(hours=1), None),
        ("unconfirmed", None, None, None),
    ],
)
def test_what_time_alone_lifts_waits_for_its_turn_and_nothing_else_does(
    code: str, possible_in: timedelta | None, unconfirmed_for: timedelta | None, waits: timedelta | None
) -> None:
    possible_at = NOW + possible_in if possible_in else None
    since = NOW - unconfirmed_for if unconfirmed_for else None
    assert rules.waits_until(code, possible_at, since, NOW) == (NOW + waits if waits else None)


# ------------------------------------------------------------------------------ how fast


@given(st.floats(0.01, 500), st.integers(0, 1000))
def test_what_is_asked_for_within_a_span_keeps_to_a_quarter_of_the_rate(rate: float, lately: int) -> None:
    span = rules.paced_over(rate).total_seconds()
    most = max(rules.room(rate, 0), rules.room(rate, lately) + lately if rules.room(rate, lately) else 0)
    assert most >= 1, "a slow account has its turn too"
    assert most <= max(1.0, rate / 4 * span + 0.001)


def test_accounts_work_at_the_same_time() -> None:
    assert rules.duration([(10, 100), (2, 30)]) == timedelta(seconds=60)
    assert rules.duration([]) == timedelta(0)


# ------------------------------------------------------------------------------ approving


@pytest.mark.parametrize(
    ("count", "typed", "by_planner", "above", "code"),
    [
        (50, None, True, 500, ""),
        (51, None, True, 500, "number_differs"),
        (51, 50, True, 500, "number_differs"),
        (51, 51, True, 500, ""),
        (500, 500, True, 500, ""),
        (501, 501, True, 500, "second_person"),
        (501, 501, False, 500, ""),
        (501, None, False, 500, "number_differs"),
        (1, None, True, 0, "second_person"),
        (1, None, False, 0, ""),
        (0, 0, False, 500, "nothing_to_send"),
    ],
)
def test_who_may_approve_what(count: int, typed: int | None, by_planner: bool, above: int, code: str) -> None:
    problem = rules.problem_with_approval(
        planned_at=NOW, now=NOW, count=count, typed=typed, by_planner=by_planner, second_above=above
    )
    assert (problem[0] if problem else "") == code


def test_a_plan_is_good_for_a_day() -> None:
    def problem(age: timedelta) -> tuple[str, str] | None:
        return rules.problem_with_approval(
            planned_at=NOW - age, now=NOW, count=5, typed=None, by_planner=True, second_above=500
        )

    assert problem(timedelta(hours=24)) is None
    found = problem(timedelta(hours=24, seconds=1))
    assert found is not None
    assert found[0] == "plan_too_old"
