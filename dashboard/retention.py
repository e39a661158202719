"""Forgetting: bodies and texts after some days, numbers after some more, and one person's at once when asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from dashboard.maintenance import maintenance
from dashboard.models import Event, Evidence, Message, Orphan, Recipient, Retry
from dashboard.vault import phone_hmac

CHUNK = 500
MASK = "•••••••"


# ------------------------------------------------------------------------------ by age


@dataclass(slots=True)
class Pruned:
    bodies: int = 0
    texts: int = 0
    numbers: int = 0
    orphans: int = 0


def prune(days: int, numbers_days: int, now: datetime) -> Pruned:
    """Forget what is old enough: `days` for bodies, texts and orphans, `numbers_days` for numbers.

    Small transactions, so that nothing waits for it; killed half way, the next run goes on. A number without its
    digits is still found by the whole number, and so is that the person asked not to be texted.
    """
    before, numbers_before = now - timedelta(days=days), now - timedelta(days=numbers_days)
    why = f"retention: {days} days"
    bodies = Evidence.objects.filter(body__isnull=False, received_at__lt=before)
    texts = Message.objects.filter(sent_at__lt=before, text__isnull=False)
    orphans = Orphan.objects.filter(message=None, received_at__lt=before)
    return Pruned(
        bodies=empty_bodies(bodies, why, now),
        texts=_in_chunks(texts, lambda pks: Message.objects.filter(pk__in=pks).update(text=None)),
        orphans=_in_chunks(orphans, lambda pks: Orphan.objects.filter(pk__in=pks).delete()[0]),
        numbers=_forget_numbers(numbers_before),
    )


def empty_bodies(rows: QuerySet[Evidence], why: str, now: datetime) -> int:
    """Take the bodies away; hashes, dates and the reason stay."""

    def empty(pks: list[Any]) -> int:
        with maintenance(why):
            return Evidence.objects.filter(pk__in=pks).update(body=None, context={}, removed_at=now, removed_why=why)

    return _in_chunks(rows, empty)


def _in_chunks(rows: QuerySet[Any], change: Callable[[list[Any]], int]) -> int:
    """Change all rows, by ascending key. A row that another process has just changed is not counted."""
    changed, last = 0, None
    while True:
        later = rows if last is None else rows.filter(pk__gt=last)
        pks = list(later.order_by("pk").values_list("pk", flat=True)[:CHUNK])
        if not pks:
            return changed
        changed += change(pks)
        last = pks[-1]


def _forget_numbers(before: datetime) -> int:
    recent = Message.objects.filter(recipient=OuterRef("pk"), sent_at__gte=before)
    old = Recipient.objects.filter(~Q(digits=""), ~Exists(recent), created_at__lt=before)

    def forget(pks: list[Any]) -> int:
        return Recipient.objects.filter(~Exists(recent), pk__in=pks).update(digits="", reversed="")

    return _in_chunks(old, forget)


# ------------------------------------------------------------------------------ by person


@dataclass(slots=True)
class Erased:
    """What the receipt tells. It never holds the number."""

    recipient: str
    was_opted_out: bool = False
    messages: int = 0
    bodies: int = 0


def erase(digits: str) -> Erased | None:
    """Forget a number for good: afterwards not even the whole number finds it. None if it was not known.

    The messages stay as counted facts without a person: their texts, the conversations about them and every place
    where the number itself was written are emptied. That the person asked not to be texted stays on the nameless row,
    and is no help: if somebody gives us the number again it is a new one. To remember whom to leave alone is to
    remember them, so the receipt says it (`was_opted_out`), and whoever sends has to keep that list.
    """
    recipient = Recipient.objects.filter(hmac=phone_hmac(digits)).first()
    if recipient is None:
        return None
    now = timezone.now()
    erased = Erased(recipient=recipient.pk, was_opted_out=recipient.opted_out_at is not None)
    why = "erased on request"
    about = Evidence.objects.filter(body__isnull=False, message__recipient=recipient)
    erased.bodies = empty_bodies(about, why, now)
    nobodys = Evidence.objects.filter(body__isnull=False, message=None)
    naming = [pk for pk, body in nobodys.values_list("pk", "body").iterator() if digits.encode() in bytes(body or b"")]
    for start in range(0, len(naming), CHUNK):
        part = Evidence.objects.filter(pk__in=naming[start : start + CHUNK])
        erased.bodies += empty_bodies(part, why, now)
    messages = Message.objects.filter(recipient=recipient)
    erased.messages = _in_chunks(messages, lambda pks: _scrub(pks, digits))
    Recipient.objects.filter(pk=recipient.pk).update(digits="", reversed="", hmac=None, opted_out_why="")
    return erased


def _scrub(pks: list[int], digits: str) -> int:
    """Take texts away, and the number from whatever else was written about these messages."""
    with transaction.atomic():
        changed = Message.objects.filter(pk__in=pks).update(text=None)
        Message.objects.filter(pk__in=pks, reference__contains=digits).update(reference="")
        for message in Message.objects.filter(pk__in=pks).exclude(extra={}).only("pk", "extra"):
            kept = {name: str(value).replace(digits, MASK) for name, value in message.extra.items()}
            if kept != message.extra:
                Message.objects.filter(pk=message.pk).update(extra=kept)
        for event in Event.objects.filter(message__in=pks, detail__contains=digits).only("pk", "detail"):
            Event.objects.filter(pk=event.pk).update(detail=event.detail.replace(digits, MASK))
        for retry in Retry.objects.filter(root__in=pks):
            Retry.objects.filter(pk=retry.pk).update(
                reason=retry.reason.replace(digits, MASK), detail=retry.detail.replace(digits, MASK)
            )
        return changed
