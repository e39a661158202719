"""What every template can use: icons, status chips, times with their zone, numbers, money."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi, gettext as _, gettext_lazy

from dashboard.domain import phone as numbers
from dashboard.web import countries
from dashboard.web.chips import CHIPS, Chip
from providers.base import Status

register = template.Library()

_PATHS = re.compile(r'<path d="([^"]+)"')
NONE = "–"
RETRY_WORDS = {
    "open": gettext_lazy("waiting for one last look"),
    "sending": gettext_lazy("being sent"),
    "outcome_unknown": gettext_lazy("we cannot tell whether it was sent"),
    "accepted": gettext_lazy("taken by the provider"),
    "not_sent": gettext_lazy("not sent"),
    "refused": gettext_lazy("refused"),
    "cancelled": gettext_lazy("cancelled"),
}


# ------------------------------------------------------------------------------ icons and chips


@cache
def _drawing(name: str) -> tuple[str, ...]:
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"{name!r} is not an icon")
    file = Path(settings.BASE_DIR) / "static" / "icons" / f"{name}.svg"
    return tuple(_PATHS.findall(file.read_text(encoding="utf-8")))


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon of static/icons, drawn in place. With a label it is an image; without, decoration beside a word.

    An arrow along the line turns round where the line is read from right to left.
    """
    turns = " icon-turns" if name.endswith(("-left", "-right")) else ""
    paths = format_html_join("", '<path d="{}"/>', ((path,) for path in _drawing(name)))
    role = format_html('role="img" aria-label="{}"', label) if label else format_html('aria-hidden="{}"', "true")
    return format_html(
        '<svg class="icon{}" width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        turns,
        role,
        paths,
    )


@register.simple_tag
def chip(status: str, conflict: bool = False, unconfirmed: bool = False) -> SafeString:
    """A status as shape, icon, word and colour. Dashed: not confirmed yet. With ≠: the provider contradicts itself."""
    look = CHIPS[Status(status)]
    return _chip(look, conflict, unconfirmed)


def _chip(look: Chip, conflict: bool, unconfirmed: bool) -> SafeString:
    extra = SafeString("")
    if conflict:
        extra += format_html('<span class="chip-flag" title="{0}">≠<span class="visually-hidden">{0}</span></span>',
                             _("contradicted"))  # fmt: skip
    if unconfirmed:
        extra += format_html('<span class="visually-hidden">, {}</span>', _("not confirmed yet"))
    return format_html(
        '<span class="chip chip-{}{}">{}<span>{}</span>{}</span>',
        look.kind, " chip-unconfirmed" if unconfirmed else "", icon(look.icon), look.word, extra,
    )  # fmt: skip


@register.filter
def status_word(status: str) -> str:
    """The word of a status, as on its chip."""
    return str(CHIPS[Status(status)].word) if status else ""


@register.filter
def retry_word(state: str) -> str:
    """What became of a wish to send again, in words."""
    return str(RETRY_WORDS.get(state, state))


# ------------------------------------------------------------------------------ times


def zone_label(moment: datetime) -> str:
    """EAT, or UTC+03 where the zone has no letters of its own."""
    name = moment.tzname() or ""
    return f"UTC{name}" if name[:1] in "+-" else name


def absolute(moment: datetime) -> str:
    """2026-11-20 14:03:07 EAT, in the zone that the person chose."""
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%d %H:%M:%S} {zone_label(local)}"


def age(moment: datetime, now: datetime) -> str:
    """12 min ago, in 3 h."""
    delta = now - moment
    said = short(abs(delta))
    if abs(delta) < timedelta(seconds=1):
        return _("just now")
    return _("%(time)s ago") % {"time": said} if delta > timedelta(0) else _("in %(time)s") % {"time": said}


_UNITS = ((86_400, gettext_lazy("d")), (3_600, gettext_lazy("h")), (60, gettext_lazy("min")))


@register.filter
def short(delta: timedelta) -> str:
    """5 s, 12 min, 3 h, 4 d: one unit, rounded down."""
    seconds = int(delta.total_seconds())
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} {_('s')}"


@register.filter
def lasting(delta: timedelta) -> str:
    """3 h 12 min, 4 d 2 h, 12 min: two units at most."""
    seconds = int(delta.total_seconds())
    for (size, unit), (below, smaller) in pairwise(_UNITS):
        if seconds >= size and (rest := seconds % size // below):
            return f"{seconds // size} {unit} {rest} {smaller}"
    return short(delta)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """How long ago, the absolute time on hover. For lists; detail pages use `when`."""
    if moment is None:
        return NONE
    return format_html(
        '<time class="ago" datetime="{}" title="{}">{}</time>',
        moment.astimezone(ZoneInfo("UTC")).isoformat(timespec="seconds"),
        absolute(moment),
        age(moment, timezone.now()),
    )


@register.simple_tag
def stamp(moment: datetime | None) -> SafeString | str:
    """The absolute time with its zone."""
    if moment is None:
        return NONE
    utc = moment.astimezone(ZoneInfo("UTC"))
    return format_html(
        '<time class="stamp" datetime="{}" title="{}">{}</time>',
        utc.isoformat(timespec="milliseconds"), f"{utc:%Y-%m-%d %H:%M:%S} UTC", absolute(moment),
    )  # fmt: skip


@register.simple_tag
def when(moment: datetime | None, whose: str = "") -> SafeString | str:
    """How long ago and the absolute time; `whose` clock it was, where that is not plain from the words around it."""
    if moment is None:
        return NONE
    clock = format_html(' <span class="whose">{}</span>', whose) if whose else ""
    return format_html('<span class="when">{} <span class="at">{}</span>{}</span>', ago(moment), stamp(moment), clock)


@register.filter
def between(later: datetime | None, earlier: datetime | None) -> str:
    """5 s from one time to another; nothing if either is missing or they are the wrong way round."""
    if later is None or earlier is None or later < earlier:
        return ""
    return short(later - earlier)


# ------------------------------------------------------------------------------ numbers and money


@register.filter
def phone(digits: str) -> str:
    """+254 712 345678"""
    return _left_to_right(numbers.pretty(digits)) if digits else _("number removed")


register.filter("country", countries.named)


@register.filter
def phone_masked(digits: str) -> str:
    """+254 ••• ••5678"""
    return _left_to_right(numbers.masked(digits)) if digits else _("number removed")


def _left_to_right(number: str) -> str:
    """Among words that are read from right to left its groups would change places; the isolates keep them."""
    return f"\u2066{number}\u2069" if get_language_bidi() else number


@register.filter
def grouped(n: int) -> str:
    """12,400, as the site's language writes it."""
    return number_format(n, force_grouping=True)


@register.simple_tag
def money(amount: Decimal | None, currency: str = "") -> str:
    """0.088 EUR: every digit that was given, never rounded away; the currency, or that it is not known."""
    if amount is None:
        return NONE
    text = f"{amount:f}"
    if "." in text:
        whole, _dot, cents = text.partition(".")
        text = f"{whole}.{cents.rstrip('0'):0<2}"
    return f"{text} {currency or _('(currency not stated)')}"
