"""The sums that pages show instead of counting: rows of +n and -n, inserted in the transaction that changes what they
count.

A sum is SUM(n) over the few rows that it has. Nobody updates a row, so that many can change one batch at once and none
waits for another. `squash` adds rows up; `recount` compares the sums with what they are sums of.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, DecimalField, Exists, F, Max, OuterRef, Q, QuerySet, Sum, Value

from dashboard.domain import phone
from dashboard.domain.lifecycle import State, reached_the_wire
from dashboard.ingest import quarters, rows
from dashboard.ingest.objects import Writes
from dashboard.models import Batch, BatchCount, BatchText, HourCount, Message, Retry
from providers.base import Status

log = logging.getLogger(__name__)

RECENT = 5_000  # rows that are looked at for something to add up, the newest ones
SQUASHED = 2_000  # rows added up in one transaction
ROUNDS = 10  # such transactions in one look
BATCHES = 100  # compared in one step
RECOUNT_LOCK = 0x636F756E  # of PostgreSQL; any number that nobody else takes

BATCH_KEY = ("batch_id", "status")
TEXT_KEY = ("batch_id", "kind", "currency", "price")
HOUR_KEY = ("hour", "account_id", "country", "status")

Row = BatchCount | BatchText | HourCount
_WRITES: dict[type[Row], Writes] = {
    model: Writes(model, (*key, "n"))
    for model, key in ((BatchCount, BATCH_KEY), (BatchText, TEXT_KEY), (HourCount, HOUR_KEY))
}
_KIND = BatchText.Kind
_NO_PRICE = ("", Decimal(0))


# ------------------------------------------------------------------------------ changing them

_PRICE = DecimalField(max_digits=20, decimal_places=8)
# `lifecycle.reached_the_wire`, as a question to the database.
WENT_OUT = ~Q(status=Status.CREATED.value) & (Q(reported=True) | Q(not_sent=False))
# The provider's own retry under the same id is one more text of the same message.
_SAME_AGAIN = Q(via=Retry.Via.PROVIDER, state=Retry.State.ACCEPTED, message=F("original"))


class Place(NamedTuple):
    """All of a message that decides where it counts."""

    batch_id: int | None
    root_id: int | None
    effective: str
    status: str
    not_sent: bool
    reported: bool
    cost: Decimal | None
    currency: str
    sent_at: datetime
    account_id: int
    country: str


_PLACE = attrgetter(*Place._fields)


def place_of(message: Message) -> Place:
    return Place._make(_PLACE(message))


@dataclass(frozen=True, slots=True)
class Counted:
    """Where some messages count: roots in their batch by `effective`; all of them as texts of it, and in their hour."""

    batches: Counter[tuple[int, str]] = field(default_factory=Counter)
    texts: Counter[tuple[int, str, str, Decimal]] = field(default_factory=Counter)
    hours: Counter[tuple[datetime, int, str, str]] = field(default_factory=Counter)


def counted(places: Iterable[Place]) -> Counted:
    found = Counted()
    for place in places:
        if place.batch_id and not place.root_id:
            found.batches[place.batch_id, place.effective] += 1
        _count_texts(found, place, 1)
        found.hours[hour_of(place.sent_at), place.account_id, place.country, place.status] += 1
    return found


def _count_texts(found: Counted, place: Place, n: int) -> None:
    """So many messages of that place as texts of their batch."""
    if not place.batch_id:
        return
    state = State(Status(place.status), not_sent=place.not_sent, reported=place.reported)
    if reached_the_wire(state):
        found.texts[place.batch_id, _KIND.AGAIN if place.root_id else _KIND.FIRST, *_NO_PRICE] += n
    if state.status is Status.OUTCOME_UNKNOWN:
        found.texts[place.batch_id, _KIND.DOUBTFUL, *_NO_PRICE] += n
    if place.cost is not None:
        found.texts[place.batch_id, _KIND.PRICED, place.currency, place.cost] += n


def hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def move(before: Counted, after: Counted) -> None:
    """Let the sums follow messages from where they counted to where they count now. Call inside the transaction."""
    batches, texts, hours = after.batches.copy(), after.texts.copy(), after.hours.copy()
    batches.subtract(before.batches)
    texts.subtract(before.texts)
    hours.subtract(before.hours)
    _insert(BatchCount, batches)
    _insert(BatchText, texts)
    _insert(HourCount, hours)


def tried_again_by_provider(batch_id: int | None) -> None:
    """Count one more text of the batch: the provider took a message that it had failed on once more."""
    if batch_id:
        _insert(BatchText, Counter({(batch_id, _KIND.AGAIN, *_NO_PRICE): 1}))


def insert_messages(like: Message, columns: rows.Columns) -> None:
    """Store as many new messages as the columns have places, and count them: the way of many at once.

    Among the columns are "sent_at", "batch_id" and "country"; all of them count as `like`, and none is sent again.
    """
    rows.insert(like, columns)
    found, place = Counted(), place_of(like)
    for batch_id, n in Counter(columns["batch_id"]).items():
        if batch_id is not None:
            found.batches[batch_id, like.effective] = n
    hours = {at: hour_of(at) for at in set(columns["sent_at"])}
    nothing = [None] * len(columns["batch_id"])
    priced = (columns["batch_id"], columns.get("cost", nothing), columns.get("currency", nothing))
    for (batch_id, cost, currency), n in Counter(zip(*priced, strict=True)).items():
        _count_texts(found, place._replace(batch_id=batch_id, cost=cost, currency=currency or ""), n)
    for (at, country), n in Counter(zip(columns["sent_at"], columns["country"], strict=True)).items():
        found.hours[hours[at], like.account_id, country, like.status] += n
    move(Counted(), found)


def add_messages(messages: Sequence[Message]) -> None:
    """Store new messages and count them: the way of one or a few."""
    for message in messages:
        message.country = message.country or phone.main_country(message.recipient.digits)
    Message.objects.bulk_create(messages)
    move(Counted(), counted(map(place_of, messages)))


def _insert(model: type[Row], sums: Counter[Any]) -> None:
    _WRITES[model].insert_rows([(*values, n) for values, n in sums.items() if n])


# ------------------------------------------------------------------------------ adding them up


# Hours that are not rolled are left to `quarters.roll`.
_SQUASHED: tuple[tuple[type[Any], tuple[str, ...], dict[str, bool]], ...] = (
    (BatchCount, BATCH_KEY, {}),
    (BatchText, TEXT_KEY, {}),
    (HourCount, quarters.ROLLED_KEY, {"rolled": True}),
)


def squash() -> int:
    """Add up rows of the same sum where there are new ones; returns how many rows there were (the worker's job)."""
    done = quarters.roll()
    for model, key, which in _SQUASHED:
        newest = model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
        recent = model._default_manager.filter(pk__gt=newest - RECENT).values(key[0])
        rows = model._default_manager.filter(**{f"{key[0]}__in": recent}, **which)
        for _ in range(ROUNDS):
            taken = _squash(rows, key)
            done += taken
            if taken < SQUASHED:
                break
    return done


def _squash(rows: QuerySet[Any], key: tuple[str, ...]) -> int:
    """Make one row of several, and none of those that cancel out. Rows that another worker has in hand are left."""
    model = rows.model
    others = model._default_manager.filter(**{name: OuterRef(name) for name in key}).exclude(pk=OuterRef("pk"))
    several = rows.filter(Exists(others)).order_by("pk")
    if not several.exists():  # nobody else waits while there is nothing to do
        return 0
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            several = several.select_for_update(skip_locked=True)
        pks, sums = [], Counter[Any]()
        for pk, n, *values in several.values_list("pk", "n", *key)[:SQUASHED]:
            pks.append(pk)
            sums[tuple(values)] += n
        model._default_manager.filter(pk__in=pks).delete()
        Writes(model, (*key, "n")).insert_rows([(*values, n) for values, n in sums.items() if n])
    return len(pks)


# ------------------------------------------------------------------------------ checking them


def recount(*, repair: bool = True) -> Iterator[int]:
    """Compare every sum with what it is a sum of, one bounded step after another.

    Each step yields how many sums were wrong in it. A wrong one is a fault of ours: it is logged, and put right.
    """
    last = 0
    while pks := list(Batch.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCHES]):
        wrong = _compare(_batches_between(last, pks[-1]), BatchCount, BATCH_KEY, {}, repair)
        yield wrong + _compare(_texts_between(last, pks[-1]), BatchText, TEXT_KEY, {}, repair)
        last = pks[-1]
    hour = _next_hour(None)
    while hour is not None:
        yield _compare(_in_hour(hour), HourCount, HOUR_KEY[1:], {"hour": hour}, repair)
        hour = _next_hour(hour + timedelta(hours=1))
    yield from quarters.recount(repair=repair)


