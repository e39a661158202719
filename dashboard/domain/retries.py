"""May this be sent again? Pure rules; each refusal has one code and one sentence.

The checks go from the reason that nothing lifts to the one that a moment or another account lifts: what happened to
the message, whom it is for, what it says, how often, then when, through which account, and who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from dashboard.domain.failures import Failure
from dashboard.domain.language import gettext as _, gettext_noop, ngettext
from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.domain.prices import Price
from providers.base import Status

MOST_RETRIES = 3  # of one message, not counting the first send
MOST_TO_ONE_NUMBER = 3  # texts in a day, over all accounts
MOST_IN_A_ROW, IN_A_ROW = 10, timedelta(minutes=10)  # of one person, one message at a time
MOST_TESTS = 5  # test texts of one person within IN_A_ROW
MOST_BY_SUPPORT = 10  # of one person in a day, one message at a time
DAY = timedelta(days=1)
OLDEST = timedelta(days=30)
CODE_GOOD_FOR = timedelta(minutes=10)
OWN_TRIES = 2  # that a provider which tries again by itself makes, at most
AGREED_AFTER = timedelta(minutes=10)  # two looks so far apart that say the same: the provider has given up

TEXT, SENDER, ACCOUNT = "text", "sender", "account"  # what a person may change


class Refusal(NamedTuple):
    """Why not. `lifted_by`: what the person may change to be allowed; `possible_at`: when time alone allows it."""

    code: str
    sentence: str
    lifted_by: frozenset[str] = frozenset()
    possible_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """The account it would go through, and what has been sent again through it within a day."""

    name: str = ""
    enabled: bool = True
    held_until: datetime | None = None  # nothing is sent through it until then, and why
    held_why: str = ""
    resent: int = 0
    resend_cap: int = 10_000
    spent: Decimal = Decimal(0)
    spend_cap: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the rules look at. `effective` is what the root counts as; `status` is of the newest try."""

    effective: Status
    status: Status
    now: datetime
    final_at: datetime | None = None
    sent_at: datetime | None = None  # the first send
    valid_until: datetime | None = None  # of the text that is to be sent
    channel: str = ""  # of a cascade, by which the provider is trying again
    held_by: str = ""  # the state of the retry that holds the slot: open, sending, outcome_unknown
    retries: int = 0
    not_sent_but_reported: bool = False
    opted_out: bool = False
    has_number: bool = True  # retention or the person's wish may have removed it
    said_stop: bool = False  # the provider's words: the person, or somebody for them, wants no texts
    changed: frozenset[str] = frozenset()  # text, sender, account
    has_text: bool = True
    needs_text: bool = True  # the provider's own retry does not
    ops: bool = False
    to_number: int = 0  # sent again to this number within a day
    by_person: int = 0  # asked for by this person within ten minutes
    by_person_today: int = 0
    price: Price | None = None
    through: Through = field(default_factory=Through)


def refusal(situation: Situation, cool_down: tuple[int, int]) -> Refusal | None:
    """Why sending again is refused, None if it may be asked for. `cool_down` in seconds: after a failure, expired."""
    for check in (_settled, _held, _state, _blocked, _age, _limits):
        found = check(situation)
        if found is not None:
            return found
    return _cooling(situation, cool_down) or _account(situation) or _person(situation) or _text(situation)


def refusal_of_test(*, opted_out: bool, to_number: int, tests: int, price: Price | None, through: Through,
                    now: datetime) -> Refusal | None:  # fmt: skip
    """Why a test text is refused: nothing went before it, so only the person, the account and who asks count."""
    if opted_out:
        return _opted_out()
    if tests >= MOST_TESTS:
        minutes = int(IN_A_ROW.total_seconds()) // 60
        text = ngettext(
            "You have sent {count} test text within {minutes} minutes; wait a few minutes.",
            "You have sent {count} test texts within {minutes} minutes; wait a few minutes.",
            tests,
        )
        return Refusal("cap_user", text.format(count=tests, minutes=minutes))
    s = Situation(
        effective=Status.CREATED, status=Status.CREATED, now=now, to_number=to_number, price=price, through=through
    )
    return _limits(s) or _account(s)


def _opted_out() -> Refusal:
    return Refusal("blocked", _("This person asked not to be texted."))


def _settled(s: Situation) -> Refusal | None:
    if s.effective is Status.DELIVERED:
        return Refusal("delivered", _("It was delivered; there is nothing to send again."))
    if s.opted_out:
        return _opted_out()
    if not s.has_number:
        return Refusal("too_old", _("We no longer keep its number, so there is nobody to send it to."))
    if s.not_sent_but_reported:
        return Refusal(
            "unconfirmed", _("We thought that it was not sent, yet the provider reports about it. Look at it first.")
        )
    return None


