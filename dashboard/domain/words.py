"""What a status means in general: what it says and what happens next. Why one message is as it is, its verdict says.

A network can report that a text reached a phone number. Nobody can report that a person read it, so no sentence here
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.base import Status


@dataclass(frozen=True, slots=True)
class Words:
    """`sentence` is the meaning, `next` what happens then."""

    sentence: str
    next: str


_MEANINGS: dict[Status, Words] = {
    Status.CREATED: Words(
        "This has not been sent yet.",
        "It goes out after one last look whether the earlier try arrived.",
    ),
    Status.SENDING: Words("We are handing this to {provider} now.", "Its answer comes within a minute."),
    Status.OUTCOME_UNKNOWN: Words(
        "We asked {provider} to send this and cannot tell whether it did.",
        "It is being checked. Do not send it again: the person could get it twice.",
    ),
    Status.QUEUED: Words(
        "{provider} has accepted this and holds it; no network has it yet.",
        "We keep asking until it is decided.",
    ),
    Status.SUBMITTED: Words(
        "{provider} has handed this to a network’s gateway; the network has not confirmed it yet.",
        "We keep asking until it is decided.",
    ),
    Status.SENT: Words("A network has this and is trying to reach the phone.", "We keep asking until it is decided."),
    Status.RETRYING: Words(
        "One try failed, and {provider} is trying again by itself.",
        "Wait for its report: sending now could make two texts of one.",
    ),
    Status.UNKNOWN: Words("{provider} says that it does not know what became of this.", "A later report still counts."),
    Status.FAILED: Words(
        "{provider} says that this failed, and gives no clearer reason.",
        "It is not tried again by itself.",
    ),
    Status.CANCELLED: Words(
        "This was deleted or stopped at {provider} before it reached the phone number.",
        "It is not tried again by itself.",
    ),
    Status.REJECTED: Words(
        "{provider} or a network refused this, for example because of its sender or its words.",
        "The same text would be refused again.",
    ),
    Status.UNDELIVERABLE: Words(
        "The network says that this phone number is wrong, out of use, or cannot get texts.",
        "Sending again to the same number will hardly help. Check the number.",
    ),
    Status.EXPIRED: Words(
        "The phone was off or out of reach until the time allowed for this text ran out.",
        "It is not tried again by itself.",
    ),
    Status.DELIVERED: Words(
        "{provider} reports that this arrived at the phone number. We cannot tell who read it.",
        "",
    ),
}


def explain(status: Status, provider: str) -> Words:
    """The words for a status, said of this provider."""
    found = _MEANINGS[status]
    return Words(found.sentence.format(provider=provider), found.next.format(provider=provider))
