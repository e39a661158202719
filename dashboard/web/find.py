"""Find: a number in any way it is written, its last digits, or any id.

What is typed comes by POST and goes nowhere else: no address, no title and no log ever holds a number.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.models import Recipient
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.lookup import look_up
from providers.base import MAX_ID_LENGTH

LOOKED_UP = "looked_up"  # in the session: ids of recipients, never their numbers
REMEMBERED = 10


class FindForm(forms.Form):
    q = forms.CharField(
        max_length=MAX_ID_LENGTH,
        error_messages={
            "required": _("Type a number, its last 4 to 8 digits, an id, a reference or a batch."),
            "max_length": _("That is longer than any id."),
        },
    )


@roles(*EVERYBODY)
@sensitive_post_parameters("q")
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request)
    form = FindForm(request.POST)
    if not form.is_valid():
        return _page(request, status=422, form=form)
    found = look_up(form.cleaned_data["q"])
    if found.only:
        return redirect(found.only)
    return _page(request, form=form, found=found, q=form.cleaned_data["q"])


def _page(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    if "found" not in context:
        context["recent"] = _recent(request)
    return render(request, "find.html", context, status=status)


def _recent(request: HttpRequest) -> list[Recipient]:
    ids = request.session.get(LOOKED_UP, [])
    known = Recipient.objects.in_bulk(ids)
    return [known[pk] for pk in ids if pk in known]


def remember(request: HttpRequest, recipient: Recipient) -> None:
    """Put the recipient first among the session's last look-ups."""
    before = [pk for pk in request.session.get(LOOKED_UP, []) if pk != recipient.pk]
    after = [recipient.pk, *before][:REMEMBERED]
    if after != request.session.get(LOOKED_UP):
        request.session[LOOKED_UP] = after
