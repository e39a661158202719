"""Who did what, when, from where and why: newest first, nothing can be changed."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from dashboard.keyset import BadCursor, window
from dashboard.models import Audit
from dashboard.web.access import roles
from dashboard.web.filters import active, at, without
from dashboard.web.parts import page_or_partial

PAGE = 50


class AuditFilter(forms.Form):
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
        "rows": shown.items,
        "active": active(request.GET, {name: field.label for name, field in form.fields.items()}),
        "older": at(request.GET, shown.older),
        "newer": at(request.GET, shown.newer),
        "problem": problem,
        "filtered": without(request.GET) != "?",
    }
    return render(request, page_or_partial(request, "audit.html", "rows"), context, status=status)
