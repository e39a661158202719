"""Reading all kept evidence again: the events that today's adapters would make, and the state they fold to.

Events whose evidence is gone, and those that we wrote ourselves, stay as they are. While adapters are unchanged this
changes nothing; after a word's meaning was corrected it corrects the past.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from dashboard.domain.lifecycle import fold
from dashboard.ingest.counts import recount
from dashboard.ingest.events import events_of, merge, more_telling, said
from dashboard.ingest.items import Item
from dashboard.ingest.reread import asked_of, reread
from dashboard.ingest.trees import lock_trees, save, set_effective
from dashboard.models import Event, Evidence, Message, Orphan
from dashboard.models.messages import Source

AT_ONCE = 200
OURS = frozenset({"retry", "not_found", "unreadable"})  # notes that we wrote about a conversation
CORRECTED = ("status", "word", "note", "detail", "at_raw", "at", "zone", "attempt", "part")
STATE = (
    "status", "attempt", "provider_status", "negatives", "not_sent", "reported", "conflict", "effective", "deliveries",
)  # fmt: skip


@dataclass(slots=True)
class Changes:
    """How many events were added, corrected and taken away, how many messages ended in another state, and how many
    sums were not what they are sums of."""

    added: int = 0
    corrected: int = 0
    removed: int = 0
    messages: int = 0
    sums: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.corrected or self.removed or self.messages or self.sums)


class _DryRunOver(Exception):
    """Carries nothing: it only rolls the transaction back."""


def rebuild(*, dry_run: bool = False) -> Changes:
    """Re-derive every message, in sets; with `dry_run` only count what would change."""
    changes = Changes()
    for pks in _sets():
        try:
            with transaction.atomic():
                _rebuild(pks, changes)
                if dry_run:
                    raise _DryRunOver
        except _DryRunOver:
            continue
    changes.sums = sum(recount(repair=not dry_run))
    return changes


def _sets() -> Iterator[list[int]]:
    """Roots, each set's retries are rebuilt with them."""
    last = 0
    roots = Message.objects.filter(root=None).order_by("pk").values_list("pk", flat=True)
    while pks := list(roots.filter(pk__gt=last)[:AT_ONCE]):
        last = pks[-1]
        yield pks


def _rebuild(roots: Sequence[int], changes: Changes) -> None:
    locked = lock_trees(set(roots))
    messages = locked.messages
    kept = _evidence(list(messages))
    stored: dict[int, list[Event]] = defaultdict(list)
    for event in Event.objects.filter(message__in=list(messages)).order_by("pk"):
        stored[event.message_id].append(event)
    before = {pk: _state(message) for pk, message in messages.items()}
    for pk, message in messages.items():
        events = _correct(message, kept[pk], stored[pk], changes)
        message.state = fold(map(said, events))
    set_effective(messages.values())
    changed = sum(_state(message) != before[pk] for pk, message in messages.items())
    if changed:
        changes.messages += changed
        save(locked)


def _state(message: Message) -> tuple[object, ...]:
    return tuple(getattr(message, name) for name in STATE)


def _evidence(pks: Sequence[int]) -> dict[int, list[Evidence]]:
    """What is kept about each message, its own and what was attached later, oldest first."""
    found: dict[int, list[Evidence]] = defaultdict(list)
    own = Evidence.objects.filter(Q(message__in=pks), body__isnull=False).select_related("account")
    for evidence in own:
        found[evidence.message_id or 0].append(evidence)
    for orphan in Orphan.objects.filter(message__in=pks).select_related("evidence__account"):
        found[orphan.message_id or 0].append(orphan.evidence)
    for rows in found.values():
        rows.sort(key=lambda row: (row.received_at, row.pk))
    return found


def _correct(message: Message, kept: Sequence[Evidence], stored: Sequence[Event], changes: Changes) -> list[Event]:
    """Bring the stored events in line with what the evidence says; returns the events as they are then."""
    readable: set[int] = set()
    derived: dict[str, Event] = {}
    for evidence in kept:
        for event in _derive(evidence, message):
            readable.add(evidence.pk)
            known = derived.setdefault(event.key, event)
            merge(known, event)
    result: list[Event] = []
    for event in stored:
        now = derived.pop(event.key, None)
        if now is None and event.evidence_id in readable and event.by_provider and event.note not in OURS:
            event.delete()
            changes.removed += 1
            continue
        # What told more may be gone by now: what is left does not unsay it.
        if now is not None and _differs(event, now) and (event.evidence_id in readable or more_telling(now, event)):
            for name in CORRECTED:
                setattr(event, name, getattr(now, name))
            event.save(update_fields=CORRECTED)
            changes.corrected += 1
        result.append(event)
    Event.objects.bulk_create(derived.values())
    changes.added += len(derived)
    return [*result, *derived.values()]


def _derive(evidence: Evidence, message: Message) -> list[Event]:
    provider = evidence.account.provider
    events: list[Event] = []
    for report in reread(evidence):
        about = provider.normalise_id(report.id) if report.id else None
        if evidence.message_id is None and about != message.match_id:
            continue  # one of several reports in a webhook
        item = Item(
            account=evidence.account,
            source=_source(evidence),
            report=report,
            received_at=evidence.received_at,
            evidence=evidence,
            asked=asked_of(evidence),
            own_retries=int(evidence.context.get("own_retries", 0)),
        )
        events += events_of(item, message)
    return events


def _source(evidence: Evidence) -> Source:
    return {"webhook": Source.WEBHOOK, "send": Source.SEND}.get(evidence.call, Source.POLL)


def _differs(stored: Event, now: Event) -> bool:
    """Whether the meaning changed. A fact heard in several ways keeps what was first heard."""
    return (stored.status, stored.note) != (now.status, now.note)
