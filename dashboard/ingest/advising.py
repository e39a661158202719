"""The facts behind the advice about sending one message again: a bounded number of questions, each by an index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from dashboard.domain.advice import advise
from dashboard.domain.advice_facts import Advice, Facts, Record, Same, Seen, Try, Way
from dashboard.domain.failures import Cause, Complaint, Failure, cause, classified
from dashboard.domain.lifecycle import FINALS, reached_the_wire
from dashboard.domain.prices import Price
from dashboard.domain.retries import cool_again_at
from dashboard.ingest.situation import Case, quoted_through
from dashboard.logs import masked
from dashboard.models import Account, Message, Retry
from providers.base import Status

MOST_ACCOUNTS = 8  # compared with each other, each with two questions
MOST_RECORD = 500  # of an account's newest retries
MOST_SEEN = 50
WAITS_FOR = timedelta(minutes=10)  # a wish to send again that could not be carried out by then is dropped
_DECIDED = [status.value for status in (*FINALS, Status.UNKNOWN)]


def advice_for(case: Case, others: Sequence[Account] = ()) -> Advice:
    """The advice for one message; `others` are the accounts that it could go through instead."""
    situation, original = case.situation, case.original
    held, why = _held(original.account, situation.now)
    accounts = [original.account, *others[: MOST_ACCOUNTS - 1]]
    seen = _seen(case)
    said = {message.pk: _cause(case, message) for message in case.tree}
    after_failure, after_expired = (int(seconds) for seconds in settings.RETRY_COOL_DOWN)
    facts = Facts(
        provider=original.account.provider.label,
        effective=situation.effective,
        status=situation.status,
        cause=said[original.pk],
        sent_at=case.root.sent_at,
        ways=tuple(_way(case, account, seen) for account in accounts),
        tries=tuple(
            Try(message.pk, Status(message.status), said[message.pk].failure)
            for message in case.tree
            if reached_the_wire(message.state)
        ),
        final_at=original.final_at,
        cool_until=cool_again_at(situation.status, original.final_at, (after_failure, after_expired)),
        channel=case.channel,
        held_by=situation.held_by,
        contradicted=situation.not_sent_but_reported,
        not_sent=original.not_sent and not original.reported,
        unconfirmed=case.doubts.unconfirmed,
        may_reopen_until=case.doubts.may_reopen_until,
        opted_out=situation.opted_out,
        stop=_stop(case),
        valid_until=situation.valid_until,
        code_sent_at=case.doubts.code_sent_at,
        same=Same(case.twin.pk, case.twin.status is Status.DELIVERED, case.twin.sent_at) if case.twin else None,
        seen=max(seen.values(), key=lambda one: one.at, default=None),
        held_until=held,
        held_why=masked(why),
    )
    return advise(facts, situation.now)


def _cause(case: Case, message: Message) -> Cause:
    said = [complaint for pk, complaint in case.complaints if pk == message.pk]
    return _shown(cause(Status(message.status), said), message.pk)


def _stop(case: Case) -> Cause | None:
    """Who said that this number must not be texted, about whichever try."""
    said = [(pk, complaint) for pk, complaint in case.complaints if _is_stop(complaint)]
    return _shown(cause(said[-1][1].status, [said[-1][1]]), said[-1][0]) if said else None


def _is_stop(complaint: Complaint) -> bool:
    return classified(f"{complaint.word} {complaint.detail}") is Failure.STOP


def _shown(found: Cause, message: int) -> Cause:
    """The provider's words may hold a number."""
    return Cause(found.failure, found.event, masked(found.said), message)


def _seen(case: Case) -> dict[int, Seen]:
    """By account, the text to this number that arrived last, other than of this message."""
    arrived = Message.objects.filter(recipient=case.root.recipient_id, status=Status.DELIVERED.value)
    newest = arrived.exclude(pk__in=[message.pk for message in case.tree]).order_by("-pk")
    seen: dict[int, Seen] = {}
    for pk, account, label, slug, at in newest.values_list(
        "pk", "account_id", "account__label", "account__slug", "final_at"
    )[:MOST_SEEN]:
        if at is not None and (account not in seen or at > seen[account].at):
            seen[account] = Seen(pk, at, label or slug)
    return seen


def _held(account: Account, now: datetime) -> tuple[datetime | None, str]:
    """Until when nothing goes out through the account, and why: its money, or a pause that outlasts a wish to send."""
    if account.no_sends_until is not None and account.no_sends_until > now:
        return account.no_sends_until, account.no_sends_why
    if account.paused_until is not None and account.paused_until > now + WAITS_FOR:
        return account.paused_until, account.last_error
    return None, ""


def _way(case: Case, account: Account, seen: dict[int, Seen]) -> Way:
    held, _why = _held(account, case.situation.now)
    own = account.pk == case.original.account_id
    return Way(
        account=account.name,
        record=_record(case, account),
        price=_price(case, account),
        seen=seen.get(account.pk),
        why_not=_("switched off") if not account.enabled else _("nothing goes out now") if held else "",
        own_retry=own and case.by_provider,
    )


def _record(case: Case, account: Account) -> Record:
    """What became of the newest messages that failed like this one and were sent again through this account."""
    alike = Retry.objects.filter(account=account, failed_as=case.original.status, state=Retry.State.ACCEPTED)
    ended = list(alike.order_by("-pk").values_list("message__status", flat=True)[:MOST_RECORD])
    return Record(arrived=ended.count(Status.DELIVERED.value), decided=sum(status in _DECIDED for status in ended))


def _price(case: Case, account: Account) -> Price | None:
    return case.price if account.pk == case.account.pk else quoted_through(case, account)
