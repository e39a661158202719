"""Running what was approved: one look at a time, at the accounts' pace, and a stop when it goes wrong.

A look asks for a few more of the plan's messages. Each is one transaction under the bulk's lock, and its retry has a
nonce of its own: a worker may be killed anywhere, and any number of them may run, and no message is asked for twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Count, Max, Q, QuerySet

from dashboard.domain.bulk import (
    CAPS,
    MOST_OPEN,
    Fate,
    Go,
    Judgement,
    of_canary,
    of_latest,
    paced_over,
    room,
)
from dashboard.fates import asked_for
from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import Refused, request_retry
from dashboard.models import Account, Bulk, BulkItem, Retry
from dashboard.worker.asking import BREAKER

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # of one look; a worker that was killed in it keeps the others waiting so long
SOON, LATER = timedelta(seconds=1), timedelta(seconds=5)
MOST_AT_ONCE = 20  # that one look asks for, so that the worker's other work is not kept waiting
_RUNNING = Bulk.State.RUNNING
_ON_ITS_WAY = (Retry.State.OPEN, Retry.State.SENDING)


def run(now: datetime) -> None:
    """One look at every bulk that is due for it."""
    due = Bulk.objects.filter(state=_RUNNING, next_at__lte=now)
    for pk in list(due.values_list("pk", flat=True)):
        if due.filter(pk=pk).update(next_at=now + LEASE):  # won by one worker
            try:
                _look(Bulk.objects.select_related("user", "account").get(pk=pk), now)
            except DatabaseError:
                raise  # told, and tried again, where all of the database's trouble is
            except Exception:
                log.exception("Bulk %s could not go on; it is tried again.", pk)


def _look(bulk: Bulk, now: datetime) -> None:
    accounts = list(Account.objects.all())
    fates = asked_for(bulk)
    judgement = _judge(bulk, fates, accounts, now)
    if judgement.go is not Go.WAIT:
        _act(bulk.pk, judgement)
        if judgement.go is not Go.ON:
            return
        bulk.canary = 0
    done = [_ask(bulk, item, now) for item in _next(bulk, fates, accounts, now)]
    _act(bulk.pk, Judgement(Go.WAIT), at=now + (SOON if any(done) else LATER))


def _judge(bulk: Bulk, fates: Sequence[Fate], accounts: Sequence[Account], now: datetime) -> Judgement:
    """Whether it goes on, before anything more is asked for."""
    if not steps.may_send(bulk.user):
        return Judgement(
            Go.PAUSE, f"{bulk.user.get_username()}, who planned it, may not send any more. Stop it, and plan it again."
        )
    for account in accounts:
        why = _trouble(account, now)
        if why and Retry.objects.filter(bulk=bulk, account=account).exists():
            return Judgement(Go.STOP, f"{account.name}: {why}")
    if not bulk.canary:
        return of_latest(fates)
    last = Retry.objects.filter(bulk=bulk).aggregate(at=Max("created_at"))["at"]
    return of_canary(fates, bulk.canary, now - last if last else timedelta(0))


def _trouble(account: Account, now: datetime) -> str:
    """What keeps every text through the account from going out, and that time alone does not mend."""
    if account.no_sends_until is not None and account.no_sends_until > now:
        return account.no_sends_why
    if account.pause_reason == "credentials" and account.paused_until is not None and account.paused_until > now:
        return account.last_error
    return ""


def _act(pk: int, judgement: Judgement, at: datetime | None = None) -> None:
    """Write down what the look came to, unless a person was faster."""
    with transaction.atomic():
        bulk = Bulk.objects.select_for_update().get(pk=pk)
        if bulk.state != _RUNNING:
            return
        match judgement.go:
            case Go.STOP:
                steps.end(bulk, "stopped", why=judgement.why)
            case Go.PAUSE:
                steps.halt(bulk, judgement.why)
            case Go.DOUBT:
                bulk.canary = 0  # whoever resumes has decided
                steps.halt(bulk, judgement.why)
            case Go.ON:
                steps.believe_canary(bulk, judgement.why)
            case Go.WAIT if not steps.to_send(bulk).exists() and not _open(bulk).exists():
                steps.finish(bulk)
            case Go.WAIT:
                Bulk.objects.filter(pk=pk).update(next_at=at)


# ------------------------------------------------------------------------------ whose turn it is


def _next(bulk: Bulk, fates: Sequence[Fate], accounts: Sequence[Account], now: datetime) -> list[BulkItem]:
    """The messages to ask for now, in the plan's order, as far as the pace allows."""
    most = min(MOST_OPEN - _open(bulk).count(), MOST_AT_ONCE)
    if bulk.canary:
        most = min(most, bulk.canary - sum(fate is not Fate.NOT_NEEDED for fate in fates))
    left = _rooms([bulk.account] if bulk.account else accounts, now)
    if most <= 0 or not left:
        return []
    items = steps.to_send(bulk).filter(steps.may_go(now)).select_related("message")
    if not bulk.account:
        items = items.filter(message__account__in=left)
    chosen = []
    for item in items.order_by("position")[:most]:
        account = bulk.account_id or item.message.account_id
        if left[account]:
            left[account] -= 1
            chosen.append(item)
    return chosen


def _rooms(accounts: Sequence[Account], now: datetime) -> dict[int, int]:
    """How many texts each account has room for at the pace of bulks; none where it is not to be asked just now."""
    free = [account for account in accounts if _is_free(account, now)]
    recent = Q(pk__in=())
    for account in free:
        recent |= Q(account=account, created_at__gt=now - paced_over(account.rate))
    lately = Retry.objects.filter(recent, bulk__isnull=False).order_by().values_list("account").annotate(n=Count("pk"))
    counts = dict(lately)
    rooms = {account.pk: room(account.rate, counts.get(account.pk, 0)) for account in free}
    return {pk: n for pk, n in rooms.items() if n}


def _is_free(account: Account, now: datetime) -> bool:
    waits = (account.paused_until, account.no_sends_until)
    return account.failures < BREAKER and not any(until is not None and until > now for until in waits)


def _open(bulk: Bulk) -> QuerySet[Retry]:
    return Retry.objects.filter(bulk=bulk, state__in=_ON_ITS_WAY)


# ------------------------------------------------------------------------------ asking for one


def _ask(bulk: Bulk, item: BulkItem, now: datetime) -> bool:
    """Ask for one message, or say why not. False where the run is not running any more, or has to be looked at."""
    with transaction.atomic():
        locked = Bulk.objects.select_for_update().get(pk=bulk.pk)
        if locked.state != _RUNNING:
            return False
        mine = steps.to_send(locked).filter(pk=item.pk)
        try:
            retry, _ = request_retry(
                item.message_id,
                reason=bulk.reason,
                nonce=f"bulk-{bulk.pk}-{item.position}",
                user=bulk.user,
                account_slug=bulk.account.slug if bulk.account else "",
                bulk=locked,
            )
        except Refused as refused:
            if refused.code in CAPS:
                steps.halt(locked, refused.message)
                return False
            since = steps.unconfirmed([item.message_id] if refused.code == steps.UNCONFIRMED else [])
            code, why = steps.turned_down(refused, since.get(item.message_id), now)
            mine.update(code=code, why=why)
        else:
            mine.update(retry=retry, why="")
        return True
