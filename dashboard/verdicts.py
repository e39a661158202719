"""The facts a verdict stands on, read from the database: a constant number of questions, each bounded and indexed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain import schedule
from dashboard.domain.lifecycle import NEGATIVE_FINALS
from dashboard.domain.reach import Record, Sent
from dashboard.domain.timeline import TimelineEntry
from dashboard.domain.verdict_facts import AT_LEAST, Facts, Life, Line, Neighbours, Try, Usual
from dashboard.logs import masked
from dashboard.models import Account, Event, Message, Orphan, Recipient, Retry
from providers.base import Status

NEWEST, FOR_USUAL = 400, 200  # looked through for those that were delivered; taken
NEWEST_SENT, FOR_NEIGHBOURS = 400, 40
HOUR, HALF_HOUR = timedelta(hours=1), timedelta(minutes=30)
TO_NUMBER = 50  # the newest other texts to the same number
OF_RECORD = 200  # the newest messages of a number's record
REPORTS_LATELY = timedelta(minutes=10)
TRIES_AGAIN_FOR = timedelta(days=1)  # a provider's own retry that it took, until its counter shows it
_NEGATIVE = {status.value for status in NEGATIVE_FINALS}


def facts_of(
    message: Message, story: Sequence[TimelineEntry], tries: Iterable[Message], retries: Iterable[Retry], now: datetime
) -> Facts:
    """`message` with its account and recipient; `tries` are all messages of the same root, itself among them."""
    usual = usual_of(message)
    return Facts(
        now=now,
        zone=timezone.get_current_timezone(),
        pk=message.pk,
        status=Status(message.status),
        line=line_of(message.account, now),
        sent_at=message.sent_at,
        created_at=message.created_at,
        deadline=schedule.deadline(message.sent_at, message.valid_until),
        story=[replace(entry, word=masked(entry.word), detail=masked(entry.detail)) for entry in story],
        valid_until=message.valid_until,
        not_sent=message.not_sent,
        reported=message.reported,
        conflict=message.conflict,
        unconfirmed=message.unconfirmed,
        parts=message.parts,
        asked_at=message.asked_at,
        due_at=message.next_check_at,
        can_be_asked=bool(message.match_id or message.provider_batch_id or (message.sent_by_us and message.reference)),
        reopens_until=_reopens_until(message),
        waited=_waited(message),
        strays=_strays(message),
        usual=usual,
        neighbours=neighbours_of(message, usual, now),
        tries=[Try(pk=m.pk, status=Status(m.status), not_sent=m.not_sent) for m in tries if m.pk != message.pk],
        held=_held(message, retries, now),
        life=life_of(message),
        opted_out=message.recipient.opted_out_at is not None,
    )


def line_of(account: Account, now: datetime) -> Line:
    paused = account.paused_until is not None and account.paused_until > now
    broke = account.no_sends_until is not None and account.no_sends_until > now
    return Line(
        provider=account.provider.label,
        name=account.name,
        enabled=account.enabled,
        has_credentials=bool(account.sealed_credentials),
        trouble=(account.pause_reason or "refused") if paused else "",
        complaint=masked(account.last_error),
        until=account.paused_until,
        no_sends=masked(account.no_sends_why) or _("no money") if broke else "",
        reports_lately=account.last_webhook_at is not None and now - account.last_webhook_at < REPORTS_LATELY,
    )


def _reopens_until(message: Message) -> datetime | None:
    seconds = message.account.provider.reopens_failed_for
    return message.final_at + timedelta(seconds=seconds) if seconds and message.final_at else None


def _held(message: Message, retries: Iterable[Retry], now: datetime) -> str:
    """The state of a wish whose new try is not a message of its own: the provider tries this one again itself."""
    for retry in retries:
        if retry.via != Retry.Via.PROVIDER or retry.original_id != message.pk:
            continue
        if retry.state in Retry.HOLDING:
            return retry.state
        grown = message.attempt > (retry.retry_count or 0) - message.own_retries
        same = retry.state == Retry.State.ACCEPTED and retry.message_id == message.pk
        if same and not grown and now - retry.changed_at < TRIES_AGAIN_FOR:
            return retry.state
    return ""


def _waited(message: Message) -> tuple[datetime, datetime] | None:
    """When a report came before its message, and when it was attached."""
    first = Orphan.objects.filter(message=message).order_by("pk").first()
    return (first.received_at, first.attached_at) if first and first.attached_at else None


def _strays(message: Message) -> bool:
    """Whether reports that no message is known for came since a send of ours whose answer never did."""
    if message.status != Status.OUTCOME_UNKNOWN:
        return False
    waiting = Orphan.objects.filter(account=message.account_id, message=None, problem="")
    return waiting.filter(received_at__gte=message.sent_at).exists()


# ------------------------------------------------------------------------------ figures


def _alike(message: Message) -> QuerySet[Message]:
    """The messages through the same account, and to the same country where it is known."""
    alike = Message.objects.filter(account=message.account_id)
    return alike.filter(country=message.country) if message.country else alike


def usual_of(message: Message) -> Usual | None:
    """How long the newest delivered texts took, by the provider's time of delivery where its zone was stated."""
    newest = _alike(message) if message.country else _alike(message).filter(effective=Status.DELIVERED.value)
    rows = newest.order_by("-sent_at", "-pk").values_list("pk", "status", "effective", "sent_at", "final_at")[:NEWEST]
    took = {
        pk: (sent, final)
        for pk, status, effective, sent, final in rows
        if status == effective == Status.DELIVERED.value and pk != message.pk
    }
    took = dict(list(took.items())[:FOR_USUAL])
    stated = dict(
        Event.objects.filter(message__in=took, status=Status.DELIVERED.value, zone="stated")
        .order_by()
        .values_list("message")
        .annotate(first=Min("at"))
    )
    delays = []
    for pk, (sent, heard) in took.items():
        at = stated.get(pk)
        arrived = at if at is not None and at >= sent else heard
        if arrived is not None and arrived >= sent:
            delays.append(arrived - sent)
    return Usual.of(delays, same_country=bool(message.country))


