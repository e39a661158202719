"""Sums of a quarter of a day beside those of its hours: pages about many days would have to add up too many hours.

The writer knows only hours. The worker adds what is new among them to its quarter and marks it as rolled, in one
transaction; so the quarters and the hours that are not rolled yet are together exactly all hours, at any moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Min, QuerySet, Sum

from dashboard.ingest.objects import Writes
from dashboard.models import HourCount, QuarterCount, Roll

QUARTER = timedelta(hours=6)
TAKEN = 2_000  # hours rolled in one transaction
ROUNDS = 10  # such transactions in one look

PLACE = ("account_id", "country", "status")
ROLLED_KEY = ("hour", *PLACE, "rolled")
QUARTER_KEY = ("quarter", *PLACE)
_ROLLED, _QUARTERS = Writes(HourCount, (*ROLLED_KEY, "n")), Writes(QuarterCount, (*QUARTER_KEY, "n"))
_ONCE_MORE = (
    f"INSERT INTO {Roll._meta.db_table} (id, times) VALUES (1, 1) "  # noqa: S608 - our own table
    f"ON CONFLICT (id) DO UPDATE SET times = {Roll._meta.db_table}.times + 1"
)
_VERSION = f"""
    SELECT (SELECT times FROM {Roll._meta.db_table} WHERE id = 1),
        (SELECT COUNT(*) FROM {HourCount._meta.db_table} WHERE NOT rolled)"""  # noqa: S608


def quarter_of(at: datetime) -> datetime:
    """00:00, 06:00, 12:00 or 18:00 UTC."""
    at = at.astimezone(UTC)
    return at.replace(hour=at.hour - at.hour % 6, minute=0, second=0, microsecond=0)


def version() -> tuple[Any, ...]:
    """Changes whenever any sum of an hour does, and so whenever a message comes, goes, or changes its status.

    Between two rolls what is not rolled only grows; so a number of rolls and a number of rows stand for one state.
    """
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        found: tuple[Any, ...] = cursor.fetchone()
    return found


def roll() -> int:
    """Add new hours to their quarters; returns how many rows there were (the worker's job)."""
    done = 0
    for _ in range(ROUNDS):
        taken = _roll()
        done += taken
        if taken < TAKEN:
            break
    return done


def _roll() -> int:
    new = HourCount.objects.filter(rolled=False).order_by("pk")
    if not new.exists():  # nobody else waits while there is nothing to do
        return 0
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            new = new.select_for_update(skip_locked=True)
        pks, hours, quarters = [], Counter[Any](), Counter[Any]()
        for pk, n, hour, *place in new.values_list("pk", "n", "hour", *PLACE)[:TAKEN]:
            pks.append(pk)
            hours[hour, *place, True] += n
            quarters[quarter_of(hour), *place] += n
        HourCount.objects.filter(pk__in=pks).delete()
        _ROLLED.insert_rows((*values, n) for values, n in hours.items() if n)
        _QUARTERS.insert_rows((*values, n) for values, n in quarters.items() if n)
        with connection.cursor() as cursor:
            cursor.execute(_ONCE_MORE)
    return len(pks)


# ------------------------------------------------------------------------------ checking them


def quarters() -> Iterator[datetime]:
    """Every quarter that has hours, or is said to have some."""
    start = _next(None)
    while start is not None:
        yield start
        start = _next(start + QUARTER)


def in_quarter(quarter: datetime) -> QuerySet[Any, tuple[Any, ...]]:
    """(account, country, status, n): the rolled hours with a plus and their sums with a minus. One statement, so one
    moment."""
    hours = HourCount.objects.filter(hour__gte=quarter, hour__lt=quarter + QUARTER, rolled=True).order_by()
    told = QuarterCount.objects.filter(quarter=quarter).order_by()
    return hours.values_list(*PLACE).annotate(total=Sum("n")).union(
        told.values_list(*PLACE).annotate(total=-Sum("n")), all=True
    )  # fmt: skip


def _next(start: datetime | None) -> datetime | None:
    hours, told = HourCount.objects.all(), QuarterCount.objects.all()
    if start is not None:
        hours, told = hours.filter(hour__gte=start), told.filter(quarter__gte=start)
    found = [hours.aggregate(at=Min("hour"))["at"], told.aggregate(at=Min("quarter"))["at"]]
    return min((quarter_of(at) for at in found if at is not None), default=None)
