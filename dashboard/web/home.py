"""The overview: what is wrong now, and where to look."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.web.access import EVERYBODY, roles


@roles(*EVERYBODY)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {})
