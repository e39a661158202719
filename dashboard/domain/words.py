"""What a status means in general: what it says and what happens next. Why one message is as it is, its verdict says.

A network can report that a text reached a phone number. Nobody can report that a person read it, so no sentence here
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.domain.language import gettext as _, gettext_noop
from providers.base import Status


@dataclass(frozen=True, slots=True)
class Words:
    """`sentence` is the meaning, `next` what happens then, "" where nothing does."""

    sentence: str
    next: str


_MEANINGS: dict[Status, Words] = {
    Status.CREATED: Words(
        gettext_noop("This has not been sent yet."),
        gettext_noop("It goes out after one last look whether the earlier try arrived."),
    ),
    Status.SENDING: Words(
        gettext_noop("We are handing this to {provider} now."), gettext_noop("Its answer comes within a minute.")
    ),
    Status.OUTCOME_UNKNOWN: Words(
        gettext_noop("We asked {provider} to send this and cannot tell whether it did."),
        gettext_noop("It is being checked. Do not send it again: the person could get it twice."),
    ),
    Status.QUEUED: Words(
        gettext_noop("{provider} has accepted this and holds it; no network has it yet."),
        gettext_noop("We keep asking until it is decided."),
    ),
    Status.SUBMITTED: Words(
        gettext_noop("{provider} has handed this to a network’s gateway; the network has not confirmed it yet."),
        gettext_noop("We keep asking until it is decided."),
    ),
    Status.SENT: Words(
        gettext_noop("A network has this and is trying to reach the phone."),
        gettext_noop("We keep asking until it is decided."),
    ),
    Status.RETRYING: Words(
        gettext_noop("One try failed, and {provider} is trying again by itself."),
        gettext_noop("Wait for its report: sending now could make two texts of one."),
    ),
    Status.UNKNOWN: Words(
        gettext_noop("{provider} says that it does not know what became of this."),
        gettext_noop("A later report still counts."),
    ),
    Status.FAILED: Words(
        gettext_noop("{provider} says that this failed, and gives no clearer reason."),
        gettext_noop("It is not tried again by itself."),
    ),
    Status.CANCELLED: Words(
        gettext_noop("This was deleted or stopped at {provider} before it reached the phone number."),
        gettext_noop("It is not tried again by itself."),
    ),
    Status.REJECTED: Words(
        gettext_noop("{provider} or a network refused this, for example because of its sender or its words."),
        gettext_noop("The same text would be refused again."),
    ),
    Status.UNDELIVERABLE: Words(
        gettext_noop("The network says that this phone number is wrong, out of use, or cannot get texts."),
        gettext_noop("Sending again to the same number will hardly help. Check the number."),
    ),
    Status.EXPIRED: Words(
        gettext_noop("The phone was off or out of reach until the time allowed for this text ran out."),
        gettext_noop("It is not tried again by itself."),
    ),
    Status.DELIVERED: Words(
        gettext_noop("{provider} reports that this arrived at the phone number. We cannot tell who read it."),
        "",
    ),
}


def explain(status: Status, provider: str) -> Words:
    """The words for a status, said of this provider."""
    found = _MEANINGS[status]
    after = _(found.next).format(provider=provider) if found.next else ""
    return Words(_(found.sentence).format(provider=provider), after)
