"""Whether sending again will help: rules in a fixed order, of which the first that applies decides.

First what forbids it or makes it needless, then what waiting decides, then why it failed, and at last how often it went
well before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from dashboard.domain.advice_facts import Advice, Facts, Outlook, Reason, ago, said
from dashboard.domain.failures import Failure
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
        Outlook.NO, "It arrived; there is nothing to send again.",
        reasons=(Reason("It was reported as delivered.", message=which),),
    )  # fmt: skip


def _unwanted(facts: Facts, now: datetime) -> Advice | None:
    if facts.opted_out:
        return Advice(Outlook.NO, "This person asked not to be texted.",
                      reasons=(Reason("It is noted on the page of the number."),))  # fmt: skip
    if facts.stop is not None:
        return Advice(Outlook.NO, f"{facts.provider} says that this number must not be texted.",
                      reasons=(said(facts.provider, facts.stop),))  # fmt: skip
    return None


def _under_way(facts: Facts, now: datetime) -> Advice | None:
    mine = facts.newest
    if facts.contradicted:
        return Advice(
            Outlook.CANNOT_KNOW, "The reports contradict what we know of our own send. Look at them first.",
            reasons=(Reason("We thought that nothing was sent, and a report came about it.", message=mine),),
        )  # fmt: skip
    if facts.held_by == "outcome_unknown" or facts.status is Status.OUTCOME_UNKNOWN:
        return Advice(
            Outlook.CANNOT_KNOW, "Nobody knows yet whether the last try went out. It is being checked.",
            reasons=(Reason("The provider gave no usable answer to our last try.", message=mine),),
        )  # fmt: skip
    if facts.held_by:
        return Advice(Outlook.LATER, "It is being sent again already.",
                      reasons=(Reason("A wish to send it again is not done yet.", message=mine),))  # fmt: skip
    if facts.status is Status.RETRYING:
        by = f", by {facts.channel}" if facts.channel else ""
        return Advice(Outlook.LATER, f"{facts.provider} is trying again by itself{by}; wait for its report.",
                      reasons=(Reason(f"{facts.provider} reports another try of its own.", message=mine),))  # fmt: skip
    if facts.on_its_way:
        return Advice(Outlook.LATER, "It is still on its way; wait for the report.",
                      reasons=(Reason("No final report has come yet.", message=mine),))  # fmt: skip
    return None


def _twice(facts: Facts, now: datetime) -> Advice | None:
    same = facts.same
    if same is None:
        return None
    if same.arrived:
        return Advice(
            Outlook.NO, "The same text has reached this number already.",
            reasons=(Reason(f"It was sent {ago(same.sent_at, now)} in another message, and arrived.",
                            message=same.message),),
        )  # fmt: skip
    return Advice(
        Outlook.LATER, "The same text is on its way to this number in another message.",
        reasons=(Reason(f"It was sent {ago(same.sent_at, now)} and is not decided yet.", message=same.message),),
    )  # fmt: skip


def _stale(facts: Facts, now: datetime) -> Advice | None:
    age = in_words(now - facts.sent_at)
    if facts.code_sent_at is not None and now - facts.code_sent_at > CODE_GOOD_FOR:
        age = in_words(now - facts.code_sent_at)
        return Advice(
            Outlook.NO, "The code in it is too old. Let the customer ask for a new one.",
            reasons=(Reason(f"The text looks like a one-time code, and is {age} old."),),
        )  # fmt: skip
    if facts.valid_until is not None and facts.valid_until <= now:
        late = ago(facts.valid_until, now)
        return Advice(Outlook.NO, "The text is out of date. Write a new one.",
                      reasons=(Reason(f"It was only good until {late}."),))  # fmt: skip
    if now - facts.sent_at > OLDEST:
        return Advice(Outlook.NO, "It is too old to be sent again.",
                      reasons=(Reason(f"It was first sent {age} ago."),))  # fmt: skip
    return None


def _by_itself(facts: Facts, now: datetime) -> Advice | None:
    until = facts.may_reopen_until
    if until is None:
        return None
    return Advice(
        Outlook.LATER,
        f"{facts.provider} may still try again by itself. Wait {in_words(until - now)}, or it could arrive twice.",
        until,
        (facts.reported(f"{facts.provider} retries failed messages by itself, and has not given up yet."),),
    )  # fmt: skip


def _unknown(facts: Facts, now: datetime) -> Advice | None:
    if facts.status is not Status.UNKNOWN:
        return None
    return Advice(
        Outlook.CANNOT_KNOW, "It may have arrived: nobody reported what became of it.", _soonest(facts, now),
        (Reason("No report tells whether it arrived or failed.",
                message=facts.newest),),
    )  # fmt: skip


# ------------------------------------------------------------------------------ why it failed


def _number(facts: Facts, now: datetime) -> Advice | None:
    failure, seen = facts.cause.failure, facts.seen
    if failure not in (Failure.NUMBER, Failure.BARRED):
        return None
    if facts.seen_since:
        return Advice(Outlook.LIKELY, "The number works: another text has reached it since.", _soonest(facts, now))
    elsewhere = seen is not None and seen.account != facts.ways[0].account and now - seen.at < SEEN_LATELY
    if elsewhere and seen is not None:
        return Advice(
            Outlook.CANNOT_KNOW,
            f"{facts.provider} calls the number wrong or dead, yet {seen.account} reached it before.",
            _soonest(facts, now),
        )
    if failure is Failure.BARRED:
        return Advice(Outlook.UNLIKELY, "The network gives this phone no texts.", _soonest(facts, now))
    return Advice(Outlook.NO, "The number was reported as wrong or dead. Another account hardly helps either.")


_REFUSED = {
    Failure.SENDER: "Not as it is: the sender was refused. Use another sender, or another account.",
    Failure.CONTENT: "Not as it is: the text was refused. Change the text, or use another account.",
    Failure.REFUSED: "Not as it is: it was refused, and nobody says why. Change the text or the sender.",
}


def _refused(facts: Facts, now: datetime) -> Advice | None:
    headline = _REFUSED.get(facts.cause.failure)
    if headline is None:
        return None
    if facts.cause.failure is Failure.REFUSED and facts.status is not Status.REJECTED:
        return Advice(Outlook.UNLIKELY, "It was refused, and nobody says why. The same again will hardly pass.",
                      _soonest(facts, now))  # fmt: skip
    return Advice(Outlook.NO, headline)


_OUR_SIDE = {
    Failure.BALANCE: "The account had no money for it. Top it up",
    Failure.ACCESS: "The provider did not let our account in. Put that right",
    Failure.ROUTE: "The account has no way to this network. Have it opened",
}


def _our_side(facts: Facts, now: datetime) -> Advice | None:
    fix = _OUR_SIDE.get(facts.cause.failure)
    if fix is not None:
        other = ", or send it through another account." if facts.others else "; there is no other account to use."
        return Advice(Outlook.LATER, fix + other, _held(facts, now))
    held = _held(facts, now)
    if held is not None:
        other = " Another account can send it now." if facts.others else ""
        return Advice(
            Outlook.LATER, f"Nothing is sent through {facts.ways[0].account} for {in_words(held - now)}.{other}", held,
            (Reason(facts.held_why or "Its sends are stopped for now."),),
        )  # fmt: skip
    return None


def _nothing_left_us(facts: Facts, now: datetime) -> Advice | None:
    if not facts.not_sent:
        return None
    return Advice(
        Outlook.LIKELY, "Nothing left us the last time, so nobody was texted or charged.", _soonest(facts, now),
        (Reason("Our request never reached the provider.",
                message=facts.newest),),
    )  # fmt: skip


def _same_again(facts: Facts, now: datetime) -> Advice | None:
    alike = facts.alike
    if len(alike) < SAME_AGAIN or (_passes(facts) and facts.seen_since):
        return None
    return Advice(Outlook.UNLIKELY, f"It has failed {len(alike)} times in the same way.", _soonest(facts, now))


def _phone(facts: Facts, now: datetime) -> Advice | None:
    if not _passes(facts):
        return None
    off = facts.cause.failure is Failure.PHONE
    if facts.seen_since:
        back = "The phone is back: another text has reached it since." if off else "The phone takes texts again."
        return Advice(Outlook.LIKELY, back, _soonest(facts, now))
    why = "The phone was off or out of reach" if off else "The phone had no room for more texts"
    by_record = _by_record(facts, now, why)
    if by_record is not None:
        return by_record
    until = "once another text has reached it" if off else "once its owner has made room"
    return Advice(Outlook.LATER, f"{why}. Send it {until}.", _cooling(facts, now))


def _fault(facts: Facts, now: datetime) -> Advice | None:
    if facts.cause.failure is not Failure.NETWORK:
        return None
    seldom = facts.ways[0].record
    if seldom.enough and seldom.share < SELDOM:
        return _by_record(facts, now, "It was a fault of the network")
    return Advice(Outlook.LIKELY, "It was a fault of the network that passes.", _soonest(facts, now))


def _no_reason(facts: Facts, now: datetime) -> Advice | None:
    if facts.cause.failure is Failure.STOPPED:
        return Advice(
            Outlook.CANNOT_KNOW, f"It was stopped at {facts.provider}. Find out by whom before it is sent again.",
            _soonest(facts, now),
        )  # fmt: skip
    why = f"{facts.provider} gives no reason"
    return _by_record(facts, now, why) or Advice(
        Outlook.CANNOT_KNOW, f"{why}, so nobody can say whether it helps.", _soonest(facts, now)
    )


_RULES: tuple[Callable[[Facts, datetime], Advice | None], ...] = (
    _arrived, _unwanted, _under_way, _twice, _stale, _by_itself, _unknown, _nothing_left_us, _number, _refused,
    _our_side, _same_again, _phone, _fault, _no_reason,
)  # fmt: skip


def _by_record(facts: Facts, now: datetime, why: str) -> Advice | None:
    """What happened to others that failed like this one, where there are enough of them to say."""
    record = facts.ways[0].record
    if record.enough and record.share >= OFTEN:
        return Advice(Outlook.LIKELY, f"{why}. Such messages mostly arrive when sent again.", _soonest(facts, now))
    if record.enough and record.share < SELDOM:
        return Advice(Outlook.UNLIKELY, f"{why}. Such messages seldom arrive when sent again.", _soonest(facts, now))
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
