"""Registering sends: messages that somebody else has sent, told by the API, a CSV file or a provider's own reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from dashboard.ingest.counts import add_messages, counted, move
from dashboard.ingest.items import REGISTERED, Item, ours
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.record import apply
from dashboard.ingest.waiting import waiting_items
from dashboard.models import Account, Batch, Evidence, Message, Recipient
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac
from providers.base import Report, Status

# What a second registration may fill in, and what it may contradict without being refused.
FILLED = ("reference", "provider_batch_id", "text", "sender", "route", "valid_until", "cost", "currency", "parts")


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


def register(account: Account, sends: Sequence[Send], source: Source) -> list[Registered]:
    """Store the sends, attach the reports that came before them, and make each new one due at once."""
    if not sends:
        return []
    with transaction.atomic():
        lock_ids((account.pk, _match_id(account, send) or send.item_key or "") for send in sends)
        recipients = recipients_of({send.to for send in sends})
        known = _known(account, sends)
        results: list[Registered] = []
        fresh: dict[str, tuple[Send, Message]] = {}
        batches: dict[tuple[str, str], Batch | None] = {}
        for send in sends:
            key = _key(account, send)
            message = known.get(key) or (fresh[key][1] if key in fresh else None)
            if message is not None:
                results.append(_again(account, send, message, recipients[send.to]))
                continue
            batch_key = (send.batch, send.provider_batch_id)
            if batch_key not in batches:
                batches[batch_key] = batch_of(account, *batch_key)
            fresh[key] = (send, _new(account, send, recipients[send.to], batches[batch_key]))
            results.append(Registered(new=True))
        add_messages([message for _, message in fresh.values()])
        _finish(account, list(fresh.values()), source)
        for send, result in zip(sends, results, strict=True):
            if result.message_id is None and result.refused is None:
                result.message_id = fresh[_key(account, send)][1].pk
        return results


def _match_id(account: Account, send: Send) -> str | None:
    return account.provider.normalise_id(send.provider_message_id) if send.provider_message_id else None


def _key(account: Account, send: Send) -> str:
    match_id = _match_id(account, send)
    return f"id {match_id}" if match_id else f"key {send.item_key}"


def _known(account: Account, sends: Sequence[Send]) -> dict[str, Message]:
    """The messages that are here already, locked."""
    ids = [match_id for send in sends if (match_id := _match_id(account, send))]
    keys = [send.item_key for send in sends if send.item_key and not send.provider_message_id]
    mine = Message.objects.select_related("recipient", "batch").order_by("pk")
    if connection.features.has_select_for_update_of:
        mine = mine.select_for_update(of=("self",))
    found: dict[str, Message] = {}
    for message in mine.filter(Q(match_id__in=ids) | Q(item_key__in=keys), account=account):
        found |= {f"id {message.match_id}": message, f"key {message.item_key}": message}
    return found


def recipients_of(numbers: set[str]) -> dict[str, Recipient]:
    """The recipients of these E.164 digits, made where missing; digits that retention cleared come back."""
    hmacs = {phone_hmac(digits): digits for digits in sorted(numbers)}
    found = {r.hmac: r for r in Recipient.objects.filter(hmac__in=hmacs)}
    missing = [Recipient.of(digits) for hmac, digits in sorted(hmacs.items()) if hmac not in found]
    if missing:
        Recipient.objects.bulk_create(missing, ignore_conflicts=True)
        found = {r.hmac: r for r in Recipient.objects.filter(hmac__in=hmacs)}
    for hmac, recipient in found.items():
        if not recipient.digits:
            recipient.digits = hmacs[str(hmac)]
            recipient.reversed = recipient.digits[::-1]
            recipient.save(update_fields=["digits", "reversed"])
    return {hmacs[str(hmac)]: recipient for hmac, recipient in found.items()}


def batch_of(account: Account, name: str, provider_batch_id: str) -> Batch | None:
    """The batch by its name, else by the provider's id, made where missing; None if neither is given."""
    if not name and not provider_batch_id:
        return None
    mine = Batch.objects.filter(account=account)
    found = mine.filter(name=name).first() if name else None
    if found is None and provider_batch_id:
        found = mine.filter(provider_batch_id=provider_batch_id).first()
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
            found = mine.filter(name=new.name).first() or mine.get(provider_batch_id=provider_batch_id)
    if provider_batch_id and not found.provider_batch_id:
        found.provider_batch_id = provider_batch_id
        found.next_report_at = timezone.now() if account.provider.has_summary else None
        found.save(update_fields=["provider_batch_id", "next_report_at"])
    return found


def _new(account: Account, send: Send, recipient: Recipient, batch: Batch | None) -> Message:
    now = timezone.now()
    match_id = _match_id(account, send)
    return Message(
        account=account,
        provider_message_id=send.provider_message_id,
        match_id=match_id,
        item_key=None if match_id else send.item_key,
        recipient=recipient,
        batch=batch,
        reference=send.reference,
        provider_batch_id=send.provider_batch_id,
        text=send.text,
        sender=send.sender,
        route=send.route,
        parts=send.parts,
        cost=send.cost,
        currency=send.currency or (account.currency if send.cost is not None else ""),
        sent_at=send.sent_at or now,
        valid_until=send.valid_until,
        created_at=now,
    )


def _again(account: Account, send: Send, message: Message, recipient: Recipient) -> Registered:
    """A send that is known: empty fields are filled, different values are named, another number is refused."""
    if message.recipient_id != recipient.pk:
        return Registered(refused=("to", "other_recipient", "This message id is already registered to another number."))
    result = Registered(message_id=message.pk)
    filled = []
    for name in FILLED:
        given, kept = getattr(send, name), getattr(message, name)
        if given in (None, ""):
            continue
        if kept in (None, ""):
            setattr(message, name, given)
            filled.append(name)
        elif kept != given:
            result.differs.append(name)
    if send.sent_at and send.sent_at != message.sent_at:
        result.differs.append("sent_at")
    before = counted([message])
    if (send.batch or send.provider_batch_id) and message.batch_id is None:
        message.batch = batch_of(account, send.batch, send.provider_batch_id)
        filled.append("batch")
    elif send.batch and message.batch and send.batch != message.batch.name:
        result.differs.append("batch")
    if filled and message.pk:
        message.save(update_fields=filled)
        move(before, counted([message]))
    return result


def _finish(account: Account, fresh: Sequence[tuple[Send, Message]], source: Source) -> None:
    """The first event of each new message, what the provider's reply says, and the reports that had waited."""
    now = timezone.now()
    pairs: list[tuple[Item, int]] = []
    for send, message in fresh:
        pairs.append((_registration(account, send, source, now), message.pk))
        if send.report is not None:
            reply = Item(
                account=account, source=source, report=send.report, evidence=send.evidence, received_at=now,
                message_id=message.pk, due_now=True,
            )  # fmt: skip
            pairs.append((reply, message.pk))
    ids: dict[str, int] = {m.match_id: m.pk for _, m in fresh if m.match_id}
    pairs += waiting_items(account, ids)
    apply(pairs)


def _registration(account: Account, send: Send, source: Source, now: datetime) -> Item:
    entry = ours(REGISTERED, Status.QUEUED, at=send.sent_at)
    return Item(
        account=account, source=source, report=Report(entries=(entry,)), received_at=now, by_provider=False,
        due_now=True,
    )  # fmt: skip
