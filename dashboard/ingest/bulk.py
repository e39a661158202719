"""Sending many again: planning it, approving it, and every step that a person or the worker takes with it.

    planning -> planned -> running <-> paused -> done
                     \\________\\_________\\-> stopped

Each step is one transaction that looks at the state under the row's lock, and one row in the audit. Its messages are
fixed at the plan; the worker (dashboard/worker/bulk.py) asks for them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.bulk import MOST, canary_of, problem_with_approval, waits_until
from dashboard.fates import fates_of
from dashboard.ingest.ending import end_unsent
from dashboard.ingest.retry import Refused, Verdict, judge
from dashboard.logs import masked
from dashboard.models import Account, Audit, Bulk, BulkItem, Message, Retry, User

CHUNK = 500
UNCONFIRMED = "unconfirmed"
MOST_READ = 2 * MOST  # matching messages, of which several may belong to one root
DOUBLE = gettext_lazy("The same text to this number is in the plan once more; only the newest is sent again.")
_STATE = Bulk.State


def plan(
    found: QuerySet[Message],
    *,
    user: User,
    reason: str,
    filters: Mapping[str, str],
    through: Account | None = None,
    ip: str | None = None,
) -> Bulk:
    """Fix the messages that match now, and for each whether it may be sent again. Raises Refused."""
    reason = masked(reason.strip())[:500]
    if not reason:
        raise Refused("reason_missing", _("Say why they are sent again."))
    roots = _roots(found)
    now = timezone.now()
    bulk = Bulk.objects.create(
        user=user, reason=reason, filter=dict(filters), account=through, created_at=now, changed_at=now
    )
    doubles = _doubles(roots)
    chosen: list[Verdict] = []
    for start in range(0, len(roots), CHUNK):
        part = roots[start : start + CHUNK]
        verdicts = judge(part, user=user, account=through)
        since = unconfirmed([pk for pk in part if verdicts[pk].code == UNCONFIRMED])
        items = [
            _item(bulk, position, pk, verdicts[pk], pk in doubles, since.get(pk))
            for position, pk in enumerate(part, start=start + 1)
        ]
        BulkItem.objects.bulk_create(items)
        chosen += [verdicts[item.message_id] for item in items if not item.code]
    with _locked(bulk.pk) as bulk:
        _require(bulk, _STATE.PLANNING)  # somebody may have dropped it meanwhile
        bulk.costs = _costs(chosen)
        _move(bulk, _STATE.PLANNED, "planned", user=user, ip=ip, reason=reason,
              filters={name: masked(value) for name, value in filters.items()},
              through=through.slug if through else "", messages=len(roots), to_send=len(chosen))  # fmt: skip
    return bulk


def _roots(found: QuerySet[Message]) -> list[int]:
    """The matching messages, each retry as its root, oldest first."""
    rows = list(found.order_by().values_list("root_id", "pk")[: MOST_READ + 1])
    roots = sorted({root or pk for root, pk in rows})
    if not roots:
        raise Refused("nothing_matches", _("No message matches, so there is nothing to send again."))
    if len(rows) > MOST_READ or len(roots) > MOST:
        if len(rows) <= MOST_READ:
            sentence = _("%(count)s messages match; a plan holds %(most)s at most. Narrow the filter.")
        else:
            sentence = _("More than %(most)s messages match; a plan holds %(most)s at most. Narrow the filter.")
        raise Refused("too_many", sentence % {"count": f"{len(roots):,}", "most": f"{MOST:,}"})
    return roots


def _doubles(roots: Sequence[int]) -> set[int]:
    """All but the newest of those with the same text to the same number."""
    seen: set[tuple[str, str]] = set()
    doubles: set[int] = set()
    for start in range(len(roots), 0, -CHUNK):
        part = Message.objects.filter(pk__in=roots[max(start - CHUNK, 0) : start], text__isnull=False)
        for pk, recipient, text in part.order_by("-pk").values_list("pk", "recipient_id", "text"):
            if (recipient, text or "") in seen:
                doubles.add(pk)
            seen.add((recipient, text or ""))
    return doubles


def _item(
    bulk: Bulk, position: int, root_pk: int, verdict: Verdict, is_double: bool, since: datetime | None
) -> BulkItem:
    item = BulkItem(bulk=bulk, position=position, message_id=root_pk)
    if is_double:
        item.code, item.why = "duplicate_number", str(DOUBLE)
    elif verdict.code:
        refused = Refused(verdict.code, verdict.sentence, verdict.possible_at)
        item.code, item.why = turned_down(refused, since, bulk.created_at)
    return item


# ------------------------------------------------------------------------------ those whose turn has not come


def turned_down(refused: Refused, since: datetime | None, now: datetime) -> tuple[str, str]:
    """The code and why of a message that is refused for now: left out, or "" and the time until which it waits.

    `since`: of one that is not confirmed, see `unconfirmed`.
    """
    waits = waits_until(refused.code, refused.possible_at, since, now)
    return (refused.code, refused.message[:300]) if waits is None else ("", _stamp(waits))


def unconfirmed(root_pks: Sequence[int]) -> dict[int, datetime]:
    """Since when these have ended by a report that nobody signed, and that the provider is asked to confirm."""
    trees = Message.objects.filter(Q(pk__in=root_pks) | Q(root__in=root_pks), unconfirmed=True)
    rows = trees.filter(final_at__isnull=False).order_by("final_at").values_list("pk", "root_id", "final_at")
    return {root or pk: at for pk, root, at in rows if at is not None}


def may_go(now: datetime) -> Q:
    """Of those whose turn is to come: the ones that do not wait for anything, or no longer."""
    return Q(why="") | Q(why__lte=_stamp(now))


def waiting_until(why: str) -> datetime | None:
    """Until when a message whose turn is to come waits."""
    return datetime.fromisoformat(why) if why else None


def _stamp(moment: datetime) -> str:
    """A time as a text that sorts like the time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _costs(chosen: Sequence[Verdict]) -> list[dict[str, Any]]:
    """By account and currency; those whose price nobody knows apart (amount null). Currencies are never added up."""
    sums: dict[tuple[str, bool, str], list[Any]] = {}
    for verdict in chosen:
        its = sums.setdefault((verdict.account, verdict.cost is None, verdict.currency), [Decimal(0), 0, 0])
        its[0] += verdict.cost or 0
        its[1] += 1
        its[2] += verdict.estimated
    return [
        {"account": account, "currency": currency, "amount": None if unknown else f"{amount:f}", "messages": n,
         "estimated": estimated}
        for (account, unknown, currency), (amount, n, estimated) in sorted(sums.items())
    ]  # fmt: skip


