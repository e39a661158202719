"""What a failure was about, read from providers' and networks' words."""

from __future__ import annotations

import pytest

from dashboard.domain.failures import PHRASES, Complaint, Failure, cause, classified
from providers.base import Status

SAID = [
    ("Absent subscriber", Failure.PHONE),
    ("error 27: ABSENT_SUBSCRIBER", Failure.PHONE),
    ("Subscriber absent (IMSI detached)", Failure.PHONE),
    ("No paging response via the MSC", Failure.PHONE),
    ("DLR: EXPIRED", Failure.PHONE),
    ("message validity period is over", Failure.PHONE),
    ("Unreachable destination handset", Failure.PHONE),
    ("Unknown subscriber", Failure.NUMBER),
    ("UNIDENTIFIED-SUBSCRIBER", Failure.NUMBER),
    ("Incorrect phone number (error 25)", Failure.NUMBER),
    ("INVALID_RECIPIENT", Failure.NUMBER),
    ("ESME_RINVDSTADR RINVDSTADR invdstadr", Failure.NUMBER),
    ("unknown subscriber in the HLR", Failure.NUMBER),
    ("The number does not exist", Failure.NUMBER),
    ("landline or unreachable carrier", Failure.NUMBER),
    ("Call barred", Failure.BARRED),
    ("Illegal Subscriber", Failure.BARRED),
    ("Teleservice not provisioned", Failure.BARRED),
    ("Memory Capacity Exceeded", Failure.MEMORY),
    ("MS memory exceeded", Failure.MEMORY),
    ("spam detected", Failure.CONTENT),
    ("Blocked: message content violates the rules", Failure.CONTENT),
    ("filtered", Failure.CONTENT),
    ("moderation failed", Failure.CONTENT),
    ("Sender id not approved", Failure.SENDER),
    ("INVALID_SENDER", Failure.SENDER),
    ("Invalid originator (error 25)", Failure.SENDER),
    ("sender is blacklisted", Failure.SENDER),
    ("Number is in the blacklist", Failure.STOP),
    ("The recipient has opted out", Failure.STOP),
    ("Attempt to send to unsubscribed recipient", Failure.STOP),
    ("DND active", Failure.STOP),
    ("do-not-disturb", Failure.STOP),
    ("user replied STOP", Failure.STOP),
    ("Insufficient balance", Failure.BALANCE),
    ("not enough funds (error 8)", Failure.BALANCE),
    ("no route for this destination", Failure.ROUTE),
    ("Account suspended", Failure.ACCESS),
    ("invalid or inactive API key", Failure.ACCESS),
    ("THROTTLED", Failure.NETWORK),
    ("System failure", Failure.NETWORK),
    ("temporary network problem", Failure.NETWORK),
    ("DLR: REJECTD", Failure.REFUSED),
    ("DLR: UNDELIV", None),
    ("FAILED", None),
    ("", None),
    ("undeliverable", None),
    ("error 21", None),
    ("the rooted spammer", None),
]


@pytest.mark.parametrize(("said", "failure"), SAID)
def test_words_are_understood_whatever_frame_they_come_in(said: str, failure: Failure | None) -> None:
    assert classified(said) is failure
    assert classified(f"  {said.upper()}, ") is failure


def test_every_phrase_is_reachable_and_written_as_it_is_looked_for() -> None:
    for failure, phrases in PHRASES:
        assert failure in {classified(phrase) for phrase in phrases}
        for phrase in phrases:
            assert phrase == " ".join(phrase.lower().split())
            assert phrase.replace(" ", "").isalnum()
    assert {failure for failure, _ in PHRASES} == set(Failure) - {Failure.NO_REASON}


def said(status: Status, detail: str = "", event: int = 1, attempt: int = 0, word: str = "") -> Complaint:
    return Complaint(status, word or status.value, detail, attempt, event)


@pytest.mark.parametrize(
    ("status", "complaints", "failure", "event"),
    [
        (Status.FAILED, [], Failure.NO_REASON, None),
        (Status.FAILED, [said(Status.FAILED)], Failure.NO_REASON, 1),
        (Status.UNDELIVERABLE, [said(Status.UNDELIVERABLE)], Failure.NUMBER, 1),
        (Status.EXPIRED, [said(Status.EXPIRED)], Failure.PHONE, 1),
        (Status.REJECTED, [said(Status.REJECTED)], Failure.REFUSED, 1),
        (Status.CANCELLED, [said(Status.CANCELLED)], Failure.STOPPED, 1),
        # the words know better than the status
        (Status.UNDELIVERABLE, [said(Status.UNDELIVERABLE, "absent subscriber")], Failure.PHONE, 1),
        (Status.REJECTED, [said(Status.REJECTED, "no route")], Failure.ROUTE, 1),
        (Status.EXPIRED, [said(Status.EXPIRED, "memory full")], Failure.MEMORY, 1),
        # the newest attempt, and in it the newest telling words
        (Status.FAILED, [said(Status.FAILED, "spam", 1), said(Status.FAILED, "timeout", 2, 1)], Failure.NETWORK, 2),
        (Status.FAILED, [said(Status.FAILED, "timeout", 1), said(Status.FAILED, "", 2)], Failure.NETWORK, 1),
        (Status.FAILED, [said(Status.FAILED, "timeout", 3, 1), said(Status.FAILED, "spam", 4)], Failure.NETWORK, 3),
        # a status that says more than one that came before it
        (Status.UNDELIVERABLE, [said(Status.EXPIRED, "", 1), said(Status.UNDELIVERABLE, "", 2)], Failure.NUMBER, 2),
        # that somebody wants no texts is believed whenever it was said
        (Status.FAILED, [said(Status.FAILED, "opted out", 1), said(Status.FAILED, "timeout", 2, 1)], Failure.STOP, 1),
    ],
)
def test_the_cause(status: Status, complaints: list[Complaint], failure: Failure, event: int | None) -> None:
    found = cause(status, complaints)
    assert (found.failure, found.event) == (failure, event)
    assert cause(status, list(reversed(complaints))) == found, "the order in which they are read does not matter"


def test_the_cause_quotes_what_was_said() -> None:
    assert cause(Status.FAILED, [said(Status.FAILED, "Absent subscriber")]).said == "Absent subscriber"
    assert cause(Status.FAILED, [said(Status.FAILED, word="FAILED")]).said == "FAILED"
