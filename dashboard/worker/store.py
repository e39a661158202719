"""The worker's database work: claiming with leases, and writing what was heard. Called from one thread."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from dashboard.domain import schedule
from dashboard.domain.lifecycle import PENDING, UNRESOLVED
from dashboard.ingest.evidence import canonical, evidence
from dashboard.ingest.items import DEADLINE, Item, note, ours
from dashboard.ingest.known import lookup
from dashboard.ingest.record import record
from dashboard.ingest.reread import context_of
from dashboard.models import Account, Evidence, Message
from dashboard.models.messages import Source
from dashboard.worker.asking import BREAKER, PROBE_AFTER, Answer, Due, Withheld, pause_for
from providers.base import ProviderError, Reply, Report, Status, Target

LEASE = timedelta(seconds=90)
ASKS_WITHIN = timedelta(seconds=60)  # of the lease: what is asked by then is written before the lease is over
UNASKABLE_AGAIN = timedelta(minutes=10)
NO_SENDS_FOR = timedelta(minutes=10)
WANTED_STEP = 2  # of the back-off: somebody waits for the answer, so half a minute is long enough


# ------------------------------------------------------------------------------ claiming


def claim(account: Account, now: datetime, most: int, due_by: datetime | None = None, owner: str = "") -> list[Due]:
    """Lease up to `most` due messages of the account to us: those somebody waits for first, then the latest due.

    The tokens of the leases begin with the owner's name, of at most 16 letters.
    """
    mine = Message.objects.filter(account=account, next_check_at__lte=due_by or now).filter(
        Q(lease_until=None) | Q(lease_until__lt=now)
    )
    # An answer this fresh is not asked for again, whoever clicks.
    fresh = now - timedelta(seconds=account.provider.fresh_for)
    mine = mine.filter(Q(asked_at=None) | Q(asked_at__lte=fresh))
    pks = list(mine.filter(wanted_at__isnull=False).order_by("wanted_at").values_list("pk", flat=True)[:most])
    if len(pks) < most:
        rest = mine.filter(wanted_at=None).order_by("-next_check_at").values_list("pk", flat=True)
        pks += rest[: most - len(pks)]
    return _lease(mine, pks, now, owner) if pks else []


def _lease(mine: QuerySet[Message], pks: Sequence[int], now: datetime, owner: str) -> list[Due]:
    """Of these, the ones that are still due and free: another worker may have asked and stored the answer by now."""
    token = owner + secrets.token_hex(8)
    with transaction.atomic():
        free = mine.filter(pk__in=pks)
        if connection.features.has_select_for_update_skip_locked:
            locked = free.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)
            free = Message.objects.filter(pk__in=list(locked))
        free.update(lease=token, lease_until=now + LEASE)
    leased = {row[0]: Due(pk=row[0], target=_target(*row[1:]), lease=token) for row in _asked_by(pks, token)}
    return [leased[pk] for pk in pks if pk in leased]


def _asked_by(pks: Sequence[int], token: str) -> Iterable[tuple[int, str | None, str, str, bool, str]]:
    """What the messages are asked about by: as bare columns, for there may be a thousand of them every second."""
    return Message.objects.filter(pk__in=pks, lease=token).values_list(
        "pk", "provider_message_id", "recipient__digits", "reference", "sent_by_us", "provider_batch_id"
    )


def _target(name: str | None, to: str, reference: str, sent_by_us: bool, batch_id: str) -> Target:
    # A reference is the provider's only on our own sends.
    return Target(id=name, to=to, reference=reference if sent_by_us else "", batch_id=batch_id)


def take_back(owner: str, now: datetime) -> None:
    """What the owner had claimed when it was killed is due again at once, whatever was left of the leases."""
    held = Message.objects.filter(next_check_at__lte=now, lease__startswith=owner, lease_until__gt=now)
    held.update(lease="", lease_until=None)


def unfinished() -> QuerySet[Message]:
    """Every message about which there is still something to learn."""
    open_ = [status.value for status in PENDING - UNRESOLVED] + [Status.UNKNOWN.value]
    return Message.objects.filter(Q(status__in=open_) | Q(next_check_at__isnull=False))


def release(dues: Iterable[Due], until: datetime, *, counts: bool = False) -> None:
    """Give claimed messages back: asked again at `until`. No effect where the lease is somebody else's by now.

    With `counts` this was one more ask, and the back-off grows.
    """
    more = {"asked": F("asked") + 1} if counts else {}
    by_lease: dict[str, list[int]] = {}
    for due in dues:
        by_lease.setdefault(due.lease, []).append(due.pk)
    for lease, pks in by_lease.items():
        mine = Message.objects.filter(pk__in=pks, lease=lease)
        mine.update(lease="", lease_until=None, next_check_at=until, **more)


# ------------------------------------------------------------------------------ writing


def save_answers(account: Account, answers: Sequence[Answer]) -> None:
    """Record what was heard, and reschedule what was not."""
    # Opened once for all of them.
    secrets_ = account.secrets() if any(answer.reply is not None for answer in answers) else []
    heard = [answer for answer in answers if _says_something(answer)]
    heard = _without_strangers(account, heard)
    errors = [answer.error for answer in answers if answer.error is not None]
    with transaction.atomic():
        _keep_failed_exchanges(account, answers, secrets_)
        record([_item(account, answer, secrets_) for answer in heard])
        note_health(account, success=any(map(_is_alive, answers)), errors=errors)
    # Not in the same transaction: everybody locks messages in one order, and these may come before those.
    told = {answer.due.pk for answer in heard} | _leave_unaskable(account, answers)
    _postpone([answer for answer in answers if answer.due.pk not in told])


def _is_alive(answer: Answer) -> bool:
    """Whether the provider has spoken about the message, be it that it does not know it."""
    return answer.error is None or answer.error.code == "not_found"


def _leave_unaskable(account: Account, answers: Sequence[Answer]) -> set[int]:
    """Messages that nothing can be asked by wait for a listing or a webhook; past their deadline they are unknown."""
    dues = {answer.due.pk: answer.due for answer in answers if answer.error is not None and not answer.call}
    if not dues:
        return set()
    now = timezone.now()
    over = [
        message
        for message in Message.objects.filter(pk__in=dues)
        if now >= schedule.deadline(message.sent_at, message.valid_until) and Status(message.status) in PENDING
    ]
    entry = ours(DEADLINE, Status.UNKNOWN, detail="No report came by the deadline, and the provider cannot be asked.")
    items = [
        Item(
            account=account,
            source=Source.WORKER,
            report=Report(entries=(replace(entry, attempt=message.attempt),)),
            received_at=now,
            message_id=message.pk,
            by_provider=False,
            lease=dues[message.pk].lease,
        )
        for message in over
    ]
    record(items)
    release([due for pk, due in dues.items() if pk not in {message.pk for message in over}], now + UNASKABLE_AGAIN)
    return set(dues)


def _says_something(answer: Answer) -> bool:
    return answer.report is not None or (answer.error is not None and answer.error.code in {"not_found", "unparseable"})


def _without_strangers(account: Account, answers: Sequence[Answer]) -> list[Answer]:
    """Drop an answer that would give a message the id of another one (two texts to one number in one order)."""
    named = {answer.report.id for answer in answers if answer.due.target.id is None and answer.report}
    ids = {(account.pk, account.provider.normalise_id(name)) for name in named if name}
    taken = lookup(ids) if ids else {}
    kept: list[Answer] = []
    for answer in answers:
        if answer.due.target.id is None and answer.report and answer.report.id:
            key = (account.pk, account.provider.normalise_id(answer.report.id))
            if taken.setdefault(key, answer.due.pk) != answer.due.pk:
                continue
        kept.append(answer)
    return kept


def _item(account: Account, answer: Answer, secrets_: list[str]) -> Item:
    report = answer.report
    if report is None:
        assert answer.error is not None  # noqa: S101 - _says_something
        said = answer.error
        kind = "not_found" if said.code == "not_found" else "unreadable"
        report = Report(entries=(note(kind, kind.replace("_", " "), said.message),))
    return Item(
        account=account,
        source=Source.POLL,
        report=report,
        evidence=_evidence(account, answer, answer.reply, secrets_) if answer.reply and not answer.many else None,
        received_at=answer.at,
        message_id=answer.due.pk,
        asked=answer.due.target,
        answered=answer.error is None or answer.error.code == "not_found",
        lease=answer.due.lease,
    )


def _evidence(account: Account, answer: Answer, reply: Reply, secrets_: list[str]) -> Evidence:
    whole = answer.item is None
    return evidence(
        account,
        answer.call,
        reply.body if whole else canonical(answer.item),
        answer.at,
        is_item=not whole,
        http_status=reply.status,
        headers=reply.headers,
        context={"asked": context_of(answer.due.target)} if whole else {},
        problem=answer.error.message if answer.error else "",
        mask=secrets_,
    )


def _keep_failed_exchanges(account: Account, answers: Sequence[Answer], secrets_: list[str]) -> None:
    """A reply about many that could not be read is kept once, on nobody's page."""
    failed = {id(a.reply): a for a in answers if a.many and a.reply is not None and a.error is not None}
    Evidence.objects.bulk_create(_evidence(account, a, a.reply, secrets_) for a in failed.values() if a.reply)


