"""Making a report and the registration of its message see each other.

Without this, on PostgreSQL, a report that finds no message and a registration that finds no orphan can both commit,
and the two never meet. Whoever is about to conclude "not there" first takes a lock that the other also takes.
SQLite's immediate transactions already serialise writers.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from django.db import connection

BUCKETS = 64  # few enough that a thousand ids do not exhaust the server's lock table


def lock_ids(pairs: Iterable[tuple[int, str]]) -> None:
    """Hold the (account id, normalised provider id) pairs until the transaction ends. Taken before any row lock."""
    if connection.vendor != "postgresql":
        return
    wanted = sorted({(account, crc32(match_id.encode()) % BUCKETS) for account, match_id in pairs})
    one_after_another = "SELECT pg_advisory_xact_lock(a, b) FROM unnest(%s::int[], %s::int[]) AS wanted (a, b)"
    with connection.cursor() as cursor:
        cursor.execute(one_after_another, [[account for account, _ in wanted], [bucket for _, bucket in wanted]])
