"""Spans of time as people type them: 30min, 2h, 7d."""

from __future__ import annotations

import re
from datetime import timedelta

_SPAN = re.compile(r"([1-9]\d{0,3})\s*(m|min|h|d|w)", re.ASCII | re.IGNORECASE)
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class BadSpan(ValueError):
    """The text is not a span of time."""


def span_of(text: str) -> timedelta:
    """30min, 2h, 7d or 2w. Raises BadSpan."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise BadSpan(text)
    return timedelta(**{_UNITS[match[2].lower()]: int(match[1])})
