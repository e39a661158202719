"""Sending again, at most once: the intent is a row, the request goes out after its commit, and what we cannot tell
stays `outcome_unknown` until somebody can.

    open      -> the message is asked about once more; delivered meanwhile: cancelled
    sending   -> committed before the request is made; a worker killed here leaves `outcome_unknown`, no second send
    accepted | refused | not_sent | outcome_unknown
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.ingest.evidence import canonical, evidence
from dashboard.ingest.items import NOT_SENT, Item, note, ours
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.models import Account, Message, Retry
from dashboard.models.messages import Source
from dashboard.worker.asking import Lane
from providers.base import Outgoing, ProviderError, Reply, Report, Request, Status, read
from providers.http import Caller

LEASE = timedelta(seconds=60)
LOOK_AFTER = timedelta(seconds=5)
ASK_FOR = timedelta(minutes=10)  # how long a look before sending may take: not asked is not sent
OPEN, SENDING, UNKNOWN = Retry.State.OPEN, Retry.State.SENDING, Retry.State.OUTCOME_UNKNOWN
REFUSING = frozenset({"refused", "credentials", "balance", "invalid", "not_found", "unsupported"})


@dataclass(slots=True)
class Job:
    """One claimed retry and the request that carries it out."""

    retry: Retry
    request: Request


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
    asked = Q(original__asked_at__gte=F("created_at")) | Retry.FIRST
    mine = Retry.objects.filter(asked, account=account, state=OPEN, created_at__gte=now - ASK_FOR)
    ready = mine.order_by("pk").values_list("pk", flat=True)[:most]
    jobs = [_claim(pk, now) for pk in list(ready)]
    return [job for job in jobs if job is not None]


def _claim(pk: int, now: datetime) -> Job | None:
    with transaction.atomic():
        retry = _locked(pk)
        if retry.state != OPEN:
            return None
        root = Message.objects.select_for_update(of=("self",)).select_related("recipient").get(pk=retry.root_id)
        why_not = _not_needed(retry, root)
        if why_not:
            _drop(retry, Retry.State.CANCELLED, why_not, now)
            return None
        try:
            request = _request(retry)
        except ProviderError as error:
            _drop(retry, Retry.State.REFUSED, error.message, now)
            return None
        Retry.objects.filter(pk=pk).update(
            state=SENDING, lease_until=now + LEASE, changed_at=now,
            retry_count=retry.original.attempt + retry.original.own_retries,
        )  # fmt: skip
        if retry.message_id:
            say(retry.account, retry.message_id, "sending", Status.SENDING, now)
        return Job(retry, request)


def _not_needed(retry: Retry, root: Message) -> str:
    if Status(root.effective) is Status.DELIVERED:
        return "It was delivered in the meantime; nothing was sent."
    if BUCKET[Status(retry.original.status)] is Bucket.PENDING and not retry.is_first:
        return "It is on its way again; nothing was sent."
    if root.recipient.opted_out_at:
        return "The person asked not to be texted; nothing was sent."
    if not retry.account.enabled:
        return "The account was switched off; nothing was sent."
    return ""


def _request(retry: Retry) -> Request:
    provider = retry.account.provider
    if retry.via == Retry.Via.PROVIDER:
        return provider.retry_request(retry.original.provider_message_id or "")
    message = _made(retry)
    return provider.send_request(
        Outgoing(
            to=message.recipient.digits,
            text=message.text or "",
            sender=message.sender,
            route=message.route,
            reference=retry.reference,
            idempotency_key=retry.reference,
            callback_url=retry.account.webhook_url if settings.PUBLIC_URL.startswith("https://") or _local() else "",
        )
    )


def _made(retry: Retry) -> Message:
    """The message that a send makes; it is there from the start."""
    return Message.objects.select_related("recipient").get(made_by=retry)


def _local() -> bool:
    return bool(settings.ALLOW_PRIVATE_PROVIDER_URLS)


def give_up(now: datetime) -> None:
    """Retries that waited too long for their last look, and workers that were killed while sending."""
    waiting = Q(created_at__lt=now - ASK_FOR) | Q(account__enabled=False)
    for pk in Retry.objects.filter(waiting, state=OPEN).values_list("pk", flat=True):
        _cancel(pk, now)
    for pk in Retry.objects.filter(state=SENDING, lease_until__lt=now).values_list("pk", flat=True):
        with transaction.atomic():
            retry = _locked(pk)
            if retry.state == SENDING and retry.lease_until and retry.lease_until < now:
                _doubtful(retry, "The worker stopped while sending; it may have gone out.", now)


def _cancel(pk: int, now: datetime) -> None:
    with transaction.atomic():
        retry = _locked(pk)
        if retry.state != OPEN:
            return
        asked_at = retry.original.asked_at
        asked = retry.is_first or (asked_at is not None and asked_at >= retry.created_at)
        if not retry.account.enabled:
            why = "The account was switched off"
        else:
            why = "The account was not free in time" if asked else "The provider could not be asked about it first"
        _drop(retry, Retry.State.CANCELLED, f"{why}; nothing was sent.", now)


def _locked(pk: int) -> Retry:
    return Retry.objects.select_for_update(of=("self",)).select_related("account", "original").get(pk=pk)


# ------------------------------------------------------------------------------ on the wire (event loop)


async def send(caller: Caller, lane: Lane, job: Job) -> Result:
    """Make the request once. Never repeated here, whatever happens."""
    call = "retry" if job.retry.via == Retry.Via.PROVIDER else "send"
    reply, error = await lane.call(caller, call, job.request)
    return Result(job=job, at=timezone.now(), reply=reply, error=error)


# ------------------------------------------------------------------------------ storing (database thread)


def save_result(result: Result) -> None:
    """Write what came of it. A failure of ours from here on leaves `sending`, which becomes `outcome_unknown`."""
    retry = result.job.retry
    with transaction.atomic():
        error = result.error
        if error is None:
            try:
                _accepted(retry, result)
                return
            except ProviderError as unreadable:
                error = unreadable
        _failed(retry, result, error)


def _accepted(retry: Retry, result: Result) -> None:
    assert result.reply is not None  # noqa: S101 - no error means a reply
    payload = result.reply.json()
    if retry.via == Retry.Via.PROVIDER:
        _retried(retry, read(retry.account.provider.retry_reply, payload), result, result.reply)
        return
    sent = read(retry.account.provider.send_reply, payload, result.job.request.json)
    if len(sent.items) != 1:
        raise ProviderError("unparseable", "The provider's answer does not name the one text that was sent.")
    report = read(retry.account.provider.report, "send", sent.items[0])
    _record_send(retry, result, report, sent.items[0], status=result.reply.status)
    if sent.cost is not None:
        Message.objects.filter(made_by=retry, cost=None).update(
            cost=sent.cost, currency=sent.currency or retry.account.currency
        )
    message = _made(retry)
    if Status(message.status) is Status.SENDING:
        raise ProviderError("duplicate", "The provider has seen our reference before, and says no more.")
    if BUCKET[Status(message.status)] is Bucket.PENDING or message.status == Status.DELIVERED:
        end(retry, Retry.State.ACCEPTED, "The provider accepted it.", result.at)
    else:
        end(retry, Retry.State.REFUSED, "The provider refused it.", result.at)


def _record_send(retry: Retry, result: Result, report: Report, piece: Any, status: int) -> None:
    row = evidence(retry.account, "send", canonical(piece), result.at, is_item=True, http_status=status)
    if not report.entries:
        raise ProviderError("unparseable", "The provider's answer does not say whether it took the text.")
    record(
        [
            Item(
                account=retry.account, source=Source.SEND, report=report, evidence=row, received_at=result.at,
                message_id=retry.message_id,
            )
        ]
    )  # fmt: skip


def _retried(retry: Retry, given_id: str, result: Result, reply: Reply) -> None:
    """The provider's own retry answered with an id. Which of its two documented meanings holds, only the id tells."""
    account, original = retry.account, retry.original
    row = evidence(account, "retry", reply.body, result.at, http_status=reply.status, headers=reply.headers)
    said = note(
        "retry", "retry", "The provider took the request to try again; what it says about it is not believed yet."
    )
    record(
        [Item(account=account, source=Source.SEND, report=Report(entries=(said,)), evidence=row,
              received_at=result.at, message_id=original.pk)]
    )  # fmt: skip
    if account.provider.normalise_id(given_id) == original.match_id:
        Retry.objects.filter(pk=retry.pk).update(message=original)
        end(retry, Retry.State.ACCEPTED, "The provider tries the same message again.", result.at)
    else:
        Message.objects.filter(pk=original.pk).update(own_retries=F("own_retries") + 1)
        recipient = Message.objects.values_list("recipient__digits", flat=True).get(pk=original.pk)
        send = Send(to=recipient, provider_message_id=given_id, text=original.text, sender=original.sender)
        (made,) = register(account, [send], Source.SEND)
        Message.objects.filter(match_id=account.provider.normalise_id(given_id), account=account).update(
            root=retry.root_id, batch=retry.root.batch_id
        )
        Retry.objects.filter(pk=retry.pk).update(message_id=made.message_id)
        end(retry, Retry.State.ACCEPTED, "The provider sends it as a new message.", result.at)
        _refresh(retry.root_id, result.at)
    Message.objects.filter(pk=original.pk).update(next_check_at=result.at + LOOK_AFTER)


