"""The names of countries, in the site's language."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django_countries import countries


def named(code: str) -> SafeString | str:
    """Kenya KE; what has no name there is left as it is."""
    name = countries.name(code)
    return format_html('{} <span class="country-code">{}</span>', name, code) if name else code


def in_words(code: str) -> str:
    """Kenya (KE), where nothing but text can stand."""
    name = countries.name(code)
    return f"{name} ({code})" if name else code


def code_of(text: str) -> str:
    """KE of "kenya", in the site's language or English; a text that names no country, as it is."""
    if len(text) <= len("001"):
        return text
    return countries.by_name(text, language=get_language() or "en") or countries.by_name(text) or text
