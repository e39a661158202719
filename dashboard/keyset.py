"""Pages by key, newest first: no OFFSET, no COUNT(*), and nothing lost or shown twice while rows are added."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, F, Func, Model, Q, QuerySet, Value
from django.utils.crypto import constant_time_compare, salted_hmac

Row = TypeVar("Row", bound=Model)

# "o" continues with what is older than the row with this id, "n" goes back to what is newer; "f" and "t" do the same
# and begin with the row itself. Signed, so that nobody makes them up.
_CURSOR = re.compile(r"([oftn][0-9a-f]{1,16})_([0-9a-f]{8})", re.ASCII)
_SIGN = {"o": "<", "f": "<=", "n": ">", "t": ">="}
MOST_WALKS = 64
Statement = tuple[str, list[Any]]
_LOOKUP = {"o": "pk__lt", "f": "pk__lte", "n": "pk__gt", "t": "pk__gte"}


class BadCursor(ValueError):
    """The text is not a place in a list."""


@dataclass(frozen=True, slots=True)
class Window(Generic[Row]):
    """One page. `older` and `newer` are the cursors of its neighbours, None where there is none."""

    items: list[Row]
    older: str | None = None
    newer: str | None = None


class Branched(QuerySet[Row]):
    """Rows that are the union of `walks`, which do not overlap; each goes along an index of its own.

    "effective IN (four values), newest first" would be sorted whole on SQLite; four short walks are merged instead.
    `time` is the column that tells what is newer, before the id does: then a span of time is one piece of each walk.
    """

    walks: tuple[QuerySet[Row], ...] = ()
    time: str = ""

    def _clone(self) -> Branched[Row]:
        clone: Branched[Row] = super()._clone()  # type: ignore[misc]
        clone.walks, clone.time = self.walks, self.time
        return clone

    @classmethod
    def by(cls, time: str, model: type[Row]) -> Branched[Row]:
        found = cls(model)
        found.time, found.walks = time, (QuerySet(model),)
        return found

    def _filter_or_exclude(self, negate: bool, args: Any, kwargs: Any) -> Branched[Row]:
        """Of `filter` and `exclude`: the walks follow."""
        found: Branched[Row] = super()._filter_or_exclude(negate, args, kwargs)  # type: ignore[misc]
        found.walks = tuple(
            walk.exclude(*args, **kwargs) if negate else walk.filter(*args, **kwargs) for walk in self.walks
        )
        return found

    def none(self) -> Branched[Row]:
        found: Branched[Row] = super().none()
        found.walks = ()
        return found

    def split(self, condition: Q, branches: Collection[Q]) -> Branched[Row]:
        """Those that meet the condition, which is to meet one of the branches. Too many walks are none."""
        found: Branched[Row] = self.filter(condition)
        if len(self.walks) * len(branches) <= MOST_WALKS:
            found.walks = tuple(walk.filter(branch) for walk in self.walks for branch in branches)
        return found


class _Beside(Func):
    """`(time, id) < (..., ...)`: compared as a row, which both databases look up in an index of this shape."""

    output_field = BooleanField()

    def __init__(self, sign: str, *names_and_values: Any) -> None:
        super().__init__(*names_and_values)
        self._sign = sign

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **options: Any) -> Any:
        compiled = [compiler.compile(part) for part in self.get_source_expressions()]
        a, b, c, d = (sql for sql, _ in compiled)
        return f"({a}, {b}) {self._sign} ({c}, {d})", [value for _, values in compiled for value in values]


def window(rows: QuerySet[Row], cursor: str, size: int) -> Window[Row]:
    """The page at `cursor` ("" is the newest). Raises BadCursor."""
    if not cursor:
        return _older(rows, "", None, size)
    going, pk = _read(cursor)
    if going in "of":
        return _older(rows, going, pk, size)
    found = _take(_beside(rows, going, pk), "", size + 1)
    if not found:
        return _older(rows, "", None, size)
    page = found[:size][::-1]
    newer = _write("n", page[0].pk) if len(found) > size else None
    return Window(page, older=_write("o", page[-1].pk), newer=newer)


def sifted(
    rows: QuerySet[Row], cursor: str, size: int, *, keep: Callable[[list[Row]], list[Row]], among: int
) -> Window[Row]:
    """The page of those rows that `keep` keeps, out of so many at most: it may be short although more follows."""
    looked = window(rows, cursor, among)
    kept = keep(looked.items)
    if len(kept) <= size:
        return Window(kept, older=looked.older, newer=looked.newer)
    if cursor and _read(cursor)[0] in "nt":
        return Window(kept[-size:], older=looked.older, newer=_write("n", kept[-size].pk))
    return Window(kept[:size], older=_write("o", kept[size - 1].pk), newer=looked.newer)


def from_row(pk: int) -> str:
    """The cursor of the page that begins with this row."""
    return _write("f", pk)


def goes_back(cursor: str) -> bool:
    """Whether the page at the cursor ends with a row that is known, and begins with one that is not."""
    return cursor[:1] in ("n", "t")


def statements(rows: Branched[Row], cursor: str, size: int) -> tuple[Statement | None, Statement | None]:
    """What asks for the keys of one page more than `size`, and for something newer than where the cursor is: to be
    kept and asked again. None asks for nothing that there could be.

    The cursor is none that `goes_back`. Raises BadCursor.
    """
    if not cursor:
        return _union(rows.walks, _ordering(rows, "-"), size + 1), None
    going, pk = _read(cursor)
    page, newer = _beside(rows, going, pk), _beside(rows, "n", pk)
    return _union(_walks(page), _ordering(rows, "-"), size + 1), _union(_walks(newer), _ordering(rows, ""), 1)


def count(rows: QuerySet[Any], most: int) -> int:
    """How many there are, or `most`: no more of them are looked for."""
    if walks := _walks(rows):
        return len(_walked(walks, _ordering(rows, "-"), most))
    return len(rows.order_by().values_list("pk")[:most])


def chunks(rows: QuerySet[Row], size: int) -> Iterator[list[Row]]:
    """All rows, newest first, `size` at a time: constant memory and no cursor held open on the database."""
    found: list[Row] = []
    while True:
        found = _take(_beside(rows, "o", found[-1].pk) if found else rows, "-", size)
        if found:
            yield found
        if len(found) < size:
            return


def value_chunks(rows: QuerySet[Any], size: int, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The same, of each row only these values, of which "pk" is the first: for very many rows."""
    found: list[tuple[Any, ...]] = []
    while True:
        found = _take(_beside(rows, "o", found[-1][0]) if found else rows, "-", size, names)
        if found:
            yield found
        if len(found) < size:
            return


