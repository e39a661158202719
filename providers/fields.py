"""Reading one value out of a provider's payload: ids, words, money, counts, times, numbers. Pure functions.

Providers write numbers as strings and strings as numbers, so each reader takes both, keeps absent apart from zero,
and raises ValueError for what it cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

MAX_ID_LENGTH = 255
MAX_ATTEMPT = 60  # a provider's retry counter above this is nonsense; the fold keeps attempts in 63 bits


def is_control(character: str) -> bool:
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"


def id_text(value: Any) -> str:
    """An id as text: numbers become digits, booleans and anything else raise ValueError. Never int(), never upper()."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("not an id")
    text = str(value).strip()
    if not text or len(text) > MAX_ID_LENGTH or text in {".", ".."} or any(is_control(c) for c in text):
        raise ValueError("not an id")
    return text


def optional_id(value: Any) -> str:
    """Like id_text, with "" for null, "" and absent."""
    return "" if value is None or value == "" else id_text(value)


def text_of(value: Any) -> str:
    """Text or a number as text; null is "". Raises ValueError for anything else (a list is not a detail)."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not text")
    return str(value)


def list_of(value: Any) -> list[Any]:
    """A list, even an empty one. Raises ValueError for anything else, absent included."""
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something: zero does, null and "" do not."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def picked(value: Any, names: Collection[str]) -> dict[str, Any]:
    """These fields of an object, where they say something; none of what is no object (such as an unknown request)."""
    return filled({name: value.get(name) for name in names}) if isinstance(value, dict) else {}


def word_of(value: Any) -> str:
    """A status word as said, trimmed. Raises ValueError unless it is text."""
    if not isinstance(value, str):
        raise ValueError("a status is a word")
    return value.strip()[:100]


def sentence_of(value: Any) -> str:
    """What an error says, cut to 300 characters; "" for anything that is no text."""
    return value.strip()[:300] if isinstance(value, str) else ""


def digits_of(value: Any) -> str:
    """A phone number in a payload as bare digits ("+254 712..." and 254712 alike); "" if it is not one."""
    if value is None or isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    digits = re.sub(r"[\s+().-]", "", str(value))
    return digits if digits.isascii() and digits.isdigit() and len(digits) <= 20 else ""


def money_of(value: Any) -> Decimal | None:
    """A price as Decimal whether it came as 0.23, "0.23" or "1.1000000"; None if absent. Zero stays zero."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not money")
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError("not money") from None
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -30 or abs(amount) >= Decimal("1e12"):  # NaN, 1e-400000, too much
        raise ValueError("not money")
    return amount


def price_text(value: Any, currency: Any) -> str:
    """A price for people, such as "35.00 UGX"; "" if there is none."""
    amount = money_of(value)
    return "" if amount is None else f"{amount:f} {text_of(currency)}".strip()


def count_of(value: Any, *, most: int = 10_000_000) -> int | None:
    """A whole number of things, given as 2 or "2"; None if absent. Raises ValueError outside 0..most."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not a count")
    try:
        number = Decimal(str(value).strip())
        whole = 0 <= number <= most and number == number.to_integral_value()
    except InvalidOperation:
        whole = False
    if not whole:
        raise ValueError("not a count")
    return int(number)


def counters_of(value: Any, names: Collection[str]) -> dict[str, int]:
    """The counters of these names in an object and the objects in it. Raises ValueError if there is none."""
    found: dict[str, int] = {}
    for holder in (value, *(child for child in value.values() if isinstance(child, dict))):
        for name in names:
            if name not in found and (count := count_of(holder.get(name))) is not None:
                found[name] = count
    if not found:
        raise ValueError("no counter")
    return found


def attempt_of(value: Any) -> int | None:
    """A provider's retry counter, 0..MAX_ATTEMPT."""
    return count_of(value, most=MAX_ATTEMPT)


_NO_TIME = {"", "0000-00-00 00:00:00", "0000-00-00"}


def time_of(value: Any) -> tuple[str, datetime | None]:
    """A time as (text as given, parsed). Aware if its zone is stated, naive if not, None if absent or unreadable.

    An unreadable time is kept as text and is no reason to lose the report it came with.
    """
    if not isinstance(value, str):
        return ("", None) if value is None or isinstance(value, bool | dict | list) else (str(value)[:64], None)
    raw = value.strip()[:64]
    if raw in _NO_TIME:
        return "", None
    try:
        parsed = datetime.fromisoformat(raw)
        return raw, parsed.astimezone(UTC) if parsed.tzinfo else parsed
    except (ValueError, OverflowError):
        return raw, None


def stated_time(value: Any) -> datetime | None:
    """A time only if its zone is stated."""
    parsed = time_of(value)[1]
    return parsed if parsed is not None and parsed.tzinfo is not None else None


def retry_after_of(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """`Retry-After` in seconds (0..1 day), from seconds or an HTTP date; None if absent or garbage."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), 86_400))
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max((when - (now or datetime.now(UTC))).total_seconds(), 0.0), 86_400.0)
