"""Phone numbers as people type them."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, strategies as st

from dashboard.domain import phone
from dashboard.domain.phone import NotANumber, Typed


@pytest.mark.parametrize(
    ("text", "region", "digits"),
    [
        ("+254712345678", "", "254712345678"),
        ("254712345678", "", "254712345678"),
        ("254712345678", "KE", "254712345678"),
        ("00254712345678", "", "254712345678"),
        ("00254 712 345 678", "KE", "254712345678"),
        ("0712 345 678", "KE", "254712345678"),
        ("0712345678", "KE", "254712345678"),
        ("712345678", "KE", "254712345678"),
        ("+254-712-345678", "", "254712345678"),
        ("+254 (712) 345.678", "", "254712345678"),
        ("'+254712345678", "", "254712345678"),  # a spreadsheet's quote
        ("  +254 712 345678\n", "", "254712345678"),
        ("+254\u00a0712\u00a0345678", "", "254712345678"),
        ("\u202a+254712345678\u202c", "", "254712345678"),  # copied from a right-to-left page
        ("+254\u2011712\u2011345678", "", "254712345678"),  # non-breaking hyphens
        ("＋２５４７１２３４５６７８", "", "254712345678"),
        ("+44 7911 123456", "KE", "447911123456"),
        ("07911 123456", "GB", "447911123456"),
        ("+380671234567", "", "380671234567"),
        ("+1 202 555 0143", "KE", "12025550143"),
    ],
)  # fmt: skip
def test_read_as_international_digits(text: str, region: str, digits: str) -> None:
    assert phone.parse(text, region) == digits


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("", "KE"),
        ("   ", "KE"),
        ("+", "KE"),
        ("call me", "KE"),
        ("+254 712 34567x", "KE"),
        ("1-800-FLOWERS", "US"),
        ("+2547123456789012345", ""),
        ("+49123456789012345", ""),  # possible there, but longer than any number of the world
        ("+4912", ""),
        ("254712345678901234567890", "KE"),
        ("0712 345 678", ""),  # no region: whose 0712?
        ("0712 345 678", "XX"),
        ("12", "KE"),
        ("+25471", ""),
        ("+999712345678", ""),
        ("25471;2345678", "KE"),
        ("=254712345678", "KE"),
        ("254712345678 OR 1=1", ""),
        ("²⁵⁴٧١٢٣٤٥٦٧٨", "KE"),  # other scripts' digits are no surprise for a database
    ],
)  # fmt: skip
def test_refused_with_a_sentence(text: str, region: str) -> None:
    with pytest.raises(NotANumber) as refusal:
        phone.parse(text, region)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "whole", "last"),
    [
        ("5678", "", "5678"),
        ("345678", "", "345678"),
        ("34 56 78", "", "345678"),
        ("123", "", ""),
        ("+254712345678", "254712345678", ""),
        ("0712 345 678", "254712345678", ""),
        ("someone", "", ""),
        ("", "", ""),
        ("５６７８", "", "5678"),
    ],
)
def test_a_search_box_means_a_whole_number_or_its_end(text: str, whole: str, last: str) -> None:
    assert phone.typed(text, "KE") == Typed(whole=whole, last=last)


def test_eight_digits_may_be_both() -> None:
    assert phone.typed("20345678", "KE").last == "20345678"


@given(st.text(max_size=60), st.sampled_from(["", "KE", "XX"]))
def test_whatever_is_typed_is_answered(text: str, region: str) -> None:
    found = phone.typed(text, region)
    assert found.last == "" or 4 <= len(found.last) <= 8
    assert found.whole == "" or (found.whole.isascii() and found.whole.isdigit() and len(found.whole) <= 15)


@given(st.from_regex(r"\A[1-9][0-9]{6,14}\Z"))
def test_what_was_read_is_read_the_same_again(digits: str) -> None:
    try:
        found = phone.parse(digits, "KE")
    except NotANumber:
        return
    assert phone.parse("+" + found, "") == found


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.text("0123456789", min_size=2, max_size=13),
    st.sampled_from(["", "+"]),
)
def test_plain_numbers_are_read_at_a_glance_and_alike(code: int, rest: str, plus: str) -> None:
    found = phone._plain(f"{plus}{code}{rest}")
    assert found in ("", f"{code}{rest}")
    if found:
        assert phone._parse.__wrapped__(f"{plus}{code}{rest}", "KE") == found


@pytest.mark.parametrize("digits", ["254712345678", "380671234567", "12025550143", "447911123456", "919812345678"])
def test_ordinary_mobile_numbers_are_plain(digits: str) -> None:
    assert phone._plain(f"+{digits}") == phone._plain(digits) == digits


def test_masked_shows_enough_to_recognise_and_not_to_call() -> None:
    assert phone.masked("254712345678") == "+254 ••• ••5678"
    assert "712345" not in phone.masked("254712345678")
    assert phone.masked("1234567") == "+•••••••"


def test_pretty_and_country() -> None:
    assert phone.pretty("254712345678") == "+254 712 345678"
    assert phone.country("254712345678") == "KE"
    assert phone.country("0") == ""


@pytest.mark.parametrize(
    ("digits", "country"),
    [("254712345678", "KE"), ("12045550100", "US"), ("77011234567", "RU"), ("447400123456", "GB"),
     ("80012345678", "001"), ("2105550100", ""), ("", "")],
)  # fmt: skip
def test_main_country_goes_by_the_code_alone(digits: str, country: str) -> None:
    assert phone.main_country(digits) == country
