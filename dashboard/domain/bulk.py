"""Sending many again: what became of each, whether to go on, and how fast. Pure rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dashboard.domain.language import gettext as _, ngettext

MOST = 10_000  # messages of one plan
VALID_FOR = timedelta(hours=24)  # how long a plan can be approved
SMALL = 50  # up to here nobody types the number, and nothing is tried on a few first
CANARY = 20  # how many go first where it is more
CANARY_WAIT = timedelta(minutes=30)  # how long their fate is waited for
LATEST = 50  # of those that have a fate, the newest: what the run is judged by while it goes on
MOST_OPEN = 50  # that wait for the wire at once
LONGEST_WAIT = timedelta(hours=2)  # of a message whose turn has not come yet
CONFIRMED_WITHIN = timedelta(hours=1)  # what an unsigned report says, after which it is left out
LOOK_AGAIN = timedelta(minutes=1)
_PACED_OVER = 4.0  # seconds

# What concerns every message of an account or of a person: somebody has to decide, and nothing is left out for it.
CAPS = frozenset({"cap_account", "spend_cap", "cap_user"})


class Fate(StrEnum):
    """What became of one message of a plan."""

    EXCLUDED = "excluded"
    TO_COME = "to_come"
    STOPPED = "stopped"  # its turn had not come when the run was stopped
    PENDING = "pending"  # asked for, and without a final word
    DELIVERED = "delivered"
    FAILED = "failed"  # sent and reported so, or refused
    NOT_SENT = "not_sent"
    NOT_NEEDED = "not_needed"  # it was delivered before anything was sent
    UNKNOWN = "unknown"  # we cannot tell whether it was sent, or no report came


_BAD = frozenset({Fate.FAILED, Fate.NOT_SENT})


class Go(StrEnum):
    """What a look at a run comes to."""

    WAIT = "wait"  # nothing new: the messages whose turn it is are asked for
    ON = "on"  # the first few were good
    DOUBT = "doubt"  # the first few say nothing; a person decides
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a run goes on, and the sentence that says why."""

    go: Go
    why: str = ""


def of_canary(fates: Sequence[Fate], size: int, waited: timedelta) -> Judgement:
    """Whether the first few say that the others may follow. `waited` since the last of them was asked for.

    Those that were not needed are no sign of anything; others go in their place. What is not certain may become so.
    """
    counts = Counter(fates)
    good, bad = counts[Fate.DELIVERED], sum(counts[fate] for fate in _BAD)
    tried = len(fates) - counts[Fate.NOT_NEEDED]
    if bad * 2 > size:
        why = _("{bad} of the first {count} did not arrive. The others were not sent.")
        return Judgement(Go.STOP, why.format(bad=bad, count=tried))
    if tried < size or (tried > good + bad and waited < CANARY_WAIT):
        return Judgement(Go.WAIT)
    known = good + bad
    if known * 4 < size:
        why = ngettext(
            "Only {known} of the first {count} have a final report. Look at them, then resume or stop.",
            "Only {known} of the first {count} have a final report. Look at them, then resume or stop.",
            known,
        )
        return Judgement(Go.DOUBT, why.format(known=known, count=tried))
    if bad * 2 > known:
        why = _("{bad} of the first {count} with a report did not arrive. The others were not sent.")
        return Judgement(Go.STOP, why.format(bad=bad, count=known))
    return Judgement(Go.ON, _("{good} of the first {count} with a report arrived.").format(good=good, count=known))


def of_latest(fates: Iterable[Fate]) -> Judgement:
    """Whether what was reported last (newest first) says to stop."""
    known = [fate for fate in fates if fate in _BAD or fate is Fate.DELIVERED][:LATEST]
    bad = sum(fate in _BAD for fate in known)
    if len(known) >= CANARY and bad * 2 > len(known):
        why = _("{bad} of the last {count} with a report did not arrive.")
        return Judgement(Go.STOP, why.format(bad=bad, count=len(known)))
    return Judgement(Go.WAIT)


def waits_until(
    code: str, possible_at: datetime | None, unconfirmed_since: datetime | None, now: datetime
) -> datetime | None:
    """When a message that is refused for now is looked at again; None if it is left out.

    `possible_at`: when time alone lifts the refusal. `unconfirmed_since`: when an unsigned report ended the message,
    which the provider is being asked to confirm.
    """
    if code == "open_retry":
        return now + LOOK_AGAIN
    if unconfirmed_since is not None:
        return now + LOOK_AGAIN if now - unconfirmed_since < CONFIRMED_WITHIN else None
    return possible_at if possible_at is not None and possible_at - now <= LONGEST_WAIT else None


# ------------------------------------------------------------------------------ how fast


def pace(rate: float) -> float:
    """Messages a second. Each costs a question and a text, and half of the account's rate is left to others."""
    return rate / 4


def paced_over(rate: float) -> timedelta:
    """The span over which the pace is kept: long enough for one message at least."""
    return timedelta(seconds=max(_PACED_OVER, 1 / pace(rate)))


def room(rate: float, lately: int) -> int:
    """How many may be asked for now, after so many within `paced_over`."""
    return max(int(pace(rate) * paced_over(rate).total_seconds() + 0.001) - lately, 0)


def duration(counts: Iterable[tuple[float, int]]) -> timedelta:
    """How long it takes: (rate, messages) of each account. They are used at the same time."""
    return timedelta(seconds=max((n / pace(rate) for rate, n in counts), default=0.0))


# ------------------------------------------------------------------------------ approving


def problem_with_approval(
    *, planned_at: datetime, now: datetime, count: int, typed: int | None, by_planner: bool, second_above: int
) -> tuple[str, str] | None:
    """(code, sentence) if the plan cannot be approved so."""
    if now - planned_at > VALID_FOR:
        return "plan_too_old", _("This plan is older than a day: much may have changed since. Plan it again.")
    if not count:
        return "nothing_to_send", _("No message of this plan can be sent again.")
    if by_planner and needs_second(count, second_above):
        return "second_person", _("Somebody else has to approve a plan of this size.")
    if needs_number(count) and typed != count:
        return "number_differs", _("Type the number of messages: {count}.").format(count=count)
    return None


def needs_second(count: int, second_above: int) -> bool:
    return count > second_above


def needs_number(count: int) -> bool:
    return count > SMALL


def canary_of(count: int) -> int:
    return CANARY if count > SMALL else 0
