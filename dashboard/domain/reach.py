"""Does this number get our texts? One answer over the newest of them, in the words of a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import takewhile
from statistics import median

from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING
from dashboard.domain.verdict import NO_MORE, Verdict
from dashboard.domain.verdict_facts import Clause, clock, lasting
from dashboard.domain.verdict_kinds import Kind, Side, Sure
from dashboard.domain.verdict_words import WE_CAN_SEND_AGAIN, WORDS
from providers.base import Status

LATELY = timedelta(days=30)
FEWEST_TIMES = 3  # to say what is usual for one number

_OUTCOMES = {
    Status.EXPIRED: "expired",
    Status.UNDELIVERABLE: "was called undeliverable",
    Status.REJECTED: "was refused",
    Status.CANCELLED: "was stopped",
}
# Why one text did not arrive, and the message's own verdict whose words for the customer fit.
_WHY = {
    Status.EXPIRED: ("the phone was off or out of reach", Kind.PHONE_WAS_OFF),
    Status.UNDELIVERABLE: ("the network calls the number wrong or out of use", Kind.BAD_NUMBER),
    Status.REJECTED: ("it was refused", Kind.REFUSED),
    Status.CANCELLED: ("it was stopped", Kind.STOPPED),
}
_FAILED, _NEVER_SENT = ("it failed", Kind.FAILED), ("it never left us", Kind.NOT_SENT)
_ASK = "Please look through all your messages, also the blocked ones."
_MISSED = "The last messages we sent you did not reach your phone number. "


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
        return f"{lasting(self.now - moment)} ago"

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
    return replace(found, now=NO_MORE) if record.opted_out and found.kind != "arrived" else found


def _found(record: Record, texts: Sequence[Sent]) -> Verdict:
    if texts[0].status in NEGATIVE_FINALS:
        return _not_arrived(record, texts)
    if texts[0].status in PENDING:
        return _on_its_way(record, texts)
    return _unknown(record, texts[0]) if texts[0].status is Status.UNKNOWN else _arrived(record, texts[0])


def _arrived(record: Record, last: Sent) -> Verdict:
    at = last.final_at or last.sent_at
    return Verdict(
        kind="arrived",
        sentence=f"The last text arrived {record.ago(at)}; we cannot tell who read it.",
        because=(_about(record, last), *_usual(record)),
        side=Side.HANDSET,
        sure=Sure.CERTAIN,
        customer=f"The last message we sent you was delivered to your phone number {record.clock(at)}. {_ASK}",
        now="If the person misses another text, open it below: each has its own answer.",
    )


def _on_its_way(record: Record, texts: Sequence[Sent]) -> Verdict:
    last, before = texts[0], _in_a_row(texts)
    missed = f"; the {len(before)} before it did not arrive" if len(before) > 1 else ""
    return Verdict(
        kind="on_its_way",
        sentence=f"The last text, sent {record.ago(last.sent_at)}, is on its way{missed}.",
        because=(_about(record, last), *(_about(record, one) for one in before[:2]), *_proof(record), *_usual(record)),
        side=Side.CANNOT_KNOW,
        sure=Sure.CERTAIN,
        customer="A message is on its way to your phone. Please make sure that the phone is on and has signal.",
        now=f"Open message {last.pk}: it says what it waits for.",
    )


def _unknown(record: Record, last: Sent) -> Verdict:
    return Verdict(
        kind="unknown",
        sentence=f"Nobody can tell whether the last text, sent {record.ago(last.sent_at)}, arrived.",
        because=(_about(record, last), *_proof(record)),
        side=Side.CANNOT_KNOW,
        sure=Sure.CERTAIN,
        customer="We cannot tell whether our last message reached you. Please check your messages, and tell us if it "
        "is not there.",
        now=f"Ask the person whether it came, and open message {last.pk} for the reasons.",
    )


def _not_arrived(record: Record, texts: Sequence[Sent]) -> Verdict:
    """The newest texts did not arrive: one, or several in a row."""
    row = _in_a_row(texts)
    because = (*(_about(record, text) for text in row[:3]), *_proof(record))
    if len(row) == 1:
        return _one_missed(record, row[0], because)
    since = f"The last {len(row)} texts did not arrive, since {record.clock(row[-1].sent_at).removeprefix('at ')}"
    if other := _through_another(record, row):
        return Verdict(
            kind="another_account",
            sentence=f"{since}: all went through {row[0].account}, while one through {other.account} arrived.",
            because=because,
            side=Side.PROVIDER,
            sure=Sure.GUESS,
            customer=_MISSED + "Your phone seems fine; we are looking into it on our side.",
            now=f"Send through {other.account}, and raise it with the provider of {row[0].account}.",
        )
    kinds = [text.status for text in row]
    if kinds.count(Status.UNDELIVERABLE) * 2 >= len(row):
        return Verdict(
            kind="bad_number",
            sentence=f"{since}: probably the number is wrong or out of use.",
            because=because,
            side=Side.HANDSET,
            sure=Sure.LIKELY,
            customer=_MISSED + "Please check that the number is right and can get text messages.",
            now="Check the number with the person before anything more is sent to it.",
        )
    if kinds.count(Status.EXPIRED) * 2 >= len(row):
        return Verdict(
            kind="phone_off",
            sentence=f"{since}: probably the phone is off for long, or the number is no longer used.",
            because=because,
            side=Side.HANDSET,
            sure=Sure.LIKELY,
            customer=_MISSED + "Please switch the phone on where it has signal, and check that this is the right "
            "number.",
            now="Ask the person whether the phone is on and the number right before anything more is sent to it.",
        )
    return Verdict(
        kind="missed",
        sentence=f"{since}, for more than one reason.",
        because=because,
        side=Side.CANNOT_KNOW,
        sure=Sure.GUESS,
        customer=_MISSED + "We are sorry, and we are looking into it.",
        now=f"Open message {row[0].pk} first: it says what is known.",
    )


def _in_a_row(texts: Sequence[Sent]) -> list[Sent]:
    """The newest decided texts, as long as none of them arrived."""
    decided = (text for text in texts if text.status not in PENDING)
    return list(takewhile(lambda text: text.status in NEGATIVE_FINALS, decided))


def _one_missed(record: Record, text: Sent, because: tuple[Clause, ...]) -> Verdict:
    why, kind = _NEVER_SENT if text.not_sent else _WHY.get(text.status, _FAILED)
    words = WORDS[kind]
    return Verdict(
        kind="one_missed",
        sentence=f"The last text, sent {record.ago(text.sent_at)}, did not arrive: {why}.",
        because=because,
        side=words.side,
        sure=words.sure,
        customer=words.customer.format(again="" if record.opted_out else WE_CAN_SEND_AGAIN),
        now=f"Open message {text.pk}: it says why, and whether sending again may help.",
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
    sent = f"Message {one.pk}, sent {record.clock(one.sent_at)} through {one.account},"
    if one.status is Status.DELIVERED:
        what = f"arrived after {lasting(one.final_at - one.sent_at)}" if one.final_at else "arrived"
    elif one.not_sent:
        what = "never left us"
    elif one.status in PENDING:
        what = "is not decided yet"
    else:
        what = "is unknown" if one.status is Status.UNKNOWN else _OUTCOMES.get(one.status, "failed")
    return Clause(f"{sent} {what}.", f"message-{one.pk}")


def _proof(record: Record) -> list[Clause]:
    there = record.alive
    if there is None or there.final_at is None:
        return [Clause("None of the texts that we know of has reached this number.", "strip")]
    text = f"The last text that arrived came {record.ago(there.final_at)}, through {there.account}."
    return [Clause(text, f"message-{there.pk}")]


def _usual(record: Record) -> list[Clause]:
    return [Clause(f"Texts to this number usually take {lasting(record.usual)}.", "strip")] if record.usual else []
