"""The sentences of this package in the site's language. Who runs it says who translates; until then nobody does.

A table is read when its module is imported, before any language is known. Its words are marked with `gettext_noop`,
which the makers of catalogs look for, and translated where they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def gettext_noop(text: str) -> str:
    """The text itself, marked for translation."""
    return text


def _counted(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@dataclass(slots=True)
class _Translator:
    plain: Callable[[str], str] = gettext_noop
    counted: Callable[[str, str, int], str] = _counted


_translator = _Translator()


def translate_by(plain: Callable[[str], str], counted: Callable[[str, str, int], str]) -> None:
    """From now on these two are asked: for a text, and for the one of two that fits a number."""
    _translator.plain, _translator.counted = plain, counted


def gettext(text: str) -> str:
    return _translator.plain(text)


def ngettext(one: str, many: str, count: int) -> str:
    return _translator.counted(one, many, count)
