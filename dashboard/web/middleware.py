"""What holds for every page: no cache keeps it, sessions end, and a view is closed unless it names its roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from dashboard.web.errors import PROGRAMS

View = Callable[..., HttpResponse]

PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), "
    "gyroscope=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=(), xr-spatial-tracking=()"
)
CODE_GIVEN = "second_factor"  # in the session: the code was given, too
NOT_CHANGED_YET = ("password", "sign-out", "second-factor")  # open to a person whose password an admin made
SEEN_EVERY = 60  # seconds: the session is one row, and not every click needs to write it


class Compressed(GZipMiddleware):
    """Pages go out compressed: a list is a tenth of itself. Files are streamed as they are.

    Django adds a random length to each page, and a new mask to every CSRF token, so that nobody learns a secret from
    how well it compresses.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if response.streaming else super().process_response(request, response)


class Policy(CSPMiddleware):
    """The content security policy of whatever has content: "nothing has changed" is a tenth quicker without one."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        return response if response.status_code == 204 else super().process_response(request, response)


class PrivatePages:
    """Pages show people's numbers and texts: no cache keeps them, no other site embeds or reads them."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Cross-Origin-Embedder-Policy", "require-corp")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        patch_vary_headers(response, ["HX-Request"])
        return response


class SessionLimits:
    """A session ends after 30 idle minutes and after 12 hours. A page that refreshes itself (`?v=`) is no person.

    A refresh that finds the session over is answered 401 with HX-Redirect, so that the browser goes to the sign-in
    page instead of showing it inside a table cell.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            why = self._over(request)
            if why:
                logout(request)
                request.ended = why  # type: ignore[attr-defined]
        return self.get_response(request)

    def _over(self, request: HttpRequest) -> str:
        now, session = int(time.time()), request.session
        began, seen = session.setdefault("began", now), session.setdefault("seen", now)
        if now - began >= settings.SESSION_ABSOLUTE_SECONDS:
            return "limit"
        if now - seen >= settings.SESSION_IDLE_SECONDS:
            return "idle"
        if not _refreshes_itself(request) and now - seen >= SEEN_EVERY:
            session["seen"] = now
        return ""

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        if request.user.is_authenticated or not getattr(view, "login_required", True):
            return None
        return _lead(request, sign_in_url(_page(request), getattr(request, "ended", "")), _("Your session is over."))


def _page(request: HttpRequest) -> str:
    """The page the person is on, to come back to; none for a form that was sent."""
    if not _is_htmx(request):
        return request.get_full_path() if request.method == "GET" else ""
    here = urlsplit(request.headers.get("HX-Current-URL", ""))
    return f"{here.path}?{here.query}" if here.query else here.path


def _lead(request: HttpRequest, url: str, why: str) -> HttpResponse:
    """Send the whole browser there, also when only a part of a page was asked for."""
    if not _is_htmx(request):
        return redirect(url)
    response = HttpResponse(f"{why} {_('Sign in again.')}", status=401, content_type="text/plain")
    response["HX-Redirect"] = url
    return response


def _is_htmx(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _refreshes_itself(request: HttpRequest) -> bool:
    return "v" in request.GET and _is_htmx(request)


class SecondFactor:
    """Behind https a password alone opens no page: a code is asked for, or the second factor is set up first.

    Whoever has none yet may also change their own password: one made by an admin is replaced before anything else.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        if not settings.HTTPS or not getattr(view, "login_required", True):
            return None
        has_one = bool(request.user.sealed_totp)  # type: ignore[union-attr]
        if has_one and request.session.get(CODE_GIVEN):
            return None
        step, more = ("second-factor", set()) if has_one else ("second-factor-set-up", {"password"})
        name = request.resolver_match.url_name if request.resolver_match else ""
        if name in {step, *more}:
            return None
        return _lead(request, _with_query(reverse(step), next=_page(request)), _("A second step is missing."))


class RoleRequired:
    """Default-deny: a view that neither names its roles nor is `login_not_required` is closed to everybody."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True):
            return None
        match = request.resolver_match
        if request.user.must_change_password and (match is None or match.url_name not in NOT_CHANGED_YET):  # type: ignore[union-attr]
            return redirect("password")
        if not getattr(view, "roles", frozenset()) & request.user.roles:  # type: ignore[union-attr]
            raise PermissionDenied
        return None


class FormAddresses:
    """Who opens the address that a form goes to, by reloading it or after signing in, gets the page above it."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 405 or request.method not in ("GET", "HEAD") or request.path.startswith(PROGRAMS):
            return response
        return redirect(_above(request.path))


def _above(path: str) -> str:
    """The nearest address above this one that there is."""
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        with suppress(Resolver404):
            resolve(path)
            return path
    return path


def sign_in_url(page: str = "", why: str = "") -> str:
    """Where to sign in, and what to say and where to go afterwards."""
    return _with_query(reverse("sign-in"), next=page, why=why)


def _with_query(url: str, **query: str) -> str:
    given = {name: value for name, value in query.items() if value and (name, value) != ("next", "/")}
    return url + (f"?{urlencode(given)}" if given else "")
