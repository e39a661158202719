"""Signing in and out."""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import second_factor
from dashboard.web.middleware import CODE_GIVEN


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    page = inside(request, request.POST.get("next", request.GET.get("next", "")))
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(page)
        return render(request, "sign_in.html", {"next": page, "why": _why(request.GET.get("why", ""))})
    form = AuthenticationForm(request, request.POST)
    if not form.is_valid():
        return render(request, "sign_in.html", {"form": form, "next": page})
    person = form.get_user()
    if settings.HTTPS and second_factor.refused(person):
        return render(request, "sign_in_locked.html", {"codes": True}, status=429)
    login(request, person)  # a new session key: one that somebody planted is worth nothing
    request.session.pop(CODE_GIVEN, None)
    request.session["began"] = request.session["seen"] = int(time.time())
    return redirect(page)


def _why(code: str) -> str:
    reasons = {
        "idle": _("You were signed out after 30 minutes without a click."),
        "limit": _("You were signed out: a session lasts 12 hours at most."),
        "codes": _("You were signed out after five wrong codes."),
    }
    return reasons.get(code, "")


@login_not_required  # whoever's session is over already should land on the sign-in page as well
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("sign-in")


def inside(request: HttpRequest, page: str) -> str:
    """The page if it is one of ours, else the overview."""
    safe = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if page.startswith("/") and safe else "/"
