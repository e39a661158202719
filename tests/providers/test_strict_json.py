"""The one parser: what it takes, what it refuses, and that it refuses with ValueError and nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from providers.base import ProviderError, Reply, form_or_json
from providers.strict_json import MAX_DEPTH, MAX_NODES, looks_like_json, strict_json

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b"null", None),
        (b' "x" ', "x"),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"cost": 35.00}', {"cost": Decimal("35.00")}),
        (b'{"cost": 1.1000000}', {"cost": Decimal("1.1000000")}),
        (b'{"n": 9007199254740993}', {"n": 9007199254740993}),
        ('{"name": "Zoë 🎉"}'.encode(), {"name": "Zoë 🎉"}),
        (b'{"name": "\\ud83c\\udf89"}', {"name": "🎉"}),
        (b'{"status": "211\xe2\x80\xb3"}', {"status": "211″"}),
    ],
)
def test_reads(body: bytes, value: Any) -> None:
    assert strict_json(body) == value
    assert Reply(status=200, body=body).json() == value


def test_money_keeps_its_digits() -> None:
    assert str(strict_json(b"[35.00]")[0]) == "35.00"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<html>", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[01]", "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ('{"a": "é"}'.encode("latin-1"), "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"[NaN]", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "out of range"),
        (b"[1e-999]", "out of range"),
        (b"[1e1000000000000000000]", "out of range"),
        (b"[1e-1000000000000000000]", "out of range"),
        (b"[0." + b"1" * 5_000 + b"]", "out of range"),
        (b"[" + b"9" * 5_000 + b"]", "out of range"),
        (b"[" + b"9" * 41 + b"]", "out of range"),
        (b'{"status": "failed", "status": "delivered"}', "given twice"),
        (b'{"a": {"b": 1, "b": 1}}', "given twice"),
        (b'{"status": "failed", "stat\\u0000us": "delivered"}', "given twice"),
        (b'{"status": "failed", "status\\ud800": "delivered"}', "given twice"),
        (b"[" * 100_000, "deep"),
        (b'{"a":' * 100_000, "deep"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deep"),
        (b"[" + b"1," * MAX_NODES + b"1]", "too many"),
    ],
)
def test_refuses(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json(body)
    with pytest.raises(ProviderError) as caught:
        Reply(status=200, body=body).json()
    assert (caught.value.code, caught.value.status) == ("unparseable", 200)


def test_the_limits_themselves_are_allowed() -> None:
    assert strict_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert len(strict_json(b"[" + b"1," * (MAX_NODES - 2) + b"1]")) == MAX_NODES - 1
    assert strict_json(b"9" * 40) == 10**40 - 1


@pytest.mark.parametrize("text", ['"a\\u0000b"', '"a\\ud800b"', '"a\\udfffb"', '"\\u0000ab\\u0000"'])
def test_takes_out_what_no_database_holds(text: str) -> None:
    assert strict_json(text.encode()) == "ab"
    assert strict_json(f"{{{text}: 1}}".encode()) == {"ab": 1}


def test_an_error_never_quotes_the_body() -> None:
    with pytest.raises(ProviderError) as caught:
        Reply(status=200, body=b'{"api_key": "CANARY", oops').json()
    assert "CANARY" not in str(caught.value)


@given(
    body=st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | st.text(alphabet='{}[]",:\\u0d8e-.1', max_size=60).map(str.encode)
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_value_or_a_value_error(body: bytes) -> None:
    try:
        value = strict_json(body)
    except ValueError:
        return
    json.dumps(value, default=float, ensure_ascii=False).encode()


@given(
    value=st.recursive(st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(), st.lists, max_leaves=8)
)
def test_what_others_write_is_read_as_meant(value: Any) -> None:
    text = json.dumps(value)
    if "\\u0000" not in text:
        assert strict_json(text.encode()) == value


@pytest.mark.parametrize(
    ("body", "maybe"), [(b" {", True), (b"\xef\xbb\xbf\n[", True), (b"<html>", False), (b"", False), (b"no", False)]
)
def test_looks_like_json(body: bytes, maybe: bool) -> None:
    assert looks_like_json(body) is maybe


# --------------------------------------------------------------------------------------------- forms


def test_form() -> None:
    assert form_or_json(b"message_id=a%2Fb&status=Delivered&note=", FORM) == {
        "message_id": "a/b", "status": "Delivered", "note": "",
    }  # fmt: skip


def test_form_is_cleaned_like_json() -> None:
    assert form_or_json(b"a%00=b%00c", FORM) == {"a": "bc"}


@pytest.mark.parametrize(
    "body",
    [b"status=failed&status=delivered", b"status=failed&status%00=delivered", b"novalue", b"\xff=1", b"a=1&" * 300],
)
def test_form_that_cannot_be_trusted(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        form_or_json(body, FORM)
    assert caught.value.code == "unparseable"


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "APPLICATION/JSON; charset=x"])
def test_anything_else_is_json(content_type: str) -> None:
    assert form_or_json(b'{"a": 1}', content_type) == {"a": 1}
    with pytest.raises(ProviderError):
        form_or_json(b"a=1", content_type)
