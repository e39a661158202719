"""Who did what, when, from where and why: newest first, nothing can be changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from dashboard.keyset import BadCursor, window
from dashboard.models import Audit
from dashboard.web.access import roles
from dashboard.web.filters import active, at, without
from dashboard.web.forms import Form
from dashboard.web.parts import page_or_partial

PAGE = 50


class AuditFilter(Form):
    """Every parameter of the audit list."""

    subject = forms.CharField(
        required=False, max_length=100, label=gettext_lazy("About"), help_text=gettext_lazy("Such as “account bsg”")
    )
    actor = forms.CharField(required=False, max_length=150, label=gettext_lazy("Who"))

    def apply(self) -> QuerySet[Audit]:
        if not self.is_valid():
            return Audit.objects.none()
        found = Audit.objects.all()
        if subject := self.cleaned_data["subject"]:
            found = found.filter(subject=subject)
        if actor := self.cleaned_data["actor"]:
            found = found.filter(actor_name=actor)
        return found


@dataclass(frozen=True, slots=True)
class Line:
    """One row, its details in words."""

    at: datetime
    actor_name: str
    who_url: str
    action: str
    subject: str
    about_url: str
    reason: str
    details: list[tuple[str, str]]
    ip: str | None


def _line(row: Audit) -> Line:
    details = [(name, _words(value)) for name, value in row.details.items() if value not in ("", None, [], {})]
    return Line(
        row.at, row.actor_name, audit_url(actor=row.actor_name), row.action, row.subject,
        audit_url(subject=row.subject), row.reason, details, row.ip,
    )  # fmt: skip


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_words(inner) for inner in value) or "–"
    return "–" if value in ("", None) else str(value)


def audit_url(**filters: str) -> str:
    """The audit of one subject or of one person."""
    return f"{reverse('audit')}?{urlencode(filters)}"


@roles("admin")
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    form = AuditFilter(request.GET)
    status, problem, found = 200, "", form.apply()
    try:
        shown = window(found, request.GET.get("cursor", ""), PAGE)
    except BadCursor as error:
        status, problem, shown = 400, str(error), window(Audit.objects.none(), "", PAGE)
    context = {
        "form": form,
        "rows": [_line(row) for row in shown.items],
        "active": active(request.GET, {name: field.label for name, field in form.fields.items()}),
        "older": at(request.GET, shown.older),
        "newer": at(request.GET, shown.newer),
        "problem": problem,
        "filtered": without(request.GET) != "?",
    }
    return render(request, page_or_partial(request, "audit.html", "rows"), context, status=status)