def _batches_between(after: int, last: int) -> QuerySet[Any, tuple[Any, ...]]:
    """(batch, status, n): the truth with a plus and the sums with a minus. One statement, so one moment."""
    roots = Message.objects.filter(root=None, batch_id__gt=after, batch_id__lte=last).order_by()
    told = BatchCount.objects.filter(batch_id__gt=after, batch_id__lte=last).order_by()
    return roots.values_list("batch_id", "effective").annotate(total=Count("pk")).union(
        told.values_list("batch_id", "status").annotate(total=-Sum("n")), all=True
    )  # fmt: skip


def _texts_between(after: int, last: int) -> QuerySet[Any, tuple[Any, ...]]:
    """(batch, kind, currency, price, n), likewise."""
    sent = Message.objects.filter(batch_id__gt=after, batch_id__lte=last).order_by()
    out, none = sent.filter(WENT_OUT), {"a": Value(""), "b": Value(Decimal(0), output_field=_PRICE)}
    named = ("batch_id", "kind", "a", "b", "total")
    by_kind = {
        _KIND.FIRST: out.filter(root=None),
        _KIND.AGAIN: out.filter(root__isnull=False),
        _KIND.DOUBTFUL: sent.filter(status=Status.OUTCOME_UNKNOWN.value),
    }
    counted: list[QuerySet[Any, Any]] = [
        rows.values("batch_id").annotate(kind=Value(kind.value), **none, total=Count("pk")).values_list(*named)
        for kind, rows in by_kind.items()
    ]
    same = Retry.objects.filter(_SAME_AGAIN, root__batch__gt=after, root__batch__lte=last).order_by()
    counted.append(
        same.values("root__batch").annotate(kind=Value(_KIND.AGAIN.value), **none, total=Count("pk"))
        .values_list("root__batch", *named[1:])
    )  # fmt: skip
    priced = sent.filter(cost__isnull=False).annotate(kind=Value(_KIND.PRICED.value))
    counted.append(
        priced.values("batch_id", "kind", "currency", "cost").annotate(total=Count("pk"))
        .values_list("batch_id", "kind", "currency", "cost", "total")
    )  # fmt: skip
    told = BatchText.objects.filter(batch_id__gt=after, batch_id__lte=last).order_by()
    return told.values_list(*TEXT_KEY).annotate(total=-Sum("n")).union(*counted, all=True)


