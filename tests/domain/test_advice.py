"""Whether sending again helps: one scenario a line, each with its verdict and the evidence that it must name."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dashboard.domain.advice import advise
from dashboard.domain.advice_facts import Advice, Double, Facts, Outlook, Record, Same, Seen, Try, Way
from dashboard.domain.failures import Cause, Complaint, Failure, cause
from dashboard.domain.prices import Price
from providers.base import Status

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROOT, EVENT = 100, 7
LIKELY, LATER, UNLIKELY, NO, CANNOT_KNOW = Outlook
ON_IT = ("event", EVENT)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)


def failed(status: Status, said: str = "", **more: Any) -> dict[str, Any]:
    """A message of this status, about which the provider said this an hour ago."""
    complaints = [Complaint(status, status.value, said, event=EVENT)]
    found = cause(status, complaints)
    tries = (Try(ROOT, status, found.failure),)
    return {"status": status, "effective": status, "cause": found, "tries": tries, "final_at": ago(hours=1), **more}


def pending(status: Status, **more: Any) -> dict[str, Any]:
    nothing = Cause(Failure.NO_REASON)
    tries = (Try(ROOT, status, Failure.NO_REASON),)
    return {"status": status, "effective": status, "cause": nothing, "tries": tries, **more}


def ways(arrived: int = 0, decided: int = 0, **more: Any) -> tuple[Way, ...]:
    return Way(account="One", record=Record(arrived, decided), **more), Way(account="Two")


def again(status: Status, *failures: Failure) -> tuple[Try, ...]:
    return tuple(Try(ROOT + n, status, failure) for n, failure in enumerate(failures))


def facts(**given: Any) -> Facts:
    default: dict[str, Any] = {"provider": "Acme", "sent_at": ago(hours=2), "ways": ways()}
    return Facts(**(default | given))


@dataclass(frozen=True)
class Scenario:
    name: str
    given: dict[str, Any]
    outlook: Outlook
    evidence: set[tuple[str, int]] = field(default_factory=set)
    says: str = ""
    when: datetime | None = None
    double: Double = Double.NONE


SEEN_SINCE = Seen(200, ago(minutes=10), "Two")
SEEN_BEFORE = Seen(201, ago(days=3), "Two")
SEEN_LONG_AGO = Seen(202, ago(days=90), "Two")
SEEN_BY_ITSELF = Seen(203, ago(days=3), "One")
F, U, R, X = Status.FAILED, Status.UNDELIVERABLE, Status.REJECTED, Status.EXPIRED
POSSIBLE, SURE = Double.POSSIBLE, Double.LIKELY

SCENARIOS = [
    # -- nothing to send, or nobody to send it to
    Scenario("it arrived", failed(F, effective=Status.DELIVERED,
             tries=(Try(ROOT, F, Failure.NO_REASON), Try(101, Status.DELIVERED, Failure.NO_REASON))),
             NO, {("message", 101)}, "arrived", double=SURE),
    Scenario("the person opted out", failed(F, opted_out=True), NO, {ON_IT}, "asked not to be texted"),
    Scenario("the provider says so", failed(F, "Recipient has opted-out", stop=Cause(Failure.STOP, 9, "opted-out")),
             NO, {("event", 9)}, "must not be texted"),
    Scenario("the same text arrived", failed(F, same=Same(300, True, ago(hours=3))),
             NO, {("message", 300), ON_IT}, "already", double=SURE),
    Scenario("the same text is on its way", failed(F, same=Same(301, False, ago(hours=3))),
             LATER, {("message", 301)}, "on its way", double=SURE),
    Scenario("a code an hour old", failed(X, code_sent_at=ago(hours=1)), NO, {ON_IT}, "new one"),
    Scenario("a code of eleven minutes", failed(F, code_sent_at=ago(minutes=11)), NO, set(), "11 min"),
    Scenario("a code of nine minutes", failed(F, "system failure", code_sent_at=ago(minutes=9)), LIKELY, {ON_IT},
             when=NOW),
    Scenario("out of date", failed(X, valid_until=ago(minutes=5)), NO, {ON_IT}, "5 min ago"),
    Scenario("still good", failed(F, "congestion", valid_until=later(hours=5)), LIKELY, {ON_IT}, when=NOW),
    Scenario("a month old", failed(F, "congestion", sent_at=ago(days=31)), NO, {ON_IT}, "too old"),
    # -- it is not decided
    Scenario("queued", pending(Status.QUEUED), LATER, {("message", ROOT)}, "on its way", double=SURE),
    Scenario("sent", pending(Status.SENT), LATER, {("message", ROOT)}, double=SURE),
    Scenario("tries again", pending(Status.RETRYING), LATER, {("message", ROOT)}, "by itself", double=SURE),
    Scenario("by another channel", pending(Status.RETRYING, channel="sms"), LATER, {("message", ROOT)}, "by sms",
             double=SURE),
    Scenario("it may still try", failed(F, may_reopen_until=later(minutes=20)), LATER, {ON_IT}, "20 min",
             when=later(minutes=20), double=POSSIBLE),
    Scenario("we cannot tell", pending(Status.OUTCOME_UNKNOWN, held_by="outcome_unknown"), CANNOT_KNOW,
             {("message", ROOT)}, "being checked", double=POSSIBLE),
    Scenario("a doubt about a retry", failed(F, held_by="outcome_unknown"), CANNOT_KNOW, {("message", ROOT), ON_IT},
             double=POSSIBLE),
    Scenario("being sent again", failed(F, held_by="open"), LATER, {("message", ROOT)}, "already"),
    Scenario("reported though not sent", failed(F, contradicted=True), CANNOT_KNOW, {("message", ROOT)}, "contradict",
             double=POSSIBLE),
    Scenario("no report came", pending(Status.UNKNOWN), CANNOT_KNOW, {("message", ROOT)}, "may have arrived",
             when=NOW, double=POSSIBLE),
    Scenario("an earlier try is unknown", failed(F, "system failure",
             tries=(Try(ROOT, Status.UNKNOWN, Failure.NO_REASON), Try(101, F, Failure.NETWORK))),
             LIKELY, {ON_IT}, when=NOW, double=POSSIBLE),
    Scenario("not confirmed", failed(F, "system failure", unconfirmed=True), LIKELY, {ON_IT}, when=NOW,
             double=POSSIBLE),
    # -- the number
    Scenario("a wrong number", failed(U), NO, {ON_IT}, "Another account hardly helps"),
    Scenario("unknown subscriber", failed(F, "DLR: UNKNOWN SUBSCRIBER"), NO, {ON_IT}, "wrong or dead"),
    Scenario("wrong, but reached since", failed(U, seen=SEEN_SINCE), LIKELY, {ON_IT, ("message", 200)}, "works",
             when=NOW),
    Scenario("wrong, but another account reached it", failed(U, seen=SEEN_BEFORE), CANNOT_KNOW,
             {ON_IT, ("message", 201)}, "Two reached it", when=NOW),
    Scenario("wrong, reached long ago", failed(U, seen=SEEN_LONG_AGO), NO, {ON_IT, ("message", 202)}),
    Scenario("wrong now, reached by itself before", failed(U, seen=SEEN_BY_ITSELF), NO, {ON_IT, ("message", 203)}),
    Scenario("call barred", failed(F, "Call barred"), UNLIKELY, {ON_IT}, "gives this phone no texts", when=NOW),
    Scenario("illegal subscriber", failed(U, "Illegal subscriber"), UNLIKELY, {ON_IT}, when=NOW),
    # -- the phone
    Scenario("the phone was off", failed(X), LATER, {ON_IT}, "off or out of reach"),
    Scenario("absent subscriber", failed(F, "error 27: Absent subscriber"), LATER, {ON_IT}, "off or out of reach"),
    Scenario("absent, though undeliverable", failed(U, "ABSENT_SUBSCRIBER"), LATER, {ON_IT}),
    Scenario("off, cooling", failed(X, cool_until=later(minutes=40)), LATER, {ON_IT}, when=later(minutes=40)),
    Scenario("off, and back", failed(X, seen=SEEN_SINCE), LIKELY, {ON_IT, ("message", 200)}, "back", when=NOW),
    Scenario("off, and back, cooling", failed(X, seen=SEEN_SINCE, cool_until=later(minutes=5)), LIKELY,
             {("message", 200)}, when=later(minutes=5)),
    Scenario("off, seen before only", failed(X, seen=SEEN_BEFORE), LATER, {ON_IT, ("message", 201)}),
    Scenario("off, such mostly arrive", failed(X, ways=ways(254, 410)), LIKELY, {ON_IT, ("n", 410)}, "mostly",
             when=NOW),
    Scenario("off, such seldom arrive", failed(X, ways=ways(1, 40)), UNLIKELY, {ON_IT, ("n", 40)}, "seldom", when=NOW),
    Scenario("off, too few to say", failed(X, ways=ways(9, 9)), LATER, {ON_IT, ("n", 9)}),
    Scenario("the phone is full", failed(F, "Memory capacity exceeded"), LATER, {ON_IT}, "no room"),
    Scenario("full, and texts again", failed(F, "memory full", seen=SEEN_SINCE), LIKELY, {("message", 200)}, when=NOW),
    # -- the text, the sender, a list
    Scenario("spam", failed(R, "Message blocked as SPAM"), NO, {ON_IT}, "Change the text"),
    Scenario("content of a failed one", failed(F, "content filtered"), NO, {ON_IT}, "the text was refused"),
    Scenario("the sender", failed(R, "Sender ID not approved"), NO, {ON_IT}, "another sender"),
    Scenario("rejected without a word", failed(R), NO, {ON_IT}, "nobody says why"),
    Scenario("REJECTD by a network", failed(F, "DLR: REJECTD"), UNLIKELY, {ON_IT}, "hardly pass", when=NOW),
    # -- our side
    Scenario("no money, another account", failed(F, "Insufficient balance"), LATER, {ON_IT}, "another account"),
    Scenario("no money, no other", failed(F, "Insufficient balance", ways=ways()[:1]), LATER, {ON_IT}, "no other"),
    Scenario("no money until", failed(F, "Insufficient balance", held_until=later(hours=1)), LATER, {ON_IT},
             when=later(hours=1)),
    Scenario("no route", failed(R, "No route to this operator"), LATER, {ON_IT}, "no way to this network"),
    Scenario("our key", failed(F, "Unauthorized: bad api key"), LATER, {ON_IT}, "did not let our account in"),
    Scenario("sends are stopped", failed(F, "system failure", held_until=later(minutes=30), held_why="No money."),
             LATER, {ON_IT}, "30 min", when=later(minutes=30)),
    Scenario("nothing left us", failed(F, not_sent=True), LIKELY, {("message", ROOT)}, "Nothing left us", when=NOW),
    # -- the network, or no reason
    Scenario("a fault of the network", failed(F, "SYSTEM FAILURE"), LIKELY, {ON_IT}, when=NOW),
    Scenario("throttled, cooling", failed(F, "THROTTLED", cool_until=later(minutes=3)), LIKELY, {ON_IT},
             when=later(minutes=3)),
    Scenario("a fault, such seldom arrive", failed(F, "timeout", ways=ways(1, 50)), UNLIKELY, {("n", 50)}, when=NOW),
    Scenario("no reason", failed(F), CANNOT_KNOW, {ON_IT, ("n", 0)}, "no reason", when=NOW),
    Scenario("no reason, mostly arrive", failed(F, ways=ways(6, 10)), LIKELY, {("n", 10)}, "mostly", when=NOW),
    Scenario("no reason, half and half", failed(F, ways=ways(4, 10)), CANNOT_KNOW, {("n", 10)}, when=NOW),
    Scenario("UNDELIV says no more", failed(F, "DLR: UNDELIV"), CANNOT_KNOW, {ON_IT}, when=NOW),
    Scenario("stopped", failed(Status.CANCELLED), CANNOT_KNOW, {ON_IT}, "by whom", when=NOW),
    # -- again and again
    Scenario("twice the same fault", failed(F, "timeout", tries=again(F, Failure.NETWORK, Failure.NETWORK)), UNLIKELY,
             {("message", ROOT), ON_IT}, "2 times", when=NOW),
    Scenario("three times off", failed(X, tries=again(X, *[Failure.PHONE] * 3)), UNLIKELY, {("message", 101)},
             "3 times", when=NOW),
    Scenario("three times off, and back", failed(X, tries=again(X, *[Failure.PHONE] * 3), seen=SEEN_SINCE), LIKELY,
             {("message", 200), ("message", 101)}, "back", when=NOW),
    Scenario("two tries, two reasons", failed(F, "timeout", tries=again(F, Failure.PHONE, Failure.NETWORK)), LIKELY,
             {ON_IT}, when=NOW),
]  # fmt: skip


def evidence(advice: Advice) -> set[tuple[str, int]]:
    named = {
        (kind, getattr(reason, kind))
        for reason in (*advice.reasons, advice.double_why)
        for kind in ("event", "message", "n")
    }
    return {(kind, number) for kind, number in named if number is not None}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_advice_and_what_it_rests_on(scenario: Scenario) -> None:
    advice = advise(facts(**scenario.given), NOW)
    said = " ".join([advice.headline, *(reason.text for reason in advice.reasons)])
    assert (advice.verdict, advice.when, advice.double) == (scenario.outlook, scenario.when, scenario.double), said
    assert scenario.evidence <= evidence(advice), said
    assert scenario.says in said
    assert advice.reasons, "no verdict without a reason"


def test_there_are_scenarios_enough_and_each_has_its_own_name() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 40
    assert {scenario.outlook for scenario in SCENARIOS} == set(Outlook)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_sentence_is_plain(scenario: Scenario) -> None:
    advice = advise(facts(**scenario.given), NOW)
    for sentence in (advice.headline, advice.double_why.text, *(reason.text for reason in advice.reasons)):
        assert sentence[0].isupper() or sentence[0].isdigit()
        assert sentence.endswith(".")
        assert ".." not in sentence
        assert "!" not in sentence


@pytest.mark.parametrize("status", list(Status))
def test_there_is_advice_for_every_status(status: Status) -> None:
    assert advise(facts(**failed(status)), NOW).headline


def test_below_ten_a_record_says_too_few_and_is_no_share() -> None:
    few, enough = Record(9, 9), Record(7, 10)
    assert (few.enough, enough.enough, enough.percent) == (False, True, 70)
    advice = advise(facts(**failed(F, ways=ways(9, 9))), NOW)
    assert any("too few" in reason.text and reason.n == 9 for reason in advice.reasons)


# ------------------------------------------------------------------------------ the accounts beside each other


def test_each_account_has_its_record_its_price_and_why_it_may_help() -> None:
    given = (
        Way(account="One", record=Record(3, 12), price=Price(Decimal("35"), "UGX"), own_retry=True),
        Way(account="Two", record=Record(1, 2), seen=Seen(200, ago(days=2), "Two")),
        Way(account="Three", why_not="switched off", seen=Seen(201, ago(days=2), "Three")),
        Way(account="Four"),
    )
    one, two, three, four = advise(facts(**failed(R, "sender not approved", ways=given)), NOW).rows
    assert (one.account, one.record.percent, one.why) == ("One", 25, "the provider’s own retry")
    assert one.price == Price(Decimal("35"), "UGX")
    assert (two.record.enough, two.why, two.message) == (False, "reached this number 2 days ago", 200)
    assert (three.why, three.message) == ("switched off", None)
    assert four.why == "may know the sender"


def test_another_account_is_not_offered_while_none_can_send() -> None:
    alone = (Way(account="One"), Way(account="Two", why_not="switched off"))
    advice = advise(facts(**failed(F, "insufficient balance", ways=alone)), NOW)
    assert "no other account" in advice.headline
