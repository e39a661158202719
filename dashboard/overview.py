"""What the overview stands on, read from stored sums and from bounded samples: it costs the same at any size."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from dashboard.domain.lifecycle import PENDING
from dashboard.domain.overview import Sums
from dashboard.domain.verdict_facts import Usual
from dashboard.ingest.counts import hour_of
from dashboard.ingest.quarters import ADDS, QUARTER, SUMS, quarter_of
from dashboard.models import Account, HourCount, Message, QuarterCount
from dashboard.queries import OVERDUE_AFTER
from providers.base import Status

HOUR = timedelta(hours=1)
DAYS = 7  # the same hour of so many days is what is usual
NEWEST_DELIVERED, ON_EACH_DAY = 100, 20  # of an account's hour, for its delay: now and on the days before
SAMPLE, SAMPLE_OF_MANY = 50, 20  # the first texts of an hour, for the delay over time
MOST_OVERDUE = 100  # counted of each account

_PENDING = sorted(status.value for status in PENDING)


def days_before(hour: datetime) -> list[datetime]:
    """The same hour on the days before."""
    return [hour - day * 24 * HOUR for day in range(1, DAYS + 1)]


@dataclass(frozen=True, slots=True)
class Period:
    """What the charts and the table of countries are about: `count` steps of so many hours, the last not over yet."""

    begin: datetime
    count: int
    step: int

    @classmethod
    def until(cls, now: datetime, count: int, step: int) -> Period:
        """Steps of six hours are the quarters of a day (UTC), whose sums are stored as well."""
        end = quarter_of(now) + QUARTER if step * HOUR == QUARTER else hour_of(now) + HOUR
        return cls(end - count * step * HOUR, count, step)

    @property
    def hours(self) -> int:
        return self.count * self.step

    @property
    def end(self) -> datetime:
        return self.begin + self.hours * HOUR

    @property
    def begins(self) -> list[datetime]:
        return [self.begin + place * self.step * HOUR for place in range(self.count)]

    def place(self, moment: datetime) -> int:
        return (moment - self.begin) // (self.step * HOUR)


@dataclass(slots=True)
class Overdue:
    """How many messages are late. `more`: there may be others."""

    count: int = 0
    more: bool = False

    def add(self, oldest: Sequence[int]) -> None:
        """Those of one status, 1 for each that is late: no more than one above MOST_OVERDUE are looked at."""
        late = sum(oldest[:MOST_OVERDUE])
        self.count += late
        self.more |= late > 0 and len(oldest) > MOST_OVERDUE


@dataclass(frozen=True, slots=True)
class Delays:
    """How long texts took to be heard of as delivered."""

    last: Mapping[int, Usual]  # by account: the newest of the last full hour
    usual: Mapping[int, Usual]  # by account: of the same hour on the days before
    over_time: Sequence[Usual | None]  # by step of the period


# ------------------------------------------------------------------------------ stored sums

_OF_HOURS = f"SELECT hour AS at, account_id, country, {ADDS} FROM {HourCount._meta.db_table} WHERE"  # noqa: S608
_IN_HOURS = f"{_OF_HOURS} hour >= %s AND hour < %s"
_IN_QUARTERS = (
    f"SELECT quarter AS at, account_id, country, {', '.join(SUMS)} FROM {QuarterCount._meta.db_table} "  # noqa: S608
    f"WHERE quarter >= %s AND quarter < %s UNION ALL {_IN_HOURS} AND NOT rolled"
)


def sums_by_hour(hours: Iterable[datetime]) -> dict[tuple[datetime, int], Sums]:
    """By hour and account."""
    given = [_stored(hour) for hour in hours]
    found = _sums(f"{_OF_HOURS} hour IN ({', '.join(['%s'] * len(given))})", given, "at", "account_id")
    return {(_moment(at), account): sums for (at, account), sums in found.items()}


def sums_by_country(period: Period) -> dict[tuple[int, str], Sums]:
    """By account and country."""
    return _sums(*_of(period), "account_id", "country")


def sums_over_time(period: Period, account: Account | None) -> list[Sums]:
    """By step of the period."""
    told, given = _of(period)
    if account:
        told, given = f"SELECT * FROM ({told}) AS of_all WHERE account_id = %s", [*given, account.pk]  # noqa: S608
    found = [Sums()] * period.count
    for (at,), sums in _sums(told, given, "at").items():
        found[period.place(_moment(at))] += sums
    return found


def _of(period: Period) -> tuple[str, list[Any]]:
    span = [_stored(period.begin), _stored(period.end)]
    return (_IN_HOURS, span) if period.step == 1 else (_IN_QUARTERS, span * 2)


def _sums(told: str, given: Sequence[Any], *key: str) -> dict[Any, Sums]:
    """Written in SQL, so that the database adds up the statuses, too: Python gets one row of each place.

    A sum may be a moment behind another; none is shown below nothing.
    """
    by, sums = ", ".join(key), ", ".join(f"SUM({name})" for name in SUMS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {by}, {sums} FROM ({told}) AS told GROUP BY {by}", given)  # noqa: S608 - our own words
        return {row[: len(key)]: Sums(*(max(n, 0) for n in row[len(key) :])) for row in cursor.fetchall()}


def _stored(moment: datetime) -> Any:
    """As this database stores times."""
    return connection.ops.adapt_datetimefield_value(moment)


def _moment(stored: Any) -> datetime:
    at = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
    return at if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite keeps no zone


# ------------------------------------------------------------------------------ bounded samples


@dataclass(frozen=True, slots=True)
class Looked:
    """What the samples tell."""

    delays: Delays
    overdue: Mapping[int, Overdue]  # by account


def look(accounts: Sequence[Account], hour: datetime, period: Period, now: datetime, only: Account | None) -> Looked:
    """Read the samples, in four questions. The delay over time may be of one account `only`."""
    pks = [account.pk for account in accounts]
    last = {pk: _delays(its) for (pk, *_), its in _newest(pks, hour).items()}
    usual: dict[int, list[timedelta]] = defaultdict(list)
    for (pk, *_), its in _first_delivered(pks, days_before(hour), ON_EACH_DAY).items():
        usual[pk] += _delays(its)
    steps: list[list[timedelta]] = [[] for _ in range(period.count)]
    for (*_, at), its in _first(period, only).items():
        steps[period.place(at)] += _delays(its)
    return Looked(
        delays=Delays(
            last={pk: known for pk, its in last.items() if (known := _usual(its))},
            usual={pk: known for pk, its in usual.items() if (known := _usual(its))},
            over_time=[_usual(its) for its in steps],
        ),
        overdue=overdue(pks, now),
    )


def _delays(seconds: Iterable[float | None]) -> list[timedelta]:
    return [timedelta(seconds=one) for one in seconds if one is not None]


def _usual(delays: Iterable[timedelta]) -> Usual | None:
    return Usual.of(delays, same_country=False)


def sample_of(period: Period) -> int:
    """How many texts of each hour are looked at."""
    return SAMPLE if period.step == 1 else SAMPLE_OF_MANY


# One question for many walks, each of them the beginning of one index by its LIMIT; what a walk finds is one JSON text.
# So the database plans one walk and not two hundred, which would take it longer than walking them.
_WALKS = """WITH asked (account, effective, at, until) AS (VALUES {asked})
SELECT account, effective, at, CAST((SELECT {list}(value) FROM (
    SELECT {value} AS value FROM {table} m WHERE {where} LIMIT {limit}) AS walk) AS text)