def neighbours_of(message: Message, usual: Usual | None, now: datetime) -> Neighbours | None:
    """The texts to other numbers sent around the same time, but for those that may still be on time."""
    lately = now - message.sent_at < HOUR
    until = min(
        now if lately else message.sent_at + HALF_HOUR, now - (max(usual.most, AT_LEAST) if usual else AT_LEAST)
    )
    since = until - HOUR if lately else message.sent_at - HALF_HOUR
    sent = _alike(message) if message.country else Message.objects.all()
    newest = sent.filter(sent_at__gt=since, sent_at__lte=until).order_by("-sent_at", "-pk")
    rows = newest.values_list("account_id", "recipient_id", "not_sent", "status", "reported")[:NEWEST_SENT]
    others = [
        (Status(status), reported)
        for account, recipient, not_sent, status, reported in rows
        if account == message.account_id and recipient != message.recipient_id and not not_sent
    ][:FOR_NEIGHBOURS]
    return Neighbours.of(others, same_country=bool(message.country), lately=lately)


def life_of(message: Message) -> Life:
    """What the newest other texts to the same number, through any account, say about it."""
    family = Q(pk=message.root_pk) | Q(root=message.root_pk)
    others = Message.objects.filter(recipient=message.recipient_id).order_by("-pk")
    rows = others.exclude(family).values_list("pk", "status", "final_at", "not_sent")[:TO_NUMBER]
    failed, in_a_row = 0, True
    for pk, status, final_at, not_sent in rows:
        if status == Status.DELIVERED.value:
            return Life(message=pk, reached_at=final_at, failed_since=failed)
        in_a_row = in_a_row and status != Status.UNKNOWN.value
        failed += in_a_row and status in _NEGATIVE and not not_sent
    return Life(failed_since=failed)


def record_of(recipient: Recipient, now: datetime) -> Record:
    """The newest messages to a number, through whatever account."""
    newest = Message.objects.filter(recipient=recipient).select_related("account").order_by("-pk")
    slim = newest.only("root", "status", "sent_at", "final_at", "not_sent", "account__label", "account__slug")
    sent = [
        Sent(
            pk=message.pk,
            root=message.root_pk,
            status=Status(message.status),
            account=message.account.name,
            sent_at=message.sent_at,
            final_at=message.final_at,
            not_sent=message.not_sent,
        )
        for message in slim[:OF_RECORD]
    ]
    return Record(sent, now, timezone.get_current_timezone(), opted_out=recipient.opted_out_at is not None)
