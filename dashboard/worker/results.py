"""What came of a request to send, written down. A failure of ours before this is done leaves `sending`, which becomes
`outcome_unknown`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from dashboard.domain.lifecycle import RANK
from dashboard.domain.outcomes import Outcome, outcome_of, repeat_at
from dashboard.ingest.ending import doubt, end, end_unsent, goes_on_as, locked, look_back, say
from dashboard.ingest.evidence import canonical, evidence
from dashboard.ingest.items import Item, note
from dashboard.ingest.record import record
from dashboard.models import Evidence, Message, Retry
from dashboard.models.messages import Source
from dashboard.worker.asking import Withheld, pause_for
from dashboard.worker.sending import SENDING, UNKNOWN, Result
from providers.base import ACCEPTED, ProviderError, Reply, Report, Status, Target, read

ENDS = {Outcome.ACCEPTED: Retry.State.ACCEPTED, Outcome.REFUSED: Retry.State.REFUSED}


def save_result(result: Result) -> None:
    """Store the answer, or what kept us from one, and what it makes of the retry."""
    with transaction.atomic():
        retry = locked(result.job.retry.pk)
        error, said, detail = result.error, None, ""
        if error is None and result.reply is not None:
            try:
                with transaction.atomic():
                    said, detail = _take(retry, result, result.reply)
            except ProviderError as unreadable:
                error = unreadable
        outcome = outcome_of(error, said, busy_is_not_sent=retry.account.provider.busy_is_not_sent)
        if error is None:
            end(retry, ENDS[outcome], detail, result.at)
        else:
            _without_answer(retry, result, error, outcome)


def lose_result(result: Result) -> None:
    """The answer cannot be stored, whatever it was."""
    with transaction.atomic():
        retry = locked(result.job.retry.pk)
        if retry.state == SENDING:
            doubt(retry, "The provider's answer could not be stored; it may have gone out.", result.at)


# ------------------------------------------------------------------------------ with an answer


def _take(retry: Retry, result: Result, reply: Reply) -> tuple[Status | None, str]:
    """Store what the reply says: the status it gives the new text, and a sentence. Raises ProviderError."""
    if retry.via == Retry.Via.PROVIDER:
        return None, _take_retry(retry, result, reply)
    provider = retry.account.provider
    sent = read(provider.send_reply, reply.json(), result.job.request.json)
    if len(sent.items) != 1:
        raise ProviderError("unparseable", "The provider's answer does not name the one text that was sent.")
    report = with_status(read(provider.report, "send", sent.items[0]))
    if report.cost is None and sent.cost is not None:  # the price of an order of one
        report = replace(report, cost=sent.cost, currency=sent.currency)
    status = max((entry.status for entry in report.entries if entry.status), key=lambda status: RANK[status])
    outcome = outcome_of(None, status)
    known_by = Target(id=report.id, to=report.to, reference=retry.reference, batch_id=report.batch_id)
    if outcome is Outcome.ACCEPTED and not provider.asks([known_by]):
        raise ProviderError("unparseable", "The provider's answer does not name the message.")
    row = evidence(retry.account, "send", canonical(sent.items[0]), result.at, is_item=True, http_status=reply.status)
    _record(retry, report, row, result.at, retry.message_id)
    return status, "The provider accepted it." if outcome is Outcome.ACCEPTED else "The provider refused it."


def _take_retry(retry: Retry, result: Result, reply: Reply) -> str:
    """The provider's own retry answered with an id. Which of its two documented meanings holds, only the id tells."""
    given_id = read(retry.account.provider.retry_reply, reply.json())
    row = evidence(retry.account, "retry", reply.body, result.at, http_status=reply.status, headers=reply.headers)
    said = "The provider took the request to try again; what it says about it is not believed yet."
    _record(retry, Report(entries=(note("retry", "retry", said),)), row, result.at, retry.original_id)
    message = goes_on_as(retry, given_id)
    look_back(retry, result.at)
    if message.pk == retry.original_id:
        return "The provider tries the same message again."
    return "The provider sends it as a new message."


def with_status(report: Report) -> Report:
    """A message that is named in words we do not know is taken all the same."""
    known = any(entry.status for entry in report.entries)
    return report if known else replace(report, entries=(ACCEPTED, *report.entries))


def _record(retry: Retry, report: Report, row: Evidence, at: datetime, message_pk: int | None) -> None:
    item = Item(
        account=retry.account, source=Source.SEND, report=report, evidence=row, received_at=at, message_id=message_pk
    )  # fmt: skip
    record([item])


# ------------------------------------------------------------------------------ without one


def _without_answer(retry: Retry, result: Result, error: ProviderError, outcome: Outcome) -> None:
    if result.reply is not None:
        _keep(retry, result, result.reply, error)
    if retry.via == Retry.Via.PROVIDER:
        look_back(retry, result.at)
    if retry.state not in {SENDING, UNKNOWN}:
        return  # somebody has settled it meanwhile
    if result.job.repeats and outcome is not Outcome.ACCEPTED:  # this says nothing about the first
        if outcome is Outcome.UNKNOWN:  # the doubt is now about this one as well
            Retry.objects.filter(pk=retry.pk).update(changed_at=result.at)
        return
    if outcome is Outcome.ACCEPTED:
        sentence = "The provider has our reference already, so it went out."
        say(retry, "accepted before", Status.QUEUED, result.at, sentence, due_now=True)
        end(retry, Retry.State.ACCEPTED, sentence, result.at)
    elif outcome is Outcome.NOT_SENT:
        _again_or_not(retry, result, error)
    elif outcome is Outcome.REFUSED:
        _refused(retry, error, result.at)
    elif retry.state == SENDING:
        doubt(retry, f"We cannot tell whether it went out: {error.message}", result.at)


def _again_or_not(retry: Retry, result: Result, error: ProviderError) -> None:
    """Surely not sent: it waits for the same to be tried once more, or ends."""
    if retry.state == UNKNOWN and retry.looks:
        return  # our lease had run out, and a look may have sent the same meanwhile
    at = repeat_at(retry.looks, retry.created_at, result.at, pause_for(error))
    if at is None or retry.state == UNKNOWN:
        end_unsent(retry, Retry.State.NOT_SENT, f"Not sent: {error.message}", result.at)
        return
    Retry.objects.filter(pk=retry.pk).update(
        lease_until=None, next_look_at=at, changed_at=result.at, detail=f"Not sent yet: {error.message}"[:500],
        looks=retry.looks + (not isinstance(error, Withheld)),
    )  # fmt: skip
    if not retry.is_first:
        Message.objects.filter(pk=retry.original_id).update(wanted_at=result.at, next_check_at=result.at)


def _refused(retry: Retry, error: ProviderError, at: datetime) -> None:
    if not error.written:  # we refused it ourselves
        end_unsent(retry, Retry.State.REFUSED, error.message, at)
        return
    if retry.via == Retry.Via.SEND:
        say(retry, "refused", Status.FAILED, at, error.message, by_provider=True)
    end(retry, Retry.State.REFUSED, error.message, at)


def _keep(retry: Retry, result: Result, reply: Reply, error: ProviderError) -> None:
    row = evidence(
        retry.account, "retry" if retry.via == Retry.Via.PROVIDER else "send", reply.body, result.at,
        http_status=reply.status, headers=reply.headers, problem=error.message,
    )  # fmt: skip
    row.message_id = retry.message_id or retry.original_id
    row.save()
