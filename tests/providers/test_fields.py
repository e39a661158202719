"""Reading one value: strings for numbers, numbers for strings, absent apart from zero, ValueError for the rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from providers.errors import ProviderError, for_call, needed
from providers.fields import (
    attempt_of,
    count_of,
    counters_of,
    digits_of,
    id_text,
    is_control,
    list_of,
    money_of,
    optional_id,
    retry_after_of,
    sentence_of,
    stated_time,
    text_of,
    time_of,
    word_of,
)

NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (" a ", "a"), (7, "7"), ("007", "007"), ("é/..", "é/.."), ("x" * 255, "x" * 255)]
)
def test_id(value: Any, text: str) -> None:
    assert id_text(value) == optional_id(value) == text


@pytest.mark.parametrize(
    "value", [True, 1.5, Decimal("1"), [], {}, "  ", ".", "..", "a\nb", "a\x00", "\x85", "\ud800", "x" * 256]
)
def test_no_id(value: Any) -> None:
    with pytest.raises(ValueError, match="not an id"):
        id_text(value)
    with pytest.raises(ValueError, match="not an id"):
        optional_id(value)


@pytest.mark.parametrize("value", [None, ""])
def test_absent_id(value: Any) -> None:
    assert optional_id(value) == ""
    with pytest.raises(ValueError, match="not an id"):
        id_text(value)


@pytest.mark.parametrize(("value", "text"), [(None, ""), ("", ""), ("x", "x"), (7, "7"), (Decimal("1.50"), "1.50")])
def test_text(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize("value", [True, [], {}, 1.5])
def test_no_text(value: Any) -> None:
    with pytest.raises(ValueError, match="not text"):
        text_of(value)


def test_word() -> None:
    assert word_of(" Delivered\n") == "Delivered"
    assert len(word_of("w" * 5_000)) == 100
    for value in (None, 1, True, []):
        with pytest.raises(ValueError, match="word"):
            word_of(value)


def test_list() -> None:
    assert list_of([]) == []
    for value in (None, {}, "x", ()):
        with pytest.raises(ValueError, match="not a list"):
            list_of(value)


@pytest.mark.parametrize(("value", "text"), [(" no ", "no"), (None, ""), (5, ""), ([], ""), ("x" * 999, "x" * 300)])
def test_sentence(value: Any, text: str) -> None:
    assert sentence_of(value) == text


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        ("+254 712-345 678", "254712345678"),
        (254712345678, "254712345678"),
        ("(254) 712.345.678", "254712345678"),
        (None, ""),
        (True, ""),
        ([], ""),
        ("Shop", ""),
        ("٢٥٤", ""),
        ("2" * 21, ""),
        (Decimal("254"), ""),
    ],
)
def test_digits(value: Any, digits: str) -> None:
    assert digits_of(value) == digits


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (None, None),
        ("", None),
        (0, Decimal(0)),
        ("0.23", Decimal("0.23")),
        (Decimal("0.23"), Decimal("0.23")),
        ("1.1000000", Decimal("1.1")),
        (" 5 ", Decimal(5)),
        (-3, Decimal(-3)),
    ],
)
def test_money(value: Any, amount: Decimal | None) -> None:
    assert money_of(value) == amount


@pytest.mark.parametrize(
    "value",
    [True, [], {}, "x", "NaN", "sNaN", "Infinity", "1e12", "1e999999", "1e-400000", "1e99999999999999999999", 0.1],
)
def test_no_money(value: Any) -> None:
    with pytest.raises(ValueError, match="not money"):
        money_of(value)


@pytest.mark.parametrize(
    ("value", "count"), [(None, None), ("", None), (0, 0), ("2", 2), (Decimal("2.0"), 2), ("1e3", 1000)]
)
def test_count(value: Any, count: int | None) -> None:
    assert count_of(value) == count


@pytest.mark.parametrize(
    "value", [True, -1, "-1", "1.5", "x", "NaN", "sNaN", "Infinity", "1e9999999999999999999", 10_000_001, [], {}, 1.0]
)
def test_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match="not a count"):
        count_of(value)


def test_attempt() -> None:
    assert (attempt_of(60), attempt_of("0"), attempt_of(None)) == (60, 0, None)
    with pytest.raises(ValueError, match="not a count"):
        attempt_of(61)


def test_counters() -> None:
    assert counters_of(
        {"sent": 1, "stats": {"failed": "2", "sent": 9}, "messages": [], "x": None}, ("sent", "failed")
    ) == {
        "sent": 1,
        "failed": 2,
    }
    with pytest.raises(ValueError, match="no counter"):
        counters_of({"other": 1}, ("sent",))


@pytest.mark.parametrize(
    ("value", "raw", "parsed"),
    [
        ("2026-05-02T12:00:05Z", "2026-05-02T12:00:05Z", datetime(2026, 5, 2, 12, 0, 5, tzinfo=UTC)),
        ("2026-05-02T15:00:05+03:00", "2026-05-02T15:00:05+03:00", datetime(2026, 5, 2, 12, 0, 5, tzinfo=UTC)),
        ("2017-01-17 09:11:41", "2017-01-17 09:11:41", datetime(2017, 1, 17, 9, 11, 41)),
        (" soon ", "soon", None),
        ("0000-00-00 00:00:00", "", None),
        ("", "", None),
        (None, "", None),
        (True, "", None),
        ([], "", None),
        (1700000000, "1700000000", None),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", None),
    ],
)
def test_time(value: Any, raw: str, parsed: datetime | None) -> None:
    assert time_of(value) == (raw, parsed)
    assert stated_time(value) == (parsed if parsed and parsed.tzinfo else None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("1000000000", 86_400.0),
        ("9" * 5_000, 86_400.0),
        ("Sat, 02 May 2026 12:01:00 GMT", 60.0),
        ("Sat, 02 May 2026 12:01:00", 60.0),
        ("Sat, 02 May 2020 12:01:00 GMT", 0.0),
        ("Sat, 02 May 2036 12:01:00 GMT", 86_400.0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Mon, 01 Jan 2026 009999999999999999999999:00:00 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after_of({"retry-after": header}, NOW) == seconds
    assert retry_after_of({}, NOW) is None


@given(header=st.text(max_size=60) | st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT")))
def test_retry_after_is_never_an_exception(header: str) -> None:
    wait = retry_after_of({"retry-after": header}, NOW)
    assert wait is None or 0 <= wait <= timedelta(days=1).total_seconds()


@given(character=st.characters())
def test_control_characters_are_what_a_url_and_a_header_cannot_hold(character: str) -> None:
    if is_control(character):
        with pytest.raises(ValueError, match="not an id"):
            id_text(f"a{character}b")
    else:
        assert f"a{character}b".encode()


READERS: list[Callable[[Any], Any]] = [
    id_text, optional_id, text_of, word_of, list_of, sentence_of, digits_of, money_of, count_of, attempt_of, time_of,
    stated_time,
]  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.decimals(allow_nan=False)
    | st.text()
    | st.text(alphabet="0123456789eE+-._ T:Z", max_size=30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(value=ANYTHING)
@settings(max_examples=400, deadline=None)
def test_readers_know_only_value_error(value: Any) -> None:
    for reader in READERS:
        with suppress(ValueError):
            reader(value)


# --------------------------------------------------------------------------------------------- errors


def test_needed_credential() -> None:
    assert needed({"api_key": " k_ "}, "api_key") == "k_"
    for value in ("", "  ", "a\r\nb", "é"):
        with pytest.raises(ProviderError) as caught:
            needed({"api_key": value}, "api_key")
        assert (caught.value.code, caught.value.written) == ("credentials", False)


@pytest.mark.parametrize(
    ("code", "status", "own", "reads", "becomes"),
    [
        ("not_found", 404, True, False, "not_found"),
        ("not_found", 404, False, False, "unsupported"),
        ("unsupported", 405, True, False, "unreachable"),
        ("unsupported", 501, False, True, "unsupported"),
        ("refused", 422, False, False, "refused"),
        ("refused", 422, False, True, "unsupported"),
        ("balance", 422, False, True, "balance"),
        ("credentials", 403, False, True, "credentials"),
        ("unreachable", 500, False, True, "unreachable"),
        ("throttled", 429, False, True, "throttled"),
    ],
)
def test_error_as_its_call_means_it(code: Any, status: int, own: bool, reads: bool, becomes: str) -> None:
    error = for_call(ProviderError(code, "no", status=status), own=own, reads=reads)
    assert error.code == becomes
    assert error.retryable is (becomes in {"unreachable", "throttled"})
