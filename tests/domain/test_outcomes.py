"""What a request to send came to: every row of the table, and what may be done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.domain.outcomes import (
    YOUNG,
    Missing,
    Outcome,
    Ways,
    found_in,
    look_at,
    outcome_of,
    repeat_at,
    ways_of,
)
from providers import PROVIDERS
from providers.base import ErrorCode, ProviderError, Reply, Report, Status, http_error

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ACCEPTED, NOT_SENT, REFUSED, UNKNOWN = Outcome.ACCEPTED, Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN


# ------------------------------------------------------------------------------ the classes


def failed(code: ErrorCode, status: int | None = None, **more: Any) -> ProviderError:
    return ProviderError(code, "No.", status=status, **more)


WITHOUT_AN_ANSWER = [
    ("the name is not found", failed("unreachable", written=False), NOT_SENT),
    ("a certificate is wrong", failed("unreachable", written=False), NOT_SENT),
    ("no connection is free", failed("unreachable", written=False), NOT_SENT),
    ("the account was paused meanwhile", failed("throttled", written=False, retry_after=60), NOT_SENT),
    ("a credential is missing", failed("credentials", written=False), NOT_SENT),
    ("we refuse it ourselves", failed("invalid", written=False), REFUSED),
    ("a time out after writing", failed("unreachable"), UNKNOWN),
    ("the connection broke", failed("unreachable"), UNKNOWN),
    ("an answer that broke off", failed("unparseable"), UNKNOWN),
]
BY_STATUS = {
    301: REFUSED, 302: REFUSED, 307: REFUSED,
    400: REFUSED, 401: REFUSED, 402: REFUSED, 403: REFUSED, 404: REFUSED, 405: REFUSED, 410: REFUSED, 413: REFUSED,
    415: REFUSED, 422: REFUSED, 501: REFUSED,
    408: UNKNOWN, 409: UNKNOWN, 425: UNKNOWN,
    429: NOT_SENT,
    500: UNKNOWN, 502: UNKNOWN, 503: UNKNOWN, 504: UNKNOWN, 507: UNKNOWN, 599: UNKNOWN,
}  # fmt: skip
BY_BODY = [
    ("a readable yes without an id", failed("unparseable", 200), UNKNOWN),
    ("a page instead of JSON", failed("unparseable", 200), UNKNOWN),
    ("the provider's own error inside a 200", failed("refused", 200, provider_code="25"), REFUSED),
    ("no money inside a 200", failed("balance", 200), REFUSED),
    ("its own code for too many at a time", failed("throttled", 200, provider_code="11"), NOT_SENT),
    ("its own code for an unknown trouble", failed("unreachable", 200, provider_code="5"), UNKNOWN),
    ("it has our reference already", failed("duplicate", 409, provider_code="23"), ACCEPTED),
    ("a 409 with its own reason", failed("refused", 409, provider_code="not_retryable"), REFUSED),
]


@pytest.mark.parametrize(
    ("error", "outcome"), [row[1:] for row in WITHOUT_AN_ANSWER], ids=[r[0] for r in WITHOUT_AN_ANSWER]
)
def test_what_is_not_answered(error: ProviderError, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


@pytest.mark.parametrize(("status", "outcome"), BY_STATUS.items())
def test_what_an_http_status_alone_comes_to(status: int, outcome: Outcome) -> None:
    assert outcome_of(http_error(Reply(status=status))) is outcome


@pytest.mark.parametrize("key", PROVIDERS)
@pytest.mark.parametrize(("status", "outcome"), BY_STATUS.items())
def test_every_adapter_comes_to_the_same_by_a_page_of_html(key: str, status: int, outcome: Outcome) -> None:
    reply = Reply(status=status, body=b"<html>x</html>", headers={"retry-after": "5"})
    assert outcome_of(PROVIDERS[key].error("send", reply)) is outcome


@pytest.mark.parametrize(("error", "outcome"), [row[1:] for row in BY_BODY], ids=[r[0] for r in BY_BODY])
def test_what_an_answers_body_comes_to(error: ProviderError, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


@pytest.mark.parametrize("status", Status)
def test_what_a_readable_answer_says(status: Status) -> None:
    negative = {Status.FAILED, Status.CANCELLED, Status.REJECTED, Status.UNDELIVERABLE, Status.EXPIRED}
    assert outcome_of(None, status) is (REFUSED if status in negative else ACCEPTED)


def test_a_busy_server_has_not_taken_it_only_where_that_is_documented_and_it_says_when() -> None:
    told, silent = (http_error(Reply(status=503, headers=headers)) for headers in ({"retry-after": "5"}, {}))
    assert [outcome_of(error, busy_is_not_sent=True) for error in (told, silent)] == [NOT_SENT, UNKNOWN]
    assert outcome_of(told) is UNKNOWN
    assert outcome_of(http_error(Reply(status=502, headers={"retry-after": "5"})), busy_is_not_sent=True) is UNKNOWN


# ------------------------------------------------------------------------------ again, and when to look


def test_what_was_not_sent_is_tried_three_times_while_it_is_young() -> None:
    due = [repeat_at(n, NOW, NOW, None) for n in range(4)]
    assert [at and (at - NOW).total_seconds() for at in due] == [5, 20, 60, None]
    assert repeat_at(0, NOW, NOW, 100.0) == NOW + timedelta(seconds=100), "a wait that was asked for is kept"
    assert repeat_at(0, NOW - YOUNG, NOW, None) is None
    assert repeat_at(0, NOW, NOW, 601.0) is None, "nobody wants the text so late any more"


def test_looks_are_ever_rarer_and_end_after_two_days() -> None:
    at, looks, times = NOW, 1, []
    while (following := look_at(looks, NOW, at)) is not None:
        times.append(following - at)
        at, looks = following, looks + 1
    assert times == sorted(times)
    assert sum(times[:3], timedelta()) < timedelta(minutes=5)
    assert sum(times[:6], timedelta()) > YOUNG, "enough of them to prove that nothing is known under a reference"
    assert timedelta(hours=24) < at - NOW <= timedelta(hours=48)


WAYS = {
    "bridgexapi": Ways(by_listing=True),
    "bsg": Ways(by_reference=True, by_repeating=True),
    "roycetalk": Ways(by_listing=True),
    "smsbat": Ways(),
    "esms_africa": Ways(by_repeating=True, by_listing=True),
}


@pytest.mark.parametrize(("key", "ways"), WAYS.items())
def test_the_ways_there_are(key: str, ways: Ways) -> None:
    provider = PROVIDERS[key]
    assert ways_of(provider, "r1", NOW, frozenset(), by_retry=False) == ways
    assert ways_of(provider, "r1", NOW, frozenset({"recent"}), by_retry=False) == replace(ways, by_listing=False)
    alone = Ways(by_listing=ways.by_listing)
    assert ways_of(provider, "r1", NOW, frozenset(), by_retry=True) == alone, (
        "its own retry has no reference and no key"
    )
    assert bool(ways) is (key != "smsbat")


# ------------------------------------------------------------------------------ found in a list

LONG = "Your order 4711 is ready. " * 8
MISSING = Missing(to="254712345678", text=LONG, reference="r1", since=NOW, until=NOW + timedelta(seconds=20))


def listed(given_id: str = "x", **changes: Any) -> Report:
    facts: dict[str, Any] = {"to": "254712345678", "text": LONG[:100], "sent_at": NOW + timedelta(seconds=5)}
    return Report(id=given_id, **(facts | changes))


def found(*reports: Report, taken: tuple[str, ...] = (), whole: bool = True, alone: bool = True) -> str | None:
    hit = found_in(replace(MISSING, alone=alone), reports, taken, whole=whole)
    return hit.id if hit else None


def test_exactly_one_that_is_like_it_is_it() -> None:
    assert found(listed()) == "x"
    assert found() is None
    assert found(listed("x"), listed("y")) is None
    assert found(listed("x"), listed("y"), taken=("y",)) == "x"
    assert found(listed("x"), taken=("x",)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "254712345679"},
        {"text": "Your code is 1234"},
        {"text": LONG[:50]},
        {"sent_at": NOW - timedelta(seconds=61)},
        {"sent_at": NOW + timedelta(seconds=81)},
        {"sent_at": None},
        {"sent_at": NOW.replace(tzinfo=None)},
        {"reference": "of somebody else"},
        {"given_id": None},
    ],
)
def test_another_number_text_or_time_is_another_message(changes: dict[str, Any]) -> None:
    assert found(listed(**changes)) is None
    assert found(listed(**changes), listed("y")) == "y"


@pytest.mark.parametrize("changes", [{"text": ""}, {"text": LONG}, {"sent_at": NOW - timedelta(seconds=59)}])
def test_a_list_may_leave_out_texts_and_clocks_differ_a_little(changes: dict[str, Any]) -> None:
    assert found(listed(**changes)) == "x"


def test_a_list_that_is_not_whole_or_another_one_missing_proves_nothing() -> None:
    assert found(listed(), whole=False) is None
    assert found(listed(), alone=False) is None


def test_our_own_reference_is_proof_enough_whatever_else_is_listed() -> None:
    ours = listed("y", reference="r1", to="", text="", sent_at=None)
    assert found(listed("x"), ours, whole=False, alone=False) == "y"
    assert found(ours, listed("z", reference="r1")) is None, "two of one reference: somebody has to look"
