"""What every page asks of the database stays within bounds that do not grow with the tables.

Each page is opened on generated rows, and every question it asks is put once more for its plan: on PostgreSQL by
EXPLAIN ANALYZE, on SQLite by the steps of its virtual machine, of which reading a whole table takes many times more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.generate import fill
from bench.visits import Visit, Visitors, visits
from dashboard.ingest.counts import recount

# What is made here refers to itself by number.
pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)

BIG = {
    "message",
    "event",
    "evidence",
    "recipient",
    "batch",
    "batchcount",
    "batchtext",
    "hourcount",
    "quartercount",
    "audit",
}
MOST_ROWS = 15_000  # that one question may look at: of ten million; what is on its way is walked whole
# As many as a plan of sending again holds; a wish to send again is weighed with more; the hours of an overview.
PER_PLAN = {"bulk": 40_000, "send again": 12_000, "overview": 12_000, "overview, 7 days": 15_000}
PAGE_OF_A_SMALL_TABLE = 500  # rows, below which reading all is right
MOST_STEPS = 80_000  # of SQLite's machine: a scan of 20,000 messages takes 160,000 and more
# Two filters of which SQLite, which has no statistics, cannot tell the rarer one: among many messages it shows.
GUESSED = ({"country", "bucket"}, {"country", "status"}, {"country", "ended"}, {"batch", "account"})


def asked(visit: Visit, visitors: Visitors) -> list[str]:
    """What the page reads, each question as it was put."""
    with CaptureQueriesContext(connection) as queries:
        response = visitors.go(visit)
    assert response.status_code in {200, 204, 286, 302}, (visit.name, response.status_code)
    return [query["sql"] for query in queries if query["sql"].lstrip("( \n").startswith(("SELECT", "WITH"))]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def excess_on_postgres(sql: str, most: int) -> str:
    """What is too much about the plan; "" if nothing is."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql)
        (found,) = cursor.fetchone()
    plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
    looked_at = 0
    for node in nodes(plan):
        if "Relation Name" not in node and "Index Name" not in node:
            continue
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = (node["Actual Rows"] + removed) * node["Actual Loops"]
        looked_at += rows
        table = node.get("Relation Name", "").removeprefix("dashboard_")
        if node["Node Type"] == "Seq Scan" and table in BIG and rows > PAGE_OF_A_SMALL_TABLE:
            return f"reads all of {table}"
    return f"looks at {looked_at:.0f} rows" if looked_at > most else ""


def excess_on_sqlite(sql: str, most: int) -> str:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1_000

    with connection.cursor() as cursor:
        connection.connection.set_progress_handler(step, 1_000)
        cursor.execute(sql)
        cursor.fetchall()
        connection.connection.set_progress_handler(None, 0)
        if steps <= max(MOST_STEPS, most * 20):
            return ""
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return f"takes {steps} steps: {[row[-1] for row in cursor.fetchall()]}"


def faults(excess: Callable[[str, int], str], guessed: Collection[set[str]] = ()) -> list[str]:
    visitors = Visitors()
    found = []
    for visit in visits():
        if connection.vendor == "sqlite" and any(pair <= visit.query.keys() for pair in guessed):
            continue
        most = PER_PLAN.get(visit.kind, MOST_ROWS)
        for sql in asked(visit, visitors):
            if problem := excess(sql, most if connection.vendor == "postgresql" else PER_PLAN.get(visit.kind, 0)):
                found.append(f"{visit.name} {problem}\n    {sql[:1500]}")
    return found


@pytest.mark.sqlite_only
def test_no_page_reads_a_whole_table_of_twenty_thousand_messages() -> None:
    fill(20_000)
    assert sum(recount(repair=False)) == 0
    assert not (found := faults(excess_on_sqlite)), "\n".join(found)


@pytest.mark.slow
@pytest.mark.database
def test_no_page_reads_more_where_there_are_three_hundred_thousand() -> None:
    fill(300_000)
    excess = excess_on_postgres if connection.vendor == "postgresql" else excess_on_sqlite
    assert not (found := faults(excess, GUESSED)), "\n".join(found)
