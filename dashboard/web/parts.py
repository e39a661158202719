"""Small things that many views need."""

from __future__ import annotations

import re
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest

from dashboard.keyset import count
from dashboard.models import User
from dashboard.web.tags import grouped

STOP_POLLING = 286  # htmx: swap this in and ask no more


def page_or_partial(request: HttpRequest, template: str, part: str) -> str:
    """The whole page, or only its part if htmx asks for a part of a page that is there already."""
    htmx = request.htmx  # type: ignore[attr-defined]
    partial = htmx and not htmx.boosted and not htmx.history_restore_request
    return f"{template}#{part}" if partial else template


def user_of(request: HttpRequest) -> User:
    """The person signed in; views behind the role check always have one."""
    return cast("User", request.user)


def sees_all(user: User) -> bool:
    """Whether numbers and texts inside evidence are shown in full: not to people who are only support."""
    return bool(user.roles & {"ops", "admin"})


def at_most(rows: QuerySet[Any], most: int) -> str:
    """A count that never reads more than `most` rows: "12", or "10,000+"."""
    found = count(rows, most + 1)
    return f"{grouped(most)}+" if found > most else grouped(found)


def hide_digits(text: str) -> str:
    """The text with digit runs of four and more hidden: a code in a text is its owner's."""
    return re.sub(r"\d{4,}", "••••", text)
