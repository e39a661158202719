"""Sends whose outcome we do not know: what settles them without a person, and never a second send.

A report about the message proves that it went out, and so does a look-up by our own reference where the provider has
one; a look-up that finds nothing, three times over ten minutes, proves that it did not.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from dashboard.ingest.items import NOT_SENT
from dashboard.models import Message, Retry
from dashboard.worker.sending import UNKNOWN, end, say
from providers.base import Status, Target

OWN_TRIES = 2  # that a provider which tries again by itself makes, at most
LOOKS = 3
LOOK_FOR = timedelta(minutes=10)
FIRST_LOOK, NEXT_LOOK = timedelta(seconds=5), timedelta(minutes=5)


def settle(now: datetime) -> None:
    """Settle the doubts that can be settled by now, and have the others looked up."""
    unknown = Retry.objects.filter(state=UNKNOWN)
    unknown.filter(message__reported=True).update(
        state=Retry.State.ACCEPTED, detail="A report proves that it went out.", changed_at=now
    )
    # Once the provider's own tries are spent, a count that has grown can only be ours.
    ran = Q(original__attempt__gt=F("retry_count") - F("original__own_retries"))
    unknown.filter(ran, via=Retry.Via.PROVIDER, retry_count__gte=OWN_TRIES).update(
        state=Retry.State.ACCEPTED, detail="The provider counts one more try than before.", changed_at=now
    )
    waiting = unknown.filter(message__match_id=None, message__next_check_at=None, via=Retry.Via.SEND)
    for retry in waiting.select_related("account", "message__recipient"):
        _look_up(retry, now)


def _look_up(retry: Retry, now: datetime) -> None:
    message = retry.message
    if message is None or not _can_be_looked_up(retry, message):
        return
    looks = sum(message.events.filter(note="not_found").values_list("count", flat=True))
    if looks >= LOOKS and now - retry.changed_at >= LOOK_FOR:
        why = f"Not sent: {retry.account.provider.label} does not know our reference."
        with transaction.atomic():
            end(retry, Retry.State.NOT_SENT, why, now)
            say(retry.account, message.pk, NOT_SENT, Status.FAILED, now, why)
    else:
        due = now + (NEXT_LOOK if looks else FIRST_LOOK)
        Message.objects.filter(pk=message.pk, next_check_at=None).update(next_check_at=due)


def _can_be_looked_up(retry: Retry, message: Message) -> bool:
    by_reference = Target(id=None, to=message.recipient.digits, reference=retry.reference)
    return bool(retry.account.provider.asks([by_reference]))
