"""What the frame around every page needs to know. No query is made here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from dashboard.models.people import ROLES
from dashboard.web.zones import browser_zone, choices, zone_of

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation: the page's URL name, its words, whose it is, and the key that goes there after g."""

    name: str
    label: Any
    icon: str
    roles: frozenset[str]
    key: str = ""


ALL, LISTS, ADMINS = frozenset({"support", "ops", "admin"}), frozenset({"ops", "admin"}), frozenset({"admin"})
NAVIGATION = (
    Entry("home", _("Overview"), "home", ALL, "o"),
    Entry("find", _("Find"), "search", ALL, "f"),
    Entry("messages", _("Messages"), "messages", LISTS, "m"),
    Entry("batches", _("Batches"), "stack-2", ALL, "b"),
    Entry("bulks", _("Send again"), "send", LISTS),
    Entry("attention", _("Attention"), "alert-triangle", LISTS),
    Entry("accounts", _("Accounts"), "plug-connected", LISTS, "a"),
    Entry("people", _("People"), "users", ADMINS),
    Entry("audit", _("Audit"), "history", ADMINS),
)


def frame(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return {
        "site_zone": settings.SITE_TIME_ZONE,  # of the days that filters take
        "zone": zone_of(request),
        "zones": choices(),
        "browser_zone": browser_zone(request),
        "roles": [role for role in ROLES if role in _roles(request)],
        "theme": theme if theme in THEMES else "auto",
        # Not called `messages`, as Django does: here that word is for texts.
        "said": get_messages(request),
        "navigation": list(_navigation(request)),
    }


def _roles(request: HttpRequest) -> frozenset[str]:
    roles: frozenset[str] = getattr(getattr(request, "user", None), "roles", frozenset())
    return roles


def _navigation(request: HttpRequest) -> Iterator[dict[str, Any]]:
    roles = _roles(request)
    for entry in NAVIGATION:
        if entry.roles & roles:
            try:
                url = reverse(entry.name)
            except NoReverseMatch:
                continue
            here = request.path == url or (url != "/" and request.path.startswith(url))
            yield {"url": url, "label": entry.label, "icon": entry.icon, "here": here, "key": entry.key}
