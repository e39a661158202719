"""JSON read so that no provider can surprise us: one parser for replies, webhooks and the API door.

Plain `json.loads` accepts NaN, keeps the last of two equal keys (an attacker's `failed` then `delivered`), makes
floats of money, falls over 100,000 brackets and passes NUL and lone surrogates on to a database that cannot hold them.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

MAX_DEPTH = 20
MAX_NODES = 50_000  # a full page of a bulk reply is about 10,000


def strict_json(body: bytes) -> Any:
    """JSON from UTF-8 bytes (a BOM is allowed). Money arrives as Decimal. Raises ValueError with a reason."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not text.strip():
        raise ValueError("empty")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at character {error.pos})") from None
    # A NUL or a lone surrogate can only be written as an escape; and what is short is neither wide nor deep.
    plain = "\\u" not in text and len(text) <= MAX_NODES and text.count("{") + text.count("[") <= MAX_DEPTH
    return value if plain else _clean(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent past what Decimal can hold; an ArithmeticError, which no caller expects
        raise ValueError("a number out of range") from None
    if len(text) > 100 or not number.is_finite() or abs(number.adjusted()) > 300:
        raise ValueError("a number out of range")
    return number


def _bounded(text: str) -> int:
    if len(text) > 40:
        raise ValueError("a number out of range")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded, object_pairs_hook=_once
)


def _clean(value: Any) -> Any:
    """The same value with NUL and lone surrogates taken out of its texts, within our depth and size."""
    nodes = 0

    def walk(node: Any, depth: int) -> Any:
        nonlocal nodes
        nodes += 1
        if nodes > MAX_NODES:
            raise ValueError("too many values")
        if depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        if isinstance(node, dict):
            # Cleaned first: "status" and "status\u0000" would be one key given twice.
            return _once([(clean_text(key), walk(child, depth + 1)) for key, child in node.items()])
        if isinstance(node, list):
            return [walk(child, depth + 1) for child in node]
        return clean_text(node) if isinstance(node, str) else node

    return walk(value, 1)


def looks_like_json(body: bytes) -> bool:
    """Whether this may be an object or a list that broke off on its way; a web page or nothing at all is neither."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}


def clean_text(text: str) -> str:
    """A text that every database can hold: without NUL and lone surrogates."""
    text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-8", "ignore").decode("utf-8")
