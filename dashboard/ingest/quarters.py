"""Sums of a quarter of a day beside those of its hours: pages about many days would have to add up too many hours.

The writer knows only hours. The worker adds what is new among them to its quarter and marks it as rolled, in one
transaction; so the quarters and the hours that are not rolled yet are together exactly all hours, at any moment.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Min, Model

from dashboard.domain.lifecycle import PENDING
from dashboard.domain.overview import Sums
from dashboard.ingest.objects import Writes
from dashboard.models import HourCount, QuarterCount, Roll
from providers.base import Status

log = logging.getLogger(__name__)

QUARTER = timedelta(hours=6)
TAKEN = 2_000  # hours rolled in one transaction
ROUNDS = 10  # such transactions in one look

HOUR_KEY = ("hour", "account_id", "country", "status")
ROLLED_KEY = (*HOUR_KEY, "rolled")
PLACE = ("quarter", "account_id", "country")
SUMS = tuple(field.name for field in fields(Sums))
Place = tuple[datetime, int, str]

_HOURS, _QUARTERS, _ROLLS = (model._meta.db_table for model in (HourCount, QuarterCount, Roll))
_ROLLED, _ADDED = Writes(HourCount, (*ROLLED_KEY, "n")), Writes(QuarterCount, (*PLACE, *SUMS))
_ADD = f"ON CONFLICT ({', '.join(PLACE)}) DO UPDATE SET " + ", ".join(
    f"{name} = {_QUARTERS}.{name} + excluded.{name}" for name in SUMS
)
# Also lets one worker after the other change quarters: who comes second waits here.
_ONCE_MORE = (
    f"INSERT INTO {_ROLLS} (id, times) VALUES (1, 1) "  # noqa: S608
    f"ON CONFLICT (id) DO UPDATE SET times = {_ROLLS}.times + 1"
)
_VERSION = f"SELECT (SELECT times FROM {_ROLLS} WHERE id = 1), (SELECT COUNT(*) FROM {_HOURS} WHERE NOT rolled)"  # noqa: S608

# Of an hour's row: what it adds to each of the sums.
_PENDING = ", ".join(f"'{status.value}'" for status in sorted(PENDING))
ADDS = f"""n AS sent, CASE WHEN status IN ({_PENDING}) THEN 0 ELSE n END AS ended,
    CASE status WHEN '{Status.DELIVERED.value}' THEN n ELSE 0 END AS delivered,
    CASE status WHEN '{Status.UNKNOWN.value}' THEN n ELSE 0 END AS unknown"""


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
        _once_more()
        pks: list[int] = []
        hours: Counter[tuple[Any, ...]] = Counter()
        for pk, n, *key in new.values_list("pk", "n", *HOUR_KEY)[:TAKEN]:
            pks.append(pk)
            hours[*key, True] += n
        HourCount.objects.filter(pk__in=pks).delete()
        _ROLLED.insert_rows((*key, n) for key, n in hours.items() if n)
        counts: dict[Place, Counter[str]] = defaultdict(Counter)
        for (hour, account, country, status, _), n in hours.items():
            counts[quarter_of(hour), account, country][status] += n
        _add({place: astuple(Sums.of(its)) for place, its in counts.items()})
    return len(pks)


def _once_more() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ONCE_MORE)


def _add(changes: dict[Place, tuple[int, ...]]) -> None:
    _ADDED.insert_rows([(*place, *sums) for place, sums in changes.items() if any(sums)], _ADD)


# ------------------------------------------------------------------------------ checking them


def recount(*, repair: bool) -> Iterator[int]:
    """Compare every quarter with its rolled hours, one after another; each step yields how many sums were wrong."""
    quarter = _next(None)
    while quarter is not None:
        yield _compare(quarter, repair=repair)
        quarter = _next(quarter + QUARTER)


def _compare(quarter: datetime, *, repair: bool) -> int:
    wrong = _differences(quarter)
    if not wrong or not repair:
        return len(wrong)
    with transaction.atomic():
        _once_more()  # a second worker must not put it right as well
        wrong = _differences(quarter)
        for place, sums in wrong.items():
            log.error("Sums were wrong by %s and were put right: QuarterCount %s", sums, place)
        _add(wrong)
    return len(wrong)


_DIFFERENCES = f"""
    SELECT account_id, country, {", ".join(f"SUM({name})" for name in SUMS)} FROM (
        SELECT account_id, country, {ADDS} FROM {_HOURS} WHERE hour >= %s AND hour < %s AND rolled
        UNION ALL SELECT account_id, country, {", ".join(f"-{name}" for name in SUMS)} FROM {_QUARTERS}
        WHERE quarter = %s) AS told GROUP BY account_id, country"""  # noqa: S608


def _differences(quarter: datetime) -> dict[Place, tuple[int, ...]]:
    """The hours with a plus and their sums with a minus. One statement, so one moment."""
    stored = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES, [stored(quarter), stored(quarter + QUARTER), stored(quarter)])
        rows = cursor.fetchall()
    return {(quarter, account, country): tuple(map(int, sums)) for account, country, *sums in rows if any(sums)}


def _next(start: datetime | None) -> datetime | None:
    """The first quarter from then on that has hours, or is said to have some."""
    at = earliest(start, (HourCount, "hour"), (QuarterCount, "quarter"))
    return None if at is None else quarter_of(at)


def earliest(start: datetime | None, *columns: tuple[type[Model], str]) -> datetime | None:
    """The first moment from `start` on that stands in one of these columns; each has an index."""
    found = []
    for model, name in columns:
        since = {} if start is None else {f"{name}__gte": start}
        found.append(model._default_manager.filter(**since).aggregate(at=Min(name))["at"])
    return min((at for at in found if at is not None), default=None)
