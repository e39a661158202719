"""Find: a number in any way it is written, its last digits, or any id."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.web.access import EVERYBODY, roles


@roles(*EVERYBODY)
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    return render(request, "find.html", {})