def _held(s: Situation) -> Refusal | None:
    if s.held_by == "outcome_unknown" or s.status is Status.OUTCOME_UNKNOWN:
        return Refusal(
            "outcome_unknown",
            _("We do not know whether the last try went out. Do not send again; it is being checked."),
        )
    if s.held_by:
        return Refusal("open_retry", _("Sending again is already under way."))
    return None


def _state(s: Situation) -> Refusal | None:
    if s.status is Status.RETRYING:
        if s.channel:
            text = _("The provider is trying again by itself, by {channel}; wait for its report.")
        else:
            text = _("The provider is trying again by itself; wait for its report.")
        return Refusal("provider_retrying", text.format(channel=s.channel))
    if BUCKET[s.status] is Bucket.PENDING:
        return Refusal("pending", _("It is still on its way; wait for the provider's report."))
    if s.status is Status.UNKNOWN and not s.ops:
        return Refusal("unconfirmed", _("No report came, so it may have arrived. Only operations may send it again."))
    return None


def _blocked(s: Situation) -> Refusal | None:
    if s.said_stop:
        return Refusal("blocked", _("The provider says that this number must not be texted."))
    if s.status is not Status.REJECTED or (s.ops and s.changed):
        return None
    refused = _("The provider or the network refused it; the same text would be refused again.") + " "
    if not s.ops:
        return Refusal("blocked", refused + _("Operations may change it."))
    change = frozenset({TEXT, SENDER, ACCOUNT})
    return Refusal("blocked", refused + _("Change the text, the sender or the account."), lifted_by=change)


def _age(s: Situation) -> Refusal | None:
    if s.sent_at is not None and s.now - s.sent_at > OLDEST:
        text = ngettext(
            "It was first sent more than {count} day ago.", "It was first sent more than {count} days ago.", OLDEST.days
        )
        return Refusal("too_old", text.format(count=OLDEST.days))
    if s.valid_until is not None and s.valid_until <= s.now:
        text = _("It was only good until {span} ago. Write a new text to send.")
        return Refusal("too_old", text.format(span=in_words(s.now - s.valid_until)), lifted_by=frozenset({TEXT}))
    return None


def _limits(s: Situation) -> Refusal | None:
    if s.retries >= MOST_RETRIES:
        text = ngettext(
            "It has been sent again {count} time already; that is the limit.",
            "It has been sent again {count} times already; that is the limit.",
            s.retries,
        )
        return Refusal("cap_message", text.format(count=s.retries))
    if s.to_number >= MOST_TO_ONE_NUMBER:
        text = ngettext(
            "This number has been sent to again {count} time in the last day; that is the limit.",
            "This number has been sent to again {count} times in the last day; that is the limit.",
            s.to_number,
        )
        return Refusal("cap_recipient", text.format(count=s.to_number))
    return None


