"""Sending again, at most once: the intent is a row, the request goes out after its commit, and what we cannot tell
stays `outcome_unknown` until somebody can.

    open      -> the message is asked about once more; delivered meanwhile: cancelled
    sending   -> committed before the request is made; a worker killed here leaves `outcome_unknown`, no second send
                 (without a lease it waits for a safe repeat: nothing of it is on the wire)
    accepted | refused | not_sent | outcome_unknown      (worker.results, then worker.doubts)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.domain.outcomes import YOUNG
from dashboard.ingest.ending import doubt, end_unsent, locked, say
from dashboard.models import Account, Message, Retry
from dashboard.worker.asking import Lane
from providers.base import Outgoing, ProviderError, Reply, Request, Status
from providers.http import Caller

LEASE = timedelta(seconds=60)
STARTS_WITHIN = timedelta(seconds=40)  # of the lease: what starts then is over before the lease is
OPEN, SENDING, UNKNOWN = Retry.State.OPEN, Retry.State.SENDING, Retry.State.OUTCOME_UNKNOWN
WAITING = Q(state=SENDING, lease_until=None)  # for a safe repeat
DELIVERED_MEANWHILE = "It was delivered in the meantime; nothing was sent."


@dataclass(slots=True)
class Job:
    """One claimed retry and the request that carries it out.

    `repeats` an earlier one of which nobody knows what came of it: it can prove that the first went out, and whatever
    else it comes to says nothing about that.
    """

    retry: Retry
    request: Request
    start_by: datetime
    repeats: bool = False


@dataclass(slots=True)
class Result:
    """What happened on the wire."""

    job: Job
    at: datetime
    reply: Reply | None = None
    error: ProviderError | None = None


# ------------------------------------------------------------------------------ deciding (database thread)


def claim_retries(account: Account, now: datetime, most: int) -> list[Job]:
    """The retries that may go on the wire now. Each is marked `sending`, and committed, before this returns."""
    if is_held(account, now):
        return []
    # Looked at since it was asked for, or since the try before this one.
    looked_at = Q(original__asked_at__gte=F("changed_at")) | Retry.FIRST
    due = Q(state=OPEN) | (WAITING & Q(next_look_at__lte=now))
    mine = Retry.objects.filter(looked_at, due, account=account, created_at__gte=now - YOUNG)
    jobs = [_claim(pk, now) for pk in list(mine.order_by("pk").values_list("pk", flat=True)[:most])]
    return [job for job in jobs if job is not None]


def is_held(account: Account, now: datetime) -> bool:
    """Whether nothing may be sent through it, though it may be asked."""
    return account.no_sends_until is not None and account.no_sends_until > now


def _claim(pk: int, now: datetime) -> Job | None:
    with transaction.atomic():
        retry = locked(pk)
        if not _may_go(retry):
            return None
        why_not = not_needed(retry)
        if why_not:
            end_unsent(retry, Retry.State.CANCELLED, why_not, now)
            return None
        try:
            request = request_of(retry)
        except ProviderError as error:
            end_unsent(retry, Retry.State.REFUSED, error.message, now)
            return None
        Retry.objects.filter(pk=pk).update(
            state=SENDING, lease_until=now + LEASE, next_look_at=None, changed_at=now,
            retry_count=retry.original.attempt + retry.original.own_retries,
        )  # fmt: skip
        if retry.message_id:
            say(retry, "sending", Status.SENDING, now)
        return Job(retry, request, start_by=now + STARTS_WITHIN)


def _may_go(retry: Retry) -> bool:
    return retry.state == OPEN or (retry.state == SENDING and retry.lease_until is None)


def not_needed(retry: Retry) -> str:
    """Why nothing is to be sent any more."""
    root = Message.objects.select_for_update().get(pk=retry.root_id)
    if Status(root.effective) is Status.DELIVERED:
        return DELIVERED_MEANWHILE
    if BUCKET[Status(retry.original.status)] is Bucket.PENDING and not retry.is_first:
        return "It is on its way again; nothing was sent."
    if retry.root.recipient.opted_out_at:
        return "The person asked not to be texted; nothing was sent."
    if not retry.account.enabled:
        return "The account was switched off; nothing was sent."
    return ""


def request_of(retry: Retry) -> Request:
    """The same for each try: its reference and key make two of them one. Raises ProviderError("invalid")."""
    provider = retry.account.provider
    message = retry.message
    if message is None or retry.via == Retry.Via.PROVIDER:
        return provider.retry_request(retry.original.provider_message_id or "")
    reachable = settings.PUBLIC_URL.startswith("https://") or settings.ALLOW_PRIVATE_PROVIDER_URLS
    return provider.send_request(
        Outgoing(
            to=message.recipient.digits,
            text=message.text or "",
            sender=message.sender,
            route=message.route,
            reference=retry.reference,
            idempotency_key=str(uuid5(NAMESPACE_OID, retry.reference)),
            callback_url=retry.account.webhook_url if reachable else "",
        )
    )


def give_up(now: datetime) -> None:
    """Retries that arrived by themselves or waited too long, and workers that were killed while sending."""
    not_on_the_wire = Retry.objects.filter(Q(state=OPEN) | WAITING)
    over = Q(created_at__lt=now - YOUNG) | Q(account__enabled=False) | Q(root__effective=Status.DELIVERED.value)
    for pk in list(not_on_the_wire.filter(over).values_list("pk", flat=True)):
        _drop(pk, now)
    for pk in list(Retry.objects.filter(state=SENDING, lease_until__lt=now).values_list("pk", flat=True)):
        with transaction.atomic():
            retry = locked(pk)
            if retry.state == SENDING and retry.lease_until and retry.lease_until < now:
                doubt(retry, "The worker stopped while sending; it may have gone out.", now)


def _drop(pk: int, now: datetime) -> None:
    with transaction.atomic():
        retry = locked(pk)
        if not _may_go(retry):
            return
        if Status(retry.root.effective) is Status.DELIVERED:
            end_unsent(retry, Retry.State.CANCELLED, DELIVERED_MEANWHILE, now)
        elif retry.state == SENDING:
            end_unsent(retry, Retry.State.NOT_SENT, retry.detail.replace("Not sent yet:", "Not sent:"), now)
        else:
            end_unsent(retry, Retry.State.CANCELLED, f"{_why_never(retry, now)}; nothing was sent.", now)


def _why_never(retry: Retry, now: datetime) -> str:
    asked_at = retry.original.asked_at
    if not retry.account.enabled:
        return "The account was switched off"
    if is_held(retry.account, now):
        return "The account has no money left"
    if retry.is_first or (asked_at is not None and asked_at >= retry.created_at):
        return "The account was not free in time"
    return "The provider could not be asked about it first"


# ------------------------------------------------------------------------------ on the wire (event loop)


async def send(caller: Caller, lane: Lane, job: Job) -> Result:
    """Make the request once. Never repeated here, whatever happens."""
    call = "retry" if job.retry.via == Retry.Via.PROVIDER else "send"
    reply, error = await lane.call(caller, call, job.request, start_by=job.start_by)
    return Result(job=job, at=timezone.now(), reply=reply, error=error)
