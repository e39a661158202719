"""Messages under lock, with all that was sent again for the same roots: read, written and counted as a set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from dashboard.domain.lifecycle import State, effective
from dashboard.ingest.counts import Place, counted, move, place_of
from dashboard.ingest.objects import Reads, Writes
from dashboard.models import Message
from providers.base import Status

_TABLE = Message._meta.db_table
_READS = Reads(Message)
_STATE = Writes(Message, (
    "status", "attempt", "provider_status", "negatives", "not_sent", "reported", "conflict", "effective", "deliveries",
    "unconfirmed", "heard_at", "final_at", "next_check_at", "wanted_at", "lease", "lease_until", "asked", "asked_at",
    "answer_sha256", "id",
))  # fmt: skip
_FACTS = Writes(Message, (
    "provider_message_id", "match_id", "provider_batch_id", "text", "sender", "route", "parts", "cost", "currency",
    "extra", "id",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Locked:
    """Messages that are ours until the transaction ends, and what they were when it began."""

    messages: dict[int, Message]
    places: dict[int, Place]
    facts: dict[int, Any]


_TREES_OF = f"""
    WITH roots (id) AS (SELECT COALESCE(one.root_id, one.id) FROM {_TABLE} AS one {{those}})
    SELECT {_READS.columns("tree")} FROM {_TABLE} AS tree WHERE tree.id IN (
        SELECT id FROM roots
        UNION SELECT again.id FROM roots CROSS JOIN {_TABLE} AS again WHERE again.root_id = roots.id
    ) ORDER BY tree.id"""  # noqa: S608
_TREES = {
    "sqlite": _TREES_OF.format(those="WHERE one.id IN (SELECT value FROM json_each('[' || %s || ']'))"),
    "postgresql": _TREES_OF.format(those="WHERE one.id = ANY(('{' || %s || '}')::bigint[])") + " FOR UPDATE OF tree",
}


def lock_trees(pks: set[int]) -> Locked:
    """The messages and everything sent again for the same roots, locked in one order."""
    tree: list[Message] = _READS.objects(_TREES[connection.vendor], [",".join(map(str, pks))])
    return Locked(
        {one.pk: one for one in tree},
        {one.pk: place_of(one) for one in tree},
        {one.pk: _FACTS.values(one) for one in tree},
    )


def set_effective(messages: Iterable[Message]) -> None:
    again: dict[int, list[tuple[int, State]]] = defaultdict(list)
    for message in messages:
        if message.root_id:
            again[message.root_id].append((message.pk, message.state))
            message.effective = message.status
    for message in messages:
        if message.root_id:
            continue
        if message.pk not in again:  # as of almost all: it is what it says itself
            message.effective, message.deliveries = message.status, int(message.status == Status.DELIVERED.value)
            continue
        message.effective = effective(message.state, again[message.pk]).value
        states = [message.state, *(state for _, state in again[message.pk])]
        message.deliveries = sum(state.status is Status.DELIVERED for state in states)


def save(locked: Locked) -> None:
    """Write the messages as they are now, and let the sums follow."""
    messages = locked.messages.values()
    _STATE.update(messages)
    if changed := [message for message in messages if _FACTS.values(message) != locked.facts[message.pk]]:
        _FACTS.update(changed)
    places = {message.pk: place_of(message) for message in messages}
    moved = [pk for pk, place in places.items() if place != locked.places[pk]]
    move(counted(locked.places[pk] for pk in moved), counted(places[pk] for pk in moved))


def sent_again_as(root_pk: int, pk: int) -> None:
    """Let a message that was registered by itself be one that was sent again for this root."""
    with transaction.atomic():
        locked = lock_trees({root_pk, pk})
        root, again = locked.messages[root_pk], locked.messages[pk]
        again.root_id, again.batch_id = root_pk, root.batch_id
        Message.objects.filter(pk=pk).update(root_id=again.root_id, batch_id=again.batch_id)
        set_effective(locked.messages.values())
        save(locked)
