"""Will sending again help, when, through which account, at what price, and could the person get it twice?

Pure. Every sentence names what it rests on, so that a person can look at it: a report, another message, or how often it
went well before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from dashboard.domain.advice_facts import Advice, Double, Facts, Reason, Row, ago, said
from dashboard.domain.advice_rules import SAME_AGAIN, verdict
from dashboard.domain.failures import Failure
from providers.base import Status


def advise(facts: Facts, now: datetime) -> Advice:
    """The advice for one message."""
    found = verdict(facts, now)
    double, why = _double(facts, now)
    reasons = tuple(dict.fromkeys((*found.reasons, *_more(facts, now))))
    return replace(found, reasons=reasons, double=double, double_why=why, rows=_rows(facts, double, now))


# ------------------------------------------------------------------------------ what it rests on


def _more(facts: Facts, now: datetime) -> Iterator[Reason]:
    """Whatever else speaks for or against it, the strongest first."""
    if facts.effective is Status.DELIVERED:
        return
    if facts.cause.said and not facts.on_its_way:
        yield said(facts.provider, facts.cause)
    if facts.unconfirmed:
        yield facts.reported("The report was not signed, and asking has not confirmed it yet.")
    alike = facts.alike
    if len(alike) >= SAME_AGAIN:
        yield Reason(f"{len(alike)} tries ended in the same way, also the one before.", message=alike[-2])
    if facts.seen is not None:
        text = f"A text through {facts.seen.account} reached this number {ago(facts.seen.at, now)}."
        yield Reason(text, message=facts.seen.message)
    elif facts.cause.failure in (Failure.PHONE, Failure.NUMBER, Failure.BARRED):
        yield Reason("No other text is known to have reached this number.")
    record = facts.ways[0].record
    if record.enough:
        text = f"{record.percent} % of the messages that ended like this arrived when sent again this way"
        yield Reason(f"{text} ({record.arrived} of {record.decided}).", n=record.decided)
    else:
        some = f"Only {record.decided}" if record.decided else "None"
        yield Reason(
            f"{some} of the messages that ended like this went this way again: too few to say.", n=record.decided
        )


def _double(facts: Facts, now: datetime) -> tuple[Double, Reason]:
    mine = facts.newest
    in_doubt = next((t for t in facts.tries if t.status in (Status.UNKNOWN, Status.OUTCOME_UNKNOWN)), None)
    if facts.effective is Status.DELIVERED:
        return Double.LIKELY, Reason("It has arrived once.", message=mine)
    if facts.same is not None:
        word = "arrived" if facts.same.arrived else "is on its way"
        return Double.LIKELY, Reason(f"The same text {word} in another message.", message=facts.same.message)
    if facts.on_its_way:
        return Double.LIKELY, Reason("It is still on its way.", message=mine)
    if in_doubt is not None or facts.held_by == "outcome_unknown":
        which = in_doubt.message if in_doubt else mine
        return Double.POSSIBLE, Reason("Nobody knows what became of one of the tries.", message=which)
    if facts.contradicted:
        return Double.POSSIBLE, Reason("A report came about a try that we thought was not sent.", message=mine)
    if facts.may_reopen_until is not None:
        return Double.POSSIBLE, facts.reported(f"{facts.provider} may still try again by itself.")
    if facts.unconfirmed:
        return Double.POSSIBLE, facts.reported("The report of its failure is not confirmed.")
    if facts.not_sent:
        return Double.NONE, Reason("Nothing was sent so far.", message=mine)
    return Double.NONE, facts.reported("Every try so far was reported as failed.")


_ANOTHER = {
    Failure.SENDER: "may know the sender",
    Failure.CONTENT: "other filters",
    Failure.REFUSED: "other rules",
    Failure.BALANCE: "its own money",
    Failure.ACCESS: "its own access",
    Failure.ROUTE: "may reach this network",
    Failure.NUMBER: "the number stays the same",
    Failure.BARRED: "the phone stays the same",
    Failure.PHONE: "the phone stays the same",
    Failure.MEMORY: "the phone stays the same",
}


def _rows(facts: Facts, double: Double, now: datetime) -> tuple[Row, ...]:
    rows = []
    for n, way in enumerate(facts.ways):
        seen = way.seen
        if way.why_not:
            why = way.why_not
        elif seen is not None:
            why = f"reached this number {ago(seen.at, now)}"
        elif n:
            why = _ANOTHER.get(facts.cause.failure, "another way to the network")
        else:
            why = "the provider’s own retry" if way.own_retry else "the same way again"
        message = seen.message if seen is not None and not way.why_not else None
        rows.append(Row(way.account, way.record, way.price, double, why, message))
    return tuple(rows)