# ------------------------------------------------------------------------------ what people do


def to_send(bulk: Bulk) -> QuerySet[BulkItem]:
    """The messages whose turn is still to come."""
    return BulkItem.objects.filter(bulk=bulk, code="", retry=None)


def approve(pk: int, *, user: User, typed: int | None = None, ip: str | None = None) -> Bulk:
    """Let it run. Approved already: the same once more. Raises Refused."""
    with _locked(pk, user) as bulk:
        if bulk.approved_at is not None:
            return bulk
        _require(bulk, _STATE.PLANNED)
        count, now = to_send(bulk).count(), timezone.now()
        problem = problem_with_approval(
            planned_at=bulk.created_at, now=now, count=count, typed=typed, by_planner=user.pk == bulk.user_id,
            second_above=int(settings.BULK_APPROVAL_ABOVE),
        )  # fmt: skip
        if problem is not None:
            raise Refused(*problem)
        bulk.approved_by, bulk.approved_at, bulk.canary, bulk.next_at = user, now, canary_of(count), now
        _move(bulk, _STATE.RUNNING, "approved", user=user, ip=ip, messages=count, costs=bulk.costs)
        return bulk


def pause(pk: int, *, user: User, ip: str | None = None) -> Bulk:
    """Ask for no more; what was asked for goes on. Raises Refused."""
    with _locked(pk, user) as bulk:
        if bulk.state != _STATE.PAUSED:
            _require(bulk, _STATE.RUNNING)
            _move(bulk, _STATE.PAUSED, "paused", user=user, ip=ip)
        return bulk


