"""Sends whose outcome we do not know: what settles them without a person, and never a second text.

In this order, and the first that answers ends it:
1. any report about the message: it went out;
2. asking by our own reference, where the provider can be: found, it went out; not known three times over ten minutes,
   it did not;
3. the very same once more, where the provider documents that this cannot become two texts: its answer tells the id;
4. what the provider lists as sent lately: exactly one that is ours went out, anything else proves nothing.
What is left is for a person (ingest.doubts).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from dashboard.domain.lifecycle import NEGATIVE_FINALS
from dashboard.domain.outcomes import LOOKS, MOST_REPEATS, SLACK, YOUNG, Missing, found_in, look_at, ways_of
from dashboard.domain.retries import OWN_TRIES
from dashboard.ingest.ending import end, end_unsent, goes_on_as, locked
from dashboard.ingest.events import absolute
from dashboard.ingest.evidence import canonical, evidence
from dashboard.ingest.items import NOT_SENT, Item, ours
from dashboard.ingest.known import lookup
from dashboard.ingest.record import record
from dashboard.models import Account, Message, Retry
from dashboard.models.messages import Source
from dashboard.worker.asking import Answer, Due, Lane
from dashboard.worker.batches import Listed, ask_pages
from dashboard.worker.results import save_result, with_status
from dashboard.worker.sending import STARTS_WITHIN, UNKNOWN, Job, Result, is_held, not_needed, request_of, send
from dashboard.worker.store import note_health, save_answers
from providers.base import Ask, ProviderError, Report, Status, Target, read
from providers.http import Caller

MOST_LISTED = 5  # pages of what was sent lately
FOLLOWED_FOR = timedelta(days=1)
OTHER_CALLS = 3  # a call that the server does not know, and the ones in its place


@dataclass(slots=True)
class Look:
    """What is to be asked about one doubt."""

    retry: Retry
    target: Target | None  # by our reference
    job: Job | None  # the same once more
    listing: Ask | None


@dataclass(slots=True)
class Seen:
    """What was heard."""

    look: Look
    at: datetime
    answer: Answer | None = None
    result: Result | None = None
    listed: Listed | None = None
    error: ProviderError | None = None


# ------------------------------------------------------------------------------ housekeeping (database thread)


def settle(now: datetime) -> None:
    """Settle the doubts that what we have heard by now settles."""
    unknown = Retry.objects.filter(state=UNKNOWN)
    for pk in list(unknown.filter(message__reported=True).values_list("pk", flat=True)):
        _settle(pk, now)
    grown = Q(original__attempt__gt=F("retry_count") - F("original__own_retries"))
    for pk in list(unknown.filter(grown, via=Retry.Via.PROVIDER).values_list("pk", flat=True)):
        _settle_counted(pk, now)


def _settle_counted(pk: int, now: datetime) -> None:
    """The provider counts one more try than before our own: ours, if it had none of its own left. Then either the
    message itself goes on, or there is a new one, which a list may still show."""
    with transaction.atomic():
        retry = locked(pk)
        if _own_tries(retry) < OWN_TRIES:
            return
        if Status(retry.original.status) not in NEGATIVE_FINALS:
            Retry.objects.filter(pk=pk).update(message=retry.original)
            end(retry, Retry.State.ACCEPTED, "The provider tries the same message again.", now)
        elif retry.looks >= LOOKS or retry.next_look_at is None:
            why = "The provider counts one more try than before, so it ran; no new message of it could be found."
            end(retry, Retry.State.ACCEPTED, why, now)


def _own_tries(retry: Retry) -> int:
    """How many tries the provider had made by itself before we asked for one."""
    again = Retry.objects.filter(original=retry.original_id, message=retry.original_id, state=Retry.State.ACCEPTED)
    return (retry.retry_count or 0) - retry.original.own_retries - again.count()


def _settle(pk: int, now: datetime, *, not_known: bool = False) -> None:
    with transaction.atomic():
        retry = locked(pk)
        message = retry.message
        if retry.state != UNKNOWN or message is None:
            return
        if message.reported:
            end(retry, Retry.State.ACCEPTED, "A report proves that it went out.", now)
        elif not_known and now - retry.changed_at >= YOUNG and _times_not_found(message) >= LOOKS:
            why = f"Not sent: {retry.account.provider.label} does not know our reference."
            end_unsent(retry, Retry.State.NOT_SENT, why, now)


def _times_not_found(message: Message) -> int:
    return message.events.filter(note="not_found").aggregate(times=Sum("count"))["times"] or 0


def follow_originals(now: datetime) -> None:
    """A provider's own retry may answer with an id that it does not know itself. Then the message that it was asked to
    try again is the one to follow, and the one that was made for that id never was."""
    accounts = [account for account in Account.objects.filter(enabled=True) if account.provider.has_retry]
    for account in accounts:
        fresh = Retry.objects.filter(account=account, via=Retry.Via.PROVIDER, state=Retry.State.ACCEPTED)
        unseen = fresh.filter(message__reported=False, message__not_sent=False).exclude(message=F("original"))
        lately = Q(changed_at__lte=now - YOUNG, created_at__gte=now - FOLLOWED_FOR)
        for pk in list(unseen.filter(lately).values_list("pk", flat=True)):
            _follow_original(pk, now)


def _follow_original(pk: int, now: datetime) -> None:
    with transaction.atomic():
        retry = locked(pk)
        message = retry.message
        if message is None or message.reported or _times_not_found(message) < LOOKS:
            return
        why = "The provider does not know the id that it gave; the message that it was asked to try again is followed."
        own = Report(entries=(ours(NOT_SENT, Status.FAILED, detail=why),))
        record(
            [
                Item(
                    account=retry.account, source=Source.WORKER, report=own, received_at=now, message_id=message.pk,
                    by_provider=False,
                )
            ]
        )  # fmt: skip
        Message.objects.filter(pk=retry.original_id).update(own_retries=F("own_retries") - 1, next_check_at=now)
        Retry.objects.filter(pk=pk).update(message=retry.original, detail=why)


# ------------------------------------------------------------------------------ claiming (database thread)


def claim_looks(account: Account, now: datetime, most: int) -> list[Look]:
    """The doubts that are due for a look. Each is put off to its next look first: a killed worker's is simply lost."""
    due = Retry.objects.filter(state=UNKNOWN, account=account, next_look_at__lte=now).order_by("next_look_at")
    looks = [_claim(pk, now) for pk in list(due.values_list("pk", flat=True)[:most])]
    return [look for look in looks if look is not None]


