"""Which columns the list of messages has, and how close its rows are: each browser remembers its person's choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

COOKIE, DENSITY_COOKIE = "columns", "density"  # neither names anybody
DENSITIES = ("normal", "compact")
# To whom and what became of it are always there; these are to choose from, in the order they stand in.
COLUMNS: Mapping[str, Any] = {
    "sent": _("Sent"),
    "took": _("Took"),
    "account": _("Account"),
    "route": _("Route"),
    "sender": _("Sender"),
    "batch": _("Batch"),
    "reference": _("Reference"),
    "provider_id": _("Provider’s id"),
    "word": _("Provider’s word"),
    "parts": _("Parts"),
    "cost": _("Cost"),
}
USUAL = ("sent", "account", "batch", "reference", "provider_id", "cost")
_NONE = "none"


def columns_of(cookies: Mapping[str, str]) -> list[str]:
    """The columns wanted, in their order: the usual ones where nobody has chosen."""
    kept = cookies.get(COOKIE, "").split(".")
    chosen = [name for name in COLUMNS if name in kept]
    return chosen if chosen or kept == [_NONE] else list(USUAL)


def as_cookie(chosen: list[str]) -> str:
    return ".".join(name for name in COLUMNS if name in chosen) or _NONE


def density_of(cookies: Mapping[str, str]) -> str:
    kept = cookies.get(DENSITY_COOKIE, "")
    return kept if kept in DENSITIES else DENSITIES[0]