def _older(rows: QuerySet[Row], going: str, pk: int | None, size: int) -> Window[Row]:
    found = _take(rows if pk is None else _beside(rows, going, pk), "-", size + 1)
    page = found[:size]
    newer = None
    if pk is not None:
        newer = _write("n", page[0].pk) if page else _write("t", pk)
    return Window(page, older=_write("o", page[-1].pk) if len(found) > size else None, newer=newer)


def _beside(rows: QuerySet[Row], going: str, pk: int) -> QuerySet[Row]:
    """Those on one side of the row with this id."""
    time = getattr(rows, "time", "")
    if not time:
        return rows.filter(**{_LOOKUP[going]: pk})
    field = rows.model._meta.get_field(time)
    at = rows.model._default_manager.filter(pk=pk).values_list(time, flat=True).first()
    if at is None:
        raise BadCursor("This is not a place in the list any more.")
    return rows.filter(_Beside(_SIGN[going], F(time), F("pk"), Value(at, output_field=field), Value(pk)))  # type: ignore[arg-type]


def _take(rows: QuerySet[Any], order: str, size: int, names: Sequence[str] = ()) -> list[Any]:
    """The first `size` rows, newest first where `order` is "-", or these values of them."""
    ordering = _ordering(rows, order)
    if walks := _walks(rows):
        pks = _walked(walks, ordering, size)
        # By id alone: a row that has left the list meanwhile must not make the page look like the last.
        found = rows.model._default_manager.filter(pk__in=pks).order_by(*ordering)
        found.query.select_related = rows.query.select_related
    else:
        pks, found = [0], rows.order_by(*ordering)[:size]
    return list(found.values_list(*names) if names else found) if pks else []


def _walks(rows: QuerySet[Any]) -> tuple[QuerySet[Any], ...]:
    return getattr(rows, "walks", ())


def _ordering(rows: QuerySet[Any], order: str) -> list[str]:
    return [f"{order}{name}" for name in (getattr(rows, "time", ""), "pk") if name]


def _walked(walks: Iterable[QuerySet[Any]], ordering: Sequence[str], size: int) -> list[Any]:
    """The ids of the first rows of all walks together."""
    statement = _union(walks, ordering, size)
    if statement is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        return [row[-1] for row in cursor.fetchall()]


def _union(walks: Iterable[QuerySet[Any]], ordering: Sequence[str], size: int) -> Statement | None:
    """Asks for the keys of the first rows of all walks together: each is cut short by itself, and nothing is joined to
    them. None: there is no walk that can find anything."""
    key = [name.lstrip("-") for name in ordering]
    parts: list[str] = []
    values: list[Any] = []
    for walk in walks:
        with suppress(EmptyResultSet):
            sql, given = walk.order_by(*ordering).values_list(*key)[:size].query.sql_with_params()
            parts.append(f"SELECT * FROM ({sql}) AS walk")  # noqa: S608
            values += given
    if not parts:
        return None
    going = "DESC" if ordering[0].startswith("-") else "ASC"
    places = ", ".join(f"{n} {going}" for n in range(1, len(key) + 1))
    return f"{' UNION ALL '.join(parts)} ORDER BY {places} LIMIT {int(size)}", values


def _read(cursor: str) -> tuple[str, int]:
    match = _CURSOR.fullmatch(cursor)
    if match is None or not constant_time_compare(match[2], _signature(match[1])):
        raise BadCursor("This is not a place in the list.")
    return match[1][0], int(match[1][1:], 16)


def _write(going: str, pk: int) -> str:
    place = f"{going}{pk:x}"
    return f"{place}_{_signature(place)}"


def _signature(place: str) -> str:
    return salted_hmac("dashboard.keyset", place).hexdigest()[:8]
