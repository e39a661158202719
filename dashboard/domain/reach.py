"""Does this number get our texts? One answer over the newest of them, in the words of a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import takewhile
from statistics import median

from dashboard.domain.language import gettext as _, gettext_noop, ngettext
from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING
from dashboard.domain.verdict import NO_MORE, Verdict
from dashboard.domain.verdict_facts import Clause, clock, lasting, named
from dashboard.domain.verdict_kinds import Kind, Side, Sure
from dashboard.domain.verdict_words import WORDS, of_many
from providers.base import Status

LATELY = timedelta(days=30)
FEWEST_TIMES = 3  # to say what is usual for one number

_OUTCOMES = {
    Status.EXPIRED: gettext_noop("expired"),
    Status.UNDELIVERABLE: gettext_noop("was called undeliverable"),
    Status.REJECTED: gettext_noop("was refused"),
    Status.CANCELLED: gettext_noop("was stopped"),
    Status.UNKNOWN: gettext_noop("is unknown"),
}
# Why one text did not arrive, and the message's own verdict whose words for the customer fit.
_WHY = {
    Status.EXPIRED: (gettext_noop("the phone was off or out of reach"), Kind.PHONE_WAS_OFF),
    Status.UNDELIVERABLE: (gettext_noop("the network calls the number wrong or out of use"), Kind.BAD_NUMBER),
    Status.REJECTED: (gettext_noop("it was refused"), Kind.REFUSED),
    Status.CANCELLED: (gettext_noop("it was stopped"), Kind.STOPPED),
}
_FAILED, _NEVER_SENT = (gettext_noop("it failed"), Kind.FAILED), (gettext_noop("it never left us"), Kind.NOT_SENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message to the number; `root` names the text it is a try of."""

    pk: int
    root: int
    status: Status
    account: str
    sent_at: datetime
    final_at: datetime | None = None
    not_sent: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about a number: its messages, newest first, and whether the person asked not to be texted."""

    sent: Sequence[Sent]
    now: datetime
    zone: tzinfo
    opted_out: bool = False

    @property
    def texts(self) -> list[Sent]:
        """One message for each text, newest first: the try that arrived, else the newest one that was sent."""
        tries: dict[int, list[Sent]] = {}
        for one in self.sent:
            tries.setdefault(one.root, []).append(one)
        return [_telling(of_one) for of_one in tries.values()]

    @property
    def alive(self) -> Sent | None:
        """The newest message that arrived, through whatever account."""
        there = [one for one in self.sent if one.status is Status.DELIVERED and one.final_at]
        return max(there, key=lambda one: one.final_at or one.sent_at, default=None)

    @property
    def usual(self) -> timedelta | None:
        """How long a text to this number takes: half of those that arrived took no longer."""
        took = [
            (one.final_at - one.sent_at).total_seconds()
            for one in self.sent
            if one.status is Status.DELIVERED and one.final_at and one.final_at >= one.sent_at
        ]
        return timedelta(seconds=median(took)) if len(took) >= FEWEST_TIMES else None

    def ago(self, moment: datetime) -> str:
        return _("{span} ago").format(span=lasting(self.now - moment))

    def clock(self, moment: datetime) -> str:
        return clock(moment, self.now, self.zone)


def _telling(tries: Sequence[Sent]) -> Sent:
    there = (one for one in tries if one.status is Status.DELIVERED)
    return next(there, None) or next((one for one in tries if not one.not_sent), tries[0])


def reach(record: Record) -> Verdict | None:
    """The verdict over a number; None if no message to it is kept."""
    texts = record.texts
    if not texts:
        return None
    found = _found(record, texts)
    return replace(found, now=_(NO_MORE)) if record.opted_out and found.kind != "arrived" else found


def _found(record: Record, texts: Sequence[Sent]) -> Verdict:
    if texts[0].status in NEGATIVE_FINALS:
        return _not_arrived(record, texts)
    if texts[0].status in PENDING:
        return _on_its_way(record, texts)
    return _unknown(record, texts[0]) if texts[0].status is Status.UNKNOWN else _arrived(record, texts[0])


def _arrived(record: Record, last: Sent) -> Verdict:
    at = last.final_at or last.sent_at
    delivered = _(
        "The last message we sent you was delivered to your phone number {at}. Please look through all your messages, "
        "also the blocked ones."
    )
    return Verdict(
        kind="arrived",
        sentence=_("The last text arrived {ago}; we cannot tell who read it.").format(ago=record.ago(at)),
        because=(_about(record, last), *_usual(record)),
        side=Side.HANDSET,
        sure=Sure.CERTAIN,
        customer=delivered.format(at=record.clock(at)),
        now=_("If the person misses another text, open it below: each has its own answer."),
    )


def _on_its_way(record: Record, texts: Sequence[Sent]) -> Verdict:
    last, before = texts[0], _in_a_row(texts)
    if len(before) > 1:
        sentence = ngettext(
            "The last text, sent {ago}, is on its way; the {count} before it did not arrive.",
            "The last text, sent {ago}, is on its way; the {count} before it did not arrive.",
            len(before),
        )
    else:
        sentence = _("The last text, sent {ago}, is on its way.")
    return Verdict(
        kind="on_its_way",
        sentence=sentence.format(ago=record.ago(last.sent_at), count=len(before)),
        because=(_about(record, last), *(_about(record, one) for one in before[:2]), *_proof(record), *_usual(record)),
        side=Side.CANNOT_KNOW,
        sure=Sure.CERTAIN,
        customer=_("A message is on its way to your phone. Please make sure that the phone is on and has signal."),
        now=_("Open message {message}: it says what it waits for.").format(message=last.pk),
    )


def _unknown(record: Record, last: Sent) -> Verdict:
    sentence = _("Nobody can tell whether the last text, sent {ago}, arrived.")
    return Verdict(
        kind="unknown",
        sentence=sentence.format(ago=record.ago(last.sent_at)),
        because=(_about(record, last), *_proof(record)),
        side=Side.CANNOT_KNOW,
        sure=Sure.CERTAIN,
        customer=_(
            "We cannot tell whether our last message reached you. Please check your messages, and tell us if it is not "
            "there."
        ),
        now=_("Ask the person whether it came, and open message {message} for the reasons.").format(message=last.pk),
    )


def _not_arrived(record: Record, texts: Sequence[Sent]) -> Verdict:
    """The newest texts did not arrive: one, or several in a row."""
    row = _in_a_row(texts)
    because = (*(_about(record, text) for text in row[:3]), *_proof(record))
    if len(row) == 1:
        return _one_missed(record, row[0], because)
    texts_since = ngettext(
        "The last {count} text did not arrive, since {time}", "The last {count} texts did not arrive, since {time}",
        len(row),
    )  # fmt: skip
    since = texts_since.format(count=len(row), time=named(row[-1].sent_at, record.now, record.zone))
    missed = _("The last messages we sent you did not reach your phone number.") + " "
    if other := _through_another(record, row):
        account, way = row[0].account, other.account
        sentence = _("{since}: all went through {account}, while one through {other} arrived.")
        todo = _("Send through {other}, and raise it with the provider of {account}.")
        return Verdict(
            kind="another_account",
            sentence=sentence.format(since=since, account=account, other=way),
            because=because,
            side=Side.PROVIDER,
            sure=Sure.GUESS,
            customer=missed + _("Your phone seems fine; we are looking into it on our side."),
            now=todo.format(other=way, account=account),
        )
    kinds = [text.status for text in row]
    if kinds.count(Status.UNDELIVERABLE) * 2 >= len(row):
        return Verdict(
            kind="bad_number",
            sentence=_("{since}: probably the number is wrong or out of use.").format(since=since),
            because=because,
            side=Side.HANDSET,
            sure=Sure.LIKELY,
            customer=missed + _("Please check that the number is right and can get text messages."),
            now=_("Check the number with the person before anything more is sent to it."),
        )
    if kinds.count(Status.EXPIRED) * 2 >= len(row):
        sentence = _("{since}: probably the phone is off for long, or the number is no longer used.")
        please = _("Please switch the phone on where it has signal, and check that this is the right number.")
        return Verdict(
            kind="phone_off",
            sentence=sentence.format(since=since),
            because=because,
            side=Side.HANDSET,
            sure=Sure.LIKELY,
            customer=missed + please,
            now=_("Ask the person whether the phone is on and the number right before anything more is sent to it."),
        )
    return Verdict(
        kind="missed",
        sentence=_("{since}, for more than one reason.").format(since=since),
        because=because,
        side=Side.CANNOT_KNOW,
        sure=Sure.GUESS,
        customer=missed + _("We are sorry, and we are looking into it."),
        now=_("Open message {message} first: it says what is known.").format(message=row[0].pk),
    )


def _in_a_row(texts: Sequence[Sent]) -> list[Sent]:
    """The newest decided texts, as long as none of them arrived."""
    decided = (text for text in texts if text.status not in PENDING)
    return list(takewhile(lambda text: text.status in NEGATIVE_FINALS, decided))


def _one_missed(record: Record, text: Sent, because: tuple[Clause, ...]) -> Verdict:
    why, kind = _NEVER_SENT if text.not_sent else _WHY.get(text.status, _FAILED)
    words = WORDS[kind]
    sentence = _("The last text, sent {ago}, did not arrive: {why}.")
    todo = _("Open message {message}: it says why, and whether sending again may help.")
    return Verdict(
        kind="one_missed",
        sentence=sentence.format(ago=record.ago(text.sent_at), why=_(why)),
        because=because,
        side=words.side,
        sure=words.sure,
        customer=_(words.customer).format(**of_many(opted_out=record.opted_out)),
        now=todo.format(message=text.pk),
    )


def _through_another(record: Record, row: Sequence[Sent]) -> Sent | None:
    """A text that arrived lately through another account, where all that did not went through one."""
    if len({text.account for text in row}) != 1:
        return None
    there = record.alive
    if there is None or there.account == row[0].account or record.now - (there.final_at or there.sent_at) > LATELY:
        return None
    return there


# ------------------------------------------------------------------------------ clauses


def _about(record: Record, one: Sent) -> Clause:
    if one.status is Status.DELIVERED and one.final_at:
        what = _("arrived after {span}").format(span=lasting(one.final_at - one.sent_at))
    elif one.status is Status.DELIVERED:
        what = _("arrived")
    elif one.not_sent:
        what = _("never left us")
    elif one.status in PENDING:
        what = _("is not decided yet")
    else:
        what = _(_OUTCOMES.get(one.status, gettext_noop("failed")))
    text = _("Message {message}, sent {at} through {account}, {outcome}.")
    filled = text.format(message=one.pk, at=record.clock(one.sent_at), account=one.account, outcome=what)
    return Clause(filled, f"message-{one.pk}")


def _proof(record: Record) -> list[Clause]:
    there = record.alive
    if there is None or there.final_at is None:
        return [Clause(_("None of the texts that we know of has reached this number."), "strip")]
    text = _("The last text that arrived came {ago}, through {account}.")
    return [Clause(text.format(ago=record.ago(there.final_at), account=there.account), f"message-{there.pk}")]


def _usual(record: Record) -> list[Clause]:
    usual = record.usual
    if not usual:
        return []
    return [Clause(_("Texts to this number usually take {span}.").format(span=lasting(usual)), "strip")]
