"""Why has it not arrived? Scripted cases: what is known, and the verdict that a support agent must read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING
from dashboard.domain.timeline import Fact, timeline
from dashboard.domain.verdict import NO_MORE, Verdict, verdict
from dashboard.domain.verdict_facts import Facts, Life, Line, Neighbours, Try, Usual, clock, lasting
from dashboard.domain.verdict_kinds import ARRIVED, SEND_AGAIN, Kind
from dashboard.domain.verdict_words import WORDS
from providers import PROVIDERS
from providers.base import Status

SENT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NAIROBI = ZoneInfo("Africa/Nairobi")
LINE = Line(provider="BSG", name="Main account")
QUICK = Usual(half=timedelta(seconds=6), most=timedelta(seconds=40), count=200, same_country=True)
SLOW = Usual(half=timedelta(hours=1), most=timedelta(hours=3), count=50, same_country=True)
WELL = Neighbours(sent=40, arrived=37, refused=0, silent=0, same_country=True, lately=True)
BADLY = replace(WELL, arrived=3)
OF_ACCOUNT = replace(BADLY, same_country=False)
MUTE = replace(WELL, arrived=0, silent=40)
ALL_REFUSED = replace(WELL, arrived=1, refused=38)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


def fact(after: timedelta, word: str, status: Status | None, **more: Any) -> Fact:
    """Something said `after` the send, heard one second later."""
    known: dict[str, Any] = {
        "note": "", "detail": "", "attempt": 0, "part": "", "by_provider": True, "at": SENT + after, "at_raw": "x",
        "zone": "stated", "received_at": SENT + after + SECOND, "sources": ("poll",), "count": 1, "evidence_id": None,
    }  # fmt: skip
    return Fact(word=word, status=status, **known | more)


def says(after: timedelta, status: Status, word: str = "", **more: Any) -> Fact:
    return fact(after, word or status.value, status, **more)


def ours(after: timedelta, status: Status, word: str, detail: str = "") -> Fact:
    return fact(after, word, status, detail=detail, by_provider=False, at=None, at_raw="", zone="")


def noted(after: timedelta, note: str, word: str, **more: Any) -> Fact:
    return fact(after, word, None, note=note, at=None, at_raw="", zone="", **more)


TOLD = ours(SECOND, Status.QUEUED, "registered")
TAKEN = says(2 * SECOND, Status.QUEUED, "accepted")
EN_ROUTE = says(4 * SECOND, Status.SENT)
ARRIVED_SOON = says(6 * SECOND, Status.DELIVERED)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is known, and what must come of it. The events are numbered from 1 as they stand in `story`."""

    name: str
    kind: Kind
    side: str
    sure: str
    on: str  # what the clauses stand on, in order
    now: str  # words of what to do now
    customer: str  # words of what the customer is told
    status: Status
    age: timedelta = HOUR
    story: Sequence[Fact] = ()
    line: Line = LINE
    more: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> Facts:
        numbered = [replace(fact, event_id=n) for n, fact in enumerate(self.story, start=1)]
        known: dict[str, Any] = {
            "now": SENT + self.age, "zone": NAIROBI, "pk": 7, "status": self.status, "line": self.line, "sent_at": SENT,
            "created_at": SENT, "deadline": SENT + 72 * HOUR, "story": timeline(numbered),
        }  # fmt: skip
        return Facts(**known | self.more)


def case(
    name: str, kind: Kind, side: str, sure: str, on: str, now: str, customer: str, status: Status,
    story: Sequence[Fact],
    *, age: timedelta = HOUR, line: Line = LINE, **more: Any,
) -> Case:  # fmt: skip
    return Case(
        name=name, kind=kind, side=side, sure=sure, on=on, now=now, customer=customer, status=status, story=story,
        age=age, line=line, more=more,
    )  # fmt: skip


