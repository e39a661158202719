"""What a person (or a program) sees when something is refused or breaks: what failed, and whether anything was lost."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

log = logging.getLogger(__name__)

PROGRAMS = ("/api/", "/hooks/")
SENTENCES = {
    400: ("bad_request", gettext_lazy("The request could not be read. Nothing was changed.")),
    403: ("forbidden", gettext_lazy("Your role does not allow this. Nothing was changed.")),
    404: ("not_found", gettext_lazy("There is no such page, or it is gone. Nothing was changed.")),
}
CSRF = gettext_lazy(
    "This page is too old: you have signed in again since, or it was open for long. Reload it. Nothing was changed."
)
BROKEN = gettext_lazy(
    "Something broke on our side. It has been logged. Check whether your last change was kept before trying again."
)
BUSY = gettext_lazy("The database was too busy to answer. Nothing was changed. Try again in a moment.")


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, 403, "csrf", CSRF, "403_csrf.html")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400, *SENTENCES[400], "400.html")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403, *SENTENCES[403], "403.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404, *SENTENCES[404], "404.html")


def broken(request: HttpRequest) -> HttpResponse:
    """500, or 503 if the database was what failed. The page needs neither a user nor a database."""
    busy = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status, code, sentence = (503, "unavailable", BUSY) if busy else (500, "internal", BROKEN)
    if _short(request):
        return _answer(request, status, code, sentence, "")
    try:
        again = request.get_full_path() if request.method == "GET" else ""
        page = render_to_string("500.html", {"sentence": sentence, "busy": busy, "again": again, "theme": "auto"})
        return HttpResponse(page, status=status)
    except Exception:
        log.exception("The page for errors cannot be shown")
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")


def _short(request: HttpRequest) -> bool:
    return request.path.startswith(PROGRAMS) or request.headers.get("HX-Request") == "true"


def _answer(request: HttpRequest, status: int, code: str, sentence: StrOrPromise, template: str) -> HttpResponse:
    """JSON for programs, one plain sentence for a part of a page (app.js shows it), a page otherwise."""
    if request.path.startswith(PROGRAMS):
        return JsonResponse({"error": {"code": code, "message": str(sentence)}}, status=status)
    if _short(request):
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    return render(request, template, {"sentence": sentence}, status=status)
