"""How a person likes the pages: colours, the zone of times, the columns of a list, which end of a story comes first.

Each is remembered in a cookie that names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from dashboard.web import columns, telling, zones
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.context import THEME_COOKIE, THEMES
from dashboard.web.sign_in import inside

YEAR = 365 * 24 * 60 * 60
_DAY = re.compile(r"\d{4}-\d\d-\d\d(T\d\dZ_\d{1,4}h)?")
_MAY_BE_A_NUMBER = re.compile(r"\d[\d\s().\-]{5,}\d")


@roles(*EVERYBODY)
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light, dark or as the device."""
    return _remembered(request, THEME_COOKIE, request.POST.get("theme", "auto"), THEMES)


@roles(*EVERYBODY)
@require_POST
def zone(request: HttpRequest) -> HttpResponse:
    """UTC, the site's, or the browser's."""
    return _remembered(request, zones.COOKIE, request.POST.get("zone", zones.SITE), zones.choices())


@roles(*EVERYBODY)
@require_POST
def story(request: HttpRequest) -> HttpResponse:
    """The oldest word first, as one reads a story, or the newest."""
    ends = (telling.OLDEST, telling.NEWEST)
    return _remembered(request, telling.STORY_COOKIE, request.POST.get("story", ""), ends)


@roles("ops", "admin")
@require_POST
def list_columns(request: HttpRequest) -> HttpResponse:
    """The columns of the list of messages, and how close its rows are; or both as they were at first."""
    if "usual" in request.POST:
        usual = redirect(_here(request))
        usual.delete_cookie(columns.COOKIE, samesite="Lax")
        usual.delete_cookie(columns.DENSITY_COOKIE, samesite="Lax")
        return usual
    density = request.POST.get("density", "")
    response = _remembered(request, columns.DENSITY_COOKIE, density, columns.DENSITIES)
    _keep(response, columns.COOKIE, columns.as_cookie(request.POST.getlist("column")))
    return response


def _remembered(request: HttpRequest, cookie: str, chosen: str, known: Sequence[str]) -> HttpResponse:
    response = redirect(_here(request))
    if chosen in known:
        _keep(response, cookie, chosen)
    return response


def _keep(response: HttpResponse, cookie: str, value: str) -> None:
    response.set_cookie(cookie, value, max_age=YEAR, secure=settings.HTTPS, httponly=True, samesite="Lax")


def _here(request: HttpRequest) -> str:
    """The page the person is on. What may be a phone number in its address is not repeated."""
    page = inside(request, request.POST.get("next", ""))
    path, _, query = page.partition("?")
    values = [value for name, value in parse_qsl(query) if name != "cursor" and not _DAY.fullmatch(value)]
    return path if any(_MAY_BE_A_NUMBER.search(value) for value in values) else page
