"""Evidence on a page: the bytes as text, laid out for reading, and masked for people who may not see all of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _

from dashboard.logs import masked
from dashboard.models import Evidence

# Where providers put the text itself. Hidden from support together with every copy of the text we know.
TEXT_FIELDS = frozenset({"text", "body", "content", "sms", "msg", "message_text", "sms_text", "message_body"})
_DEEPEST = 60


@dataclass(frozen=True, slots=True)
class Reading:
    """One piece of evidence as shown. `hidden` says why there is no body to show."""

    row: Evidence
    body: str
    hidden: str
    headers: list[tuple[str, str]]


def reading(row: Evidence, *, text: str = "", full: bool) -> Reading:
    """Lay the evidence out. With `full` false digit runs of 7 and more and the text of the message are masked."""
    headers = sorted((str(name), str(value)) for name, value in row.headers.items())
    if not full:
        headers = [(name, masked(value)) for name, value in headers]
    if row.body is None:
        return Reading(row, "", _("The body has been removed."), headers)
    raw = bytes(row.body)
    try:
        shape = _shape(raw, str(row.headers.get("content-type", "")))
        body = _pretty(shape if full else _without(shape, text))
    except (ValueError, RecursionError):
        if not full:
            hidden = _("The body is not JSON, so we cannot mask what is private in it. Operations can read it.")
            return Reading(row, "", hidden, headers)
        return Reading(row, raw.decode("utf-8", "backslashreplace"), "", headers)
    return Reading(row, body if full else masked(body), "", headers)


def _shape(raw: bytes, content_type: str) -> Any:
    if content_type.split(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return _once(parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=True))
    return json.loads(raw.decode(), object_pairs_hook=_once, parse_float=Decimal, parse_constant=_refuse)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice; only the bytes themselves show it")
    return dict(pairs)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _without(value: Any, text: str, name: str = "") -> Any:
    hidden = _("(text hidden)")
    if isinstance(value, dict):
        return {key: _without(child, text, key) for key, child in value.items()}
    if isinstance(value, list):
        return [_without(child, text, name) for child in value]
    if isinstance(value, str):
        if name.lower() in TEXT_FIELDS and value:
            return hidden
        return value.replace(text, hidden) if len(text) > 2 else value
    return value


def _pretty(value: Any, depth: int = 0) -> str:
    """Indented JSON with every number as it came."""
    if depth > _DEEPEST:
        raise ValueError("too deep to lay out")
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict) and value:
        lines = [f"{pad}{json.dumps(k, ensure_ascii=False)}: {_pretty(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{end}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(pad + _pretty(child, depth + 1) for child in value) + f"\n{end}]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