def _cooling(s: Situation, cool_down: tuple[int, int]) -> Refusal | None:
    at = cool_again_at(s.status, s.final_at, cool_down)
    if at is None or at <= s.now:
        return None
    minutes = -(-int((at - s.now).total_seconds()) // 60)
    if s.status is Status.EXPIRED:
        text = _("The phone was off or out of reach; sending again is possible in {minutes} min.")
    else:
        text = _("It failed a moment ago; sending again is possible in {minutes} min.")
    return Refusal("cool_down", text.format(minutes=minutes), possible_at=at)


def cool_again_at(status: Status, final_at: datetime | None, cool_down: tuple[int, int]) -> datetime | None:
    """When the wait after a failure is over; None where there is none."""
    if final_at is None or status is Status.UNKNOWN:
        return None
    return final_at + timedelta(seconds=cool_down[1] if status is Status.EXPIRED else cool_down[0])


def _account(s: Situation) -> Refusal | None:
    through, another = s.through, frozenset({ACCOUNT})
    if not through.enabled:
        return Refusal("account_disabled", _("The account is switched off. Choose another one."), lifted_by=another)
    if through.held_until is not None and through.held_until > s.now:
        why = through.held_why.rstrip(". ")
        if why:
            text = _("Nothing is sent through {account} for {span}: {why}.")
        else:
            text = _("Nothing is sent through {account} for {span}.")
        filled = text.format(account=through.name, span=in_words(through.held_until - s.now), why=why)
        return Refusal("account_disabled", filled, lifted_by=another, possible_at=through.held_until)
    if through.resent >= through.resend_cap:
        text = ngettext(
            "{count} text was sent again through {account} in the last day; that is its limit.",
            "{count} texts were sent again through {account} in the last day; that is its limit.",
            through.resent,
        )
        return Refusal("cap_account", text.format(count=through.resent, account=through.name), lifted_by=another)
    return _money(s)


def _money(s: Situation) -> Refusal | None:
    """A limit that cannot be checked is none, so a text without a known price does not pass one."""
    through, cap = s.through, s.through.spend_cap
    if cap is None:
        return None
    if s.price is None or not through.currency or s.price.currency != through.currency:
        text = _("{account} has a limit of money, and the price of this text is not known in its currency.")
        return Refusal("spend_cap", text.format(account=through.name), lifted_by=frozenset({ACCOUNT}))
    if through.spent + s.price.amount > cap:
        text = _(
            "{spent} of at most {cap} {currency} a day are spent through {account}; one more text is too much."
        ).format(spent=plain(through.spent), cap=plain(cap), currency=through.currency, account=through.name)
        return Refusal("spend_cap", text, lifted_by=frozenset({ACCOUNT}))
    return None


def _person(s: Situation) -> Refusal | None:
    if s.by_person >= MOST_IN_A_ROW:
        text = ngettext(
            "You have sent {count} message again within ten minutes; wait a few minutes.",
            "You have sent {count} messages again within ten minutes; wait a few minutes.",
            s.by_person,
        )
        return Refusal("cap_user", text.format(count=s.by_person))
    if not s.ops and s.by_person_today >= MOST_BY_SUPPORT:
        text = ngettext(
            "You have sent {count} message again in the last day; ask operations for more.",
            "You have sent {count} messages again in the last day; ask operations for more.",
            s.by_person_today,
        )
        return Refusal("cap_user", text.format(count=s.by_person_today))
    return None


def _text(s: Situation) -> Refusal | None:
    if s.needs_text and not s.has_text:
        return Refusal("no_text", _("We do not have its text; write the text to send."), lifted_by=frozenset({TEXT}))
    return None


# ------------------------------------------------------------------------------ one person decides, many must not


HOPELESS = {
    Failure.NUMBER: gettext_noop("The number was reported as wrong or dead, and no text has reached it since."),
    Failure.CONTENT: gettext_noop("The text was refused as it is. Change it, or send it through another account."),
    Failure.SENDER: gettext_noop("The sender was refused. Use another one, or another account."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What a person may weigh for one message, and what leaves it out when many are sent again."""

    may_reopen_until: datetime | None = None  # the provider may still try by itself until then
    unconfirmed: bool = False
    code_sent_at: datetime | None = None  # the text looks like a one-time code
    same_text: int | None = None  # a message to the same number, of the last day, that says the same
    hopeless: Failure | None = None  # the provider's words say that the same text cannot arrive this way


def left_out(doubts: Doubts, now: datetime) -> Refusal | None:
    """Why many at once must leave this one out, although a person may send it."""
    if doubts.may_reopen_until is not None:
        return Refusal("provider_retrying", _("The provider may still try again by itself."),
                       possible_at=doubts.may_reopen_until)  # fmt: skip
    if doubts.unconfirmed:
        return Refusal("unconfirmed", _("The report was not signed, and asking has not confirmed it yet."))
    if doubts.code_sent_at is not None and now - doubts.code_sent_at > CODE_GOOD_FOR:
        return Refusal("too_old", _("It looks like a one-time code, which is no good by now."))
    if doubts.hopeless is not None:
        return Refusal("hopeless", _(HOPELESS[doubts.hopeless]))
    if doubts.same_text is not None:
        text = _("The same text went to this number lately: message {message}.")
        return Refusal("same_text", text.format(message=doubts.same_text))
    return None


def may_reopen_until(
    status: Status, attempt: int, final_at: datetime | None, asked_at: datetime | None, seconds: int, now: datetime
) -> datetime | None:
    """Until when the provider may still turn its own `failed` into another try; None if it has given up.

    It has where its own tries are spent, or where a look ten minutes after the failure still found it failed.
    """
    if status is not Status.FAILED or final_at is None or attempt >= OWN_TRIES:
        return None
    until = final_at + timedelta(seconds=seconds)
    agreed = asked_at is not None and asked_at >= final_at + AGREED_AFTER
    return until if now < until and not agreed else None


# ------------------------------------------------------------------------------ words


def in_words(delta: timedelta) -> str:
    """40 s, 12 min, 3 h, 4 days: one unit, rounded down."""
    seconds = int(delta.total_seconds())
    if seconds >= 86_400:
        return ngettext("{count} day", "{count} days", seconds // 86_400).format(count=seconds // 86_400)
    if seconds >= 3_600:
        return _("{count} h").format(count=seconds // 3_600)
    if seconds >= 60:
        return _("{count} min").format(count=seconds // 60)
    return _("{count} s").format(count=seconds)


def plain(amount: Decimal) -> str:
    """The amount without the zeros that the database adds."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
