"""What holds for every page: no cache keeps it, sessions end, and a view is closed unless it names its roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers

View = Callable[..., HttpResponse]

PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), "
    "gyroscope=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=(), xr-spatial-tracking=()"
)
SEEN_EVERY = 60  # seconds: the session is one row, and not every click needs to write it


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
        why = getattr(request, "ended", "")
        if request.headers.get("HX-Request") == "true":
            here = urlsplit(request.headers.get("HX-Current-URL", ""))
            page = f"{here.path}?{here.query}" if here.query else here.path
            response = HttpResponse("Your session is over. Sign in again.", status=401, content_type="text/plain")
            response["HX-Redirect"] = sign_in_url(page, why)
            return response
        return redirect(sign_in_url(request.get_full_path() if request.method == "GET" else "", why))


def _refreshes_itself(request: HttpRequest) -> bool:
    return "v" in request.GET and request.headers.get("HX-Request") == "true"


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
        if request.user.must_change_password and (match is None or match.url_name not in ("password", "sign-out")):  # type: ignore[union-attr]
            return redirect("password")
        if not getattr(view, "roles", frozenset()) & request.user.roles:  # type: ignore[union-attr]
            raise PermissionDenied
        return None


def sign_in_url(page: str = "", why: str = "") -> str:
    """Where to sign in, and what to say and where to go afterwards."""
    query = {name: value for name, value in (("next", page if page != "/" else ""), ("why", why)) if value}
    return reverse("sign-in") + (f"?{urlencode(query)}" if query else "")
