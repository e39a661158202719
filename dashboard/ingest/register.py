"""Registering sends: messages that somebody else has sent, told by the API, a CSV file or a provider's own reply.

All sends of a call are looked up at once, and what is new is stored column by column: one send of a program and an
import of a million rows go the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.domain import phone
from dashboard.ingest import rows
from dashboard.ingest.counts import Counted, counted, insert_messages, move, place_of
from dashboard.ingest.events import OURS, absolute, event_key
from dashboard.ingest.items import REGISTERED, Item, ours
from dashboard.ingest.known import with_ids
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.record import apply, begin
from dashboard.ingest.waiting import waiting_items
from dashboard.models import Account, Batch, Evidence, Message, Recipient
from dashboard.models.messages import Source, random_id
from dashboard.vault import phone_hmac
from providers.base import Report, Status

# What a second registration may fill in, and what it may contradict without being refused.
FILLED = ("reference", "provider_batch_id", "text", "sender", "route", "valid_until", "cost", "currency", "parts")
COUNTED = {"batch_id", "cost", "currency"}  # of what is filled in: what sums are made of


@dataclass(slots=True, kw_only=True)
class Send:
    """One send to register, validated. `to` is E.164 digits. Either `provider_message_id` or `item_key` is given."""

    to: str
    provider_message_id: str | None = None
    item_key: str | None = None
    reference: str = ""
    batch: str = ""
    provider_batch_id: str = ""
    text: str | None = None
    sender: str = ""
    sent_at: datetime | None = None
    valid_until: datetime | None = None
    cost: Decimal | None = None
    currency: str = ""
    parts: int | None = None
    route: str = ""
    report: Report | None = None  # what the provider's own reply says about it
    evidence: Evidence | None = None


@dataclass(slots=True, kw_only=True)
class Registered:
    """What became of one send: our message and whether it was new; or why it was refused.

    `differs` names the fields whose first value was kept against a different second one.
    """

    message_id: int | None = None
    new: bool = False
    refused: tuple[str, str, str] | None = None  # field, code, sentence
    differs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Kept:
    """What is stored of a message, or will be, as far as a second registration of it may look or change."""

    recipient_id: str
    sent_at: datetime
    batch_id: int | None
    batch: str
    reference: str
    provider_batch_id: str
    text: str | None
    sender: str
    route: str
    valid_until: datetime | None
    cost: Decimal | None
    currency: str
    parts: int | None
    pk: int = 0  # not stored yet
    filled: tuple[str, ...] = ()


# How a send is recognised: by its normalised id (True), or by the key that stands in for one.
_Key = tuple[bool, str]


def register(account: Account, sends: Sequence[Send], source: Source) -> list[Registered]:
    """Store the sends, attach the reports that came before them, and make each new one due at once."""
    if not sends:
        return []
    now = timezone.now()
    with transaction.atomic():
        keys = [_key(account, send) for send in sends]
        batches = _Batches(account, sends)
        # Batches to be made as well: two who make the same ones must not wait for each other in a circle.
        lock_ids((account.pk, text) for text in (*(text for _, text in keys), *batches.missing))
        recipients = recipients_of({send.to for send in sends})
        known = _known(account, keys, batches)
        fresh: list[tuple[_Key, Send, _Kept]] = []
        results: list[Registered] = []
        kepts: list[_Kept] = []
        for key, send in zip(keys, sends, strict=True):
            kept = known.get(key)
            if kept is None:
                known[key] = kept = _new(account, send, recipients[send.to], batches, now)
                fresh.append((key, send, kept))
                results.append(Registered(new=True))
            else:
                results.append(_again(account, send, kept, recipients[send.to], batches))
            kepts.append(kept)
        _fill(kept for kept in kepts if kept.pk and kept.filled)
        if fresh:
            _store(account, fresh, source, now)
        for kept, result in zip(kepts, results, strict=True):
            if result.refused is None:
                result.message_id = kept.pk
        return results


def _key(account: Account, send: Send) -> _Key:
    if send.provider_message_id:
        return True, account.provider.normalise_id(send.provider_message_id)
    return False, send.item_key or ""


def _known(account: Account, keys: Sequence[_Key], batches: _Batches) -> dict[_Key, _Kept]:
    """The messages that are here already, locked."""
    ids, items = ([text for is_id, text in keys if is_id is wanted] for wanted in (True, False))
    stored = _locked(with_ids(account.pk, ids)) if ids else []
    if items:
        stored += _locked(Message.objects.filter(rows.Among(Message, "item_key", items, account_id=account.pk)))
    batches.name({row[5] for row in stored if row[5]})
    found: dict[_Key, _Kept] = {}
    for pk, match_id, item_key, recipient_id, sent_at, batch_id, *values in stored:
        kept = _Kept(recipient_id, sent_at, batch_id, batches.names.get(batch_id, ""), *values)
        kept.pk = pk
        found[True, match_id] = found[False, item_key] = kept
    return found


def _locked(messages: QuerySet[Message]) -> list[tuple[Any, ...]]:
    messages = messages.order_by("pk")
    if connection.features.has_select_for_update:
        messages = messages.select_for_update()
    return list(messages.values_list("pk", "match_id", "item_key", "recipient_id", "sent_at", "batch_id", *FILLED))


def recipients_of(numbers: set[str]) -> dict[str, str]:
    """Our ids of these E.164 digits, made where missing; digits that retention cleared come back."""
    hmacs = {phone_hmac(digits): digits for digits in numbers}
    found = _recipients(hmacs)
    missing = sorted(hmacs.keys() - found.keys())
    if missing:
        digits = [hmacs[hmac] for hmac in missing]
        ids = [random_id() for _ in missing]
        columns = {"id": ids, "digits": digits, "reversed": [text[::-1] for text in digits], "hmac": missing}
        rows.insert_missing(Recipient(created_at=timezone.now()), columns, "hmac")
        found |= _recipients(missing)
    cleared = [hmac for hmac, (_, digits) in found.items() if not digits]
    texts = [hmacs[hmac] for hmac in cleared]
    rows.update(Recipient, [found[hmac][0] for hmac in cleared], digits=texts, reversed=[text[::-1] for text in texts])
    return {hmacs[hmac]: pk for hmac, (pk, _) in found.items()}


def _recipients(hmacs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """HMAC to (id, digits) of those that are known."""
    stored = Recipient.objects.filter(rows.Among(Recipient, "hmac", hmacs)).values_list("hmac", "pk", "digits")
    return {str(hmac): (pk, digits) for hmac, pk, digits in stored}


class _Batches:
    """The account's batches that a call speaks of: looked up at once, made where missing."""

    def __init__(self, account: Account, sends: Sequence[Send]) -> None:
        self._account = account
        self._found: dict[tuple[str, str], tuple[int | None, str]] = {("", ""): (None, "")}
        self.names: dict[int, str] = {}
        wanted = {(send.batch, send.provider_batch_id) for send in sends} - self._found.keys()
        self._look_up(wanted)
        self.missing = {text for key in wanted - self._found.keys() for text in key if text}

    def _look_up(self, wanted: set[tuple[str, str]]) -> None:
        if not wanted:
            return
        names, ids = ({text for text in texts if text} for texts in zip(*wanted, strict=True))
        mine = {"account_id": self._account.pk}
        which = Q(rows.Among(Batch, "name", names, **mine)) | Q(rows.Among(Batch, "provider_batch_id", ids, **mine))
        stored = Batch.objects.filter(which).values_list("pk", "name", "provider_batch_id")
        by_name = {name: (pk, name, batch_id) for pk, name, batch_id in stored}
        by_id = {batch_id: row for row in by_name.values() if (batch_id := row[2])}
        for name, batch_id in wanted:
            row = by_name.get(name) or by_id.get(batch_id)
            if row and (row[2] or not batch_id):
                self._found[name, batch_id] = row[:2]

    def name(self, pks: set[int]) -> None:
        """Learn the names of these batches as well."""
        self.names |= dict(Batch.objects.filter(pk__in=pks).values_list("pk", "name"))

    def of(self, send: Send) -> tuple[int | None, str]:
        """(id, name) of the send's batch."""
        key = (send.batch, send.provider_batch_id)
        if key not in self._found:
            batch = batch_of(self._account, *key)
            self._found[key] = (batch.pk, batch.name) if batch else (None, "")
        return self._found[key]