def _postpone(answers: Sequence[Answer]) -> None:
    """Give back messages about which nothing was said: each later than the last time, unless nothing was asked."""
    if not answers:
        return
    mine = Message.objects.filter(pk__in=[answer.due.pk for answer in answers])
    steps = {
        pk: WANTED_STEP if wanted else asked + 2 for pk, asked, wanted in mine.values_list("pk", "asked", "wanted_at")
    }
    by_wait: dict[tuple[float, bool], list[Due]] = {}
    for answer in answers:
        counts = answer.error is not None and not isinstance(answer.error, Withheld)
        step = min(steps.get(answer.due.pk, 2), len(schedule.BACK_OFF) - 1)
        stated = (answer.error.retry_after if answer.error else None) or 0.0
        by_wait.setdefault((max(schedule.BACK_OFF[step], stated), counts), []).append(answer.due)
    for (seconds, counts), dues in by_wait.items():
        release(dues, timezone.now() + _spread(seconds), counts=counts)


# ------------------------------------------------------------------------------ the account's health


def note_health(account: Account, *, success: bool, errors: Sequence[ProviderError]) -> None:
    """What was heard about the account as a whole. A wait that the provider asked for is kept whatever else it says."""
    now = timezone.now()
    real = [error for error in errors if not isinstance(error, Withheld)]
    mine = Account.objects.filter(pk=account.pk)
    if success:
        mine.update(last_success_at=now, failures=0)
        mine.exclude(pause_reason="throttled").update(paused_until=None, pause_reason="")
        mine.filter(paused_until__lte=now).update(paused_until=None, pause_reason="")
    broke = next((error for error in real if error.code == "balance"), None)
    if broke is not None:
        mine.update(no_sends_until=now + NO_SENDS_FOR, no_sends_why=broke.message[:500])
    worst = next((e for e in real if pause_for(e) is not None), None) or next(
        (e for e in real if e.code not in {"not_found", "invalid"}), None
    )
    if worst is None:
        return  # the others are about one message, not about the account
    mine.update(last_error=worst.message[:500], last_error_at=now)
    wait = pause_for(worst)
    unreachable = {id(error) for error in real if error.code == "unreachable"}
    if unreachable and not success:
        mine.update(failures=F("failures") + len(unreachable))
        if wait is None and mine.filter(failures__gte=BREAKER).exists():
            wait = PROBE_AFTER
    if wait is not None:
        until = now + _spread(wait)
        mine.filter(Q(paused_until=None) | Q(paused_until__lt=until)).update(
            paused_until=until, pause_reason=worst.code
        )


def _spread(seconds: float) -> timedelta:
    """At least as long as told, and not everybody at the same moment."""
    return timedelta(seconds=seconds * (1 + random.random() / 5))  # noqa: S311


def remember_unsupported(account: Account, calls: Iterable[str], until: datetime) -> None:
    """What this account's server does not know is not tried again for a day, by any worker."""
    with transaction.atomic():
        row = Account.objects.select_for_update().get(pk=account.pk)
        row.unsupported = {**row.unsupported, **{call: until.isoformat() for call in calls}}
        row.save(update_fields=["unsupported"])
