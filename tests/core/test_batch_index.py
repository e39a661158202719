"""An order is found by its index, however many orders its account has."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.ingest.register import batch_of
from tests.factory import account

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_a_batch_of_a_send_is_found_by_the_providers_id_along_its_index() -> None:
    ours = account()
    made = batch_of(ours, "", "order-1")
    with CaptureQueriesContext(connection) as queries:
        assert batch_of(ours, "", "order-1") == made
    (asked,) = (query["sql"] for query in queries if query["sql"].startswith("SELECT"))
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + asked)
        plan = [row[-1] for row in cursor.fetchall()]
    assert any("batch_provider_id" in step for step in plan), plan