def batch_of(account: Account, name: str, provider_batch_id: str) -> Batch | None:
    """The batch by its name, else by the provider's id, made where missing; None if neither is given."""
    if not name and not provider_batch_id:
        return None
    mine = Batch.objects.filter(account=account)
    with_id = mine.filter(Batch.called_by_provider(provider_batch_id))
    found = mine.filter(name=name).first() if name else None
    if found is None and provider_batch_id:
        found = with_id.first()
    if found is None:
        now = timezone.now()
        due = now if provider_batch_id and account.provider.has_summary else None
        new = Batch(
            account=account, name=name or provider_batch_id, provider_batch_id=provider_batch_id, created_at=now,
            next_report_at=due,
        )  # fmt: skip
        try:
            with transaction.atomic():
                new.save()
            return new
        except IntegrityError:  # somebody else made it just now
            found = mine.filter(name=new.name).first() or with_id.get()
    if provider_batch_id and not found.provider_batch_id and not with_id:
        found.provider_batch_id = provider_batch_id
        found.next_report_at = timezone.now() if account.provider.has_summary else None
        found.save(update_fields=["provider_batch_id", "next_report_at"])
    return found


# ------------------------------------------------------------------------------ one send


def _new(account: Account, send: Send, recipient_id: str, batches: _Batches, now: datetime) -> _Kept:
    batch_id, batch = batches.of(send)
    return _Kept(
        recipient_id=recipient_id,
        sent_at=send.sent_at or now,
        batch_id=batch_id,
        batch=batch,
        reference=send.reference,
        provider_batch_id=send.provider_batch_id,
        text=send.text,
        sender=send.sender,
        route=send.route,
        valid_until=send.valid_until,
        cost=send.cost,
        currency=send.currency or (account.currency if send.cost is not None else ""),
        parts=send.parts,
    )


