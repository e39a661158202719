"""Whether sending again will help: rules in a fixed order, of which the first that applies decides.

First what forbids it or makes it needless, then what waiting decides, then why it failed, and at last how often it went
well before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from dashboard.domain.advice_facts import Advice, Facts, Outlook, Reason, ago, said
from dashboard.domain.failures import Failure
from dashboard.domain.language import gettext as _, gettext_noop, ngettext
from dashboard.domain.retries import CODE_GOOD_FOR, OLDEST, in_words
from providers.base import Status

OFTEN, SELDOM = 0.5, 0.2
SAME_AGAIN = 2  # tries that ended in the same way
SEEN_LATELY = timedelta(days=30)


def verdict(facts: Facts, now: datetime) -> Advice:
    """The verdict, its headline, from when on, and the reasons of that very rule."""
    return next(filter(None, (rule(facts, now) for rule in _RULES)))


# ------------------------------------------------------------------------------ it must not, or need not, be sent


def _arrived(facts: Facts, now: datetime) -> Advice | None:
    if facts.effective is not Status.DELIVERED:
        return None
    which = next((one.message for one in facts.tries if one.status is Status.DELIVERED), None)
    return Advice(
        Outlook.NO, _("It arrived; there is nothing to send again."),
        reasons=(Reason(_("It was reported as delivered."), message=which),),
    )  # fmt: skip


def _unwanted(facts: Facts, now: datetime) -> Advice | None:
    if facts.opted_out:
        return Advice(Outlook.NO, _("This person asked not to be texted."),
                      reasons=(Reason(_("It is noted on the page of the number.")),))  # fmt: skip
    if facts.stop is not None:
        headline = _("{provider} says that this number must not be texted.").format(provider=facts.provider)
        return Advice(Outlook.NO, headline, reasons=(said(facts.provider, facts.stop),))
    return None


def _under_way(facts: Facts, now: datetime) -> Advice | None:
    mine = facts.newest
    if facts.contradicted:
        return Advice(
            Outlook.CANNOT_KNOW, _("The reports contradict what we know of our own send. Look at them first."),
            reasons=(Reason(_("We thought that nothing was sent, and a report came about it."), message=mine),),
        )  # fmt: skip
    if facts.held_by == "outcome_unknown" or facts.status is Status.OUTCOME_UNKNOWN:
        return Advice(
            Outlook.CANNOT_KNOW, _("Nobody knows yet whether the last try went out. It is being checked."),
            reasons=(Reason(_("The provider gave no usable answer to our last try."), message=mine),),
        )  # fmt: skip
    if facts.held_by:
        return Advice(Outlook.LATER, _("It is being sent again already."),
                      reasons=(Reason(_("A wish to send it again is not done yet."), message=mine),))  # fmt: skip
    if facts.status is Status.RETRYING:
        if facts.channel:
            headline = _("{provider} is trying again by itself, by {channel}; wait for its report.")
        else:
            headline = _("{provider} is trying again by itself; wait for its report.")
        filled = headline.format(provider=facts.provider, channel=facts.channel)
        reason = _("{provider} reports another try of its own.").format(provider=facts.provider)
        return Advice(Outlook.LATER, filled, reasons=(Reason(reason, message=mine),))
    if facts.on_its_way:
        return Advice(Outlook.LATER, _("It is still on its way; wait for the report."),
                      reasons=(Reason(_("No final report has come yet."), message=mine),))  # fmt: skip
    return None


def _twice(facts: Facts, now: datetime) -> Advice | None:
    same = facts.same
    if same is None:
        return None
    if same.arrived:
        outlook, headline = Outlook.NO, _("The same text has reached this number already.")
        reason = _("It was sent {ago} in another message, and arrived.")
    else:
        outlook, headline = Outlook.LATER, _("The same text is on its way to this number in another message.")
        reason = _("It was sent {ago} and is not decided yet.")
    filled = reason.format(ago=ago(same.sent_at, now))
    return Advice(outlook, headline, reasons=(Reason(filled, message=same.message),))


def _stale(facts: Facts, now: datetime) -> Advice | None:
    if facts.code_sent_at is not None and now - facts.code_sent_at > CODE_GOOD_FOR:
        reason = _("The text looks like a one-time code, and is {span} old.")
        filled = reason.format(span=in_words(now - facts.code_sent_at))
        headline = _("The code in it is too old. Let the customer ask for a new one.")
        return Advice(Outlook.NO, headline, reasons=(Reason(filled),))
    if facts.valid_until is not None and facts.valid_until <= now:
        reason = _("It was only good until {ago}.").format(ago=ago(facts.valid_until, now))
        return Advice(Outlook.NO, _("The text is out of date. Write a new one."), reasons=(Reason(reason),))
    if now - facts.sent_at > OLDEST:
        reason = _("It was first sent {span} ago.").format(span=in_words(now - facts.sent_at))
        return Advice(Outlook.NO, _("It is too old to be sent again."), reasons=(Reason(reason),))
    return None


def _by_itself(facts: Facts, now: datetime) -> Advice | None:
    until = facts.may_reopen_until
    if until is None:
        return None
    headline = _("{provider} may still try again by itself. Wait {span}, or it could arrive twice.")
    reason = _("{provider} retries failed messages by itself, and has not given up yet.")
    return Advice(
        Outlook.LATER,
        headline.format(provider=facts.provider, span=in_words(until - now)),
        until,
        (facts.reported(reason.format(provider=facts.provider)),),
    )


def _unknown(facts: Facts, now: datetime) -> Advice | None:
    if facts.status is not Status.UNKNOWN:
        return None
    return Advice(
        Outlook.CANNOT_KNOW, _("It may have arrived: nobody reported what became of it."), _soonest(facts, now),
        (Reason(_("No report tells whether it arrived or failed."),
                message=facts.newest),),
    )  # fmt: skip


# ------------------------------------------------------------------------------ why it failed


def _number(facts: Facts, now: datetime) -> Advice | None:
    failure, seen = facts.cause.failure, facts.seen
    if failure not in (Failure.NUMBER, Failure.BARRED):
        return None
    if facts.seen_since:
        return Advice(Outlook.LIKELY, _("The number works: another text has reached it since."), _soonest(facts, now))
    elsewhere = seen is not None and seen.account != facts.ways[0].account and now - seen.at < SEEN_LATELY
    if elsewhere and seen is not None:
        headline = _("{provider} calls the number wrong or dead, yet {account} reached it before.")
        filled = headline.format(provider=facts.provider, account=seen.account)
        return Advice(Outlook.CANNOT_KNOW, filled, _soonest(facts, now))
    if failure is Failure.BARRED:
        return Advice(Outlook.UNLIKELY, _("The network gives this phone no texts."), _soonest(facts, now))
    return Advice(Outlook.NO, _("The number was reported as wrong or dead. Another account hardly helps either."))


_REFUSED = {
    Failure.SENDER: gettext_noop("Not as it is: the sender was refused. Use another sender, or another account."),
    Failure.CONTENT: gettext_noop("Not as it is: the text was refused. Change the text, or use another account."),
    Failure.REFUSED: gettext_noop("Not as it is: it was refused, and nobody says why. Change the text or the sender."),
}


def _refused(facts: Facts, now: datetime) -> Advice | None:
    headline = _REFUSED.get(facts.cause.failure)
    if headline is None:
        return None
    if facts.cause.failure is Failure.REFUSED and facts.status is not Status.REJECTED:
        return Advice(Outlook.UNLIKELY, _("It was refused, and nobody says why. The same again will hardly pass."),
                      _soonest(facts, now))  # fmt: skip
    return Advice(Outlook.NO, _(headline))


_OUR_SIDE = {
    Failure.BALANCE: gettext_noop("The account had no money for it. Top it up"),
    Failure.ACCESS: gettext_noop("The provider did not let our account in. Put that right"),
    Failure.ROUTE: gettext_noop("The account has no way to this network. Have it opened"),
}


def _our_side(facts: Facts, now: datetime) -> Advice | None:
    fix = _OUR_SIDE.get(facts.cause.failure)
    if fix is not None:
        if facts.others:
            headline = _("{fix}, or send it through another account.")
        else:
            headline = _("{fix}; there is no other account to use.")
        return Advice(Outlook.LATER, headline.format(fix=_(fix)), _held(facts, now))
    held = _held(facts, now)
    if held is not None:
        headline = _("Nothing is sent through {account} for {span}.")
        if facts.others:
            headline += " " + _("Another account can send it now.")
        filled = headline.format(account=facts.ways[0].account, span=in_words(held - now))
        return Advice(Outlook.LATER, filled, held, (Reason(facts.held_why or _("Its sends are stopped for now.")),))
    return None


def _nothing_left_us(facts: Facts, now: datetime) -> Advice | None:
    if not facts.not_sent:
        return None
    return Advice(
        Outlook.LIKELY, _("Nothing left us the last time, so nobody was texted or charged."), _soonest(facts, now),
        (Reason(_("Our request never reached the provider."),
                message=facts.newest),),
    )  # fmt: skip


def _same_again(facts: Facts, now: datetime) -> Advice | None:
    alike = facts.alike
    if len(alike) < SAME_AGAIN or (_passes(facts) and facts.seen_since):
        return None
    headline = ngettext(
        "It has failed {count} time in the same way.", "It has failed {count} times in the same way.", len(alike)
    )
    return Advice(Outlook.UNLIKELY, headline.format(count=len(alike)), _soonest(facts, now))


def _phone(facts: Facts, now: datetime) -> Advice | None:
    if not _passes(facts):
        return None
    off = facts.cause.failure is Failure.PHONE
    if facts.seen_since:
        back = _("The phone is back: another text has reached it since.") if off else _("The phone takes texts again.")
        return Advice(Outlook.LIKELY, back, _soonest(facts, now))
    why = _("The phone was off or out of reach") if off else _("The phone had no room for more texts")
    by_record = _by_record(facts, now, why)
    if by_record is not None:
        return by_record
    if off:
        headline = _("{why}. Send it once another text has reached it.")
    else:
        headline = _("{why}. Send it once its owner has made room.")
    return Advice(Outlook.LATER, headline.format(why=why), _cooling(facts, now))


def _fault(facts: Facts, now: datetime) -> Advice | None:
    if facts.cause.failure is not Failure.NETWORK:
        return None
    seldom = facts.ways[0].record
    if seldom.enough and seldom.share < SELDOM:
        return _by_record(facts, now, _("It was a fault of the network"))
    return Advice(Outlook.LIKELY, _("It was a fault of the network that passes."), _soonest(facts, now))


def _no_reason(facts: Facts, now: datetime) -> Advice | None:
    if facts.cause.failure is Failure.STOPPED:
        headline = _("It was stopped at {provider}. Find out by whom before it is sent again.")
        return Advice(Outlook.CANNOT_KNOW, headline.format(provider=facts.provider), _soonest(facts, now))
    why = _("{provider} gives no reason").format(provider=facts.provider)
    headline = _("{why}, so nobody can say whether it helps.").format(why=why)
    return _by_record(facts, now, why) or Advice(Outlook.CANNOT_KNOW, headline, _soonest(facts, now))


_RULES: tuple[Callable[[Facts, datetime], Advice | None], ...] = (
    _arrived, _unwanted, _under_way, _twice, _stale, _by_itself, _unknown, _nothing_left_us, _number, _refused,
    _our_side, _same_again, _phone, _fault, _no_reason,
)  # fmt: skip


def _by_record(facts: Facts, now: datetime, why: str) -> Advice | None:
    """What happened to others that failed like this one, where there are enough of them to say."""
    record = facts.ways[0].record
    if record.enough and record.share >= OFTEN:
        headline = _("{why}. Such messages mostly arrive when sent again.").format(why=why)
        return Advice(Outlook.LIKELY, headline, _soonest(facts, now))
    if record.enough and record.share < SELDOM:
        headline = _("{why}. Such messages seldom arrive when sent again.").format(why=why)
        return Advice(Outlook.UNLIKELY, headline, _soonest(facts, now))
    return None


# ------------------------------------------------------------------------------ when


def _passes(facts: Facts) -> bool:
    return facts.cause.failure in (Failure.PHONE, Failure.MEMORY)


def _held(facts: Facts, now: datetime) -> datetime | None:
    return facts.held_until if facts.held_until is not None and facts.held_until > now else None


def _cooling(facts: Facts, now: datetime) -> datetime | None:
    return facts.cool_until if facts.cool_until is not None and facts.cool_until > now else None


def _soonest(facts: Facts, now: datetime) -> datetime:
    return _cooling(facts, now) or now
