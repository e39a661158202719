"""A database as it is after three months: `python3 -m bench.generate ROWS`, into the DATABASE_URL of the environment.

So many messages, three events each, what was kept of each report, recipients, batches and the sums, with the skew of
real traffic: a few large accounts and countries, one batch of a tenth of all messages, an account where each text is an
order of its own, and little of what is rare. The database makes the rows itself, in pieces, and its indexes last.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - only after setup
from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench import rows_sql as sql  # noqa: E402
from dashboard import vault  # noqa: E402
from dashboard.ingest import rows  # noqa: E402
from dashboard.models import (  # noqa: E402
    Account,
    ApiToken,
    Audit,
    Batch,
    BatchCount,
    BatchText,
    Bulk,
    BulkItem,
    Event,
    Evidence,
    HourCount,
    Message,
    Orphan,
    QuarterCount,
    Recipient,
    Retry,
    User,
)  # fmt: skip

# Foreign keys are not looked up for each row: what is made here refers to itself. Nothing waits for the disk.
POSTGRES = (
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
    "SET maintenance_work_mem = '1GB'",
)
SQLITE = ("PRAGMA foreign_keys = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000")
PIECE = 50_000  # messages made in one transaction
TOKEN = "as_for_measuring"
PASSWORD = "a-password-for-measuring"
BIG: tuple[type[Any], ...] = (
    Recipient, Batch, Message, Event, Evidence, HourCount, QuarterCount, BatchCount, BatchText, Audit,
)  # fmt: skip
ACCOUNTS = (
    ("main", "bsg"), ("royce", "roycetalk"), ("smsbat", "smsbat"), ("esms", "esms_africa"), ("orders", "bridgexapi"),
    ("second", "bsg"), ("spare", "esms_africa"), ("small", "roycetalk"), ("rare", "smsbat"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything, for so many messages."""

    messages: int

    @property
    def recipients(self) -> int:
        return max(self.messages * 3 // 10, 20)

    @property
    def audits(self) -> int:
        return self.messages // 20


def fill(messages: int, say: Callable[[str], None] = lambda line: None) -> None:
    """Fill the migrated, empty database of the environment."""
    size, begin = Size(messages), time.monotonic()

    def told(what: str) -> None:
        say(f"{time.monotonic() - begin:6.0f} s  {what}")

    with _unguarded(), _without_indexes(told):
        people, now = _people(), timezone.now()
        for slug, provider in ACCOUNTS:
            made = Account.make(slug=slug, provider_key=provider, last_success_at=now, last_webhook_at=now)
            made.set_credentials({"api_key": "for measuring"}, "bench")
            made.save()
        _recipients(size.recipients, now)
        told(f"{size.recipients:,} recipients")
        build = sql.Build(connection.vendor, messages, size.recipients, int(now.timestamp()))
        for name, statement in build.before():
            _run(statement)
            told(name)
        for first in range(1, messages + 1, PIECE):
            with transaction.atomic():
                for statement in build.piece(first, min(first + PIECE - 1, messages)):
                    _run(statement)
            told(f"{min(first + PIECE - 1, messages):,} messages with their events and evidence")
        for name, statement in build.after(people["ops"].pk, people["admin"].pk, size.audits):
            _run(statement)
            told(name)
        _reset_sequences()
    _analyze()
    told("all is indexed and analysed")


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("%", "%%"), [])


def _people() -> dict[str, User]:
    made = {}
    for role in ("support", "ops", "admin"):
        made[role] = User.objects.create_user(role, password=PASSWORD, **{role: True})
    ApiToken.objects.create(name="bench", sha256=ApiToken.hash(TOKEN), read=True, write=True)
    return made


def _recipients(count: int, now: Any) -> None:
    for first in range(0, count, PIECE):
        numbers = range(first, min(first + PIECE, count))
        digits = [f"{sql.prefix_of(r)}{r:08d}" for r in numbers]
        rows.insert(
            Recipient(created_at=now - timedelta(days=90)),
            {
                "id": [sql.recipient_id(r) for r in numbers],
                "digits": digits,
                "reversed": [text[::-1] for text in digits],
                "hmac": [vault.phone_hmac(text) for text in digits],
            },
        )


# ------------------------------------------------------------------------------ faster without, built last


@contextmanager
def _unguarded() -> Iterator[None]:
    postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        for setting in POSTGRES if postgres else SQLITE:
            cursor.execute(setting)
    yield
    connection.close()  # and the settings with it


@contextmanager
def _without_indexes(told: Callable[[str], None]) -> Iterator[None]:
    find = _postgres_indexes if connection.vendor == "postgresql" else _sqlite_indexes
    found = list(find())
    for _, drop, _ in found:
        _run(drop)
    yield
    for name, _, create in found:
        _run(create)
        told(f"index {name}")


def _postgres_indexes() -> Iterator[tuple[str, str, str]]:
    tables = [model._meta.db_table for model in BIG]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'u' AND conrelid::regclass::text = ANY(%s)",
            [tables],
        )
        constraints = cursor.fetchall()
        cursor.execute(
            "SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE NOT i.indisprimary "
            "AND i.indrelid::regclass::text = ANY(%s) "
            "AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype = 'u')",
            [tables],
        )
        indexes = cursor.fetchall()
    for table, name, definition in constraints:
        yield (
            name,
            f"ALTER TABLE {table} DROP CONSTRAINT {name}",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
        )
    for name, definition in indexes:
        yield name, f"DROP INDEX {name}", definition


def _sqlite_indexes() -> Iterator[tuple[str, str, str]]:
    tables = ", ".join(f"'{model._meta.db_table}'" for model in BIG)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name IN ({tables})"
        )
        for name, definition in cursor.fetchall():
            yield name, f'DROP INDEX "{name}"', definition


def _reset_sequences() -> None:
    models = [*BIG, Orphan, Retry, Bulk, BulkItem]
    for statement in connection.ops.sequence_reset_sql(no_style(), models):
        _run(statement)


def _analyze() -> None:
    if connection.vendor == "postgresql":  # as autovacuum does; nobody does it on SQLite
        _run("VACUUM ANALYZE")


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    fill(int(sys.argv[1]), lambda line: print(line, flush=True))
