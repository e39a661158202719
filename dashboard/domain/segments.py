"""How many parts a text is sent in, by the GSM 03.38 and 03.40 rules. Each part is charged."""

from __future__ import annotations

from dataclasses import dataclass

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # two places each
_ONE, _EACH = {"GSM-7": 160, "UCS-2": 70}, {"GSM-7": 153, "UCS-2": 67}  # a long text's parts carry a header


@dataclass(frozen=True, slots=True)
class Segments:
    """`forced_by` is the first character that the short alphabet does not have: it makes every part hold 70."""

    parts: int
    encoding: str
    units: int
    forced_by: str = ""


def segments(text: str) -> Segments:
    """The parts of a text. An empty one is sent as one part."""
    forced_by = next((char for char in text if char not in _BASIC and char not in _EXTENDED), "")
    encoding = "UCS-2" if forced_by else "GSM-7"
    sizes = [_wide(char) if forced_by else 1 + (char in _EXTENDED) for char in text]
    units = sum(sizes)
    parts = 1 if units <= _ONE[encoding] else _packed(sizes, _EACH[encoding])
    return Segments(parts, encoding, units, forced_by)


def _wide(char: str) -> int:
    return 1 + (ord(char) > 0xFFFF)


def _packed(sizes: list[int], room: int) -> int:
    """No character is cut in two, so a part may stay one short of full."""
    parts, used = 1, 0
    for size in sizes:
        if used + size > room:
            parts, used = parts + 1, 0
        used += size
    return parts