def _in_hour(hour: datetime) -> QuerySet[Any, tuple[Any, ...]]:
    """(account, country, status, n), likewise."""
    sent = Message.objects.filter(sent_at__gte=hour, sent_at__lt=hour + timedelta(hours=1)).order_by()
    told = HourCount.objects.filter(hour=hour).order_by()
    return sent.values_list("account_id", "country", "status").annotate(total=Count("pk")).union(
        told.values_list("account_id", "country", "status").annotate(total=-Sum("n")), all=True
    )  # fmt: skip


def _next_hour(start: datetime | None) -> datetime | None:
    """The first hour from then on in which something was sent, or is said to have been."""
    at = quarters.earliest(start, (Message, "sent_at"), (HourCount, "hour"))
    return None if at is None else hour_of(at)


def _compare(
    rows: QuerySet[Any, tuple[Any, ...]], model: type[Row], key: tuple[str, ...], common: dict[str, Any], repair: bool
) -> int:
    wrong = _differences(rows)
    if not wrong or not repair:
        return len(wrong)
    with transaction.atomic():
        if connection.vendor == "postgresql":  # a second worker must not put it right as well
            connection.cursor().execute("SELECT pg_advisory_xact_lock(%s)", [RECOUNT_LOCK])
        wrong = _differences(rows.all())
        for values, n in wrong.items():
            place = {**common, **dict(zip(key, values, strict=True))}
            log.error("A sum was wrong by %+d and was put right: %s %s", n, model.__name__, place)
            model._default_manager.create(**place, n=n)
    return len(wrong)


def _differences(rows: QuerySet[Any, tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for *values, n in rows:
        found[tuple(values)] += n
    return Counter({values: n for values, n in found.items() if n})
