"""What the adapters share: asking in groups, paging, an answer to another question, and what an error body says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from providers.base import (
    Ask,
    Entry,
    Provider,
    ProviderError,
    Reply,
    Status,
    Target,
    chunks,
    complaint_of,
    filled,
    get,
    page_of,
    picked,
    price_text,
    status_asks,
    uncovered,
    worth_listing,
    wrong_kind,
)

LIST = Ask(call="list", request=get("/list", page=0), targets=(Target(id="a"),))


def targets(count: int, batch_id: str = "") -> list[Target]:
    return [Target(id=f"id{n}", batch_id=batch_id) for n in range(count)]


# -- asking


def test_a_get_has_its_parameters_in_their_order() -> None:
    request = get("/messages", page=0, limit=50, ids="a,b")
    assert (request.method, request.path) == ("GET", "/messages")
    assert request.params == (("page", "0"), ("limit", "50"), ("ids", "a,b"))


def test_whoever_has_an_id_is_asked_about_alone_and_the_id_stays_in_its_place() -> None:
    asks = status_asks([Target(id="{}"), Target(id=None), Target(id="a/b?")], "/messages/{}/")
    assert [(ask.call, ask.request.path) for ask in asks] == [
        ("status", "/messages/%7B%7D/"),
        ("status", "/messages/a%2Fb%3F/"),
    ]
    with pytest.raises(ProviderError, match="cannot be put into a URL"):
        status_asks([Target(id="..")], "/messages/{}/")


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, []), (2, [2]), (3, [3]), (4, [3]), (5, [3, 2]), (6, [3, 3])])
def test_one_left_over_is_in_no_bulk_call(count: int, sizes: list[int]) -> None:
    assert [len(chunk) for chunk in chunks(targets(count), 3)] == sizes


def test_a_batch_is_listed_if_that_is_cheaper_or_the_only_way() -> None:
    nameless = Target(id=None, batch_id="nameless")
    asked = [*targets(3, "small"), *targets(4, "large"), nameless, *targets(9)]
    assert {batch: len(members) for batch, members in worth_listing(asked).items()} == {"large": 4, "nameless": 1}


def test_who_is_left_keeps_the_order() -> None:
    first, second, third = targets(3)
    assert uncovered([first, second, third], [Ask(call="list", request=get("/"), targets=(second,))]) == [first, third]


# -- hearing


@pytest.mark.parametrize(
    ("rows", "seen", "total", "more", "complete"),
    [
        (2, 2, 5, True, False),
        (2, 5, 5, False, True),
        (0, 2, 5, False, False),  # it shrank: nothing more to read, and not all was told
        (2, 2, None, True, False),
        (1, 3, None, False, True),
        (0, 4, None, False, True),
    ],
)
def test_a_page_says_whether_more_follow(rows: int, seen: int, total: int | None, more: bool, complete: bool) -> None:
    page = page_of(LIST, [{}] * rows, get("/list", page=1), seen=seen, total=total, limit=2)
    assert (len(page.items), page.more is not None, page.complete) == (rows, more, complete)
    if page.more:
        assert (page.more.page, page.more.request, page.more.targets) == (1, get("/list", page=1), LIST.targets)


class Two(Provider):
    words = {"new": Status.QUEUED, "sent": Status.SENT}
    times = {Status.SENT: "sent_at"}


def test_an_entry_has_the_time_of_what_its_word_means() -> None:
    noon = "2026-05-02T12:00:00Z"
    item = {"sent_at": noon, "created_at": noon}
    parsed = datetime(2026, 5, 2, 12, tzinfo=UTC)
    assert Two().entry("Sent", item, "why") == Entry(
        word="Sent", status=Status.SENT, detail="why", at_raw=noon, at=parsed
    )
    assert Two().entry("new", item) == Entry(word="new", status=Status.QUEUED)
    assert Two().entry("new", item, at="created_at").at == parsed
    assert Two().entry("other", item) == Entry(word="other")


def test_fields_that_say_something() -> None:
    assert filled({"a": 0, "b": None, "c": "", "d": Decimal(0), "e": "x"}) == {"a": 0, "d": Decimal(0), "e": "x"}
    assert picked({"a": 0, "b": None, "c": 1}, ("a", "b", "d")) == {"a": 0}
    nothing: list[Any] = [None, [], "a", 5]
    assert [picked(value, ("a",)) for value in nothing] == [{}] * 4


def test_a_price_for_people() -> None:
    assert price_text(Decimal("35.00"), "UGX") == "35.00 UGX"
    assert (price_text("0", None), price_text(None, "UGX"), price_text("", "UGX")) == ("0", "", "")


# -- what is wrong


@pytest.mark.parametrize(
    ("body", "fits", "served"),
    [
        (b"<html>", True, False),
        (b"", True, False),
        (b'{"a": [', False, True),  # it broke off
        (b'{"a": 1}', True, True),
        (b'{"a": 1}', False, False),
    ],
)
def test_an_answer_to_something_else_is_a_call_that_is_not_served(body: bytes, fits: bool, served: bool) -> None:
    payload = {"a": 1} if body.endswith(b"}") else None
    error = wrong_kind(Reply(status=200, body=body), payload, fits)
    assert (error and error.code) == (None if served else "unsupported")


@pytest.mark.parametrize(
    ("payload", "code", "said"),
    [
        ({"error": "No"}, "", "No"),
        ({"error": {"code": "e1", "message": "No"}}, "e1", "No"),
        ({"error": {"code": "e1"}}, "e1", ""),
        ({"detail": [{"loc": ["body", "to", 0], "msg": "too short"}]}, "", "body.to.0: too short"),
        ({"detail": {"to": ["too short", "no number"]}}, "", "too short; no number"),
        ({"error": "No", "detail": "No"}, "", "No"),
        ({"error": {"code": "e1", "message": "No"}, "detail": {"code": "e2", "message": "Why"}}, "e1", "No; Why"),
        ({"error": 5, "detail": [None, 5, [[]], {"loc": 5}]}, "", ""),
        ({"message": "elsewhere"}, "", ""),
        ([{"error": "No"}], "", ""),
        (None, "", ""),
    ],
)
def test_what_an_error_body_says(payload: Any, code: str, said: str) -> None:
    assert complaint_of(payload, "error", "detail") == (code, said)