FROM asked"""
_LISTS = {"postgresql": "json_agg", "sqlite": "json_group_array"}
_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM m.final_at - m.sent_at)",
    "sqlite": "ROUND((julianday(m.final_at) - julianday(m.sent_at)) * 86400, 3)",
}
_BEING = "m.account_id = asked.account AND m.effective = asked.effective"
_MEANWHILE = "m.sent_at >= asked.at AND m.sent_at < asked.until"


def _newest(accounts: Iterable[int], hour: datetime) -> dict[Any, list[Any]]:
    """The delays of the newest delivered texts of an hour."""
    where = f"{_BEING} AND {_MEANWHILE} ORDER BY m.sent_at DESC, m.id DESC"
    return _walked(_delay(), where, NEWEST_DELIVERED, _hours(accounts, [hour]))


def _first_delivered(accounts: Iterable[int], hours: Sequence[datetime], limit: int) -> dict[Any, list[Any]]:
    """The delays of the first delivered texts of hours."""
    where = f"{_BEING} AND {_MEANWHILE} ORDER BY m.sent_at, m.id"
    return _walked(_delay(), where, limit, _hours(accounts, hours))


def _first(period: Period, only: Account | None) -> dict[Any, list[Any]]:
    """The delays among the first texts of each hour of the period; of every other hour where its steps are longer. Of
    one account they are the first delivered ones."""
    hours = [begin + past * HOUR for begin in period.begins for past in range(0, period.step, 2)]
    if only:
        return _first_delivered([only.pk], hours, sample_of(period))
    where = f"{_MEANWHILE} ORDER BY m.sent_at, m.id"
    return _walked(_delay(), where, sample_of(period), _hours([0], hours))


def overdue(accounts: Iterable[int], now: datetime) -> dict[int, Overdue]:
    """How many are late, of each account: among the oldest of each pending status."""
    found: dict[int, Overdue] = defaultdict(Overdue)
    pending = ", ".join(f"'{status}'" for status in _PENDING)
    late = (  # as `queries.is_overdue`, of one whose effective status is known to be pending
        f"CASE WHEN m.status IN ({pending}) AND "
        "CASE WHEN m.valid_until IS NULL THEN m.sent_at < asked.until ELSE m.valid_until < asked.at END "
        "THEN 1 ELSE 0 END"
    )
    asked = [(pk, status, now, now - OVERDUE_AFTER) for pk in accounts for status in _PENDING]
    for (pk, *_), its in _walked(late, f"{_BEING} ORDER BY m.sent_at, m.id", MOST_OVERDUE + 1, asked).items():
        found[pk].add(its)
    return found


def _hours(accounts: Iterable[int], hours: Sequence[datetime]) -> list[tuple[int, str, datetime, datetime]]:
    return [(pk, Status.DELIVERED.value, hour, hour + HOUR) for pk in accounts for hour in hours]


def _delay() -> str:
    """How long it took until we heard that a text was delivered; NULL if we did not."""
    known = f"m.status = '{Status.DELIVERED.value}' AND m.final_at >= m.sent_at"
    return f"CASE WHEN {known} THEN {_SECONDS[connection.vendor]} END"


def _walked(
    value: str, where: str, limit: int, asked: Sequence[tuple[int, str, datetime, datetime]]
) -> dict[tuple[int, str, datetime], list[Any]]:
    """What each walk finds, by what it was asked with: the account, the status, and the first of the two times."""
    if not asked:
        return {}
    words = {"value": value, "where": where, "limit": limit, "list": _LISTS[connection.vendor]}
    places = ", ".join(["(%s, %s, %s, %s)"] * len(asked))
    given = [one for pk, status, at, until in asked for one in (pk, status, _stored(at), _stored(until))]
    with connection.cursor() as cursor:
        cursor.execute(_WALKS.format(**words, asked=places, table=Message._meta.db_table), given)
        return {(pk, status, _moment(at)): json.loads(its or "[]") for pk, status, at, its in cursor.fetchall()}