def _refresh(root_pk: int, now: datetime) -> None:
    """Let the root count what its new message is, now that the two are linked."""
    own = Report(entries=())
    account = Message.objects.select_related("account").get(pk=root_pk).account
    record([Item(account=account, source=Source.WORKER, report=own, received_at=now, message_id=root_pk)])


def _failed(retry: Retry, result: Result, error: ProviderError) -> None:
    """Refused, surely not sent, or we cannot tell: decided here, from what happened on the wire."""
    if result.reply is not None and (retry.message_id or retry.original_id):
        _keep(retry, result, error)
    if retry.via == Retry.Via.PROVIDER:
        Message.objects.filter(pk=retry.original_id).update(next_check_at=result.at + LOOK_AFTER)
    if not error.written or error.code == "throttled":
        end(retry, Retry.State.NOT_SENT, f"Not sent: {error.message}", result.at)
        if retry.message_id:
            say(retry.account, retry.message_id, NOT_SENT, Status.FAILED, result.at, error.message)
    elif error.code in REFUSING:
        end(retry, Retry.State.REFUSED, error.message, result.at)
        if retry.message_id:
            say(retry.account, retry.message_id, "refused", Status.FAILED, result.at, error.message, by_provider=True)
    else:
        _doubtful(retry, f"We cannot tell whether it went out: {error.message}", result.at)


