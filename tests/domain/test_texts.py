"""What a text looks like: its parts, whether it is a one-time code, whether two say the same; and what one costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dashboard.domain.prices import Price, usual
from dashboard.domain.segments import segments
from dashboard.domain.texts import is_one_time_code, same


@pytest.mark.parametrize(
    ("text", "parts", "encoding", "forced_by"),
    [
        ("", 1, "GSM-7", ""),
        ("x" * 160, 1, "GSM-7", ""),
        ("x" * 161, 2, "GSM-7", ""),
        ("x" * 306, 2, "GSM-7", ""),
        ("x" * 307, 3, "GSM-7", ""),
        ("€" * 80, 1, "GSM-7", ""),
        ("€" * 81, 2, "GSM-7", ""),
        ("x" * 152 + "€" + "x" * 151, 2, "GSM-7", ""),  # the sign is not cut: the first part stays one short
        ("x" * 152 + "€" + "x" * 152, 3, "GSM-7", ""),
        ("€" * 153, 3, "GSM-7", ""),  # 306 places, but 76 signs to a part
        ("Ünïcode", 1, "UCS-2", "ï"),
        ("é à ñ Ä ß Ω", 1, "GSM-7", ""),
        ("ж" * 70, 1, "UCS-2", "ж"),
        ("ж" * 71, 2, "UCS-2", "ж"),
        ("ж" * 134, 2, "UCS-2", "ж"),
        ("ж" * 135, 3, "UCS-2", "ж"),
        ("x" * 100 + "’", 2, "UCS-2", "’"),
        ("😀" * 35, 1, "UCS-2", "😀"),
        ("😀" * 36, 2, "UCS-2", "😀"),
        ("😀" * 67, 3, "UCS-2", "😀"),  # 134 places, but 33 to a part
    ],
)
def test_parts(text: str, parts: int, encoding: str, forced_by: str) -> None:
    found = segments(text)
    assert (found.parts, found.encoding, found.forced_by) == (parts, encoding, forced_by)


CODES = [
    "Your code is 482135. It is valid for 10 minutes.",
    "482135 is your verification code",
    "OTP: 4821",
    "Your login PIN 482 135",
    "Dear Ann, your code is 482135.",
    "Ваш код 482135",
    "Nambari ya siri: 482135",
    "Su código es 482-135",
    "<#> 482135 is your Duka one-time password",
]
NO_CODES = [
    None,
    "",
    "Hello",
    "Duka: your order 482135 is on its way and arrives today.",
    "Duka: payment 482135 received. Thank you!",
    "Reminder: your appointment is tomorrow at 09:30. Ref 482135.",
    "Use promo code 2026 for 10% off",
    "Your code is on its way",
    "Your bill is 4821.50, pay with code",
    "The pin of the map is 12",
]


@pytest.mark.parametrize("text", CODES)
def test_a_one_time_code(text: str) -> None:
    assert is_one_time_code(text)


@pytest.mark.parametrize("text", NO_CODES)
def test_no_one_time_code(text: str | None) -> None:
    assert not is_one_time_code(text)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Hello  Ann", "hello ann ", True),
        ("Hello Ann", "Hello Ben", False),
        (None, None, False),
        ("", "", False),
        ("x", None, False),
    ],
)
def test_the_same_text(one: str | None, other: str | None, alike: bool) -> None:
    assert same(one, other) is alike


# ------------------------------------------------------------------------------ prices


def paid(*prices: str, currency: str = "EUR", parts: int = 1) -> list[tuple[Decimal, str, int]]:
    return [(Decimal(price), currency, parts) for price in prices]


def test_the_usual_price_is_the_middle_one_of_one_part() -> None:
    assert usual(paid("0.04", "0.05", "9")) == Price(Decimal("0.05"), "EUR", 3)
    assert usual(paid("0.08", "0.08", "0.10", parts=2)) == Price(Decimal("0.04"), "EUR", 3)


def test_too_few_prices_are_no_usual_price_and_the_commonest_currency_wins() -> None:
    assert usual([]) is None
    assert usual(paid("0.04", "0.05")) is None
    assert usual(paid("1", "2", currency="USD") + paid("3", "4", "5")) == Price(Decimal(4), "EUR", 3)


def test_more_parts_cost_more() -> None:
    assert Price(Decimal(35), "UGX").times(2, 1) == Price(Decimal(70), "UGX")
    assert Price(Decimal(70), "UGX", 5).times(1, 2) == Price(Decimal(35), "UGX", 5)
