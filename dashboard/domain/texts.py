"""What a text looks like, as far as sending it again depends on it."""

from __future__ import annotations

import re

# "Your code is 482 135", "PIN: 4821", "код 4821", "nambari yako 482135": a word for a secret and a short number.
_WORD = re.compile(
    r"(?i)\b(otp|one[- ]time|(pass|security |access |login |confirmation )?code|passcode|pin|password|verif\w+|"
    r"c[oó]digo|code de|msimbo|namba ya siri|nambari ya siri|parol\w*)\b|\b(код\w*|парол\w*)"
)
_NUMBER = re.compile(r"(?<![\d.,])(\d{4,8}|\d{3}[ -]\d{3})(?![\d]|[.,]\d)")
_OFFER = re.compile(r"(?i)\b(promo|discount|coupon|voucher|order|invoice|booking|reservation|tracking)")


def is_one_time_code(text: str | None) -> bool:
    """Whether it looks like a code that is soon no good. Errs on the side of "no" where it speaks of an order."""
    return bool(text and _WORD.search(text) and _NUMBER.search(text) and not _OFFER.search(text))


def same(one: str | None, other: str | None) -> bool:
    """Whether a person would read the same, whatever the spaces and capitals."""
    return bool(one and other) and _read(one or "") == _read(other or "")


def _read(text: str) -> str:
    return " ".join(text.casefold().split())
