"""Making a report and the registration of its message see each other.

Without this, on PostgreSQL, a report that finds no message and a registration that finds no orphan can both commit,
and the two never meet. Whoever is about to conclude "not there" first takes a lock that the other also takes.
SQLite's immediate transactions already serialise writers.

The order in which a transaction takes locks: ids, then message rows, then limits. Nobody who holds a limit waits for
the rows of another tree, so nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from zlib import crc32

from django.db import connection

BUCKETS = 64  # few enough that a thousand ids do not exhaust the server's lock table


def bucket_of(match_id: str) -> int:
    """Ids in one bucket share a lock."""
    return crc32(match_id.encode()) % BUCKETS


def lock_ids(pairs: Iterable[tuple[int, str]]) -> None:
    """Hold the (account id, normalised provider id) pairs until the transaction ends. Taken before any row lock."""
    if connection.vendor != "postgresql":
        return
    wanted = sorted({(account, bucket_of(match_id)) for account, match_id in pairs})
    one_after_another = "SELECT pg_advisory_xact_lock(a, b) FROM unnest(%s::int[], %s::int[]) AS wanted (a, b)"
    with connection.cursor() as cursor:
        cursor.execute(one_after_another, [[account for account, _ in wanted], [bucket for _, bucket in wanted]])


def lock_limits(names: Iterable[str]) -> None:
    """Hold these limits ("account 5") until the transaction ends, so that two cannot both take the last place.

    Taken after the rows of one tree of messages and before counting: one tree in a transaction, not several.
    """
    if connection.vendor != "postgresql":
        return
    keys = sorted(int.from_bytes(sha256(f"limit {name}".encode()).digest()[:8], signed=True) for name in names)
    with connection.cursor() as cursor:
        for key in keys:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
