"""Who may see what: default-deny. A view without `@roles(...)` or `@login_not_required` answers 403 to everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dashboard.models.people import ROLES

View = TypeVar("View", bound=Callable[..., object])
EVERYBODY = ROLES


def roles(*allowed: str) -> Callable[[View], View]:
    """Let people with any of these roles in. Put it outermost: the middleware reads it from the view."""
    unknown = set(allowed) - set(ROLES)
    if unknown or not allowed:
        raise ValueError(f"roles are {ROLES}, not {allowed}")

    def mark(view: View) -> View:
        view.roles = frozenset(allowed)  # type: ignore[attr-defined]
        return view

    return mark
