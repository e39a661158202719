"""What the overview stands on, read from stored sums and from bounded samples: it costs the same at any size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from dashboard.domain.lifecycle import PENDING
from dashboard.domain.overview import Sums
from dashboard.domain.verdict_facts import Usual
from dashboard.models import Account, HourCount, Message
from dashboard.queries import OVERDUE_AFTER
from providers.base import Status

HOUR = timedelta(hours=1)
NEWEST_DELIVERED = 200  # of an account, for its delay
SAMPLE, SAMPLE_OF_MANY = 50, 20  # the first texts of an hour, for the delay over time
MOST_OVERDUE = 100  # counted of each account
_AT_ONCE = 100  # walks in one question: SQLite takes 500

_PENDING = {status.value for status in PENDING}


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


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


@dataclass(frozen=True, slots=True)
class Delays:
    """How long texts took to be heard of as delivered."""

    last: Mapping[int, Usual]  # by account: the newest of the last full hour
    usual: Mapping[int, Usual]  # by account: of the whole period before it
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


def look(accounts: Sequence[Account], period: Period, now: datetime, only: Account | None) -> Looked:
    """Read the samples, in three questions. The delay over time may be of one account `only`."""
    hour = hour_of(now) - HOUR
    newest = _newest_delivered([account.pk for account in accounts], hour + HOUR)
    oldest = {
        (account.pk, status): Walk(_OLDEST, (account.pk, status)) for account in accounts for status in sorted(_PENDING)
    }
    first = _first(period, sample_of(period, only))
    found = _read([*newest.values(), *oldest.values(), *first.values()])
    of_account = dict(zip(newest, found, strict=False))
    of_status = dict(zip(oldest, found[len(newest) :], strict=False))
    of_spot = dict(zip(first, found[len(newest) + len(oldest) :], strict=True))
    return Looked(
        delays=_delays(of_account, of_spot, period, hour, only),
        overdue=_overdue(of_status, now),
    )


def sample_of(period: Period, only: Account | None) -> int:
    """How many texts of each hour are looked at; more where most of them may be another account's."""
    return (SAMPLE if period.step == 1 else SAMPLE_OF_MANY) * (3 if only else 1)


@dataclass(frozen=True, slots=True)
class Walk:
    """The beginning of one index, by its LIMIT. Written in SQL, since Django takes a millisecond to write each."""

    where: str
    given: tuple[Any, ...]


_OLDEST = f"account_id = %s AND effective = %s ORDER BY id LIMIT {MOST_OVERDUE + 1}"
_NEWEST = f"account_id = %s AND effective = '{Status.DELIVERED.value}' {{}}ORDER BY id DESC LIMIT {NEWEST_DELIVERED}"
_FIRST = "sent_at >= %s AND sent_at < %s ORDER BY sent_at, id LIMIT %s"


def _newest_delivered(accounts: Iterable[int], before: datetime) -> dict[int, Walk]:
    """Of each account, made before the first message that was sent from then on. Ids follow the times of sending
    closely; the few that do not are left out when they are read."""
    later = Message.objects.filter(sent_at__gte=before).order_by("sent_at", "pk")
    bound = later.values_list("pk", flat=True).first()
    if bound is None:
        return {pk: Walk(_NEWEST.format(""), (pk,)) for pk in accounts}
    return {pk: Walk(_NEWEST.format("AND id < %s "), (pk, bound)) for pk in accounts}


def _first(period: Period, most: int) -> dict[datetime, Walk]:
    """The first texts of each hour of the period; of every other hour where its steps are longer."""
    hours = [begin + past * HOUR for begin in period.begins for past in range(0, period.step, 2)]
    stored = connection.ops.adapt_datetimefield_value
    return {hour: Walk(_FIRST, (stored(hour), stored(hour + HOUR), most)) for hour in hours}


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


def _delays(
    of_account: Mapping[int, list[_Row]],
    of_spot: Mapping[datetime, list[_Row]],
    period: Period,
    hour: datetime,
    only: Account | None,
) -> Delays:
    last = {
        pk: [row.delay for row in rows if row.delay is not None and hour <= row.sent_at < hour + HOUR]
        for pk, rows in of_account.items()
    }
    before: dict[int, list[timedelta]] = defaultdict(list)
    steps: list[list[timedelta]] = [[] for _ in range(period.count)]
    for spot, rows in of_spot.items():
        for row in rows:
            if row.delay is None:
                continue
            if row.sent_at < hour:
                before[row.account].append(row.delay)
            if only is None or row.account == only.pk:
                steps[period.place(spot)].append(row.delay)
    return Delays(
        last={pk: usual for pk, its in last.items() if (usual := _usual(its))},
        usual={pk: usual for pk, its in before.items() if (usual := _usual(its))},
        over_time=[_usual(its) for its in steps],
    )


def _usual(delays: Iterable[timedelta]) -> Usual | None:
    return Usual.of(delays, same_country=False)


def _overdue(of_status: Mapping[tuple[int, str], list[_Row]], now: datetime) -> dict[int, Overdue]:
    found: dict[int, Overdue] = defaultdict(Overdue)
    for (account, _status), rows in of_status.items():
        late = sum(row.is_late(now) for row in rows[:MOST_OVERDUE])
        found[account].count += late
        found[account].more |= late > 0 and len(rows) > MOST_OVERDUE
    return found
