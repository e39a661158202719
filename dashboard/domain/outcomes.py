"""What one request to send came to, and what may be done about it: decided here alone, without clock or database.

accepted  The provider named the message, or says that it has our reference already.
not_sent  Nothing was written (name not found, connection refused or not made in time, TLS), or it was not taken (429;
          503 with Retry-After where the provider documents that). The same may be tried again soon, a few times.
refused   The provider read it and said no: its own error, a redirect, an HTTP status that says so.
unknown   Bytes were written and nothing tells: a time out, a broken connection, 5xx, an answer that cannot be read or
          names no message; or our worker was killed, or our database failed, before the answer was stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dashboard.domain.lifecycle import NEGATIVE_FINALS
from providers.base import Provider, ProviderError, Report, Status, Target


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


_REFUSING = frozenset({"credentials", "balance", "refused", "not_found", "unsupported", "invalid"})
# Without a code of the provider's own these may speak of a request that was taken: a time out, "conflict", "too early".
_MAY_BE_TAKEN = frozenset({408, 409, 425})


def outcome_of(error: ProviderError | None, said: Status | None = None, *, busy_is_not_sent: bool = False) -> Outcome:
    """What a send came to: by what was wrong with it, else by what a reply that could be read `said` of the message."""
    if error is None:
        return Outcome.REFUSED if said in NEGATIVE_FINALS else Outcome.ACCEPTED
    if error.code == "duplicate":  # of our own reference, which nobody else knows
        return Outcome.ACCEPTED
    if error.code == "throttled" or (not error.written and error.code != "invalid"):
        return Outcome.NOT_SENT
    if error.status == 503 and error.retry_after is not None and busy_is_not_sent:
        return Outcome.NOT_SENT
    if error.code not in _REFUSING or (error.status in _MAY_BE_TAKEN and not error.provider_code):
        return Outcome.UNKNOWN
    return Outcome.REFUSED


# ------------------------------------------------------------------------------ the same once more

YOUNG = timedelta(minutes=10)  # how long after somebody asked for it a text may still go out by itself
_REPEATS = (5.0, 20.0, 60.0)  # seconds before each


def repeat_at(repeats: int, asked_for_at: datetime, now: datetime, wait: float | None) -> datetime | None:
    """When what was surely not sent may be tried again, `wait` being what the provider asks for; None: no more."""
    if repeats >= len(_REPEATS):
        return None
    at = now + timedelta(seconds=max(_REPEATS[repeats], wait or 0.0))
    return at if at <= asked_for_at + YOUNG else None


# ------------------------------------------------------------------------------ settling what is unknown

LOOKS = 3  # that find nothing under our reference, over at least `YOUNG`, prove that nothing was sent
MOST_REPEATS = 4  # looks in which the same may be sent once more, where that cannot become two texts
BY_HAND_AFTER = timedelta(minutes=15)
FIRST_LOOK = timedelta(seconds=10)  # after the failed message itself was asked about once more
_WAITS = (30, 60, 150, 300, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200)  # seconds after each look
_LOOK_FOR = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Ways:
    """How this provider can be asked about a send whose answer we do not have. A report always settles it."""

    by_reference: bool = False
    by_repeating: bool = False
    by_listing: bool = False

    def __bool__(self) -> bool:
        return self.by_reference or self.by_repeating or self.by_listing


def ways_of(provider: Provider, reference: str, since: datetime, without: frozenset[str], *, by_retry: bool) -> Ways:
    """`by_retry`: by the provider's own retry, which carries neither a reference nor a key."""
    target = Target(id=None, to="10000000000", reference=reference)
    return Ways(
        by_reference=not by_retry and bool(provider.asks([target], without)),
        by_repeating=not by_retry and provider.repeat_is_safe,
        by_listing=provider.recent_ask(target.to, since, without) is not None,
    )


def look_at(looks: int, unknown_since: datetime, now: datetime) -> datetime | None:
    """When to look after so many looks; None when looking any further is of no use."""
    at = now + timedelta(seconds=_WAITS[min(max(looks, 1), len(_WAITS)) - 1])
    return at if at <= unknown_since + _LOOK_FOR else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The send that is looked for in a list. `alone`: no other one to this number is missing as well."""

    to: str
    text: str
    reference: str
    since: datetime
    until: datetime
    alone: bool = True


SLACK = timedelta(minutes=1)  # between the provider's clock and ours
_CUT = 100  # a listed text of this length may be the beginning of a longer one


def found_in(missing: Missing, listed: Sequence[Report], taken: Collection[str], *, whole: bool) -> Report | None:
    """The one listed message that is the missing send; None where there is none, or more than one that could be it.

    One that tells our reference is ours. Else it must be the only one to this number, made at the time in question,
    with the same text where texts are listed, whose id belongs to no message of ours (`taken`), and nothing of the list
    may be left unread (`whole`).
    """
    told = [report for report in listed if report.reference and report.reference == missing.reference]
    if told or not (whole and missing.alone):
        return told[0] if len(told) == 1 else None
    alike = [report for report in listed if report.id and report.id not in taken and _is_like(report, missing)]
    return alike[0] if len(alike) == 1 else None


def _is_like(report: Report, missing: Missing) -> bool:
    if report.to != missing.to or report.reference or report.sent_at is None or report.sent_at.tzinfo is None:
        return False
    if not missing.since - SLACK <= report.sent_at <= missing.until + SLACK:
        return False
    cut = len(report.text) >= _CUT and missing.text.startswith(report.text)
    return report.text in {"", missing.text} or cut
