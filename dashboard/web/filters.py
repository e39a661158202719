"""What the lists' filters share: the choice of an account or of rows, and the filters in use with a link that drops
each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.models import Account

PLACE = ("cursor", "live", "v")  # where one is in a list, not what it shows


CHOSEN = "chosen"
MOST_CHOSEN = 200


class _Ticked(forms.HiddenInput):
    """Boxes of one name are one value, with commas between; so is what a link holds."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return ticked(data)


def ticked(query: QueryDict | dict[str, Any]) -> str:
    """What was chosen one by one: "12,15"."""
    given = query.getlist(CHOSEN) if isinstance(query, QueryDict) else [str(query.get(CHOSEN, ""))]
    return ",".join(value for value in given if value)


def in_one(query: QueryDict) -> QueryDict:
    """The same query, in which boxes of one name are one value: an address, and a filter that can be kept."""
    one = query.copy()
    if CHOSEN in one:
        one[CHOSEN] = ticked(query)
    return one


class Chosen(forms.CharField):
    """Rows chosen one by one, by their ids."""

    widget = _Ticked

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=20 * MOST_CHOSEN, **options)

    def clean(self, value: Any) -> list[int]:
        words = [word for word in super().clean(value).split(",") if word]
        if not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
            raise forms.ValidationError(_("These are no ids of messages, with commas between."))
        ids = {int(word) for word in words}
        if len(ids) > MOST_CHOSEN:
            raise forms.ValidationError(_("At most %(most)s can be chosen one by one.") % {"most": MOST_CHOSEN})
        return sorted(ids)


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
