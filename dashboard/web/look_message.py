"""Whether an open message's page is still as it was."""

from __future__ import annotations

from datetime import UTC, timedelta
from math import log
from typing import Any

from django.http import Http404
from django.utils import timezone

from dashboard.models import Account, Message, Retry
from dashboard.queries import GREATEST_ID
from dashboard.web.look import PENDING_WORDS, Seen, answers, version_of

# A verdict also changes by time alone: it is looked at anew whenever the message is a tenth older, within these limits.
OLDER = 1.1
SHORTEST, LONGEST = timedelta(seconds=15), timedelta(minutes=10)

_ROOT = f"(SELECT COALESCE(root_id, id) FROM {Message._meta.db_table} WHERE id = %s)"  # noqa: S608
_TRIES = f"""
    SELECT m.id, m.status, m.effective, m.conflict, m.unconfirmed, m.heard_at, m.wanted_at, m.asked_at, m.sent_at,
        a.enabled, a.pause_reason
    FROM {Message._meta.db_table} m JOIN {Account._meta.db_table} a ON a.id = m.account_id
    WHERE m.id = {_ROOT} OR m.root_id = {_ROOT} ORDER BY m.id"""  # noqa: S608
_WISHES = f"""
    SELECT id, state, changed_at FROM {Retry._meta.db_table} WHERE root_id = {_ROOT} ORDER BY id"""  # noqa: S608
_HOLDING = {state.value for state in Retry.HOLDING}


def look_at_message(pk: int) -> Seen:
    """At the message with this id, at everything sent for the same root, and at the wishes to send it again."""
    if pk > GREATEST_ID:  # which SQLite would not even read
        raise Http404
    tries, wishes = answers(_TRIES, [pk, pk]), answers(_WISHES, [pk])
    expected = (row[1] in PENDING_WORDS or row[4] or row[6] for row in tries)
    moving = any(expected) or any(state in _HOLDING for _, state, _ in wishes)
    shown: list[Any] = [*(row[:8] for row in tries), *wishes]
    if moving:
        sent_at, enabled, pause_reason = next(row[8:] for row in tries if row[0] == pk)
        aware = sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)  # SQLite keeps no zone
        shown.append((step(timezone.now() - aware), enabled, pause_reason))
    return Seen(version_of(shown), moving)


def step(age: timedelta) -> tuple[str, int]:
    """Changes whenever a message of that age is to be looked at anew."""
    grown = OLDER - 1
    if age < SHORTEST / grown:
        return "young", age // SHORTEST
    if age < LONGEST / grown:
        return "growing", int(log(age / SHORTEST, OLDER))
    return "old", age // LONGEST
