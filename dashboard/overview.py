"""What the overview stands on, read from stored sums and from bounded samples: it costs the same at any size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from dashboard.domain.lifecycle import PENDING
from dashboard.domain.overview import Sums
from dashboard.domain.verdict_facts import Usual
from dashboard.ingest.counts import hour_of
from dashboard.models import Account, HourCount, Message
from dashboard.queries import OVERDUE_AFTER
from providers.base import Status

HOUR = timedelta(hours=1)
DAYS = 7  # the same hour of so many days is what is usual
NEWEST_DELIVERED, ON_EACH_DAY = 100, 20  # of an account's hour, for its delay: now and on the days before
SAMPLE, SAMPLE_OF_MANY = 50, 20  # the first texts of an hour, for the delay over time
MOST_OVERDUE = 100  # counted of each account
_AT_ONCE = 100  # walks in one question: SQLite takes 500

_PENDING = {status.value for status in PENDING}


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
        return cls(hour_of(now) + HOUR - count * step * HOUR, count, step)

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

    def add(self, oldest: Sequence[_Row], now: datetime) -> None:
        """Those of one status, of which no more than one above MOST_OVERDUE are looked at."""
        late = sum(row.is_late(now) for row in oldest[:MOST_OVERDUE])
        self.count += late
        self.more |= late > 0 and len(oldest) > MOST_OVERDUE


@dataclass(frozen=True, slots=True)
class Delays:
    """How long texts took to be heard of as delivered."""

    last: Mapping[int, Usual]  # by account: the newest of the last full hour
    usual: Mapping[int, Usual]  # by account: of the same hour on the days before
    over_time: Sequence[Usual | None]  # by step of the period


# ------------------------------------------------------------------------------ stored sums


def sums_by_hour(hours: Iterable[datetime]) -> dict[tuple[datetime, int], Sums]:
    """By hour and account."""
    return _sums(HourCount.objects.filter(hour__in=list(hours)), "hour", "account_id")


def sums_by_country(period: Period) -> dict[tuple[int, str], Sums]:
    """By account and country."""
    return _sums(_of(period), "account_id", "country")


def sums_over_time(period: Period, account: Account | None) -> list[Sums]:
    """By step of the period."""
    rows = _of(period).filter(account=account) if account else _of(period)
    found = [Sums()] * period.count
    for (hour,), sums in _sums(rows, "hour").items():
        found[period.place(hour)] += sums
    return found


def _of(period: Period) -> QuerySet[HourCount]:
    return HourCount.objects.filter(hour__gte=period.begin, hour__lt=period.end)


def _sums(rows: QuerySet[HourCount], *key: str) -> dict[Any, Sums]:
    counts: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for *place, status, n in rows.order_by().values_list(*key, "status").annotate(total=Sum("n")):
        counts[tuple(place)][status] += n
    return {place: Sums.of(its) for place, its in counts.items()}


# ------------------------------------------------------------------------------ bounded samples


@dataclass(frozen=True, slots=True)
class _Row:
    """What the samples need of a message."""

    account: int
    status: str
    sent_at: datetime
    final_at: datetime | None
    valid_until: datetime | None

    @property
    def delay(self) -> timedelta | None:
        """How long it took until we heard that it was delivered."""
        arrived = self.final_at if self.status == Status.DELIVERED.value else None
        return arrived - self.sent_at if arrived is not None and arrived >= self.sent_at else None

    def is_late(self, now: datetime) -> bool:
        """As `queries.is_overdue`, of one whose effective status is known to be pending."""
        late = self.valid_until < now if self.valid_until else self.sent_at < now - OVERDUE_AFTER
        return late and self.status in _PENDING


@dataclass(frozen=True, slots=True)
class Looked:
    """What the samples tell."""

    delays: Delays
    overdue: Mapping[int, Overdue]  # by account


def look(accounts: Sequence[Account], hour: datetime, period: Period, now: datetime, only: Account | None) -> Looked:
    """Read the samples, in two questions. The delay over time may be of one account `only`."""
    days = days_before(hour)
    pks = [account.pk for account in accounts]
    newest = {pk: Walk(_NEWEST, (pk, *_stored(hour))) for pk in pks}
    before = {(pk, day): Walk(_FIRST_DELIVERED, (pk, *_stored(day), ON_EACH_DAY)) for pk in pks for day in days}
    oldest = {(pk, status): Walk(_OLDEST, (pk, status)) for pk in pks for status in sorted(_PENDING)}
    first = _first(period, only)
    found = iter(_read([*newest.values(), *before.values(), *oldest.values(), *first.values()]))
    last = {pk: _delays(next(found)) for pk in newest}
    usual: dict[int, list[timedelta]] = defaultdict(list)
    for pk, _day in before:
        usual[pk] += _delays(next(found))
    overdue: dict[int, Overdue] = defaultdict(Overdue)
    for pk, _status in oldest:
        overdue[pk].add(next(found), now)
    steps: list[list[timedelta]] = [[] for _ in range(period.count)]
    for spot in first:
        steps[period.place(spot)] += _delays(next(found))
    return Looked(
        delays=Delays(
            last={pk: known for pk, its in last.items() if (known := _usual(its))},
            usual={pk: known for pk, its in usual.items() if (known := _usual(its))},
            over_time=[_usual(its) for its in steps],
        ),
        overdue=overdue,
    )


def _delays(rows: Iterable[_Row]) -> list[timedelta]:
    return [row.delay for row in rows if row.delay is not None]


def _usual(delays: Iterable[timedelta]) -> Usual | None:
    return Usual.of(delays, same_country=False)


def sample_of(period: Period) -> int:
    """How many texts of each hour are looked at."""
    return SAMPLE if period.step == 1 else SAMPLE_OF_MANY


@dataclass(frozen=True, slots=True)
class Walk:
    """The beginning of one index, by its LIMIT. Written in SQL, since Django takes a millisecond to write each."""

    where: str
    given: tuple[Any, ...]


_DELIVERED = f"account_id = %s AND effective = '{Status.DELIVERED.value}' AND sent_at >= %s AND sent_at < %s"
_NEWEST = f"{_DELIVERED} ORDER BY sent_at DESC, id DESC LIMIT {NEWEST_DELIVERED}"
_OLDEST = f"account_id = %s AND effective = %s ORDER BY sent_at, id LIMIT {MOST_OVERDUE + 1}"
_FIRST = "sent_at >= %s AND sent_at < %s ORDER BY sent_at, id LIMIT %s"
_FIRST_DELIVERED = f"{_DELIVERED} ORDER BY sent_at, id LIMIT %s"


def _stored(hour: datetime) -> tuple[Any, Any]:
    """From when until when the hour lasts, as this database stores times."""
    written = connection.ops.adapt_datetimefield_value
    return written(hour), written(hour + HOUR)


def _first(period: Period, only: Account | None) -> dict[datetime, Walk]:
    """The first texts of each hour of the period; of every other hour where its steps are longer. Of one account they
    are the first delivered ones."""
    hours = [begin + past * HOUR for begin in period.begins for past in range(0, period.step, 2)]
    where, whose = (_FIRST_DELIVERED, (only.pk,)) if only else (_FIRST, ())
    return {hour: Walk(where, (*whose, *_stored(hour), sample_of(period))) for hour in hours}


def _read(walks: Sequence[Walk]) -> list[list[_Row]]:
    """What each walk finds. Many of them are one question."""
    found: list[list[int]] = [[] for _ in walks]
    table = Message._meta.db_table
    for start in range(0, len(walks), _AT_ONCE):
        part = walks[start : start + _AT_ONCE]
        selects = [
            f"SELECT {place}, id FROM (SELECT id FROM {table} WHERE {walk.where}) AS walk"  # noqa: S608 - our own words
            for place, walk in enumerate(part, start)
        ]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(selects), [value for walk in part for value in walk.given])
            for place, pk in cursor.fetchall():
                found[place].append(pk)
    rows = Message.objects.filter(pk__in={pk for pks in found for pk in pks}).order_by()
    named = rows.values_list("pk", "account_id", "status", "sent_at", "final_at", "valid_until")
    by_pk = {row[0]: _Row(*row[1:]) for row in named}
    return [[by_pk[pk] for pk in pks if pk in by_pk] for pks in found]
