"""A provider's own reply to a send, turned into registered messages: however often it is given, once.

Nothing is counted twice: an item with an id is known by it, one without by its batch, number and place; the price of
a whole order is booked while the batch has none; a reply that cannot be used is kept once, with the reason.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dashboard.domain import phone
from dashboard.ingest.evidence import canonical, evidence
from dashboard.ingest.incoming import EARLIEST, LATEST, MOST_PARTS, Fault
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.register import Registered, Send, batch_of, register
from dashboard.models import Account, Batch, Evidence, Message
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac
from providers.base import MAX_ID_LENGTH, ProviderError, Report, SendReply, read

CHUNK = 500  # sends in one transaction


class ReplyRefused(Exception):
    """The reply as a whole registers nothing: the provider said no, or it cannot be read."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class RegisteredReply:
    """What became of a reply's items: (index, result) of each that names a number, and a fault for each other."""

    results: list[tuple[int, Registered]] = field(default_factory=list)
    faults: list[tuple[int, Fault]] = field(default_factory=list)


def register_reply(account: Account, payload: Any, request: Any, source: Source) -> RegisteredReply:
    """Register every message a send reply speaks of. `request` is the body that was sent, where known.

    Raises ReplyRefused; the reply is then kept as evidence of the account.
    """
    now = timezone.now()
    body = canonical(payload)
    exchange_id = hashlib.sha256(body).hexdigest()
    try:
        reply = read(account.provider.send_reply, payload, request)
    except ProviderError as error:
        _keep_whole(account, body, exchange_id, now, error.message)
        code = "unreadable_response" if error.code == "unparseable" else "provider_refused"
        raise ReplyRefused(code, error.message) from None
    if not reply.items:
        _keep_whole(account, body, exchange_id, now)
    found = RegisteredReply()
    sends = _sends(account, reply, exchange_id, now, found)
    for start in range(0, len(sends), CHUNK):
        part = sends[start : start + CHUNK]
        with transaction.atomic():
            _adopt_listed(account, reply, part, sends)
            results = register(account, [send for _, send in part], source)
        found.results += [(index, result) for (index, _), result in zip(part, results, strict=True)]
    _settle_batch(account, reply, found.results, sends, now)
    return found


def _keep_whole(account: Account, body: bytes, exchange_id: str, now: datetime, problem: str = "") -> None:
    """Evidence of a reply that names no message; given again, it is not kept again."""
    if not Evidence.objects.filter(account=account, exchange_id=exchange_id).exists():
        evidence(account, "send", body, now, exchange_id=exchange_id, problem=problem).save()


# ------------------------------------------------------------------------------ one item


def _sends(
    account: Account, reply: SendReply, exchange_id: str, now: datetime, found: RegisteredReply
) -> list[tuple[int, Send]]:
    """The items as (index, send); what cannot be registered goes to `found.faults`."""
    secrets = account.secrets()
    seen: Counter[str] = Counter()
    sends: list[tuple[int, Send]] = []
    for index, item in enumerate(reply.items):
        try:
            report = read(account.provider.report, "send", item)
            to = _number_of(report)
        except ProviderError as error:
            found.faults.append((index, Fault("", "unreadable", error.message)))
            continue
        except phone.NotANumber as error:
            found.faults.append((index, Fault("to", "not_a_number" if report.to else "missing", str(error))))
            continue
        batch_id = report.batch_id or reply.batch_id
        ordinal, seen[to] = seen[to], seen[to] + 1
        kept = evidence(
            account, "send", canonical(item), now, exchange_id=exchange_id, is_item=True, http_status=200, mask=secrets
        )
        send = _send(report, to, batch_id)
        send.evidence = kept
        if send.provider_message_id is None:
            send.item_key = _item_key(batch_id or exchange_id, to, ordinal)
        sends.append((index, send))
    return sends


def _number_of(report: Report) -> str:
    if not report.to:
        raise phone.NotANumber("The reply does not say to which number this went; give the request as well.")
    return phone.parse(report.to, settings.DEFAULT_REGION)


def _send(report: Report, to: str, batch_id: str) -> Send:
    return Send(
        to=to,
        provider_message_id=report.id,
        reference=report.reference[:MAX_ID_LENGTH],
        provider_batch_id=batch_id,
        text=report.text or None,
        sender=report.sender[:50],
        sent_at=report.sent_at if report.sent_at and EARLIEST <= report.sent_at < LATEST else None,
        cost=report.cost,
        currency=report.currency[:8],
        parts=report.parts if report.parts and report.parts <= MOST_PARTS else None,
        route=report.route[:100],
        report=report,
    )


def _item_key(batch: str, to: str, ordinal: int) -> str:
    """Stands for an item without an id: the nth text to this number in this batch."""
    return hashlib.sha256(json.dumps([batch, to, ordinal]).encode()).hexdigest()


def _adopt_listed(
    account: Account, reply: SendReply, part: Sequence[tuple[int, Send]], sends: Sequence[tuple[int, Send]]
) -> None:
    """Items without an id may be messages that a listing of the batch has made before: those get the item's key."""
    keyed = {send.item_key: send for _, send in part if send.item_key}
    if not keyed or not reply.batch_id:
        return
    lock_ids((account.pk, key) for key in keyed)
    mine = Message.objects.filter(account=account, root=None)
    known = set(mine.filter(item_key__in=keyed).values_list("item_key", flat=True))
    wanted = [send for key, send in keyed.items() if key not in known]
    named = [account.provider.normalise_id(send.provider_message_id) for _, send in sends if send.provider_message_id]
    hmacs = {phone_hmac(send.to): send.to for send in wanted}
    listed = mine.filter(
        batch__provider_batch_id=reply.batch_id, item_key=None, match_id__isnull=False, recipient__hmac__in=hmacs
    )
    free: dict[str, list[int]] = defaultdict(list)
    for pk, hmac in listed.exclude(match_id__in=named).order_by("pk").values_list("pk", "recipient__hmac"):
        free[hmacs[str(hmac)]].append(pk)
    for send in wanted:
        if free[send.to]:
            Message.objects.filter(pk=free[send.to].pop(0)).update(item_key=send.item_key)


# ------------------------------------------------------------------------------ the batch


def _settle_batch(
    account: Account,
    reply: SendReply,
    results: Sequence[tuple[int, Registered]],
    sends: Sequence[tuple[int, Send]],
    now: datetime,
) -> None:
    """Book the price of the whole order once, and let the worker list the messages that have no id yet."""
    if not reply.batch_id:
        return
    batch = batch_of(account, "", reply.batch_id)
    if batch is None:
        return
    mine = Batch.objects.filter(pk=batch.pk)
    if reply.cost is not None:
        mine.filter(cost=None).update(cost=reply.cost, currency=reply.currency[:8] or account.currency)
    new = {index for index, result in results if result.new}
    nameless = any(index in new and send.item_key for index, send in sends)
    if nameless:
        mine.update(next_listing_at=now, listed_at=None)
    elif reply.to_list:
        mine.filter(listed_at=None, next_listing_at=None).update(next_listing_at=now)