def _keep(retry: Retry, result: Result, error: ProviderError) -> None:
    assert result.reply is not None  # noqa: S101 - the caller looked
    row = evidence(
        retry.account, "retry" if retry.via == Retry.Via.PROVIDER else "send", result.reply.body, result.at,
        http_status=result.reply.status, headers=result.reply.headers, problem=error.message,
    )  # fmt: skip
    row.message_id = retry.message_id or retry.original_id
    row.save()


def _doubtful(retry: Retry, why: str, now: datetime) -> None:
    with transaction.atomic():
        end(retry, UNKNOWN, why, now)
        if retry.message_id:
            say(retry.account, retry.message_id, "outcome unknown", Status.OUTCOME_UNKNOWN, now, why)


def _drop(retry: Retry, state: Retry.State, why: str, now: datetime) -> None:
    """End a retry that never went on the wire; the message it would have made was not sent."""
    end(retry, state, why, now)
    if retry.message_id:
        say(retry.account, retry.message_id, NOT_SENT, Status.FAILED, now, why)


def end(retry: Retry, state: Retry.State, detail: str, now: datetime) -> None:
    Retry.objects.filter(pk=retry.pk).update(state=state, detail=detail[:500], changed_at=now, lease_until=None)


def say(
    account: Account, message_pk: int, word: str, status: Status, now: datetime, detail: str = "",
    *, by_provider: bool = False,
) -> None:  # fmt: skip
    report = Report(entries=(ours(word, status, detail=detail),))
    record(
        [Item(account=account, source=Source.SEND, report=report, received_at=now, message_id=message_pk,
              by_provider=by_provider)]
    )  # fmt: skip
