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
from dashboard.domain.language import gettext as _, gettext_noop, ngettext
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
        yield facts.reported(_("The report was not signed, and asking has not confirmed it yet."))
    alike = facts.alike
    if len(alike) >= SAME_AGAIN:
        text = ngettext(
            "{count} try ended in the same way, also the one before.",
            "{count} tries ended in the same way, also the one before.",
            len(alike),
        )
        yield Reason(text.format(count=len(alike)), message=alike[-2])
    if facts.seen is not None:
        text = _("A text through {account} reached this number {ago}.")
        filled = text.format(account=facts.seen.account, ago=ago(facts.seen.at, now))
        yield Reason(filled, message=facts.seen.message)
    elif facts.cause.failure in (Failure.PHONE, Failure.NUMBER, Failure.BARRED):
        yield Reason(_("No other text is known to have reached this number."))
    record = facts.ways[0].record
    if record.enough:
        text = _(
            "{percent} of the messages that ended like this arrived when sent again this way ({arrived} of {decided})."
        )
    elif record.decided:
        text = ngettext(
            "Only {decided} of the messages that ended like this went this way again: too few to say.",
            "Only {decided} of the messages that ended like this went this way again: too few to say.",
            record.decided,
        )
    else:
        text = _("None of the messages that ended like this went this way again: too few to say.")
    filled = text.format(percent=f"{record.percent} %", arrived=record.arrived, decided=record.decided)
    yield Reason(filled, n=record.decided)


def _double(facts: Facts, now: datetime) -> tuple[Double, Reason]:
    mine = facts.newest
    in_doubt = next((t for t in facts.tries if t.status in (Status.UNKNOWN, Status.OUTCOME_UNKNOWN)), None)
    if facts.effective is Status.DELIVERED:
        return Double.LIKELY, Reason(_("It has arrived once."), message=mine)
    if facts.same is not None:
        if facts.same.arrived:
            text = _("The same text arrived in another message.")
        else:
            text = _("The same text is on its way in another message.")
        return Double.LIKELY, Reason(text, message=facts.same.message)
    if facts.on_its_way:
        return Double.LIKELY, Reason(_("It is still on its way."), message=mine)
    if in_doubt is not None or facts.held_by == "outcome_unknown":
        which = in_doubt.message if in_doubt else mine
        return Double.POSSIBLE, Reason(_("Nobody knows what became of one of the tries."), message=which)
    if facts.contradicted:
        return Double.POSSIBLE, Reason(_("A report came about a try that we thought was not sent."), message=mine)
    if facts.may_reopen_until is not None:
        text = _("{provider} may still try again by itself.").format(provider=facts.provider)
        return Double.POSSIBLE, facts.reported(text)
    if facts.unconfirmed:
        return Double.POSSIBLE, facts.reported(_("The report of its failure is not confirmed."))
    if facts.not_sent:
        return Double.NONE, Reason(_("Nothing was sent so far."), message=mine)
    return Double.NONE, facts.reported(_("Every try so far was reported as failed."))


_ANOTHER = {
    Failure.SENDER: gettext_noop("may know the sender"),
    Failure.CONTENT: gettext_noop("other filters"),
    Failure.REFUSED: gettext_noop("other rules"),
    Failure.BALANCE: gettext_noop("its own money"),
    Failure.ACCESS: gettext_noop("its own access"),
    Failure.ROUTE: gettext_noop("may reach this network"),
    Failure.NUMBER: gettext_noop("the number stays the same"),
    Failure.BARRED: gettext_noop("the phone stays the same"),
    Failure.PHONE: gettext_noop("the phone stays the same"),
    Failure.MEMORY: gettext_noop("the phone stays the same"),
}


def _rows(facts: Facts, double: Double, now: datetime) -> tuple[Row, ...]:
    rows = []
    for n, way in enumerate(facts.ways):
        seen = way.seen
        if way.why_not:
            why = way.why_not
        elif seen is not None:
            why = _("reached this number {ago}").format(ago=ago(seen.at, now))
        elif n:
            why = _(_ANOTHER.get(facts.cause.failure, gettext_noop("another way to the network")))
        else:
            why = _("the provider’s own retry") if way.own_retry else _("the same way again")
        message = seen.message if seen is not None and not way.why_not else None
        rows.append(Row(way.account, way.record, way.price, double, why, message))
    return tuple(rows)
