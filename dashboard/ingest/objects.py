"""Writing many objects with one statement, without asking Django about each value of each of them.

PostgreSQL gets all of them as one JSON text and makes a table of it: that many parameters would cost both sides more.
SQLite prepares the statement for one row and runs it for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, DecimalField, JSONField, Model


class Writes:
    """Writes some columns of a model's objects; with none named, all but the primary key."""

    def __init__(self, model: type[Model], names: Collection[str] = ()) -> None:
        fields = model._meta.concrete_fields
        chosen = [field for field in fields if (field.name in names if names else not field.primary_key)]
        self._fields = sorted(chosen, key=lambda field: field.primary_key)  # the key is last
        self._table = model._meta.db_table
        self._columns = [str(field.column) for field in self._fields]
        self.values = attrgetter(*(field.attname for field in self._fields))

    def insert(self, objects: Iterable[Any], otherwise: str = "") -> None:
        """Insert the objects. `otherwise` is what to do about those that are there: "ON CONFLICT ..."."""
        columns = ", ".join(self._columns)
        if connection.vendor == "postgresql":
            rows = f"SELECT {columns} FROM {self._recordset}"  # noqa: S608 - columns of our own models
        else:
            rows = f"VALUES ({', '.join(['%s'] * len(self._columns))})"
        self._run(f"INSERT INTO {self._table} ({columns}) {rows} {otherwise}", objects)

    def update(self, objects: Iterable[Any]) -> None:
        """Write the columns of stored objects, found by their primary key (which must be one of the columns)."""
        *columns, key = self._columns
        if connection.vendor == "postgresql":
            changes = ", ".join(f"{column} = told.{column}" for column in columns)
            which = f"FROM {self._recordset} WHERE {self._table}.{key} = told.{key}"
        else:
            changes, which = ", ".join(f"{column} = %s" for column in columns), f"WHERE {key} = %s"
        self._run(f"UPDATE {self._table} SET {changes} {which}", objects)  # noqa: S608

    def _run(self, statement: str, objects: Iterable[Any]) -> None:
        rows = list(map(self.values, objects))
        if not rows:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                told = [dict(zip(self._columns, row, strict=True)) for row in rows]
                cursor.execute(statement, [json.dumps(told, default=_text)])
            else:
                cursor.executemany(statement, [self._adapted(row) for row in rows])

    def _adapted(self, row: tuple[Any, ...]) -> list[Any]:
        """As SQLite keeps it."""
        values = list(row)
        for n, adapt in self._odd:
            if values[n] is not None:
                values[n] = adapt(values[n])
        return values

    @cached_property
    def _odd(self) -> list[tuple[int, Callable[[Any], Any]]]:
        """Where the values are that SQLite cannot keep as they are, and what it keeps instead."""
        found: list[tuple[int, Callable[[Any], Any]]] = []
        for n, field in enumerate(self._fields):
            if isinstance(field, DateTimeField):
                found.append((n, _utc))
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


def _utc(value: datetime) -> str:
    return str(value.astimezone(UTC).replace(tzinfo=None))


def _text(value: Any) -> str:
    """What JSON has no word for, as PostgreSQL reads it."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
