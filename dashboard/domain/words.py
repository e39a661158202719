"""What a status means, in plain sentences: what we know, who said it, what happens next, what to tell the customer.

A network can report that a text reached a phone number. Nobody can report that a person read it, so no sentence here
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from providers.base import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about one message, as far as the words depend on it."""

    status: Status
    provider: str  # its name
    conflict: bool = False
    unconfirmed: bool = False
    not_sent: bool = False
    by_deadline: bool = False  # `unknown` because no report came, not because the provider says so
    reopens: bool = False  # the provider may still turn its own `failed` around
    heard: bool = True  # the provider has said anything about it yet


@dataclass(frozen=True, slots=True)
class Words:
    """`sentence` is the meaning, `next` what happens now, `customer` what may be told to the person who asks."""

    sentence: str
    next: str
    customer: str


_WAITING = "It is on its way and we have no confirmation yet. Some phones get it once they are on and have signal."
_NOT_ARRIVED = "It did not reach your phone number."

_MEANINGS: dict[Status, Words] = {
    Status.CREATED: Words(
        "This has not been sent yet.", "It goes out after one last look whether the earlier try arrived.",
        "It is about to be sent again.",
    ),
    Status.SENDING: Words("We are handing this to {provider} now.", "Its answer comes within a minute.", _WAITING),
    Status.OUTCOME_UNKNOWN: Words(
        "We asked {provider} to send this and cannot tell whether it did.",
        "It is being checked. Do not send it again: the person could get it twice.",
        "We are checking whether it was sent.",
    ),
    Status.QUEUED: Words(
        "{provider} has accepted this and holds it; no network has it yet.", "We keep asking until it is decided.",
        _WAITING,
    ),
    Status.SUBMITTED: Words(
        "{provider} has handed this to a network’s gateway; the network has not confirmed it yet.",
        "We keep asking until it is decided.", _WAITING,
    ),
    Status.SENT: Words(
        "A network has this and is trying to reach the phone.", "We keep asking until it is decided.", _WAITING,
    ),
    Status.RETRYING: Words(
        "One try failed, and {provider} is trying again by itself.",
        "Wait for its report: sending now could make two texts of one.", _WAITING,
    ),
    Status.UNKNOWN: Words(
        "{provider} says that it does not know what became of this.", "A later report still counts.",
        "We cannot tell whether it arrived. Please check your messages.",
    ),
    Status.FAILED: Words(
        "{provider} says that this failed, and gives no clearer reason.", "It is not tried again by itself.",
        _NOT_ARRIVED + " The reason is not known.",
    ),
    Status.CANCELLED: Words(
        "This was deleted or stopped at {provider} before it reached the phone number.",
        "It is not tried again by itself.", _NOT_ARRIVED + " It was stopped before.",
    ),
    Status.REJECTED: Words(
        "{provider} or a network refused this, for example because of its sender or its words.",
        "The same text would be refused again.", _NOT_ARRIVED + " The network refused it.",
    ),
    Status.UNDELIVERABLE: Words(
        "The network says that this phone number is wrong, out of use, or cannot get texts.",
        "Sending again to the same number will hardly help. Check the number.",
        _NOT_ARRIVED + " Please check that the number is right and can get texts.",
    ),
    Status.EXPIRED: Words(
        "The phone was off or out of reach until the time allowed for this text ran out.",
        "It is not tried again by itself.",
        _NOT_ARRIVED + " The phone was off or without signal for too long.",
    ),
    Status.DELIVERED: Words(
        "{provider} reports that this arrived at the phone number. We cannot tell who read it.", "",
        "It arrived at your phone number. Please look at all your messages, also the blocked ones.",
    ),
}  # fmt: skip

_NOT_SENT = Words(
    "Nothing was sent: our request never reached {provider}.", "Nobody was charged, and it can be sent again.",
    "It was not sent.",
)  # fmt: skip
_NO_REPORT = Words(
    "No report came by the deadline, so we cannot tell whether this arrived.", "A later report still counts.",
    "We cannot tell whether it arrived. Please check your messages.",
)  # fmt: skip
_NOT_HEARD = Words(
    "We were told that this was handed to {provider}, and have not heard from {provider} about it yet.",
    "We keep asking until it is decided.", _WAITING,
)  # fmt: skip


def explain(known: Known) -> Words:
    """The words for one message."""
    found = _MEANINGS[known.status]
    if known.status is Status.FAILED and known.not_sent:
        found = _NOT_SENT
    elif known.status is Status.UNKNOWN and known.by_deadline:
        found = _NO_REPORT
    elif known.status is Status.QUEUED and not known.heard:
        found = _NOT_HEARD
    elif known.status is Status.FAILED and known.reopens:
        found = Words(found.sentence, "{provider} may still try again by itself; we keep asking.", found.customer)
    after = [found.next]
    if known.unconfirmed:
        after.append("The report was not signed, so {provider} is asked once more to confirm it.")
    return Words(
        found.sentence.format(provider=known.provider),
        " ".join(after).strip().format(provider=known.provider),
        found.customer,
    )


def contradiction(known: Known) -> str:
    """What contradicts what; "" if nothing does."""
    if not known.conflict:
        return ""
    if known.status is Status.DELIVERED and not known.not_sent:
        return (
            f"{known.provider} reported both that this was delivered and that it failed. It counts as delivered, "
            "since a text that arrived cannot be taken back. Both reports are kept below."
        )
    return (
        f"We had noted that nothing was sent, and yet {known.provider} reports about it. Do not send it again before "
        "somebody has looked at the reports below."
    )
