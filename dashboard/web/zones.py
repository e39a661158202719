"""In which zone a person sees times: UTC, the site's, or that of their browser. Files and the API know only UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

UTC, SITE, BROWSER = "utc", "site", "browser"
COOKIE = "zone"  # the choice; it names nobody
BROWSER_COOKIE = "browser_zone"  # the name that the browser gives its zone; written by app.js
_NAME = re.compile(r"[A-Za-z0-9_+\-/]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone of one page, and how it was chosen."""

    choice: str
    info: ZoneInfo

    @property
    def name(self) -> str:
        return self.info.key


def zone_of(request: HttpRequest) -> Zone:
    """What the person chose, else the site's: also for a browser whose zone is not known, or is none."""
    choice = request.COOKIES.get(COOKIE, SITE)
    if choice == UTC and settings.SITE_TIME_ZONE != "UTC":
        return Zone(UTC, ZoneInfo("UTC"))
    known = browser_zone(request) if choice == BROWSER else None
    return Zone(BROWSER, known) if known else Zone(SITE, ZoneInfo(settings.SITE_TIME_ZONE))


def browser_zone(request: HttpRequest) -> ZoneInfo | None:
    """The zone that the browser says it is in, if there is such a zone."""
    return _named(request.COOKIES.get(BROWSER_COOKIE, ""))


@lru_cache(maxsize=500)
def _named(name: str) -> ZoneInfo | None:
    if not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Africa" is a folder of zones
        return None


def choices() -> list[str]:
    """What can be chosen: UTC only where the site is elsewhere."""
    return [UTC, SITE, BROWSER] if settings.SITE_TIME_ZONE != "UTC" else [SITE, BROWSER]


class TimeZones:
    """While a page is made, Django's current zone is the person's: every tag and every sentence goes by it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request).info):
            return self.get_response(request)
