"""Many rows at once, column by column: COPY on PostgreSQL, one prepared INSERT on SQLite.

An instance for each row, or a placeholder for each value looked for, costs more than what the database does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, Field, Func, Model
from psycopg.adapt import PyFormat, Transformer

Columns = Mapping[str, Sequence[Any]]

_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Among(Func):
    """A condition: the text in a column is one of these (no empty one), and other columns have these values.

    One parameter, however many texts there are. On SQLite the order of the join is stated: beside a list it prefers
    any index over one equal column.
    """

    output_field = BooleanField()

    def __init__(self, model: type[Model], column: str, texts: Iterable[str], **same: Any) -> None:
        super().__init__(F("pk"), *map(F, (column, *same)))
        self._table, self._columns, self._texts = model._meta.db_table, (column, *same), list(texts)
        self._same = [value for value in same.values() if value is not None]
        self._tests = [" = %s" if value is not None else " IS NULL" for value in same.values()]

    def as_postgresql(self, compiler: Any, connection: Any, **options: Any) -> Any:
        _, *columns = (compiler.compile(part)[0] for part in self.get_source_expressions())
        return f"({columns[0]} = ANY(%s::text[]) AND {self._also(columns)})", [text_array(self._texts), *self._same]

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        pk, *_ = (compiler.compile(part)[0] for part in self.get_source_expressions())
        columns = [f"found.{name}" for name in self._columns]
        found = f"json_each(%s) AS given CROSS JOIN {self._table} AS found ON {columns[0]} = given.value"
        sql = f"{pk} IN (SELECT found.{pk.rpartition('.')[2]} FROM {found} WHERE {self._also(columns)})"  # noqa: S608
        return sql, [json.dumps(self._texts), *self._same]

    def _also(self, columns: Sequence[str]) -> str:
        # That no text is empty is what the partial indexes say of their rows.
        tests = (f"{column}{test}" for column, test in zip(columns[1:], self._tests, strict=True))
        return " AND ".join([f"NOT ({columns[0]} = '')", *tests])


def text_array(texts: Collection[str]) -> str:
    """PostgreSQL's notation of an array: a constant, of which the planner knows how many there are."""
    together = "".join(texts)
    if '"' in together or "\\" in together:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '{"' + '","'.join(texts) + '"}' if texts else "{}"


def insert(like: Model, columns: Columns) -> None:
    """Store a row for each place in the columns (by attribute name); whatever has no column is as in `like`."""
    varying, common = _split(like, columns)
    if connection.vendor == "postgresql":
        _copy(like, varying, common, columns)
    else:
        names = ", ".join(str(field.column) for field in [*varying, *common])
        marks = ", ".join(["%s"] * (len(varying) + len(common)))
        cells = [_prepared(field, columns[field.attname]) for field in varying]
        same = tuple(field.get_db_prep_save(getattr(like, field.attname), connection) for field in common)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {like._meta.db_table} ({names}) VALUES ({marks})",  # noqa: S608
                [row + same for row in zip(*cells, strict=True)],
            )


def insert_missing(like: Model, columns: Columns, key: str) -> None:
    """The same, but where a row with this unique key is there already it stays."""
    if connection.vendor != "postgresql":  # nobody else writes: what was missing a moment ago still is
        insert(like, columns)
        return
    varying, common = _split(like, columns)
    names = ", ".join(str(field.column) for field in [*varying, *common])
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in varying)
    marks = "".join(", %s" for _ in common)
    statement = (
        f"INSERT INTO {like._meta.db_table} ({names}) SELECT given.*{marks} FROM unnest({arrays}) AS given "  # noqa: S608
        f"ON CONFLICT ({key}) DO NOTHING"
    )
    parameters = [field.get_db_prep_save(getattr(like, field.attname), connection) for field in common]
    parameters += [text_array(_prepared(field, columns[field.attname])) for field in varying]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def update(model: type[Model], keys: Sequence[Any], **columns: Sequence[Any]) -> None:
    """Set the columns of the rows with these primary keys: one prepared statement for all."""
    if not keys:
        return
    fields = [field for field in model._meta.concrete_fields if field.attname in columns]
    places = ", ".join(f"{field.column} = %s" for field in fields)
    statement = f"UPDATE {model._meta.db_table} SET {places} WHERE {model._meta.pk.column} = %s"  # noqa: S608
    values = [_prepared(field, columns[field.attname]) for field in fields]
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*values, keys, strict=True)))


def new_keys(model: type[Model], count: int) -> list[int]:
    """Primary keys for so many rows to come. On SQLite until the transaction ends, where nobody else can take them."""
    table, pk = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)", [table, pk, count]
            )
            return sorted(key for (key,) in cursor.fetchall())
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        (last,) = cursor.fetchone() or (0,)
        return list(range(last + 1, last + 1 + count))


def _split(like: Model, columns: Columns) -> tuple[list[Field[Any, Any]], list[Field[Any, Any]]]:
    """The fields that have a column, and those that are the same in every row; a key that is not given is left out."""
    fields = like._meta.concrete_fields
    varying = [field for field in fields if field.attname in columns]
    return varying, [field for field in fields if field.attname not in columns and not field.primary_key]


def _prepared(field: Field[Any, Any], values: Sequence[Any]) -> list[Any]:
    """The values as the driver takes them: text and numbers as they are, all others once for each distinct one."""
    kinds = set(map(type, values))
    if kinds <= {str, int}:
        return list(values)
    known = {value: field.get_db_prep_save(value, connection) for value in set(values)}
    return list(map(known.__getitem__, values))


# ------------------------------------------------------------------------------ PostgreSQL's COPY


def _copy(like: Model, varying: Iterable[Field[Any, Any]], common: Iterable[Field[Any, Any]], columns: Columns) -> None:
    fields = [*varying, *common]
    transformer = Transformer(connection.connection)

    def text(value: Any) -> str:
        if value is None:
            return "\\N"
        (dumped,) = transformer.dump_sequence([value], [PyFormat.TEXT])
        return bytes(dumped or b"").decode().translate(_SPECIAL)

    cells = [_texts(field, columns[field.attname], text) for field in varying]
    same = "".join("\t" + text(field.get_db_prep_save(getattr(like, field.attname), connection)) for field in common)
    lines = map("\t".join, zip(*cells, strict=True))
    names = ", ".join(str(field.column) for field in fields)
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {like._meta.db_table} ({names}) FROM STDIN") as copy,
    ):
        copy.write("".join(line + same + "\n" for line in lines))


def _texts(field: Field[Any, Any], values: Sequence[Any], text: Callable[[Any], str]) -> Sequence[str]:
    kinds = set(map(type, values))
    if kinds == {str}:
        plain = "".join(values)
        special = any(character in plain for character in "\\\t\n\r")
        return [value.translate(_SPECIAL) for value in values] if special else values
    if kinds == {int}:
        return list(map(str, values))
    known = {value: text(field.get_db_prep_save(value, connection)) for value in set(values)}
    return list(map(known.__getitem__, values))
