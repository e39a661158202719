"""Whole hours of sending, as the overview's links name them: a filter of the list that nobody types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.web.tags import zone_label

_HOURS = re.compile(r"(\d{4}-\d\d-\d\dT\d\d)Z_([1-9]\d{0,3})h", re.ASCII)

Span = tuple[datetime, datetime]


class BadHours(ValueError):
    """The text names no hours."""


def hours_of(text: str) -> Span:
    """From when until when: "2026-11-21T13Z_24h" is 24 hours that begin at 13:00 UTC. Raises BadHours."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise BadHours(text)
    try:
        begin = datetime.strptime(match[1], "%Y-%m-%dT%H").replace(tzinfo=UTC)
        return begin, begin + timedelta(hours=int(match[2]))
    except (ValueError, OverflowError):
        raise BadHours(text) from None


def hours_text(begin: datetime, hours: int) -> str:
    return f"{begin.astimezone(UTC):%Y-%m-%dT%H}Z_{hours}h"


def hours_words(begin: datetime, end: datetime) -> str:
    """2026-11-21 13:00–14:00 EAT, in the zone that the person chose."""
    first, last = timezone.localtime(begin), timezone.localtime(end)
    ends = f"{last:%H:%M}" if last.date() == first.date() else f" {last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M}{' ' if ends[0] == ' ' else ''}–{ends} {zone_label(last)}"


class HoursField(forms.CharField):
    """Hidden: a link brings the value, and its words are among the filters in use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=24, widget=forms.HiddenInput(), **options)

    def clean(self, value: Any) -> Span | None:
        text = super().clean(value)
        try:
            return hours_of(text) if text else None
        except BadHours:
            raise forms.ValidationError(_("These hours cannot be read.")) from None
