"""Writing the audit trail from a page: who did what, from where, and why. Never a phone number, never a secret."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest

from dashboard.logs import masked
from dashboard.models import Audit, User

_RECIPIENT = re.compile("[0-9a-f]{16}")  # longer than any number


def note(request: HttpRequest, action: str, subject: str, *, reason: str = "", **details: Any) -> None:
    """Add one row about what the signed-in person does.

    Texts in `details` lose their digit runs of seven and more, but a recipient's id stays whole.
    """
    person = request.user if isinstance(request.user, User) else None
    Audit.objects.create(
        actor=person,
        actor_name=person.get_username() if person else "",
        ip=request.META.get("REMOTE_ADDR") or None,
        action=action,
        subject=subject[:100],
        reason=reason[:500],
        details={name: _without_numbers(value) for name, value in details.items()},
    )


def _without_numbers(value: Any) -> Any:
    return masked(value) if isinstance(value, str) and not _RECIPIENT.fullmatch(value) else value