def _claim(pk: int, now: datetime) -> Look | None:
    with transaction.atomic():
        retry = locked(pk)
        if retry.state != UNKNOWN or retry.next_look_at is None or retry.next_look_at > now:
            return None
        account, without = retry.account, retry.account.without(now)
        by_retry = retry.via == Retry.Via.PROVIDER
        since = retry.created_at - SLACK
        ways = ways_of(account.provider, retry.reference, since, without, by_retry=by_retry)
        digits = retry.root.recipient.digits
        look = Look(
            retry,
            target=Target(id=None, to=digits, reference=retry.reference) if ways.by_reference else None,
            job=_repeat(retry, now) if ways.by_repeating else None,
            listing=account.provider.recent_ask(digits, since, without) if ways.by_listing and digits else None,
        )
        may_repeat_later = ways.by_repeating and now - retry.created_at < YOUNG
        if not (look.target or look.job or look.listing or may_repeat_later):
            Retry.objects.filter(pk=pk).update(next_look_at=None)
            return None
        looks = retry.looks + 1
        Retry.objects.filter(pk=pk).update(looks=looks, next_look_at=look_at(looks, retry.changed_at, now))
        return look


def _repeat(retry: Retry, now: datetime) -> Job | None:
    """The same request once more, unless it is too late for that, or nothing is to be sent any more."""
    asked_at = retry.original.asked_at
    looked_at = retry.is_first or (asked_at is not None and asked_at >= retry.changed_at)
    young = now - retry.created_at < YOUNG and retry.looks < MOST_REPEATS
    if not (looked_at and young and _same_key(retry)) or is_held(retry.account, now) or not_needed(retry):
        return None
    try:
        return Job(retry, request_of(retry), start_by=now + STARTS_WITHIN, repeats=True)
    except ProviderError:
        return None


def _same_key(retry: Retry) -> bool:
    """Asked with another key, or at another address, a provider may be another one: that it does not know our
    reference says nothing, and it would send the text a second time."""
    set_at = retry.account.credentials_set_at
    return set_at is not None and set_at <= retry.created_at


# ------------------------------------------------------------------------------ on the wire (event loop)


