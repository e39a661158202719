"""What the lists' filters share: the choice of an account, and the filters in use with a link that drops each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from dashboard.models import Account

PLACE = ("cursor", "live", "v")  # where one is in a list, not what it shows


class AccountChoice(forms.ChoiceField):
    """An account by its slug, "" for all. Every form copies its fields: that is when the accounts are read, once."""

    def __deepcopy__(self, memo: dict[int, Any]) -> AccountChoice:
        copy = super().__deepcopy__(memo)
        accounts = Account.objects.only("slug", "label")
        copy.choices = [("", gettext_lazy("All")), *((account.slug, account.name) for account in accounts)]
        return copy


@dataclass(frozen=True, slots=True)
class Active:
    """One filter in use and the query string of the list without it."""

    label: str
    value: str
    without: str


def active(query: QueryDict, labels: Mapping[str, Any], shown: Mapping[str, str] | None = None) -> list[Active]:
    """The filters that are given, in the order of `labels`. `shown` has better words for their values."""
    found = []
    for name, label in labels.items():
        value = query.get(name, "").strip()
        if value:
            words = (shown or {}).get(name, value)
            found.append(Active(str(label), words, without(query, name)))
    return found


def without(query: QueryDict, *names: str) -> str:
    """The query string without these parameters, and back at the list's beginning: "?..." or "?"."""
    rest = query.copy()
    for name in (*names, *PLACE):
        rest.pop(name, None)
    for name in [name for name, value in rest.items() if not value]:
        rest.pop(name)
    return "?" + rest.urlencode(safe=":")


def at(query: QueryDict, cursor: str | None) -> str:
    """The query string of another page of the same list; "" where there is none."""
    if cursor is None:
        return ""
    base = without(query)
    return f"{base}&cursor={cursor}" if base != "?" else f"?cursor={cursor}"
