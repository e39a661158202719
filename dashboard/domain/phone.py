"""Phone numbers as people type them and as we keep them: E.164 digits without the plus sign."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

_DECORATION = re.compile(r"[\s+().\-/\u00a0\u2010-\u2015\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class NotANumber(ValueError):
    """The text cannot be a phone number; str(error) is a sentence for a person."""


@lru_cache(maxsize=20_000)
def parse(text: str, region: str) -> str:
    """E.164 digits (7..15, no plus) of `text`. Raises NotANumber.

    "+" or "00" means international. Digits without either are read as international if that is possible, else as a
    number of `region` (ISO 3166 alpha-2). "Possible" is the test, not "valid": numbering plans change faster than
    libraries, and a provider has the last word.
    """
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("'")
    if not plain or re.search(r"[A-Za-z]", plain):
        raise NotANumber("This is not a phone number.")
    digits = _DECORATION.sub("", plain)
    if not digits.isdigit() or not digits.isascii():
        raise NotANumber("A phone number has digits only, and perhaps a +.")
    if plain.lstrip().startswith("+"):
        return _possible("+" + digits, None)
    if digits.startswith("00"):
        return _possible("+" + digits[2:], None)
    if not digits.startswith("0"):
        try:
            return _possible("+" + digits, None)
        except NotANumber:
            pass
    return _possible(digits, region or None)


def _possible(text: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise NotANumber("This is not a possible phone number; write it with + and the country code.") from None
    if not phonenumbers.is_possible_number(number):
        raise NotANumber("This is not a possible phone number: it has too few or too many digits.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


@lru_cache(maxsize=20_000)
def pretty(digits: str) -> str:
    """ "+254 712 345678": grouped for reading; as plain +digits if the plan is not known."""
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return "+" + digits
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def masked(digits: str) -> str:
    """ "+254 ••• ••5678": enough to recognise, not enough to call."""
    if len(digits) < 8:
        return "+" + "•" * len(digits)
    return f"+{digits[:3]} ••• ••{digits[-4:]}"


def country(digits: str) -> str:
    """ISO 3166 alpha-2 of the number, or "" (a shared or unknown code)."""
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse("+" + digits, None)) or ""
    except phonenumbers.NumberParseException:
        return ""


_MAIN = {str(code): regions[0] for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()}


def main_country(digits: str) -> str:
    """What texts are counted under: the country of the number's code, and of a shared code its greatest one ("US" for
    +1). "001" is a code of no country, "" an unknown one. By a table: cheap enough to ask for every message.
    """
    return next((_MAIN[digits[:n]] for n in (1, 2, 3) if digits[:n] in _MAIN), "")


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person may have meant: a whole number, its last digits, or neither."""

    whole: str = ""
    last: str = ""


def typed(text: str, region: str) -> Typed:
    """Read a search box. 4 to 8 bare digits are also the end of a number; never raises."""
    digits = _DECORATION.sub("", unicodedata.normalize("NFKC", text))
    last = digits if digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 8 else ""
    try:
        return Typed(whole=parse(text, region), last=last)
    except NotANumber:
        return Typed(last=last)