S = Status
CASES = [
    # ---------------------------------------------------------------- it arrived
    case("delivered at once", Kind.DELIVERED, "handset", "certain", "event-3 fact-sent", "blocked senders",
         "delivered to your phone number at 12:00 EAT", S.DELIVERED, [TOLD, EN_ROUTE, ARRIVED_SOON], usual=QUICK),
    case("delivered, and only we know when we heard", Kind.DELIVERED, "handset", "certain", "event-1 fact-sent",
         "blocked",
         "delivered to your phone number", S.DELIVERED, [says(5 * HOUR, S.DELIVERED, at=None, zone="")], usual=QUICK,
         age=DAY),
    case("delivered before it was sent, by a clock that goes wrong", Kind.DELIVERED, "handset", "certain", "event-1",
         "blocked", "delivered", S.DELIVERED, [says(-HOUR, S.DELIVERED)], usual=QUICK),
    case("delivered three hours late", Kind.DELIVERED_LATE, "handset", "certain", "event-1 figure-usual",
         "Nothing more",
         "late at 15:00 EAT", S.DELIVERED, [says(3 * HOUR, S.DELIVERED)], usual=QUICK, age=4 * HOUR),
    case("three hours are usual on a slow road", Kind.DELIVERED, "handset", "certain", "event-1 fact-sent", "blocked",
         "delivered", S.DELIVERED, [says(3 * HOUR, S.DELIVERED)], usual=SLOW, age=4 * HOUR),
    case("late by webhook, and nothing known about the usual", Kind.DELIVERED_LATE, "handset", "certain", "event-1",
         "Nothing more", "late", S.DELIVERED,
         [says(2 * HOUR, S.DELIVERED, at=None, zone="", sources=("webhook",))], age=4 * HOUR),
    case("delivered after we had given up", Kind.DELIVERED_LATE, "handset", "certain", "event-2 event-1 figure-usual",
         "Nothing more", "late", S.DELIVERED,
         [ours(73 * HOUR, S.UNKNOWN, "deadline", "No report came by the deadline."), says(80 * HOUR, S.DELIVERED)],
         usual=QUICK, age=81 * HOUR),
    case("an unsigned report", Kind.DELIVERED_UNCONFIRMED, "handset", "likely", "event-1", "asked once more",
         "We have word", S.DELIVERED, [ARRIVED_SOON], unconfirmed=True),
    case("both delivered and failed", Kind.DELIVERED_DOUBTED, "cannot_know", "likely", "event-1 event-2",
         "Ask the person",
         "not all that we were told agrees", S.DELIVERED, [ARRIVED_SOON, says(MINUTE, S.FAILED)], conflict=True),
    case("two of three parts, the third failed", Kind.DELIVERED_PARTLY, "network", "certain",
         "event-1 event-2 event-3 fact-parts", "what they see", "Only a part", S.DELIVERED,
         [says(6 * SECOND, S.DELIVERED, part="1"), says(7 * SECOND, S.DELIVERED, part="2"),
          says(MINUTE, S.EXPIRED, part="3")], parts=3,
         conflict=True),
    case("two of three parts, a day later", Kind.DELIVERED_PARTLY, "network", "likely", "event-1 event-2 fact-parts",
         "what they see", "Only a part", S.DELIVERED,
         [says(6 * SECOND, S.DELIVERED, part="1"), says(7 * SECOND, S.DELIVERED, part="2")], parts=3, age=DAY),
    case("two of three parts so far", Kind.PARTS_COMING, "network", "likely", "event-1 event-2 fact-parts",
         "other parts",
         "comes in 3 parts", S.DELIVERED,
         [says(6 * SECOND, S.DELIVERED, part="1"), says(7 * SECOND, S.DELIVERED, part="2")], parts=3, age=20 * SECOND),
    case("all parts", Kind.DELIVERED, "handset", "certain", "event-2 fact-sent", "blocked", "delivered", S.DELIVERED,
         [says(6 * SECOND, S.DELIVERED, part="1"), says(7 * SECOND, S.DELIVERED, part="2")], parts=2),
    case("parts and a word about the whole", Kind.DELIVERED, "handset", "certain", "event-2 fact-sent", "blocked",
         "delivered", S.DELIVERED, [says(6 * SECOND, S.DELIVERED, part="1"), says(9 * SECOND, S.DELIVERED, "done")],
         parts=3),
    case("delivered in an app, not by SMS", Kind.DELIVERED_IN_APP, "handset", "certain", "event-1 event-2", "Viber",
         "in Viber on your phone", S.DELIVERED,
         [ARRIVED_SOON, noted(6 * SECOND, "channel", "viber: delivered", part="viber"),
          noted(6 * SECOND, "channel", "sms: not_used", part="sms")]),
    case("the app failed and SMS took it", Kind.DELIVERED, "handset", "certain", "event-1 fact-sent", "blocked",
         "delivered", S.DELIVERED,
         [ARRIVED_SOON, noted(6 * SECOND, "channel", "viber: undelivered", part="viber"),
          noted(6 * SECOND, "channel", "sms: delivered", part="sms")]),
    case("delivered though we noted that nothing was sent", Kind.DELIVERED_UNNOTED, "ours", "likely", "event-2 event-1",
         "Do not send it again", "delivered", S.DELIVERED,
         [ours(MINUTE, S.FAILED, "not_sent", "Not sent: the line broke."), says(2 * MINUTE, S.DELIVERED)],
         not_sent=True, reported=True, conflict=True),
    case("a report that came before its message", Kind.DELIVERED, "handset", "certain", "event-1 fact-sent kept",
         "blocked", "delivered", S.DELIVERED, [ARRIVED_SOON], waited=(SENT + 6 * SECOND, SENT + 20 * MINUTE)),
    case("delivered twice", Kind.DELIVERED, "handset", "certain", "event-1 fact-sent message-9", "blocked", "delivered",
         S.DELIVERED, [ARRIVED_SOON], tries=[Try(pk=9, status=S.DELIVERED)]),
    case("another try arrived", Kind.DELIVERED_BY_ANOTHER, "handset", "certain", "message-9 event-1", "message 9",
         "delivered to your phone number", S.EXPIRED, [says(HOUR, S.EXPIRED)],
         tries=[Try(pk=8, status=S.FAILED), Try(pk=9, status=S.DELIVERED)], age=2 * HOUR),
    case("not sent because the first try arrived", Kind.DELIVERED_BY_ANOTHER, "handset", "certain", "message-6 event-1",
         "message 6", "delivered", S.FAILED,
         [ours(MINUTE, S.FAILED, "not_sent", "It was delivered in the meantime; nothing was sent.")], not_sent=True,
         tries=[Try(pk=6, status=S.DELIVERED)]),
    # ---------------------------------------------------------------- our own sending
    case("about to be sent", Kind.NOT_SENT_YET, "ours", "certain", "event-1", "follows by itself", "about to be sent",
         S.CREATED, [ours(SECOND, S.CREATED, "asked to send again", "she called")], age=5 * SECOND),
    case("nobody takes it up", Kind.HELD_BACK, "ours", "certain", "event-1 fact-sent", "worker", "not been sent yet",
         S.CREATED, [ours(SECOND, S.CREATED, "asked to send again", "she called")], age=20 * MINUTE),
    case("about to be sent through an account that is off", Kind.HELD_BACK, "ours", "certain", "event-1 fact-account",
         "switched on", "not been sent yet", S.CREATED, [ours(SECOND, S.CREATED, "asked to send again", "she called")],
         age=5 * SECOND, line=replace(LINE, enabled=False)),
    case("no money to send with", Kind.HELD_BACK, "ours", "certain", "event-1 fact-account", "needs money",
         "not been sent yet", S.CREATED, [ours(SECOND, S.CREATED, "asked to send again", "she called")],
         age=5 * SECOND, line=replace(LINE, no_sends="Insufficient balance.")),
    case("on the wire", Kind.BEING_SENT, "ours", "certain", "event-1", "follows by itself", "being sent", S.SENDING,
         [ours(SECOND, S.SENDING, "sending")], age=5 * SECOND),
    case("no answer to our own send", Kind.SENT_OR_NOT, "cannot_know", "certain", "event-1", "Do not send it again",
         "checking whether", S.OUTCOME_UNKNOWN,
         [ours(SECOND, S.OUTCOME_UNKNOWN, "outcome unknown", "The answer did not come in time.")], age=MINUTE),
    case("no answer, and reports nobody can place", Kind.SENT_OR_NOT, "cannot_know", "certain", "event-1 fact-account",
         "Do not send it again", "checking whether", S.OUTCOME_UNKNOWN,
         [ours(SECOND, S.OUTCOME_UNKNOWN, "outcome unknown", "The answer did not come in time.")], strays=True),
    case("nothing left us", Kind.NOT_SENT, "ours", "certain", "event-1", "Send it again", "not been sent", S.FAILED,
         [ours(SECOND, S.FAILED, "not_sent", "Not sent: the provider cannot be reached.")], not_sent=True),
    case("nothing left us, and it still could not", Kind.NOT_SENT, "ours", "certain", "event-1 fact-account",
         "Send it again", "not been sent", S.FAILED, [ours(SECOND, S.FAILED, "not_sent", "Not sent: refused.")],
         not_sent=True, line=replace(LINE, trouble="unreachable")),
    case("nothing left us, yet the provider reports", Kind.NOT_SENT_BUT_HEARD_OF, "cannot_know", "certain",
         "event-1 event-2", "Do not send it again", "cannot tell", S.SENT,
         [ours(SECOND, S.FAILED, "not_sent", "Not sent."), EN_ROUTE], not_sent=True, reported=True, conflict=True),
    case("the provider took nothing, because of the sender", Kind.SENDER_REFUSED, "ours", "likely", "event-1",
         "same sender", "refused on the way", S.FAILED,
         [says(SECOND, S.FAILED, "refused", detail="Sender not allowed.", sources=("send",))]),
    case("the provider took nothing", Kind.NOT_TAKEN, "provider", "certain", "event-1", "another account",
         "not been sent",
         S.FAILED, [says(SECOND, S.FAILED, "refused", detail="Error 9.", sources=("send",))]),
    # ---------------------------------------------------------------- sent again since
    case("failed, and about to go again", Kind.AGAIN_SOON, "ours", "certain", "event-1 message-9", "goes out by itself",
         "sending it again", S.FAILED, [says(MINUTE, S.FAILED)], tries=[Try(pk=9, status=S.CREATED)]),
    case("expired, and the new try is on its way", Kind.AGAIN_ON_ITS_WAY, "network", "certain", "event-1 message-9",
         "message 9", "sent it again", S.EXPIRED, [says(MINUTE, S.EXPIRED)], tries=[Try(pk=9, status=S.SENT)]),
    case("unknown, and the new try is on its way", Kind.AGAIN_ON_ITS_WAY, "network", "certain", "event-1 message-9",
         "message 9", "could not tell whether your message reached you, so we have sent it again", S.UNKNOWN,
         [ours(73 * HOUR, S.UNKNOWN, "deadline", "No report came.")], age=80 * HOUR,
         tries=[Try(pk=9, status=S.QUEUED)]),
    case("failed, and nobody knows of the new try", Kind.AGAIN_SENT_OR_NOT, "cannot_know", "certain",
         "event-1 message-9", "Do not send it once more", "check your messages", S.FAILED, [says(MINUTE, S.FAILED)],
         tries=[Try(pk=9, status=S.OUTCOME_UNKNOWN)]),
    case("the provider is asked to try the same message again", Kind.AGAIN_SOON, "ours", "certain", "event-1 again",
         "goes out by itself", "sending it again", S.FAILED, [says(MINUTE, S.FAILED)], held="open"),
    case("the provider took it to try again", Kind.AGAIN_ON_ITS_WAY, "network", "certain", "event-1 again",
         "the new try", "sent it again", S.FAILED, [says(MINUTE, S.FAILED)], held="accepted"),
    case("the provider did not answer the wish", Kind.AGAIN_SENT_OR_NOT, "cannot_know", "certain", "event-1 again",
         "Do not send it once more", "check your messages", S.FAILED, [says(MINUTE, S.FAILED)], held="outcome_unknown"),
    # ---------------------------------------------------------------- on its way
    case("planned for later", Kind.NOT_DUE, "ours", "certain", "fact-sent", "until then", "sent at 12:00 EAT", S.QUEUED,
         [TOLD], age=-HOUR),
    case("an old send told just now", Kind.JUST_TOLD, "cannot_know", "certain", "fact-sent event-1", "minute",
         "on its way", S.QUEUED, [TOLD], created_at=SENT + HOUR - SECOND),
    case("ten seconds old", Kind.TOO_EARLY, "network", "likely", "fact-sent event-2 figure-usual",
         "Wait until 12:02 EAT",
         "sent 10 seconds ago", S.SENT, [TOLD, EN_ROUTE], age=10 * SECOND, usual=QUICK),
    case("two hours are nothing on a slow road", Kind.TOO_EARLY, "network", "likely", "fact-sent event-1 figure-usual",
         "Wait until 15:00 EAT", "It can take up to 3 hours", S.SENT, [EN_ROUTE], age=2 * HOUR, usual=SLOW),
    case("accepted, an hour ago", Kind.HELD_BY_PROVIDER, "provider", "likely",
         "event-2 fact-sent figure-usual figure-neighbours",
         "Raise it with BSG", "delayed", S.QUEUED, [TOLD, TAKEN], usual=QUICK, neighbours=WELL),
    case("accepted, ten minutes ago", Kind.HELD_BY_PROVIDER, "provider", "likely", "event-1 fact-sent figure-usual",
         "Wait until 15:00 EAT; then raise it with BSG", "delayed", S.QUEUED, [TAKEN],
         usual=replace(QUICK, most=45 * MINUTE)),
    case("accepted, like many others", Kind.TROUBLE_OF_MANY, "network", "likely",
         "event-2 fact-sent figure-neighbours figure-usual fact-deadline", "tell operations", "many phones", S.QUEUED,
         [TOLD, TAKEN], usual=QUICK, neighbours=BADLY),
    case("handed to a gateway, an hour ago", Kind.AT_GATEWAY, "provider", "guess", "event-1 fact-sent",
         "Raise it with BSG",
         "delayed", S.SUBMITTED, [says(3 * SECOND, S.SUBMITTED, "sending")]),
    case("the network has it, others arrive", Kind.PHONE_OFF, "handset", "likely",
         "event-2 fact-sent figure-neighbours figure-usual fact-valid-until message-5", "switch the phone on",
         "tried until 12:00 EAT on Saturday", S.SENT, [TOLD, EN_ROUTE], usual=QUICK, neighbours=WELL,
         valid_until=SENT + DAY, life=Life(message=5, reached_at=SENT - DAY, failed_since=1)),
    case("the network has it, others arrive, this number has not for long", Kind.PHONE_OFF, "handset", "likely",
         "event-1 fact-sent figure-neighbours fact-deadline recipient", "switch the phone on", "waiting for your phone",
         S.SENT, [EN_ROUTE], neighbours=WELL, life=Life(failed_since=4)),
    case("the network has it, others do not arrive", Kind.TROUBLE_OF_MANY, "network", "likely",
         "event-1 fact-sent figure-neighbours fact-deadline", "not this phone", "many phones", S.SENT, [EN_ROUTE],
         neighbours=BADLY),
    case("others of the account do not arrive, the country is not known", Kind.TROUBLE_OF_MANY, "provider", "guess",
         "event-1 fact-sent figure-neighbours fact-deadline", "not this phone", "many phones", S.SENT, [EN_ROUTE],
         neighbours=OF_ACCOUNT),
    case("the network has it, six of ten arrive", Kind.STILL_TRYING, "cannot_know", "guess",
         "event-1 fact-sent figure-neighbours fact-valid-until", "phone is on", "tried until 18:00 EAT", S.SENT,
         [EN_ROUTE],
         neighbours=replace(WELL, arrived=24), valid_until=SENT + 6 * HOUR),
    case("the network has it, and nothing else is known", Kind.STILL_TRYING, "cannot_know", "guess",
         "event-1 fact-sent fact-deadline", "Otherwise wait until 12:00 EAT on Monday", "can still arrive", S.SENT,
         [EN_ROUTE]),
    case("an account in trouble whose reports still come", Kind.STILL_TRYING, "cannot_know", "guess",
         "event-1 fact-sent fact-deadline", "phone is on", "can still arrive", S.SENT, [EN_ROUTE],
         line=replace(LINE, trouble="throttled", reports_lately=True)),
    case("the provider tries again", Kind.PROVIDER_TRIES_AGAIN, "network", "likely", "event-2 event-1",
         "two texts of one",
         "tried again", S.RETRYING, [says(MINUTE, S.FAILED), says(2 * MINUTE, S.RETRYING, attempt=1)]),
    case("the provider goes on by another channel", Kind.PROVIDER_TRIES_AGAIN, "network", "likely", "event-1",
         "two texts of one", "tried again", S.RETRYING, [says(MINUTE, S.RETRYING, "undelivered", part="sms")]),
    case("its time is over and nobody says anything", Kind.TIME_RAN_OUT, "cannot_know", "certain",
         "fact-valid-until event-1 figure-neighbours", "Ask the person", "cannot tell", S.SENT, [EN_ROUTE],
         age=5 * HOUR, valid_until=SENT + HOUR, deadline=SENT + 25 * HOUR, neighbours=WELL),
    case("its time is over and nothing was ever said", Kind.TIME_RAN_OUT, "cannot_know", "certain",
         "fact-valid-until story", "until 13:00 EAT on Saturday", "cannot tell", S.QUEUED, [TOLD], age=5 * HOUR,
         valid_until=SENT + HOUR, deadline=SENT + 25 * HOUR),
    case("its minute is over before anybody would worry", Kind.TIME_RAN_OUT, "cannot_know", "certain",
         "fact-valid-until event-1", "Ask the person", "cannot tell", S.SENT, [EN_ROUTE], age=90 * SECOND,
         valid_until=SENT + MINUTE),
    case("our key is refused", Kind.CANNOT_ASK, "ours", "certain", "fact-account fact-sent story", "new credentials",
         "no confirmation yet", S.QUEUED, [TOLD],
         line=replace(LINE, trouble="credentials", complaint="Invalid key.", until=SENT + 2 * HOUR)),
    case("the account is off", Kind.CANNOT_ASK, "ours", "certain", "fact-account fact-sent event-1", "switched on",
         "no confirmation yet", S.SENT, [EN_ROUTE], line=replace(LINE, enabled=False)),
    case("there are no credentials", Kind.CANNOT_ASK, "ours", "certain", "fact-account fact-sent event-1",
         "needs its credentials", "no confirmation yet", S.SENT, [EN_ROUTE], line=replace(LINE, has_credentials=False)),
    case("asked to slow down", Kind.CANNOT_ASK, "provider", "certain", "fact-account fact-sent event-1", "too often",
         "no confirmation yet", S.SENT, [EN_ROUTE], line=replace(LINE, trouble="throttled")),
    case("the provider cannot be reached", Kind.CANNOT_ASK, "provider", "certain", "fact-account fact-sent event-1",
         "cannot be reached", "no confirmation yet", S.SENT, [EN_ROUTE], line=replace(LINE, trouble="unreachable")),
    case("trouble of a kind we have no words for", Kind.CANNOT_ASK, "provider", "certain",
         "fact-account fact-sent event-1", "refuses our requests", "no confirmation yet", S.SENT, [EN_ROUTE],
         line=replace(LINE, trouble="new")),
    case("our worker has stopped", Kind.NOBODY_ASKS, "ours", "likely", "asked fact-sent event-1", "40 minutes",
         "no confirmation yet", S.SENT, [EN_ROUTE], due_at=SENT + 20 * MINUTE),
    case("a word that no table lists", Kind.ODD_WORD, "cannot_know", "certain", "event-2 fact-sent", "what it means",
         "no confirmation yet", S.SENT, [EN_ROUTE, noted(MINUTE, "unmapped", "quarantined")]),
    case("a word that no table lists, and then delivered", Kind.DELIVERED, "handset", "certain", "event-2 fact-sent",
         "blocked", "delivered", S.DELIVERED, [noted(3 * SECOND, "unmapped", "quarantined"), ARRIVED_SOON]),
    case("a word that no table lists, after it failed", Kind.FAILED, "cannot_know", "certain", "event-1 event-2",
         "Send it again", "did not reach", S.FAILED, [says(MINUTE, S.FAILED), noted(HOUR, "unmapped", "odd")]),
    case("the provider does not know it", Kind.NOT_KNOWN_THERE, "cannot_know", "guess", "event-2 fact-sent",
         "right id and account", "no confirmation yet", S.QUEUED, [TOLD, noted(MINUTE, "not_found", "not found")]),
    case("the provider did not know it at first", Kind.STILL_TRYING, "cannot_know", "guess",
         "event-2 fact-sent fact-deadline", "phone is on", "can still arrive", S.SENT,
         [noted(SECOND, "not_found", "not found"), EN_ROUTE]),
    case("no reports arrive at all", Kind.NO_REPORTS, "provider", "likely", "figure-neighbours story asked fact-sent",
         "reports can reach us", "no confirmation yet", S.QUEUED, [TOLD], neighbours=MUTE, asked_at=SENT + MINUTE),
    case("not a word about this one alone", Kind.NOT_A_WORD, "provider", "guess",
         "story fact-sent figure-usual figure-neighbours", "Check now", "no confirmation yet", S.QUEUED, [TOLD],
         usual=QUICK, neighbours=WELL),
    case("the provider has not named it", Kind.NOT_NAMED, "provider", "certain", "story fact-sent", "until the message",
         "no confirmation yet", S.QUEUED, [TOLD], can_be_asked=False),
    # ---------------------------------------------------------------- nobody knows
    case("the provider does not know what became of it", Kind.PROVIDER_UNSURE, "cannot_know", "certain",
         "event-2 figure-neighbours message-5", "Ask the person", "cannot tell", S.UNKNOWN,
         [EN_ROUTE, says(HOUR, S.UNKNOWN)], neighbours=WELL, life=Life(message=5, reached_at=SENT)),
    case("no report by the deadline", Kind.NO_REPORT, "cannot_know", "certain", "event-2 event-1", "may have arrived",
         "cannot tell", S.UNKNOWN, [EN_ROUTE, ours(73 * HOUR, S.UNKNOWN, "deadline", "No report came.")],
         age=80 * HOUR),
    case("never a word by the deadline, and we could not ask", Kind.NO_REPORT, "cannot_know", "certain",
         "event-2 story figure-neighbours fact-account", "may have arrived", "cannot tell", S.UNKNOWN,
         [TOLD, ours(73 * HOUR, S.UNKNOWN, "deadline", "No report came.")], age=80 * HOUR, neighbours=MUTE,
         line=replace(LINE, trouble="credentials")),
    # ---------------------------------------------------------------- it did not arrive
    case("expired while others arrived", Kind.PHONE_WAS_OFF, "handset", "likely",
         "event-2 fact-valid-until figure-neighbours recipient", "phone is on", "off or had no signal", S.EXPIRED,
         [EN_ROUTE, says(DAY, S.EXPIRED)], age=2 * DAY, valid_until=SENT + DAY, neighbours=WELL,
         life=Life(failed_since=3)),
    case("expired, and nothing else is known", Kind.PHONE_WAS_OFF, "handset", "likely", "event-1", "phone is on",
         "off or had no signal", S.EXPIRED, [says(DAY, S.EXPIRED)], age=2 * DAY),
    case("expired with many others", Kind.LOST_WITH_MANY, "network", "likely", "event-1 figure-neighbours",
         "once others arrive", "many phones", S.EXPIRED, [says(DAY, S.EXPIRED)], age=2 * DAY, neighbours=BADLY),
    case("expired after five minutes", Kind.TOO_LITTLE_TIME, "ours", "likely", "event-1 fact-valid-until", "more time",
         "not in reach", S.EXPIRED, [says(6 * MINUTE, S.EXPIRED)], valid_until=SENT + 5 * MINUTE),
    case("expired by an unsigned report", Kind.PHONE_WAS_OFF, "handset", "likely", "event-1", "Wait a minute",
         "off or had no signal", S.EXPIRED, [says(DAY, S.EXPIRED)], age=2 * DAY, unconfirmed=True),
    case("expired, and the person wants no texts", Kind.PHONE_WAS_OFF, "handset", "likely", "event-1",
         "asked not to be texted", "where it has signal.", S.EXPIRED, [says(DAY, S.EXPIRED)], age=2 * DAY,
         opted_out=True),
    case("a wrong number", Kind.BAD_NUMBER, "handset", "likely", "event-1", "Check the number", "number is right",
         S.UNDELIVERABLE, [says(MINUTE, S.UNDELIVERABLE)]),
    case("a number that never worked", Kind.BAD_NUMBER, "handset", "likely", "event-1 recipient", "hardly help",
         "number is right", S.UNDELIVERABLE, [says(MINUTE, S.UNDELIVERABLE)], life=Life(failed_since=5)),
    case("called wrong, though a text arrived yesterday", Kind.GOOD_NUMBER_REFUSED, "network", "likely",
         "event-1 message-5", "another account", "looks right to us", S.UNDELIVERABLE, [says(MINUTE, S.UNDELIVERABLE)],
         life=Life(message=5, reached_at=SENT - DAY)),
    case("called wrong, and the last text arrived in spring", Kind.BAD_NUMBER, "handset", "likely", "event-1",
         "Check the number", "number is right", S.UNDELIVERABLE, [says(MINUTE, S.UNDELIVERABLE)],
         life=Life(message=5, reached_at=SENT - 200 * DAY)),
    case("rejected", Kind.REFUSED, "provider", "likely", "event-1 figure-neighbours", "change the sender",
         "refused on the way", S.REJECTED, [says(MINUTE, S.REJECTED, detail="Denied.")], neighbours=WELL),
    case("rejected with nearly all others", Kind.REFUSED_WITH_MANY, "ours", "guess", "event-1 figure-neighbours",
         "which sender", "refused on the way", S.REJECTED, [says(MINUTE, S.REJECTED)], neighbours=ALL_REFUSED),
    case("stopped at the provider", Kind.STOPPED, "provider", "certain", "event-1", "who stopped it", "was stopped",
         S.CANCELLED, [says(MINUTE, S.CANCELLED, "deleted")]),
    case("failed, and the provider may try again", Kind.MAY_BE_TRIED_AGAIN, "provider", "likely", "event-1 story",
         "Wait until 13:30 EAT", "may be tried again", S.FAILED, [says(MINUTE, S.FAILED)],
         reopens_until=SENT + 90 * MINUTE),
    case("failed, and the time to try again is over", Kind.FAILED, "cannot_know", "certain", "event-1", "Send it again",
         "did not reach", S.FAILED, [says(MINUTE, S.FAILED)], reopens_until=SENT + 30 * MINUTE),
    case("failed, with a reason we have no words for", Kind.FAILED, "provider", "certain", "event-1", "Send it again",
         "did not reach", S.FAILED, [says(MINUTE, S.FAILED, detail="Error 1139.")]),
    case("failed, with a reason of many words", Kind.FAILED, "provider", "certain", "event-1", "Send it again",
         "did not reach", S.FAILED, [says(MINUTE, S.FAILED, detail="Error 1139 " * 9)]),
    case("failed through a fault that passes", Kind.NETWORK_FAULT, "network", "likely", "event-1", "in a while",
         "fault in a mobile network", S.FAILED, [says(MINUTE, S.FAILED, detail="THROTTLED")]),
    case("failed since the phone was away", Kind.PHONE_WAS_OFF, "handset", "likely", "event-1", "phone is on",
         "off or had no signal", S.FAILED, [says(MINUTE, S.FAILED, detail="Absent subscriber")]),
    case("failed since the number is wrong", Kind.BAD_NUMBER, "handset", "likely", "event-1", "Check the number",
         "number is right", S.FAILED, [says(MINUTE, S.FAILED, detail="Unknown subscriber")]),
    case("on a list that wants no texts", Kind.WANTS_NONE, "handset", "likely", "event-1", "Do not send it again",
         "would like to get them", S.REJECTED, [says(MINUTE, S.REJECTED, detail="Blacklisted")]),
    case("the words were refused", Kind.WORDS_REFUSED, "ours", "likely", "event-1", "change the words",
         "refused on the way", S.REJECTED, [says(MINUTE, S.REJECTED, detail="Spam detected")]),
    case("there was no money", Kind.NO_MONEY, "ours", "likely", "event-1", "needs money", "not been sent", S.FAILED,
         [says(MINUTE, S.FAILED, detail="Insufficient balance")]),
    case("our key was not accepted", Kind.NO_ACCESS, "ours", "likely", "event-1", "look at the account",
         "not been sent", S.FAILED, [says(MINUTE, S.FAILED, detail="Account suspended")]),
    case("no way to this network", Kind.NO_WAY_THERE, "ours", "likely", "event-1", "through another account",
         "could not reach your network", S.REJECTED, [says(MINUTE, S.REJECTED, detail="No route")]),
    case("the network gives this phone no texts", Kind.BARRED, "handset", "likely", "event-1", "their network",
         "switch that on", S.UNDELIVERABLE, [says(MINUTE, S.UNDELIVERABLE, detail="Call barred")]),
    case("the phone is full", Kind.PHONE_FULL, "handset", "likely", "event-1", "made room", "delete some", S.FAILED,
         [says(MINUTE, S.FAILED, detail="Memory capacity exceeded")]),
    case("the telling reason came with another word", Kind.PHONE_FULL, "handset", "likely", "event-2 event-1",
         "made room", "delete some", S.UNDELIVERABLE,
         [says(MINUTE, S.FAILED, detail="Memory full"), says(2 * MINUTE, S.UNDELIVERABLE)]),
    case("failed with many others", Kind.LOST_WITH_MANY, "network", "likely", "event-1 figure-neighbours",
         "Tell operations", "many phones", S.FAILED, [says(MINUTE, S.FAILED)], neighbours=BADLY),
    case("failed, three times in all", Kind.FAILED, "cannot_know", "certain", "event-1 again", "Send it again",
         "did not reach", S.FAILED, [says(MINUTE, S.FAILED)],
         tries=[Try(pk=5, status=S.EXPIRED), Try(pk=6, status=S.FAILED)]),
    case("failed by an unsigned report", Kind.FAILED, "cannot_know", "likely", "event-1", "asked once more",
         "did not reach", S.FAILED, [says(MINUTE, S.FAILED)], unconfirmed=True),
]  # fmt: skip
IDS = [case.name for case in CASES]
TRADE = re.compile(
    r"\b(provider|operator|carrier|gateway|account|route|report(s|ed)?|status|webhook|api|dlr|queue[d]?|submitted|poll|"
    r"credentials?|msisdn|handset|validity|deadline|token|id|worker|administrator|operations|smsc|registered)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_verdict(case: Case) -> None:
    found = verdict(case.facts())
    assert (found.kind, found.side, found.sure) == (case.kind, case.side, case.sure)
    assert " ".join(clause.on for clause in found.because) == case.on
    assert case.now in found.now
    assert case.customer in found.customer


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_verdict_is_plain_complete_and_names_nobody_to_the_customer(case: Case) -> None:
    found = verdict(case.facts())
    assert found.because, "a verdict without a reason"
    for text in (found.sentence, found.customer, found.now, *(clause.text for clause in found.because)):
        assert re.search(r"[.”?]$", text), text
        assert not re.search(r"[{}!]|None(?! of)|\.\.|\s\s|-\d", text), text
        assert not re.search(r"(delivered to|read by|reached) the (person|customer|user)", text, re.IGNORECASE)
    names = [LINE.name, *(provider.label for provider in PROVIDERS.values())]
    assert not [name for name in names if name.lower() in found.customer.lower()]
    assert not TRADE.search(found.customer), found.customer


def test_the_channel_by_which_a_provider_goes_on_is_named_and_is_no_part_of_the_text() -> None:
    found = verdict(next(case for case in CASES if case.name == "the provider goes on by another channel").facts())
    assert found.sentence == "One try failed, and BSG is trying again by itself, by sms."
    assert "part" not in found.because[0].text


def test_nothing_is_promised_to_who_asked_not_to_be_texted() -> None:
    for case in CASES:
        found = verdict(replace(case.facts(), opted_out=True))
        assert "send it again" not in found.customer
        assert not re.search(r"(?<!not )(?<!Only then )\bsend it again", found.now, re.IGNORECASE)
        assert (found.now == NO_MORE) == (found.kind in SEND_AGAIN)


def test_there_are_enough_cases_and_every_verdict_has_one() -> None:
    assert len(CASES) >= 60
    assert len(set(IDS)) == len(IDS)
    assert {case.kind for case in CASES} == set(Kind) == set(WORDS)


def test_the_customers_words_are_filled_with_nothing_of_the_trade() -> None:
    for words in WORDS.values():
        assert {name for _, name, _, _ in Formatter().parse(words.customer)} <= {
            None, "at", "age", "until", "parts", "channel", "hope", "takes", "told", "again", "not_arrived"
        }  # fmt: skip


# ------------------------------------------------------------------------------ whatever is known


statuses = st.sampled_from([*Status])
said = st.builds(
    lambda status, minutes, part, stated: says(
        minutes * MINUTE, status, part=part, zone="stated" if stated else "", sources=("webhook",)
    ),
    statuses, st.integers(0, 300), st.sampled_from(["", "", "1", "2"]), st.booleans(),
)  # fmt: skip
anything = st.fixed_dictionaries(
    {
        "age": st.integers(-10, 10_000).map(lambda n: n * MINUTE),
        "usual": st.sampled_from([None, QUICK, SLOW]),
        "neighbours": st.sampled_from([None, WELL, BADLY, OF_ACCOUNT, MUTE, ALL_REFUSED]),
        "line": st.sampled_from([LINE, replace(LINE, enabled=False), replace(LINE, trouble="throttled")]),
        "parts": st.sampled_from([None, 1, 3]),
        "tries": st.lists(statuses.filter(lambda s: s is not S.DELIVERED), max_size=2),
        "life": st.sampled_from([Life(), Life(message=5, reached_at=SENT), Life(failed_since=4)]),
        "unconfirmed": st.booleans(),
        "can_be_asked": st.booleans(),
        "held": st.sampled_from(["", "open", "accepted", "outcome_unknown"]),
    }
)


def judged(status: Status, story: Sequence[Fact], known: dict[str, Any]) -> Verdict:
    tries = [Try(pk=20 + n, status=status) for n, status in enumerate(known["tries"])]
    more = {name: value for name, value in known.items() if name not in ("age", "line", "tries")}
    given_case = case("", Kind.FAILED, "", "", "", "", "", status, story, age=known["age"], line=known["line"],
                      tries=tries, **more)  # fmt: skip
    return verdict(given_case.facts())


@given(status=statuses, story=st.lists(said, max_size=5), known=anything)
def test_there_is_a_verdict_for_everything(status: Status, story: list[Fact], known: dict[str, Any]) -> None:
    found = judged(status, story, known)
    assert found.sentence
    assert not re.search(r"[{}]", found.sentence + found.customer + found.now)
    assert judged(status, story, known) == found


@given(
    status=statuses.filter(lambda s: s is not S.DELIVERED),
    story=st.lists(said.filter(lambda fact: fact.status is not S.DELIVERED), max_size=5),
    known=anything,
)
def test_no_word_but_delivered_makes_it_delivered(status: Status, story: list[Fact], known: dict[str, Any]) -> None:
    found = judged(status, story, known)
    assert found.kind not in ARRIVED
    assert not re.match(r"(Delivered|It arrived|The text arrived)", found.sentence)
    assert not re.search(r"(was|were|been) delivered|reached your phone number(?! late)", found.customer)


@given(story=st.lists(said, max_size=5), known=anything, status=st.sampled_from([*NEGATIVE_FINALS, *PENDING]))
def test_every_clause_about_an_event_names_one_of_its_events(
    status: Status, story: list[Fact], known: dict[str, Any]
) -> None:
    numbers = {f"event-{n}" for n in range(1, len(story) + 1)}
    named = {clause.on for clause in judged(status, story, known).because if clause.on.startswith("event-")}
    assert named <= numbers


# ------------------------------------------------------------------------------ figures and times


def test_below_ten_nothing_is_said_about_the_usual_or_the_others() -> None:
    assert Usual.of([SECOND] * 9, same_country=True) is None
    assert Neighbours.of([(S.DELIVERED, True)] * 9, same_country=True, lately=True) is None
    assert Neighbours.of([(S.DELIVERED, True)] * 10, same_country=True, lately=True) is not None


def test_the_usual_is_the_half_and_nine_of_ten() -> None:
    found = Usual.of([n * SECOND for n in range(100, 0, -1)], same_country=False)
    assert found is not None
    assert (found.half, found.most, found.count) == (50 * SECOND, 90 * SECOND, 100)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (0.4 * SECOND, "less than a second"), (SECOND, "1 second"), (61 * SECOND, "1 minute"), (59 * MINUTE,
        "59 minutes"),
        (90 * MINUTE, "1 hour"), (47 * HOUR, "1 day"), (20 * DAY, "20 days"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_one_unit(delta: timedelta, words: str) -> None:
    assert lasting(delta) == words


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (timedelta(0), "at 12:00 EAT"), (DAY, "at 12:00 EAT on Saturday"), (-2 * DAY, "at 12:00 EAT on Wednesday"),
        (8 * DAY, "at 12:00 EAT on 28 November"), (-400 * DAY, "at 12:00 EAT on 16 October 2025"),
    ],
)  # fmt: skip
def test_a_time_has_its_zone_and_its_day_where_it_is_not_today(after: timedelta, words: str) -> None:
    assert clock(SENT + after, SENT, NAIROBI) == words


def test_words_in_another_script_cannot_turn_the_sentence_around() -> None:
    found = verdict(case("", Kind.FAILED, "", "", "", "", "", S.FAILED, [says(MINUTE, S.FAILED, detail="رُفض")]).facts())
    assert "“\u2068رُفض\u2069”." in found.sentence
    assert "\u2068" not in found.customer


def test_a_zone_without_letters_is_named_by_its_distance() -> None:
    assert clock(SENT, SENT, ZoneInfo("Asia/Tashkent")) == "at 14:00 UTC+05"