def _again(account: Account, send: Send, kept: _Kept, recipient_id: str, batches: _Batches) -> Registered:
    """A send that is known: empty fields are filled, different values are named, another number is refused."""
    if kept.recipient_id != recipient_id:
        return Registered(refused=("to", "other_recipient", "This message id is already registered to another number."))
    result = Registered()
    filled = []
    for name in FILLED:
        given, first = getattr(send, name), getattr(kept, name)
        if given in (None, ""):
            continue
        if first in (None, ""):
            setattr(kept, name, given)
            filled.append(name)
        elif first != given:
            result.differs.append(name)
    if "cost" in filled and not kept.currency and account.currency:
        kept.currency = account.currency
        filled.append("currency")
    if send.sent_at and send.sent_at != kept.sent_at:
        result.differs.append("sent_at")
    if (send.batch or send.provider_batch_id) and kept.batch_id is None:
        kept.batch_id, kept.batch = batches.of(send)
        filled.append("batch_id")
    elif send.batch and send.batch != kept.batch:
        result.differs.append("batch")
    kept.filled += tuple(filled)
    return result


# ------------------------------------------------------------------------------ storing


def _fill(kepts: Iterable[_Kept]) -> None:
    """Store what known messages were filled with; the sums follow those that came into a batch or got a price."""
    by_fields: dict[tuple[str, ...], dict[int, _Kept]] = defaultdict(dict)
    for kept in kepts:
        by_fields[kept.filled][kept.pk] = kept
    for names, filled in by_fields.items():
        columns = {name: [getattr(kept, name) for kept in filled.values()] for name in names}
        before = _counted(filled) if COUNTED & set(names) else None
        rows.update(Message, list(filled), **columns)
        if before is not None:
            move(before, _counted(filled))


def _counted(pks: Iterable[int]) -> Counted:
    return counted(map(place_of, Message.objects.filter(pk__in=pks)))


def _store(account: Account, fresh: Sequence[tuple[_Key, Send, _Kept]], source: Source, now: datetime) -> None:
    """The new messages, each with its first event and counted, what the provider's reply says of them, and the
    reports that had waited."""
    first = _item(account, source, Report(entries=(ours(REGISTERED, Status.QUEUED),)), now, by_provider=False)
    # What a registration makes of a message is the same for all of them: found once, by the rules that hold for any.
    like = Message(account=account, sent_at=now, created_at=now)
    event = begin(like, first)
    pks = rows.new_keys(Message, len(fresh))
    for pk, (_, _, kept) in zip(pks, fresh, strict=True):
        kept.pk = pk
    kepts = [kept for _, _, kept in fresh]
    columns = {name: [getattr(kept, name) for kept in kepts] for name in _STORED}
    columns |= {
        "id": pks,
        "provider_message_id": [send.provider_message_id for _, send, _ in fresh],
        "match_id": [text if is_id else None for (is_id, text), _, _ in fresh],
        "item_key": [None if is_id else text for (is_id, text), _, _ in fresh],
        "country": [phone.main_country(send.to) for _, send, _ in fresh],
    }
    insert_messages(like, columns)
    rows.insert(event, _event_columns(account, pks, [send.sent_at for _, send, _ in fresh]))
    replies = [
        (_item(account, source, send.report, now, evidence=send.evidence, message_id=kept.pk), kept.pk)
        for _, send, kept in fresh
        if send.report is not None
    ]
    apply(replies + waiting_items(account, {text: kept.pk for (is_id, text), _, kept in fresh if is_id}))


_STORED = ("recipient_id", "sent_at", "batch_id", *FILLED)


def _item(account: Account, source: Source, report: Report, now: datetime, **more: Any) -> Item:
    return Item(account=account, source=source, report=report, received_at=now, due_now=True, **more)


def _event_columns(account: Account, pks: Sequence[int], sent: Sequence[datetime | None]) -> dict[str, list[Any]]:
    """A registration carries `sent_at` as its stated time."""
    entries = {at: ours(REGISTERED, Status.QUEUED, at=at) for at in set(sent)}
    raw = {at: entry.at_raw for at, entry in entries.items()}
    stated = {at: absolute(at, account.time_zone) for at in entries}
    return {
        "message_id": list(pks),
        "key": [event_key(pk, REGISTERED, 0, "", raw[at], OURS) for pk, at in zip(pks, sent, strict=True)],
        "at_raw": [raw[at] for at in sent],
        "at": [stated[at][0] for at in sent],
        "zone": [stated[at][1] for at in sent],
    }