async def look_up(caller: Caller, lane: Lane, look: Look) -> Seen:
    seen = Seen(look, timezone.now())
    if look.target is not None:
        seen.answer = await _by_reference(caller, lane, look, look.target)
        if seen.answer is not None and (seen.answer.error is None or seen.answer.error.code != "not_found"):
            return seen
    if look.job is not None:
        seen.result = await send(caller, lane, look.job)
        if seen.result.error is None or seen.result.error.code == "duplicate":
            return seen
    if look.listing is not None:
        try:
            seen.listed = await ask_pages(caller, lane, look.listing, MOST_LISTED)
        except ProviderError as error:
            seen.error = error
    return seen


async def _by_reference(caller: Caller, lane: Lane, look: Look, target: Target) -> Answer | None:
    provider = lane.account.provider
    for _ in range(OTHER_CALLS):
        ask = next(iter(provider.asks([target], frozenset(lane.without))), None)
        if ask is None:
            return None
        reply, error = await lane.call(caller, ask.call, ask.request)
        if error is not None and error.code == "unsupported":
            lane.missing(ask.call)
            continue
        report = None
        if reply is not None and error is None:
            try:
                report = read(provider.report, ask.call, reply.json(), target)
            except ProviderError as unreadable:
                error = unreadable
        due = Due(pk=look.retry.message_id or 0, target=target, lease="")
        return Answer(due=due, call=ask.call, at=timezone.now(), report=report, reply=reply, error=error)
    return None


# ------------------------------------------------------------------------------ storing (database thread)


def save_look(seen: Seen) -> None:
    """Write what was heard, and end the doubt if that settles it."""
    now, answer, result = timezone.now(), seen.answer, seen.result
    with transaction.atomic():
        retry = locked(seen.look.retry.pk)
        account = retry.account
        if answer is not None and (answer.error is None or answer.error.code in {"not_found", "unparseable"}):
            save_answers(account, [answer])
        if result is not None:
            save_result(result)
        if seen.listed is not None:
            _settle_by_list(retry, seen.listed, now)
        errors = [one.error for one in (answer, result, seen) if one is not None and one.error is not None]
        note_health(account, success=seen.listed is not None, errors=errors)
        not_known = answer is not None and answer.error is not None and answer.error.code == "not_found"
        _settle(retry.pk, now, not_known=not_known and _same_key(retry))


def _settle_by_list(retry: Retry, listed: Listed, now: datetime) -> None:
    account, normal = retry.account, retry.account.provider.normalise_id
    try:
        with transaction.atomic():
            retry = locked(retry.pk)
            if retry.state != UNKNOWN:
                return
            pieces = {report.id or "": piece for piece, report in listed.pairs}
            reports = [_with_zone(account, report) for _, report in listed.pairs]
            known = lookup({(account.pk, normal(given)) for given in pieces if given})
            taken = {given for given in pieces if (account.pk, normal(given)) in known}
            found = found_in(_missing(retry), reports, taken, whole=listed.complete)
            if found is None or found.id is None or found.id in taken:
                return
            message_pk = retry.message_id or goes_on_as(retry, found.id).pk
            row = evidence(account, listed.call, canonical(pieces[found.id]), now, is_item=True, http_status=200)
            report = with_status(replace(found, text="", sent_at=None))
            record(
                [
                    Item(
                        account=account, source=Source.POLL, report=report, evidence=row, received_at=now,
                        message_id=message_pk, due_now=True,
                    )
                ]
            )  # fmt: skip
            end(retry, Retry.State.ACCEPTED, "The provider lists it, so it went out.", now)
    except (IntegrityError, ProviderError):
        return  # the id became somebody else's meanwhile: it proves nothing


def _with_zone(account: Account, report: Report) -> Report:
    return replace(report, sent_at=absolute(report.sent_at, account.time_zone)[0])


def _missing(retry: Retry) -> Missing:
    text = retry.message.text if retry.message else retry.original.text
    same_number = Retry.objects.filter(account=retry.account_id, root__recipient=retry.root.recipient_id)
    nameless = Q(state=Retry.State.ACCEPTED, message__match_id=None, changed_at__gte=retry.created_at)
    others = same_number.filter(Q(state__in=Retry.HOLDING) | nameless).exclude(pk=retry.pk)
    return Missing(
        to=retry.root.recipient.digits,
        text=text or "",
        reference=retry.reference,
        since=retry.created_at,
        until=retry.changed_at,
        alone=not others.exists(),
    )
