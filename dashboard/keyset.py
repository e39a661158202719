"""Pages by key, newest first: no OFFSET, no COUNT(*), and nothing lost or shown twice while rows are added."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

Row = TypeVar("Row", bound=Model)

# "o" continues with what is older than the id, "n" goes back to what is newer. Signed, so that nobody makes them up.
_CURSOR = re.compile(r"([on][0-9a-f]{1,16})_([0-9a-f]{8})", re.ASCII)


class BadCursor(ValueError):
    """The text is not a place in a list."""


@dataclass(frozen=True, slots=True)
class Window(Generic[Row]):
    """One page. `older` and `newer` are the cursors of its neighbours, None where there is none."""

    items: list[Row]
    older: str | None = None
    newer: str | None = None


class Branched(QuerySet[Row]):
    """Rows that are the union of `branches`, which do not overlap; each is a walk along an index of its own.

    "effective IN (four values), newest first" would be sorted whole on SQLite; four short walks are merged instead.
    """

    branches: tuple[Q, ...] = ()

    def _clone(self) -> Branched[Row]:
        clone: Branched[Row] = super()._clone()  # type: ignore[misc]
        clone.branches = self.branches
        return clone


def window(rows: QuerySet[Row], cursor: str, size: int) -> Window[Row]:
    """The page at `cursor` ("" is the newest). Raises BadCursor."""
    if not cursor:
        return _older(rows, None, size)
    going, pk = _read(cursor)
    if going == "o":
        return _older(rows, pk, size)
    found = _take(rows.filter(pk__gt=pk), "pk", size + 1)
    if not found:
        return _older(rows, None, size)
    page = found[:size][::-1]
    newer = _write("n", page[0].pk) if len(found) > size else None
    return Window(page, older=_write("o", page[-1].pk), newer=newer)


def from_row(pk: int) -> str:
    """The cursor of the page that begins with this row."""
    return _write("o", pk + 1)


def to_newer(pk: int) -> str:
    """The cursor of the page before this row."""
    return _write("n", pk)


def chunks(rows: QuerySet[Row], size: int) -> Iterator[list[Row]]:
    """All rows, newest first, `size` at a time: constant memory and no cursor held open on the database."""
    found: list[Row] = []
    while True:
        found = _take(_below(rows, found[-1].pk if found else None), "-pk", size)
        if found:
            yield found
        if len(found) < size:
            return


def value_chunks(rows: QuerySet[Any], size: int, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The same, of each row only these values, of which "pk" is the first: for very many rows."""
    found: list[tuple[Any, ...]] = []
    while True:
        found = _take(_below(rows, found[-1][0] if found else None), "-pk", size, names)
        if found:
            yield found
        if len(found) < size:
            return


def _older(rows: QuerySet[Row], pk: int | None, size: int) -> Window[Row]:
    found = _take(_below(rows, pk), "-pk", size + 1)
    page = found[:size]
    newest = page[0].pk if page else (pk or 1) - 1
    return Window(
        page,
        older=_write("o", page[-1].pk) if len(found) > size else None,
        newer=_write("n", newest) if pk is not None else None,
    )


def _below(rows: QuerySet[Row], pk: int | None) -> QuerySet[Row]:
    return rows if pk is None else rows.filter(pk__lt=pk)


def _take(rows: QuerySet[Any], order: str, size: int, names: Sequence[str] = ()) -> list[Any]:
    """The first `size` rows in this order, or these values of them."""
    branches = getattr(rows, "branches", ())
    if not branches:
        found = rows.order_by(order)[:size]
        return list(found.values_list(*names) if names else found)
    walks = (rows.filter(branch).order_by(order).values_list("pk", flat=True)[:size] for branch in branches)
    pks = sorted((pk for walk in walks for pk in walk), reverse=order == "-pk")[:size]
    # By id alone: a row that has left the list meanwhile must not make the page look like the last.
    found = rows.model._default_manager.filter(pk__in=pks).order_by(order)
    found.query.select_related = rows.query.select_related
    return list(found.values_list(*names) if names else found) if pks else []


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
