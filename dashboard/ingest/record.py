"""record(): the ONE writer of events and of what they make of a message.

In one transaction: whom each report speaks of, evidence, events, the folded state, what the root counts as, and when
to ask next. Reports about messages we do not know become orphans. Locks are always taken in the same order: ids, then
message rows by primary key.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from dashboard.domain import schedule
from dashboard.domain.lifecycle import FINALS, PENDING, UNRESOLVED, State, effective, fold
from dashboard.ingest.counts import Counted, counted, move
from dashboard.ingest.events import events_of, said, speaks_of_another, upsert
from dashboard.ingest.evidence import digest
from dashboard.ingest.items import DEADLINE, Item, ours
from dashboard.ingest.known import with_ids
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.waiting import waiting_items
from dashboard.models import Event, Evidence, Message, Orphan
from dashboard.models.messages import Source
from providers.base import Report, Status

jitter = random.random
MOST_PARTS = 255  # of one text; more is somebody's slip
WEBHOOK_SEEN = 4  # the step of schedule.BACK_OFF from which polling goes on after a webhook


def record(items: Sequence[Item]) -> list[int | None]:
    """Store what the items say. For each, our message's id, or None if it became an orphan."""
    with transaction.atomic(savepoint=False):  # inside another transaction it is one with it
        found, new = _resolve(items)
        orphans = [item for item, message_id in zip(items, found, strict=True) if message_id is None]
        _keep_orphans(orphans)
        pairs = [(item, pk) for item, pk in zip(items, found, strict=True) if pk is not None]
        apply(pairs)
        _attach_waiting(items, new)
    return found


# ------------------------------------------------------------------------------ whom it speaks of


def _resolve(items: Sequence[Item]) -> tuple[list[int | None], set[tuple[int, str]]]:
    """Our message's id for each item, and the provider's ids that no message has yet (locked)."""
    wanted = {key for item in items if item.message_id is None and (key := _key(item))}
    known = lookup(wanted)
    missing = (wanted - known.keys()) | {key for item in items if _names(item) and (key := _key(item))}
    if missing:
        lock_ids(missing)
        known |= lookup(missing)
    found = [item.message_id or known.get(_key(item) or (0, "")) or _by_reference(item) for item in items]
    return found, missing - known.keys()


def _names(item: Item) -> bool:
    """Whether it may tell the id of a message that has none yet: a send's answer, or a listing's."""
    return item.message_id is not None and (item.asked is None or item.asked.id is None)


def _key(item: Item) -> tuple[int, str] | None:
    if not item.report.id:
        return None
    return item.account.pk, item.account.provider.normalise_id(item.report.id)


def _attach_waiting(items: Sequence[Item], new: set[tuple[int, str]]) -> None:
    """Reports about an id may have come before the id was stored, which was just now."""
    named = lookup(new)
    for account in {item.account.pk: item.account for item in items}.values() if named else ():
        ids = {match_id: pk for (account_id, match_id), pk in named.items() if account_id == account.pk}
        apply(waiting_items(account, ids))


