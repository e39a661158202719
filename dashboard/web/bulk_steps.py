"""The buttons of a run: approve, pause, resume, stop. Each may be pressed twice and happens once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages as notes
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_POST

from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import Refused
from dashboard.models import Bulk
from dashboard.web.access import roles
from dashboard.web.parts import user_of

_BETWEEN_GROUPS = re.compile(r"[\s.,'’]+")


class Grouped(forms.IntegerField):
    """As somebody writes it who reads 1,760: digits, in groups or not."""

    def to_python(self, value: Any) -> int | None:
        return super().to_python(_BETWEEN_GROUPS.sub("", str(value or "")))


class ApproveForm(forms.Form):
    number = Grouped(required=False, error_messages={"invalid": gettext_lazy("Type the number of messages in digits.")})


class StopForm(forms.Form):
    reason = forms.CharField(max_length=500, required=False)


@roles("ops")
@require_POST
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    form = ApproveForm(request.POST)
    if not form.is_valid():
        notes.error(request, str(form.errors["number"][0]))
        return redirect("bulk", pk=pk)
    return _step(request, pk, steps.approve, typed=form.cleaned_data["number"])


@roles("ops")
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    return _step(request, pk, steps.pause)


@roles("ops")
@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    return _step(request, pk, steps.resume)


@roles("ops")
@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    form = StopForm(request.POST)
    if not form.is_valid():
        notes.error(request, _("The reason is too long. Nothing was changed."))
        return redirect("bulk", pk=pk)
    return _step(request, pk, steps.stop, reason=form.cleaned_data["reason"])


def _step(request: HttpRequest, pk: int, step: Callable[..., Bulk], **said: Any) -> HttpResponse:
    try:
        step(pk, user=user_of(request), ip=request.META.get("REMOTE_ADDR") or None, **said)
    except Bulk.DoesNotExist:
        raise Http404 from None
    except Refused as refusal:
        notes.error(request, refusal.message)
    return redirect("bulk", pk=pk)
