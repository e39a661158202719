"""Reading, making and writing many objects without asking Django about each value of each of them.

PostgreSQL gets all that is written as one JSON text and makes a table of it: that many parameters would cost both sides
more. SQLite prepares the statement for one row and runs it for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache, partial
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, DecimalField, Field, JSONField, Model
from django.db.models.base import ModelState

Adapt = Callable[[Any], Any]
_M = TypeVar("_M", bound=Model)


def made(model: type[_M], **values: Any) -> _M:
    """An unsaved object with these values (by attribute name) and the model's defaults for all others."""
    found = model.__new__(model)
    found.__dict__.update(_defaults(model), **values, _state=ModelState())
    return found


@cache
def _defaults(model: type[Model]) -> dict[str, Any]:
    """What every new object has; a default that is made anew for each object is not among them."""
    fields = model._meta.concrete_fields
    return {one.attname: one.get_default() for one in fields if not (one.has_default() and callable(one.default))}


class Reads:
    """Reads a model's objects by a statement that selects their columns."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._fields = model._meta.concrete_fields
        self._names = [field.attname for field in self._fields]

    def columns(self, table: str) -> str:
        return ", ".join(f"{table}.{field.column}" for field in self._fields)

    def objects(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(map(self._object, cursor.fetchall()))

    def _object(self, row: tuple[Any, ...]) -> Any:
        values = dict(zip(self._names, row, strict=True))
        for name, read in self._odd:
            if values[name] is not None:
                values[name] = read(values[name])
        state = ModelState()
        state.adding, state.db = False, connection.alias
        found = self._model.__new__(self._model)
        found.__dict__.update(values, _state=state)
        return found

    @cached_property
    def _odd(self) -> list[tuple[str, Adapt]]:
        """The attributes that the driver does not give as Python has them, and how they are read."""
        found: list[tuple[str, Adapt]] = []
        for field in self._fields:
            if isinstance(field, JSONField):
                found.append((field.attname, json.loads))
            elif connection.vendor == "sqlite" and isinstance(field, DateTimeField):
                found.append((field.attname, _in_utc))
            elif connection.vendor == "sqlite" and isinstance(field, DecimalField):
                found.append((field.attname, _django_reads(field)))
        return found


class Writes:
    """Writes some columns of a model's objects, by attribute name; with none named, all but the primary key."""

    def __init__(self, model: type[Model], names: Sequence[str] = ()) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        chosen = names or [name for name, field in fields.items() if not field.primary_key]
        self._fields = [fields[name] for name in chosen]
        self._table = model._meta.db_table
        self._columns = [str(field.column) for field in self._fields]
        self.values = attrgetter(*chosen)

    def insert(self, objects: Iterable[Any], otherwise: str = "") -> None:
        """Insert the objects. `otherwise` is what to do about those that are there: "ON CONFLICT ..."."""
        self.insert_rows(map(self.values, objects), otherwise)

    def insert_rows(self, values: Iterable[tuple[Any, ...]], otherwise: str = "") -> None:
        """Insert rows of the named values, in their order."""
        columns = ", ".join(self._columns)
        if connection.vendor == "postgresql":
            rows = f"SELECT {columns} FROM {self._recordset}"  # noqa: S608 - columns of our own models
        else:
            rows = f"VALUES ({', '.join(['%s'] * len(self._columns))})"
        self._run(f"INSERT INTO {self._table} ({columns}) {rows} {otherwise}", values)

    def update(self, objects: Iterable[Any]) -> None:
        """Write the columns of stored objects, found by their primary key: the last of the names."""
        *columns, key = self._columns
        if connection.vendor == "postgresql":
            changes = ", ".join(f"{column} = told.{column}" for column in columns)
            which = f"FROM {self._recordset} WHERE {self._table}.{key} = told.{key}"
        else:
            changes, which = ", ".join(f"{column} = %s" for column in columns), f"WHERE {key} = %s"
        self._run(f"UPDATE {self._table} SET {changes} {which}", map(self.values, objects))  # noqa: S608

    def _run(self, statement: str, values: Iterable[tuple[Any, ...]]) -> None:
        rows = list(values)
        if not rows:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                told = [dict(zip(self._columns, row, strict=True)) for row in rows]
                cursor.execute(statement, [json.dumps(told, default=_text)])
            else:
                cursor.executemany(statement, self._adapted(rows))

    def _adapted(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """As SQLite keeps them."""
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for n, adapt in self._odd:
            columns[n] = [None if value is None else adapt(value) for value in columns[n]]
        return list(zip(*columns, strict=True))

    @cached_property
    def _odd(self) -> list[tuple[int, Adapt]]:
        """Where the values are that SQLite cannot keep as they are, and what it keeps instead."""
        found: list[tuple[int, Adapt]] = []
        for n, field in enumerate(self._fields):
            if isinstance(field, DateTimeField):
                found.append((n, _without_zone))
            elif isinstance(field, JSONField):
                found.append((n, json.dumps))
            elif isinstance(field, DecimalField):
                found.append((n, partial(field.get_db_prep_save, connection=connection)))
        return found

    @cached_property
    def _recordset(self) -> str:
        columns = ", ".join(f"{field.column} {field.db_type(connection)}" for field in self._fields)
        return f"json_to_recordset(%s) AS told ({columns})"


@contextmanager
def one_trip() -> Iterator[None]:
    """What is written inside goes to PostgreSQL without waiting for answers between; a failure is told at the end."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


@lru_cache(maxsize=1024)  # what is stored together is of few moments
def _without_zone(value: datetime) -> str:
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _django_reads(field: Field[Any, Any]) -> Adapt:
    (read,) = connection.ops.get_db_converters(field.cached_col)
    return lambda value: read(value, field.cached_col, connection)


def _text(value: Any) -> str:
    """What JSON has no word for, as PostgreSQL reads it."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
