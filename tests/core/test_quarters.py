"""Sums of a quarter of a day: with the hours that are not rolled yet they are all hours, whoever rolls them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from dashboard.ingest import quarters
from dashboard.ingest.counts import recount, squash
from dashboard.ingest.quarters import QUARTER, quarter_of, roll, version
from dashboard.models import HourCount, QuarterCount
from tests.core.making import T0, account, assert_sums_are_counts, message, says, webhook

pytestmark = pytest.mark.django_db


def test_a_day_has_four_quarters() -> None:
    begin = quarter_of(T0).replace(hour=0)
    assert [quarter_of(begin + timedelta(hours=hour, minutes=59)) for hour in range(24)] == [
        begin + QUARTER * (hour // 6) for hour in range(24)
    ]


def test_rolling_moves_hours_to_their_quarter_and_changes_no_sum() -> None:
    of = account("bsg")
    for n in range(4):
        message(of, f"{n}", sent_at=T0 + timedelta(hours=3 * n))
    assert not QuarterCount.objects.exists()
    assert roll() == 4
    assert_sums_are_counts()
    assert sum(QuarterCount.objects.values_list("sent", flat=True)) == 4
    webhook(of, says("bsg", "0", "delivered"))
    assert_sums_are_counts()
    assert HourCount.objects.filter(rolled=False).count() == 2
    squash()
    assert_sums_are_counts()
    assert not HourCount.objects.filter(rolled=False).exists()
    assert roll() == 0


def test_a_wrong_quarter_is_put_right_and_a_lost_one_made_anew() -> None:
    of = account("bsg")
    message(of, "1", sent_at=T0)
    message(of, "2", sent_at=T0 + timedelta(days=3))
    squash()
    QuarterCount.objects.filter(quarter=quarter_of(T0)).update(sent=5)
    QuarterCount.objects.exclude(quarter=quarter_of(T0)).delete()
    before = {"account": of, "quarter": quarter_of(T0) - QUARTER, "country": "KE"}
    QuarterCount.objects.create(sent=1, ended=1, delivered=0, unknown=0, **before)
    assert sum(recount()) == 3
    assert_sums_are_counts()
    assert sum(recount()) == 0


def test_the_version_changes_with_every_message_and_every_status() -> None:
    of = account("bsg")
    seen = [version()]
    for act in (
        lambda: message(of, "1"),
        roll,
        lambda: webhook(of, says("bsg", "1", "sent")),
        lambda: webhook(of, says("bsg", "1", "delivered")),
        squash,
    ):
        act()
        assert version() not in seen
        seen.append(version())
    squash()
    webhook(of, says("bsg", "1", "delivered"))  # nothing new
    assert version() == seen[-1]


def test_what_comes_and_goes_between_two_looks_is_a_change() -> None:
    """The rows cancel each other out and are gone: the number of rolls tells."""
    of = account("bsg")
    message(of, "1")
    squash()
    before = version()
    for n in (1, -1):
        HourCount.objects.create(account=of, hour=T0, country="KE", status="sent", n=n)
    squash()
    assert version() != before
    assert version()[1] == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
def test_many_workers_roll_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarters, "TAKEN", 7)
    of = account("bsg")
    HourCount.objects.bulk_create(
        HourCount(account=of, hour=T0 + timedelta(hours=n % 9), country="KE", status="sent", n=1) for n in range(150)
    )

    def work(_: int) -> int:
        try:
            return sum(roll() for _ in range(20))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 150
    squash()
    assert sum(QuarterCount.objects.values_list("sent", flat=True)) == 150
    assert sum(HourCount.objects.values_list("n", flat=True)) == 150
