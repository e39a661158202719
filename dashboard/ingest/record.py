"""record(): the ONE writer of events and of what they make of a message.

In one transaction: whom each report speaks of, evidence, events, the folded state, what the root counts as, and when
to ask next. Reports about messages we do not know become orphans. Locks are always taken in the same order: ids, then
message rows by primary key.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from dashboard.domain import schedule
from dashboard.domain.lifecycle import FINALS, PENDING, UNRESOLVED, State, fold
from dashboard.ingest.events import events_of, said, speaks_of_another, upsert
from dashboard.ingest.evidence import digest, store
from dashboard.ingest.items import DEADLINE, Item, ours
from dashboard.ingest.known import by_reference, lookup
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.objects import Writes, one_trip
from dashboard.ingest.trees import lock_trees, save, set_effective
from dashboard.ingest.waiting import waiting_items
from dashboard.models import Event, Evidence, Message, Orphan
from dashboard.models.messages import Source
from providers.base import Report, Status

jitter = random.random
MOST_PARTS = 255  # of one text; more is somebody's slip
WEBHOOK_SEEN = 4  # the step of schedule.BACK_OFF from which polling goes on after a webhook

Key = tuple[int, str]  # account, normalised provider id
_ORPHANS = Writes(Orphan)


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


def _resolve(items: Sequence[Item]) -> tuple[list[int | None], set[Key]]:
    """Our message's id for each item, and the provider's ids that no message has yet (locked)."""
    keys = [_key(item) for item in items]
    wanted = {key for item, key in zip(items, keys, strict=True) if key and item.message_id is None}
    known = lookup(wanted)
    missing = wanted - known.keys()
    missing |= {key for item, key in zip(items, keys, strict=True) if key and _names(item)}
    if missing:
        lock_ids(missing)
        known |= lookup(missing)
    found = [item.message_id or (known.get(key) if key else None) for item, key in zip(items, keys, strict=True)]
    references = [(item.account.pk, item.report.reference) for item in items]
    pairs = zip(found, references, strict=True)
    mine = by_reference(reference for pk, reference in pairs if pk is None and reference[1])
    return [pk or mine.get(reference) for pk, reference in zip(found, references, strict=True)], missing - known.keys()


def _names(item: Item) -> bool:
    """Whether it may tell the id of a message that has none yet: a send's answer, or a listing's."""
    return item.message_id is not None and (item.asked is None or item.asked.id is None)


def _key(item: Item) -> Key | None:
    if not item.report.id:
        return None
    return item.account.pk, item.account.provider.normalise_id(item.report.id)


def _attach_waiting(items: Sequence[Item], new: set[Key]) -> None:
    """Reports about an id may have come before the id was stored, which was just now."""
    named = lookup(new)
    for account in {item.account.pk: item.account for item in items}.values() if named else ():
        ids = {match_id: pk for (account_id, match_id), pk in named.items() if account_id == account.pk}
        apply(waiting_items(account, ids))


def _keep_orphans(items: Sequence[Item]) -> None:
    """A report that comes before its message waits here; it is attached in the transaction that stores the id."""
    kept = [(item, item.evidence) for item in items if item.evidence is not None]
    store([evidence for _, evidence in kept])
    _ORPHANS.insert([_orphan(item, evidence) for item, evidence in kept])


def _orphan(item: Item, evidence: Evidence) -> Orphan:
    entries, key = item.report.entries, _key(item)
    return Orphan(
        account_id=item.account.pk,
        match_id=key[1] if key else "",
        word=entries[-1].word[:100] if entries else "",
        problem=evidence.problem,
        evidence_id=evidence.pk,
        received_at=item.received_at,
    )


# ------------------------------------------------------------------------------ what it changes


def apply(pairs: Sequence[tuple[Item, int]]) -> None:
    """Write the items about known messages. Must run inside a transaction."""
    if not pairs:
        return
    locked = lock_trees({pk for _, pk in pairs})
    messages = locked.messages
    by_message: dict[int, list[Item]] = defaultdict(list)
    for item, pk in pairs:
        by_message[pk].append(item)
    with one_trip():
        _store_evidence(by_message, messages)
        events: list[Event] = []
        for pk, items in by_message.items():
            events += _absorb(messages[pk], items)
        upsert(events)
        set_effective(messages.values())
        save(locked)


def begin(message: Message, item: Item) -> Event:
    """Let an unsaved message be what its first item makes of it, and return that item's event, unsaved as well."""
    (event,) = _absorb(message, [item])
    set_effective([message])
    return event


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
            item.evidence.message_id = message.pk
            if message.own_retries:
                item.evidence.context["own_retries"] = message.own_retries
            kept.append(item.evidence)
    store(kept)


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