def resume(pk: int, *, user: User, ip: str | None = None) -> Bulk:
    """Go on. Raises Refused."""
    with _locked(pk, user) as bulk:
        if bulk.state != _STATE.RUNNING:
            _require(bulk, _STATE.PAUSED)
            bulk.next_at = timezone.now()
            _move(bulk, _STATE.RUNNING, "resumed", user=user, ip=ip)
        return bulk


def stop(pk: int, *, user: User, reason: str = "", ip: str | None = None) -> Bulk:
    """End it for good, or drop a plan; what is not on the wire yet is not sent. Raises Refused."""
    with _locked(pk, user) as bulk:
        if bulk.state == _STATE.STOPPED:
            return bulk
        _require(bulk, _STATE.PLANNING, _STATE.PLANNED, _STATE.RUNNING, _STATE.PAUSED)
        action = "stopped" if bulk.approved_at else "dropped"
        end(bulk, action, why=masked(reason.strip())[:500], user=user, ip=ip)
        return bulk


def _require(bulk: Bulk, *states: str) -> None:
    sentences = {
        _STATE.PLANNING: _("It is still being planned."),
        _STATE.PLANNED: _("It has not been approved."),
        _STATE.RUNNING: _("It is running already."),
        _STATE.PAUSED: _("It is paused."),
        _STATE.STOPPED: _("It was stopped.") if bulk.approved_at else _("This plan was dropped."),
        _STATE.DONE: _("It is done."),
    }
    if bulk.state not in states:
        raise Refused(f"bulk_{bulk.state}", f"{sentences[_STATE(bulk.state)]} {_('Nothing was changed.')}")


# ------------------------------------------------------------------------------ what the worker does, and both


def halt(bulk: Bulk, why: str) -> None:
    """Pause it (locked and running), until a person has looked."""
    _move(bulk, _STATE.PAUSED, "paused", note=why)


def end(bulk: Bulk, action: str, *, why: str, user: User | None = None, ip: str | None = None) -> None:
    """Stop it (locked): a retry that is not on the wire yet is cancelled."""
    _cancel_open(bulk)
    _move(bulk, _STATE.STOPPED, action, note=why, user=user, ip=ip, reason=why, **_sums(bulk))


def finish(bulk: Bulk) -> None:
    """Nothing waits any more (locked and running)."""
    _move(bulk, _STATE.DONE, "ended", **_sums(bulk))


def believe_canary(bulk: Bulk, why: str) -> None:
    """The first few were good (locked and running): the others follow."""
    bulk.canary = 0
    _move(bulk, _STATE.RUNNING, "went_on", reason=why)


def _sums(bulk: Bulk) -> dict[str, Any]:
    return {fate.value: n for fate, n in sorted(fates_of([bulk.pk])[bulk.pk].items())}


def _cancel_open(bulk: Bulk) -> None:
    """What is asked for and not on the wire. One that a worker holds at this moment goes on it."""
    waiting = Q(state=Retry.State.OPEN) | Q(state=Retry.State.SENDING, lease_until=None)
    mine = Retry.objects.filter(waiting, bulk=bulk).select_related("account", "original").order_by("pk")
    for retry in mine.select_for_update(of=("self",), skip_locked=True):
        end_unsent(retry, Retry.State.CANCELLED, "The run was stopped; nothing was sent.", timezone.now())


@contextmanager
def _locked(pk: int, user: User | None = None) -> Iterator[Bulk]:
    """The bulk, locked until the end of a transaction, in which whoever acts still is operations."""
    with transaction.atomic():
        if user is not None and not may_send(User.objects.get(pk=user.pk)):
            raise Refused("forbidden", _("Your role does not allow this. Nothing was changed."))
        yield Bulk.objects.select_for_update().get(pk=pk)


def may_send(user: User) -> bool:
    return user.is_active and user.ops


def _move(
    bulk: Bulk, state: str, action: str, *, user: User | None = None, ip: str | None = None, note: str = "",
    reason: str = "", **details: Any,
) -> None:  # fmt: skip
    bulk.state, bulk.note, bulk.changed_at = state, note[:500], timezone.now()
    bulk.save()
    Audit.objects.create(
        actor=user,
        actor_name=user.get_username() if user else "worker",
        ip=ip,
        action=f"bulk.{action}",
        subject=f"bulk {bulk.pk}",
        reason=reason or note,
        details=details,
    )