def lookup(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Our ids of the messages with these (account id, normalised provider id)."""
    by_account: dict[int, list[str]] = defaultdict(list)
    for account, match_id in keys:
        by_account[account].append(match_id)
    found: dict[tuple[int, str], int] = {}
    for account, ids in by_account.items():
        rows = with_ids(account, ids).values_list("match_id", "pk")
        found |= {(account, str(match_id)): pk for match_id, pk in rows}
    return found


def _by_reference(item: Item) -> int | None:
    """Our own send whose answer never came, or that we think was not sent, found by the reference that we gave it."""
    if item.message_id or not item.report.reference:
        return None
    unanswered = [status.value for status in UNRESOLVED]
    mine = Message.objects.filter(
        Q(status__in=unanswered) | Q(not_sent=True),
        account=item.account, reference=item.report.reference, match_id=None, sent_by_us=True,
    )  # fmt: skip
    pks = list(mine.values_list("pk", flat=True)[:2])
    return pks[0] if len(pks) == 1 else None


def _keep_orphans(items: Sequence[Item]) -> None:
    """A report that comes before its message waits here; it is attached in the transaction that stores the id."""
    for item in items:
        evidence = item.evidence
        if evidence is None:
            continue
        evidence.save()
        entries = item.report.entries
        Orphan.objects.create(
            account=item.account,
            match_id=(_key(item) or (0, ""))[1],
            word=entries[-1].word[:100] if entries else "",
            problem=evidence.problem,
            evidence=evidence,
            received_at=item.received_at,
        )


# ------------------------------------------------------------------------------ what it changes


def apply(pairs: Sequence[tuple[Item, int]]) -> None:
    """Write the items about known messages. Must run inside a transaction."""
    if not pairs:
        return
    messages = lock_trees({pk for _, pk in pairs})
    before = counted(messages.values())
    by_message: dict[int, list[Item]] = defaultdict(list)
    for item, pk in pairs:
        by_message[pk].append(item)
    _store_evidence(by_message, messages)
    events: list[Event] = []
    for pk, items in by_message.items():
        events += _absorb(messages[pk], items)
    upsert(events)
    set_effective(messages.values())
    save(messages.values(), before)


def begin(message: Message, item: Item) -> Event:
    """Let an unsaved message be what its first item makes of it, and return that item's event, unsaved as well."""
    (event,) = _absorb(message, [item])
    set_effective([message])
    return event


def sent_again_as(root_pk: int, pk: int) -> None:
    """Let a message that was registered by itself be one that was sent again for this root."""
    with transaction.atomic():
        messages = lock_trees({root_pk, pk})
        before = counted(messages.values())
        again = messages[pk]
        again.root_id, again.batch_id = root_pk, messages[root_pk].batch_id
        Message.objects.filter(pk=pk).update(root_id=again.root_id, batch_id=again.batch_id)
        set_effective(messages.values())
        save(messages.values(), before)


def lock_trees(pks: set[int]) -> dict[int, Message]:
    """The messages and everything sent again for the same roots, locked in one order."""
    roots = {root or pk for pk, root in Message.objects.filter(pk__in=pks).values_list("pk", "root_id")}
    tree = Message.objects.filter(Q(pk__in=roots) | Q(root_id__in=roots)).order_by("pk")
    if connection.features.has_select_for_update:
        tree = tree.select_for_update()
    return {message.pk: message for message in tree}


def _store_evidence(by_message: dict[int, list[Item]], messages: dict[int, Message]) -> None:
    """Keep every conversation, but of repeated answers to our own asking only those that say something new."""
    kept: list[Evidence] = []
    for pk, items in by_message.items():
        message = messages[pk]
        for item in items:
            if item.evidence is None or item.evidence.pk:
                continue
            if item.source == Source.POLL:
                said_before, message.answer_sha256 = message.answer_sha256, digest(item.report)
                if said_before == message.answer_sha256:
                    item.evidence = None
                    continue
            if speaks_of_another(item):  # what it says is not for this message's page
                item.evidence.problem = "The provider answered about another message."
                kept.append(item.evidence)
                item.evidence = None
                continue
            item.evidence.message = message
            if message.own_retries:
                item.evidence.context["own_retries"] = message.own_retries
            kept.append(item.evidence)
    Evidence.objects.bulk_create(kept)


def _absorb(message: Message, items: Sequence[Item]) -> list[Event]:
    """Fold the items into the message (unsaved) and return their events."""
    before = message.state
    events: list[Event] = []
    for item in items:
        new = events_of(item, message)
        events += new
        message.state = fold(map(said, new), message.state)
        heard = not speaks_of_another(item)
        if heard:
            _fill(message, item)
        _settle_ask(message, item, answered=heard and item.answered)
        if heard and item.answered and _gave_up(message, item.received_at):
            entry = ours(DEADLINE, Status.UNKNOWN, attempt=message.attempt, detail="No report came by the deadline.")
            own = Item(
                account=item.account, source=Source.WORKER, report=Report(entries=(entry,)), by_provider=False,
                received_at=item.received_at,
            )  # fmt: skip
            late = events_of(own, message)
            events += late
            message.state = fold(map(said, late), message.state)
        message.heard_at = item.received_at
    _note_final(message, before)
    for item in items:
        _plan(message, item)
    return events


def _gave_up(message: Message, now: datetime) -> bool:
    status = Status(message.status)
    over = now >= schedule.deadline(message.sent_at, message.valid_until)
    return over and status in PENDING and status not in UNRESOLVED


def _fill(message: Message, item: Item) -> None:
    """Facts fill what is empty; what was given first stays."""
    report = item.report
    if message.cost is None and report.cost is not None:
        message.cost = report.cost
        message.currency = (report.currency or item.account.currency)[:8]
    if message.parts is None and report.parts is not None and report.parts <= MOST_PARTS:
        message.parts = report.parts
    message.text = report.text or None if message.text is None else message.text
    for name, value in (
        ("sender", report.sender[:50]),
        ("route", report.route[:100]),
        ("provider_batch_id", report.batch_id),
    ):
        if value and not getattr(message, name):
            setattr(message, name, value)
    message.extra = {**{name: str(value)[:200] for name, value in report.extra.items()}, **message.extra}
    if report.id and message.match_id is None:
        message.provider_message_id = report.id
        message.match_id = item.account.provider.normalise_id(report.id)


def _settle_ask(message: Message, item: Item, *, answered: bool) -> None:
    if item.lease and message.lease == item.lease:
        message.lease, message.lease_until = "", None
    if item.lease or answered:
        message.asked += 1  # also what could not be read makes the next ask a later one
    if answered:
        message.asked_at = item.received_at
        message.wanted_at = None
        message.unconfirmed = False


def _note_final(message: Message, before: State) -> None:
    status = Status(message.status)
    if status not in FINALS:
        message.final_at = None
    elif message.final_at is None or (before.status, before.attempt) != (status, message.attempt):
        message.final_at = message.heard_at


def _plan(message: Message, item: Item) -> None:
    """When to ask next, after this item."""
    now, status = item.received_at, Status(message.status)
    provider = item.account.provider
    unsigned_final = item.source == Source.WEBHOOK and not item.signed and status in FINALS
    if item.due_now or item.report.recheck or unsigned_final:
        fresh_until = message.asked_at and message.asked_at + timedelta(seconds=provider.fresh_for)
        message.next_check_at = max(now, fresh_until or now)
        message.unconfirmed = message.unconfirmed or unsigned_final
        return
    if message.unconfirmed:
        return  # one confirming ask is due already
    reopens = provider.reopens_failed_for
    message.next_check_at = schedule.next_check(
        now=now,
        status=status,
        # A provider that reports by itself need not be asked as eagerly.
        asked=max(message.asked, WEBHOOK_SEEN) if item.source == Source.WEBHOOK else message.asked,
        give_up_at=schedule.deadline(message.sent_at, message.valid_until),
        reopens_until=message.final_at + timedelta(seconds=reopens) if reopens and message.final_at else None,
        jitter=jitter,
    )


def set_effective(messages: Iterable[Message]) -> None:
    again: dict[int, list[tuple[int, State]]] = defaultdict(list)
    for message in messages:
        if message.root_id:
            again[message.root_id].append((message.pk, message.state))
            message.effective = message.status
    for message in messages:
        if not message.root_id:
            message.effective = effective(message.state, again[message.pk]).value
            states = [message.state, *(state for _, state in again[message.pk])]
            message.deliveries = sum(state.status is Status.DELIVERED for state in states)


_STATE_AND_FACTS = {
    "provider_message_id", "match_id", "provider_batch_id", "text", "sender", "route", "parts", "cost",
    "currency", "extra", "status", "attempt", "provider_status", "negatives", "not_sent", "reported", "conflict",
    "effective", "deliveries", "unconfirmed", "own_retries", "heard_at", "final_at", "next_check_at", "wanted_at",
    "lease", "lease_until", "asked", "asked_at", "answer_sha256",
}  # fmt: skip
_WRITTEN = [field for field in Message._meta.concrete_fields if field.name in _STATE_AND_FACTS]
_UPDATE = (
    f"UPDATE {Message._meta.db_table} SET "  # noqa: S608
    + ", ".join(f"{field.column} = %s" for field in _WRITTEN)
    + " WHERE id = %s"
)


def save(messages: Collection[Message], before: Counted) -> None:
    """Write the messages, which counted as `before`, and let the sums follow.

    One prepared statement for all rows: bulk_update's CASE ladder is slower by an order of magnitude.
    """
    rows = [
        [field.get_db_prep_save(getattr(message, field.attname), connection) for field in _WRITTEN] + [message.pk]
        for message in messages
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_UPDATE, rows)
    move(before, counted(messages))
