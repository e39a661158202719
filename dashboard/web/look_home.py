"""Whether the open overview is still as it was: three short statements, before anything it shows is read or worked out.

Every sum, sample and overdue message of it follows from messages that came, went or changed their status: that is one
number (`quarters.version`). Beside it stand what the page says of accounts, and the piles that wait for a person.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from dashboard.ingest import quarters
from dashboard.models import Account, Message
from dashboard.web import attention
from dashboard.web.findings import MOST_COUNTED, piles
from dashboard.web.health import LATE
from dashboard.web.look import Kept, answers, version_of

STEP = timedelta(minutes=1)  # what changes by time alone is shown so soon: an hour that begins, an overdue message

# When the oldest check was due is of interest only where it is late; while all goes well it would change all the time.
_ACCOUNTS = f"""SELECT a.id, a.slug, a.label, a.provider_key, a.enabled, a.sealed_credentials <> '', a.paused_until,
        a.pause_reason, a.no_sends_until, a.no_sends_why, a.last_error, a.last_error_at, a.last_success_at,
        a.last_webhook_at, a.test_result, a.test_ok, a.tested_at,
        (SELECT MIN(m.next_check_at) FROM {Message._meta.db_table} m WHERE m.account_id = a.id AND m.next_check_at < %s)
    FROM {Account._meta.db_table} a ORDER BY a.slug"""  # noqa: S608 - our own tables

_piles: Kept[tuple[str, list[Any]]] = Kept()


def version(now: datetime) -> str:
    """Changes whenever the overview would look different, for whatever span and account."""
    late = connection.ops.adapt_datetimefield_value(now - LATE)
    piled = answers(*_piles.get("", _of_piles))
    return version_of(
        (answers(_ACCOUNTS, [late]), quarters.version(), piled, int(now.timestamp() / STEP.total_seconds()))
    )


def _of_piles() -> tuple[str, list[Any]]:
    """One statement about all of them: how many each has, and of the words which reports they came in."""
    parts: list[str] = []
    given: list[Any] = []
    queries = [rows.order_by().values_list("pk")[: MOST_COUNTED + 1] for rows in piles()]
    queries.append(attention.unmapped().order_by("-pk").values_list("pk")[: attention.MOST_WORDS])
    for place, rows in enumerate(queries):
        sql, values = rows.query.sql_with_params()
        parts.append(f"SELECT {place}, COUNT(*), SUM(pk) FROM ({sql}) AS pile")  # noqa: S608
        given += values
    return " UNION ALL ".join(parts), given
