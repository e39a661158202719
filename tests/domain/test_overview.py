"""What an hour's sums say beside other days, and where the lines of the charts run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from dashboard.domain import charts
from dashboard.domain.overview import (
    Change,
    Sums,
    delay_change,
    delivered_change,
    is_silent,
    percent,
    sent_change,
)
from dashboard.domain.verdict_facts import Usual
from providers.base import Status


def ended(n: int, delivered: int) -> Sums:
    return Sums(sent=n, ended=n, delivered=delivered)


def took(half: float, most: float, count: int = 100) -> Usual:
    return Usual(half=timedelta(seconds=half), most=timedelta(seconds=most), count=count, same_country=False)


def test_unknown_has_ended_and_pending_has_not() -> None:
    sums = Sums.of({Status.DELIVERED: 5, Status.UNKNOWN: 2, Status.EXPIRED: 1, Status.SENT: 5, Status.CREATED: -1})
    assert (sums.sent, sums.ended, sums.delivered, sums.unknown, sums.missed) == (12, 8, 5, 2, 3)
    assert sums + sums == Sums.of({Status.DELIVERED: 10, Status.UNKNOWN: 4, Status.EXPIRED: 2, Status.SENT: 8})


@pytest.mark.parametrize(
    ("part", "whole", "says"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 200, "< 1 %"), (1, 3, "33 %"), (199, 200, "> 99 %"), (9, 9, "100 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, whole: int, says: str) -> None:
    assert percent(part, whole) == says


@pytest.mark.parametrize(
    ("now", "usual", "change"),
    [
        (ended(29, 0), ended(1000, 950), Change.FEW),
        (ended(30, 0), ended(1000, 950), Change.FAR_WORSE),
        (ended(0, 0), Sums(), Change.FEW),
        (ended(100, 94), ended(1000, 950), Change.USUAL),
        (ended(100, 99), ended(1000, 950), Change.USUAL),
        (ended(40, 35), ended(1000, 950), Change.USUAL),  # 88 %: of 40 that may be chance
        (ended(400, 350), ended(1000, 950), Change.WORSE),  # 88 %: of 400 it is not
        (ended(100_000, 94_000), ended(100_000, 95_000), Change.USUAL),  # surely lower, and nothing to speak of
        (ended(100, 60), ended(1000, 950), Change.FAR_WORSE),
        (ended(100, 60), ended(29, 29), Change.NEW),
        (ended(100, 10), Sums(), Change.FAR_WORSE),  # hardly any arrived: wrong on any day
    ],
)
def test_a_share_is_lower_by_more_than_chance_and_enough_to_matter(now: Sums, usual: Sums, change: Change) -> None:
    assert delivered_change(now, usual) is change


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        (0, [], Change.NEW),
        (0, [500, 500], Change.NEW),
        (0, [500, 480, 510], Change.FAR_WORSE),
        (239, [500, 480, 510], Change.WORSE),
        (240, [500, 480, 510], Change.USUAL),
        (1530, [500, 480, 510], Change.USUAL),
        (1531, [500, 480, 510], Change.MORE),
        (0, [500, 20, 510], Change.FEW),  # there are quiet days
        (2000, [500, 20, 510], Change.MORE),
    ],
)
def test_how_many_are_sent_is_judged_by_the_least_and_the_most_of_the_days(
    now: int, before: Sequence[int], change: Change
) -> None:
    assert sent_change(now, before) is change


@pytest.mark.parametrize(
    ("now", "usual", "change"),
    [
        (None, took(5, 30), Change.FEW),
        (took(5, 300, 29), took(5, 30), Change.FEW),
        (took(5, 300), None, Change.NEW),
        (took(5, 300), took(5, 30, 29), Change.NEW),
        (took(5, 59), took(5, 30), Change.USUAL),
        (took(5, 80), took(5, 30), Change.USUAL),  # more than twice, and less than a minute more
        (took(5, 100), took(5, 30), Change.WORSE),
        (took(5, 300), took(5, 30), Change.FAR_WORSE),
        (took(5, 350), took(5, 200), Change.USUAL),
    ],
)
def test_a_delay_is_longer_by_times_and_by_a_minute(now: Usual | None, usual: Usual | None, change: Change) -> None:
    assert delay_change(now, usual) is change


def test_silence_is_of_reports_that_used_to_come_while_texts_go_out() -> None:
    hours = timedelta(hours=2)
    assert is_silent(hours, 30)
    assert not is_silent(hours, 29)
    assert not is_silent(timedelta(minutes=59), 500)
    assert not is_silent(None, 500)


# ------------------------------------------------------------------------------ charts


@pytest.mark.parametrize(
    ("shares", "low"), [([], 0), ([97, 99.5], 90), ([91, 99], 80), ([60, 99], 50), ([40, 99], 0), ([0], 0)]
)
def test_the_axis_of_shares_begins_where_the_differences_are_seen(shares: list[float], low: float) -> None:
    axis = charts.share_axis(shares)
    assert (axis.ticks[-1], axis.ticks[0]) == (low, 100)
    assert (axis.y(100), axis.y(low)) == (0, charts.HEIGHT)


@pytest.mark.parametrize(
    ("seconds", "low", "high"),
    [([], 1, 60), ([5, 30], 1, 60), ([20, 20], 10, 60), ([1, 1], 1, 10), ([61, 5_000], 60, 36_000),
     ([0.1, 10**9], 1, 864_000), ([864_000], 86_400, 864_000)],
)  # fmt: skip
def test_the_axis_of_delays_holds_them_all(seconds: list[float], low: float, high: float) -> None:
    axis = charts.delay_axis(seconds)
    assert (axis.ticks[-1], axis.ticks[0]) == (low, high)
    assert all(0 <= axis.y(value) <= charts.HEIGHT for value in seconds)
    steps = len(axis.ticks) - 1
    assert [axis.y(tick) for tick in axis.ticks] == [round(charts.HEIGHT * n / steps, 1) for n in range(steps + 1)]


def test_a_line_breaks_where_there_is_too_little_and_a_lone_point_is_a_dot() -> None:
    axis = charts.Axis((100, 0))
    assert charts.line([100, 50, None, 0, None], axis) == "M100 0L300 50M700 100h0"
    assert charts.dots([100, None, 0], axis) == "M166.7 0h0M833.3 100h0"
    assert charts.line([None, None], axis) == ""
