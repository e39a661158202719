"""May this be sent again? Pure rules; each refusal has one code and one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.domain.lifecycle import BUCKET, Bucket
from providers.base import Status

MOST_RETRIES = 3  # of one message, not counting the first send
MOST_TO_ONE_NUMBER = 3  # texts in a day, over all accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the rules look at. `effective` is what the root counts as; `status` is of the newest try."""

    effective: Status
    status: Status
    final_at: datetime | None
    held_by: str = ""  # the state of the retry that holds the slot: open, sending, outcome_unknown
    retries: int = 0
    texts_today: int = 0
    not_sent_but_reported: bool = False
    account_enabled: bool = True
    has_text: bool = True
    needs_text: bool = True  # the provider's own retry does not
    may_retry_unknown: bool = False


def refusal(situation: Situation, now: datetime, cool_down: tuple[int, int]) -> tuple[str, str] | None:
    """(code, sentence) if sending again is refused, None if it may be asked for.

    `cool_down` is in seconds: after a failure, after expired.
    """
    for check in (_settled, _held, _state, _limits):
        found = check(situation)
        if found is not None:
            return found
    return _cooling(situation, now, cool_down) or _possible(situation)


def _settled(s: Situation) -> tuple[str, str] | None:
    if s.effective is Status.DELIVERED:
        return "delivered", "It was delivered; there is nothing to send again."
    if s.not_sent_but_reported:
        return "unconfirmed", "We thought that it was not sent, yet the provider reports about it. Look at it first."
    return None


def _held(s: Situation) -> tuple[str, str] | None:
    if s.held_by == "outcome_unknown" or s.status is Status.OUTCOME_UNKNOWN:
        return (
            "outcome_unknown",
            "We do not know whether the last try went out. Do not send again; it is being checked.",
        )
    if s.held_by:
        return "open_retry", "Sending again is already under way."
    return None


def _state(s: Situation) -> tuple[str, str] | None:
    if s.status is Status.RETRYING:
        return "provider_retrying", "The provider is trying again by itself."
    if BUCKET[s.status] is Bucket.PENDING:
        return "pending", "It is still on its way; wait for the provider's report."
    if s.status is Status.UNKNOWN and not s.may_retry_unknown:
        return "unconfirmed", "No report came, so it may have arrived. Only operations may send it again."
    if s.status is Status.REJECTED:
        return "blocked", "The provider or the network refused it; the same text would be refused again."
    return None


def _limits(s: Situation) -> tuple[str, str] | None:
    if s.retries >= MOST_RETRIES:
        return "cap_message", f"It has been sent again {s.retries} times already; that is the limit."
    if s.texts_today >= MOST_TO_ONE_NUMBER:
        return (
            "cap_recipient",
            f"This number has been sent to again {s.texts_today} times in the last day; that is the limit.",
        )
    return None


def _cooling(s: Situation, now: datetime, cool_down: tuple[int, int]) -> tuple[str, str] | None:
    seconds = cool_down[1] if s.status is Status.EXPIRED else cool_down[0]
    if s.final_at is None or s.status is Status.UNKNOWN:
        return None
    left = s.final_at + timedelta(seconds=seconds) - now
    if left > timedelta(0):
        minutes = -(-int(left.total_seconds()) // 60)
        why = "The phone was off or out of reach" if s.status is Status.EXPIRED else "It failed a moment ago"
        return "cool_down", f"{why}; sending again is possible in {minutes} min."
    return None


def _possible(s: Situation) -> tuple[str, str] | None:
    if not s.account_enabled:
        return "account_disabled", "The account is switched off."
    if s.needs_text and not s.has_text:
        return "no_text", "We do not have its text; write the text to send."
    return None
