"""What every provider has to keep, whatever it is called: run over the whole registry.

A new provider is in this suite by its line in `providers.PROVIDERS`; nothing here knows one by name but its key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings, strategies as st

from providers import PROVIDERS
from providers.base import (
    Ask,
    Entry,
    Outgoing,
    Page,
    Provider,
    ProviderError,
    Reply,
    Report,
    Request,
    SendReply,
    Status,
    Target,
    read,
)

EVERY_CALL = frozenset(
    {
        "status", "bulk", "list", "batch", "summary", "orders", "order", "task", "task_seed", "reference",
        "reference_seed", "getStatus", "probe", "send", "retry", "webhook", "recent",
    }
)  # fmt: skip
EVERY_WAY = Target(id="id-1", to="254712345678", reference="ref1", batch_id="77")
OPTIONAL = EVERY_CALL - {"status"}
CANARY = "CANARY_8f2e61_"


@pytest.fixture(params=PROVIDERS.values(), ids=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


# --------------------------------------------------------------------------------------------- garbage

VALUES: list[Any] = [
    {}, [], None, "", "x", 0, 1, -1, True, False, Decimal("1.5"), 10**39, [[]], [None], [{}], ["x"], [1, "a", None],
    {"data": None}, {"data": []}, {"data": {}}, {"data": "x"}, {"data": 7}, {"data": [None]}, {"data": {"data": {}}},
    {"data": {"status": None, "id": None}}, {"data": {"status": [], "id": {}}},
    {"data": {"status": "sent", "id": True}},
    {"data": {"results": None, "next": 5}}, {"data": {"results": {}, "next": []}}, {"data": {"results": [[]]}},
    {"id": None}, {"id": ""}, {"id": []}, {"id": {}, "status": {}}, {"id": True, "status": True},
    {"id": "a\nb", "status": 1},
    {"id": "..", "status": "sent"}, {"id": "x" * 300, "status": "sent"}, {"id": "x", "status": ["sent"]},
    {"id": "x", "status": "sent", "timeline": {}}, {"id": "x", "status": "sent", "timeline": [1]},
    {"id": "x", "status": "sent", "timeline": [{"status": 5}]}, {"id": "x", "status": "sent", "timeline": "x"},
    {"id": "x", "status": "sent", "retry_count": "a"}, {"id": "x", "status": "sent", "cost": {}},
    {"id": "x", "status": "sent", "metadata": 5}, {"id": "x", "status": "sent", "segments": -4},
    {"messages": None}, {"messages": {}}, {"messages": [None, 1, "x", []]}, {"messages": [], "total": "many"},
    {"messages": [{"id": None}], "total": -1}, {"messageId": [], "deliverystatus": {}}, {"messageId": "1"},
    {"error": None}, {"error": {}}, {"error": []}, {"error": "x"}, {"error": 0}, {"error": "25"},
    {"error": {"code": []}},
    {"error": "0", "result": None}, {"error": 0, "result": {}}, {"error": "0", "result": [None]}, {"result": "x"},
    {"detail": None}, {"detail": []}, {"detail": [1]}, {"detail": {"code": {}}}, {"detail": [[{}]]}, {"detail": "x"},
    {"errors": "x"}, {"errors": [[]]}, {"success": False}, {"success": "false", "data": 1}, {"success": True},
    {"batch_id": None}, {"batch_id": []}, {"batch_id": "b", "recipients": 5}, {"order_id": {}, "messages": [{}]},
    {"bx_message_id": 5, "status": None}, {"task_id": [], "sms": {}}, {"items": [None], "total": []},
    {"status": "sent"}, {"status": "\u0000"}, {"event": 5}, {"event": "message."}, {"message_id": {}, "status": "sent"},
    {"": ""}, {"a": {"b": {"c": {"d": {"e": [[[[[[[]]]]]]]}}}}}, {f"k{n}": n for n in range(3_000)}, ["x"] * 3_000,
    {"id": "x", "status": "w" * 100_000}, {"messages": [{"id": str(n), "status": "?"} for n in range(1_000)]},
]  # fmt: skip

RAW: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n ",
    "html": b"<!doctype html><title>502</title>",
    "truncated": b'{"id": "x", "status": "del',
    "two values": b"{} {}",
    "deep": b"[" * 100_000,
    "deep and closed": b"[" * 50 + b"]" * 50,
    "NaN": b'{"id": "x", "cost": NaN}',
    "Infinity": b'{"id": "x", "cost": -Infinity}',
    "1e999": b'{"id": "x", "cost": 1e999}',
    "an exponent past Decimal": b'{"id": "x", "cost": 1e1000000000000000000}',
    "equal keys": b'{"status": "failed", "status": "delivered"}',
    "equal keys but for a NUL": b'{"status": "failed", "status\\u0000": "delivered"}',
    "UTF-16": '{"id": "x"}'.encode("utf-16"),
    "Latin-1": b'{"id": "caf\xe9"}',
    "5000 digits": b'{"id": ' + b"7" * 5_000 + b"}",
    "a raw NUL": b'{"id": "a\x00b"}',
    "single quotes": b"{'id': 'x'}",
    "JavaScript": b"callback({})",
    "too many values": b"[" + b"0," * 60_000 + b"0]",
}


def outcomes(provider: Provider, payload: Any) -> Iterable[tuple[type, Any]]:
    """(what it may be, what it was) of every reader over one payload. A ProviderError is always allowed."""
    target = Target(id="77", to="254712345678", reference="ref1", batch_id="77")
    for call in sorted(EVERY_CALL):
        yield Report, attempt(provider.report, call, payload, target)
        yield Report, attempt(provider.report, call, payload, None)
    for ask in every_ask(provider):
        page = attempt(provider.split, ask, payload)
        yield Page, page
        if isinstance(page, Page):
            assert page.more is None or isinstance(page.more, Ask)
            assert not (page.more and page.complete), "a list that goes on is not complete"
            for item in page.items[:20]:
                yield Report, attempt(provider.report, ask.call, item, None)
    yield from sent(provider, payload)
    yield dict, attempt(provider.summary_of, payload) if provider.has_summary else {}
    yield str, attempt(provider.probe_says, payload)
    yield str, attempt(provider.retry_reply, payload) if provider.has_retry else ""
    items = attempt(provider.webhook_items, payload)
    yield tuple, items
    for item in items if isinstance(items, tuple) else ():
        yield Report, attempt(provider.report, "webhook", item, None)


def sent(provider: Provider, payload: Any) -> Iterable[tuple[type, Any]]:
    for request in (None, {}, [], "x", payload, {"phone_number": 5, "recipients": "x", "numbers": {}, "to": []}):
        reply = attempt(provider.send_reply, payload, request)
        yield SendReply, reply
        if isinstance(reply, SendReply):
            json.dumps(reply.items, default=float)
            for item in reply.items[:20]:
                yield Report, attempt(provider.report, "send", item, None)


def attempt(parse: Any, *args: Any) -> Any:
    try:
        return read(parse, *args)
    except ProviderError as error:
        return error


def every_ask(provider: Provider) -> list[Ask]:
    targets = [EVERY_WAY, *(Target(id=f"id-{n}", batch_id="77") for n in range(2, 8))]
    nameless = [Target(id=None, to="254712345678", reference="ref1", batch_id="77")]
    asks = [*provider.asks(targets), *provider.asks(targets, OPTIONAL), *provider.asks(nameless)]
    since = datetime(2026, 11, 20, tzinfo=UTC)
    whole = [provider.listing_ask("77"), provider.summary_ask("77"), provider.probe_ask()]
    whole.append(provider.recent_ask("254712345678", since))
    return [*asks, *(ask for ask in whole if ask is not None)]


def check(report: Report) -> None:
    """A report holds what the dashboard can store: right types, attempts within reach, no empty entries."""
    assert report.id is None or (isinstance(report.id, str) and 0 < len(report.id) <= 255)
    assert re.fullmatch("[0-9]{0,20}", report.to)
    assert isinstance(report.cost, Decimal | None)
    assert isinstance(report.parts, int | None)
    assert all(isinstance(said, str) for said in (report.reference, report.batch_id, report.currency, report.sender))
    assert all(isinstance(said, str) for said in (report.text, report.route, *report.extra, *report.extra.values()))
    for entry in report.entries:
        assert isinstance(entry, Entry)
        assert isinstance(entry.status, Status | None)
        assert isinstance(entry.word, str)
        assert isinstance(entry.detail, str)
        assert 0 <= entry.attempt <= 60


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value, default=float)[:40])
def test_garbage_is_a_report_or_one_named_error(provider: Provider, value: Any) -> None:
    for wanted, got in outcomes(provider, value):
        assert isinstance(got, wanted | ProviderError)
        if isinstance(got, Report):
            check(got)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.decimals(-5, 10**6, places=2) | st.text(max_size=8)
    | st.sampled_from(["sent", "delivered", "failed", "0", "25", "..", "+254712345678", "2026-05-02T12:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "status", "data", "error", "detail", "messages", "message_id", "messageId", "deliverystatus",
             "result", "timeline", "retry_count", "cost", "bx_message_id", "order_id", "reference", "results", "next",
             "errors", "task_id", "batch_id", "items", "event", "metadata", "segments", "total", "success", "msisdn",
             "price"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(value=JSON_VALUES)
@settings(max_examples=60, deadline=None)
def test_any_json_is_a_report_or_one_named_error(value: Any) -> None:
    for provider in PROVIDERS.values():
        for wanted, got in outcomes(provider, value):
            assert isinstance(got, wanted | ProviderError)
            if isinstance(got, Report):
                check(got)


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
@pytest.mark.parametrize("call", ["status", "send", "probe"])
def test_unreadable_success_is_unparseable(provider: Provider, call: str, raw: bytes) -> None:
    reply = Reply(status=200, body=raw)
    error = provider.error(call, reply) or attempt(reply.json)
    assert (error.code, error.status, error.retryable) == ("unparseable", 200, False)


# --------------------------------------------------------------------------------------------- HTTP statuses

BODIES = {
    "empty": b"",
    "html": b"<html>x</html>",
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "detail": b'{"detail": "no"}',
    "text": b'"x"',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_http_status_is_named(provider: Provider, body: bytes) -> None:
    for call in ("status", "send", "probe", *sorted(ask.call for ask in every_ask(provider))):
        for status in range(200, 600):
            error = provider.error(call, Reply(status=status, body=body))
            assert error is None or isinstance(error, ProviderError)
            # A provider without a harmless call is probed with a message that does not exist: not found is a yes.
            if status >= 300 and not (call == "probe" and status in {400, 404, 422}):
                assert error is not None, (call, status)
                assert error.status == status
            if status == 429:
                assert (error and error.code, error and error.retryable) == ("throttled", True)
            if status >= 500 and status != 501:
                assert (error and error.code, error and error.retryable) == ("unreachable", True)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("call", ["status", "probe", "send"])
def test_redirect_is_an_error(provider: Provider, call: str, body: bytes) -> None:
    error = provider.error(call, Reply(status=302, body=body, headers={"location": "https://elsewhere.example/"}))
    assert error is not None
    assert error.code in {"refused", "unsupported"}


def test_retry_after_is_heard(provider: Provider) -> None:
    error = provider.error("status", Reply(status=429, body=b"slow", headers={"retry-after": "77"}))
    assert error is not None
    assert error.retry_after == 77


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_is_the_account(provider: Provider, status: int) -> None:
    error = provider.error("status", Reply(status=status, body=b"<html>"))
    assert error is not None
    assert error.code == "credentials"


def test_seed_call_unknown_to_the_server_is_never_a_missing_call(provider: Provider) -> None:
    codes = {
        status: getattr(provider.error("status", Reply(status=status, body=b"")), "code", "")
        for status in (404, 405, 501)
    }
    assert codes[404] == "not_found"
    assert "unsupported" not in codes.values()


def test_other_calls_unknown_to_the_server_are_unsupported(provider: Provider) -> None:
    seed = {ask.call for ask in provider.asks([EVERY_WAY], OPTIONAL)}
    optional = {ask.call for ask in provider.asks([EVERY_WAY, Target(id="id-2"), *[EVERY_WAY] * 3])} - seed
    for call in optional:
        for status in (404, 405, 501):
            error = provider.error(call, Reply(status=status, body=b"<html>"))
            assert (call, error and error.code) == (call, "unsupported")


# --------------------------------------------------------------------------------------------- asking


def test_without_optional_calls_only_the_seeds_call_is_left(provider: Provider) -> None:
    targets = [Target(id=f"id-{n}", reference="ref1", batch_id="77") for n in range(9)]
    asks = provider.asks(targets, OPTIONAL)
    assert [ask.call for ask in asks] == ["status"] * 9
    assert [ask.targets for ask in asks] == [(target,) for target in targets]
    assert all(ask.request.method == "GET" for ask in asks)


def test_every_target_is_asked_about_once(provider: Provider) -> None:
    targets = [Target(id=f"id-{n}", batch_id=f"{n % 3}") for n in range(25)]
    asked = [target for ask in provider.asks(targets) for target in ask.targets]
    assert sorted(asked, key=str) == sorted(targets, key=str)


def test_nothing_to_ask_about_is_no_request(provider: Provider) -> None:
    assert provider.asks([]) == []
    assert provider.asks([Target(id=None, to="254712345678")]) == []


HOSTILE = [
    "../x", "..", ".", "%2e%2e", "%2e%2e%2fx", "?x=1", "#x", "a#b", "a?b", "a/b", "/", "//evil.example", "\\..\\x",
    "a\r\nHost: x",
    "a\nb", "\x00", "\x7f", "\u0085", "\ud800", "x" * 10_240, "é", "١٢٣", "\u202e", "a b", " ", ";",
    "@evil.example", "a%00b", "http://e",
]  # fmt: skip


def requests_with(provider: Provider, value: str) -> list[Request]:
    """Every request into which this id can go."""
    builders: list[Any] = [
        lambda: provider.asks([Target(id=value)]),
        lambda: provider.asks([Target(id=value), Target(id="b")]),
        lambda: provider.asks([Target(id=None, reference=value)]),
        lambda: provider.asks([Target(id=None, to="254712345678", batch_id=value)]),
        lambda: provider.asks([Target(id=value, batch_id=value)], OPTIONAL),
        lambda: [provider.listing_ask(value)],
        lambda: [provider.summary_ask(value)],
    ]
    if provider.has_retry:
        builders.append(lambda: [Ask(call="retry", request=provider.retry_request(value))])
    built = [attempt(build) for build in builders]
    refused = [result for result in built if isinstance(result, ProviderError)]
    assert all((error.code, error.written) == ("invalid", False) for error in refused)
    return [ask.request for asks in built if isinstance(asks, list) for ask in asks if ask is not None]


def assert_contained(provider: Provider, value: str) -> None:
    """The same paths as for a harmless id, in letters or in digits, but for that one segment."""
    shapes = {shape(request, harmless) for harmless in ("id-1", "12") for request in requests_with(provider, harmless)}
    for request in requests_with(provider, value):
        assert request.path.startswith("/")
        assert not set(request.path) & set("?#\\ \r\n\x00"), request.path
        assert request.path.isascii()
        assert not {".", ".."} & {unquote(part) for part in request.path.split("/")}, request.path
        assert shape(request, value) in shapes, request.path


def shape(request: Request, value: str) -> tuple[str, ...]:
    return tuple("*" if unquote(part) in {value, "b"} else part for part in request.path.split("/"))


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:30])
def test_hostile_id_stays_in_its_place(provider: Provider, value: str) -> None:
    assert_contained(provider, value)


@given(value=st.text(min_size=1, max_size=300) | st.text("./%2e#?\\:@", min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_id_escapes_its_place(value: str) -> None:
    for provider in PROVIDERS.values():
        assert_contained(provider, value)


# --------------------------------------------------------------------------------------------- secrets


def test_no_credential_in_a_request_or_an_error(provider: Provider) -> None:
    credentials = {field.name: f"{CANARY}{field.name}" for field in provider.credentials}
    headers = provider.headers(credentials)
    assert headers
    seen = [repr(ask) for ask in every_ask(provider)] + [repr(provider), repr(vars(type(provider)))]
    seen += [str(provider.error("status", Reply(status=status))) for status in (200, 401, 403, 404, 429, 500)]
    assert not any(CANARY in text for text in seen)


def test_missing_credential_is_named_and_not_shown(provider: Provider) -> None:
    for credentials in ({}, {field.name: "" for field in provider.credentials}, {"other": CANARY}):
        with pytest.raises(ProviderError) as caught:
            provider.headers(credentials)
        assert (caught.value.code, caught.value.written) == ("credentials", False)
        assert CANARY not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("value", [f"{CANARY}\r\nX-Evil: 1", f"{CANARY}\x00", f"{CANARY}é"])
def test_credential_cannot_break_out_of_its_header(provider: Provider, value: str) -> None:
    credentials = {field.name: value for field in provider.credentials}
    headers = attempt(provider.headers, credentials)
    if isinstance(headers, ProviderError):
        assert headers.code == "credentials"
        assert CANARY not in str(headers)
    else:
        assert all(said.isascii() and said.isprintable() for said in headers.values())


# --------------------------------------------------------------------------------------------- what it says of itself


def test_the_five() -> None:
    assert list(PROVIDERS) == ["bridgexapi", "bsg", "roycetalk", "smsbat", "esms_africa"]


def test_says_all_of_itself(provider: Provider) -> None:
    assert PROVIDERS[provider.key] is provider
    assert provider.label
    assert provider.docs.startswith("https://")
    assert re.fullmatch(r"https://[a-z0-9.-]+", provider.base_url)
    assert provider.credentials
    assert any(field.name == "api_key" for field in provider.credentials)
    assert provider.rate > 0
    assert provider.fresh_for > 0
    assert provider.reopens_failed_for >= 0
    assert isinstance(provider.not_documented, tuple)
    assert all(provider.not_documented)
    assert provider.webhook_setup or not provider.webhook_signed
    assert provider.has_summary is (provider.summary_ask("77") is not None)
    assert not provider.has_retry or provider.retry_request("77").method == "POST"


def test_every_word_in_any_case_and_with_any_space(provider: Provider) -> None:
    assert provider.words
    for word, status in provider.words.items():
        assert word == word.strip().lower()
        for variant in (word, word.upper(), word.title(), f"  {word}", f"{word}\r\n"):
            assert provider.status(variant) is status
    assert provider.status("no such word") is None
    assert {Status.CREATED, Status.SENDING, Status.OUTCOME_UNKNOWN}.isdisjoint(provider.words.values())


def test_ids_are_normalised_once_and_for_all(provider: Provider) -> None:
    for value in ("msg-ABC", "ABC", "0012", "12", "é", "msg-", "", "MSG_x"):
        once = provider.normalise_id(value)
        assert isinstance(once, str)
    assert provider.normalise_id("0012") != provider.normalise_id("12"), "a leading zero is part of an id"


def test_send_says_where_and_hides_nothing_in_the_path(provider: Provider) -> None:
    outgoing = Outgoing(
        to="254712345678", text="Your order is ready", sender="Shop", reference="r1", route="1", idempotency_key="k1"
    )
    request = provider.send_request(outgoing)
    assert request.method in {"POST", "PUT"}
    assert "254712345678" not in request.path
    assert "254712345678" in json.dumps(request.json)
    assert "Your order is ready" in json.dumps(request.json)
    assert not request.params


@pytest.mark.parametrize("to", ["", "x", "254712345678; DROP", "٢٥٤٧١٢٣٤٥٦٧٨"])
def test_send_to_no_number_is_refused_here(provider: Provider, to: str) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.send_request(Outgoing(to=to, text="Hi", sender="Shop", reference="r1", route="1"))
    assert (caught.value.code, caught.value.written) == ("invalid", False)
