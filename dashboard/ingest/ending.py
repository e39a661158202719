"""How a wish to send ends: its row, what its message says about it, and the audit, all in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from dashboard.domain.outcomes import FIRST_LOOK
from dashboard.ingest.counts import tried_again_by_provider
from dashboard.ingest.items import NOT_SENT, Item, ours
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.ingest.trees import sent_again_as
from dashboard.models import Audit, Message, Retry, User
from dashboard.models.messages import Source
from providers.base import ProviderError, Report, Status

LOOK_AFTER = timedelta(seconds=5)
BY_WORKER = "worker"


def locked(pk: int) -> Retry:
    """The retry, which nobody else changes until the transaction ends. Taken before any message is locked."""
    rows = Retry.objects.select_for_update(of=("self",))
    return rows.select_related("account", "original", "message__recipient", "root__recipient").get(pk=pk)


def end(
    retry: Retry, state: Retry.State, detail: str, now: datetime, *, by: User | None = None, reason: str = "",
    ip: str | None = None,
) -> bool:  # fmt: skip
    """End a retry, once; False if it has ended already. `by`: the person who decided it, else it was the worker."""
    with transaction.atomic():
        still = Retry.objects.filter(pk=retry.pk, state__in=Retry.HOLDING)
        changes = {"detail": detail[:500], "changed_at": now, "lease_until": None, "next_look_at": None}
        if not still.update(state=state, **changes):
            return False
        retry.refresh_from_db()
        if state == Retry.State.ACCEPTED and retry.via == Retry.Via.PROVIDER and retry.message_id == retry.original_id:
            tried_again_by_provider(retry.root.batch_id)
        Audit.objects.create(
            actor=by, actor_name=by.get_username() if by else BY_WORKER, ip=ip, action="retry ended",
            subject=f"message {retry.root_id}", reason=reason[:500], details=_outcome(retry),
        )  # fmt: skip
        return True


def _outcome(retry: Retry) -> dict[str, object]:
    """What came of it, what was quoted, and what it cost where a price was told."""
    details: dict[str, object] = {"retry": retry.pk, "state": retry.state}
    if retry.quoted_cost is not None:
        details["quoted"] = {"amount": str(retry.quoted_cost), "currency": retry.quoted_currency}
    if retry.message_id is not None:
        details["message"] = retry.message_id
        cost, currency = Message.objects.values_list("cost", "currency").get(pk=retry.message_id)
        if cost is not None and retry.message_id != retry.original_id:
            details["cost"] = {"amount": str(cost), "currency": currency}
    return details


def end_unsent(
    retry: Retry, state: Retry.State, why: str, now: datetime, *, by: User | None = None, reason: str = "",
    ip: str | None = None,
) -> None:  # fmt: skip
    """End a retry of which nothing went out, and tell so about the message that it would have made."""
    with transaction.atomic():
        if retry.message_id and retry.via == Retry.Via.SEND:
            say(retry, NOT_SENT, Status.FAILED, now, why, source=Source.PERSON if by else Source.SEND)
        end(retry, state, why, now, by=by, reason=reason, ip=ip)


def doubt(retry: Retry, why: str, now: datetime) -> None:
    """Nobody can tell whether it went out: it keeps the slot, and is looked up by other ways than its answer."""
    with transaction.atomic():
        Retry.objects.filter(pk=retry.pk).update(
            state=Retry.State.OUTCOME_UNKNOWN, detail=why[:500], changed_at=now, lease_until=None, looks=0,
            next_look_at=now + FIRST_LOOK,
        )  # fmt: skip
        if retry.via == Retry.Via.SEND:
            say(retry, "outcome unknown", Status.OUTCOME_UNKNOWN, now, why)
        look_back(retry, now)


def look_back(retry: Retry, now: datetime) -> None:
    """Ask about the failed message once more: before anything is repeated it must be known not to have arrived."""
    if not retry.is_first:
        Message.objects.filter(pk=retry.original_id).update(next_check_at=now + LOOK_AFTER)


def say(
    retry: Retry, word: str, status: Status, now: datetime, detail: str = "",
    *, by_provider: bool = False, source: Source = Source.SEND, provider_id: str = "", due_now: bool = False,
) -> None:  # fmt: skip
    """Write about the message that the retry makes."""
    report = Report(id=provider_id or None, entries=(ours(word, status, detail=detail),))
    record(
        [
            Item(
                account=retry.account, source=source, report=report, received_at=now, message_id=retry.message_id,
                by_provider=by_provider, due_now=due_now,
            )
        ]
    )  # fmt: skip


# ------------------------------------------------------------------------------ the provider's own retry


def goes_on_as(retry: Retry, given_id: str) -> Message:
    """The message that a provider's own retry names: the original, or a new one that is sent again for its root.

    Raises ProviderError("unparseable") for an id that is somebody else's.
    """
    account, original = retry.account, retry.original
    if account.provider.normalise_id(given_id) == original.match_id:
        Retry.objects.filter(pk=retry.pk).update(message=original)
        return original
    digits = Message.objects.values_list("recipient__digits", flat=True).get(pk=original.pk)
    send = Send(to=digits, provider_message_id=given_id, text=original.text, sender=original.sender)
    (made,) = register(account, [send], Source.SEND)
    again = Message.objects.get(pk=made.message_id) if made.message_id else None
    if again is None or again.root_id not in {None, retry.root_id} or again.pk == retry.root_id:
        raise ProviderError("unparseable", "The provider named another message than one that it has just made.")
    sent_again_as(retry.root_id, again.pk)
    # The provider counts this try at the original as well, whose own story it is no part of.
    Message.objects.filter(pk=original.pk).update(own_retries=F("own_retries") + 1)
    Retry.objects.filter(pk=retry.pk).update(message=again)
    return again
