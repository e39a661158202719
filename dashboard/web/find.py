"""Find: a number in any way it is written, its last digits, any id, or filters that lead to the list of messages.

What is typed comes by POST. Of it only filters go into an address, and no address, title or log ever holds a number.
"""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.models import Account, Recipient
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.context import LISTS
from dashboard.web.lookup import look_up, reach
from dashboard.web.parts import user_of
from dashboard.web.qualifiers import Asked, asked, examples, mistyped, plain
from providers.base import MAX_ID_LENGTH

LOOKED_UP = "looked_up"  # in the session: ids of recipients, never their numbers
REMEMBERED = 10
MOST_SUGGESTED = 50  # accounts


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
    text = form.cleaned_data["q"]
    filters = asked(text)
    found = look_up(plain(text))
    if found.only and filters is None:
        return redirect(found.only)
    if filters is None or found:  # an id may look like a filter: then both are offered
        wrong = None if found else mistyped(text)
        return _page(request, form=form, found=found, q=text, wrong=wrong, filters=_usable(request, filters))
    return _filtered(request, form, filters, text)


def _filtered(request: HttpRequest, form: FindForm, filters: Asked, text: str) -> HttpResponse:
    """To the list that the filters mean, or why not."""
    if not filters.troubles and _sees_lists(request):
        return redirect(filters.url)
    if not filters.troubles and filters.batch is not None:
        return redirect("batch", pk=filters.batch)
    if not _sees_lists(request):
        return _page(request, status=422, form=form, q=text, no_lists=True)
    return _page(request, status=422, form=form, q=text, wrong=filters)


def _usable(request: HttpRequest, filters: Asked | None) -> Asked | None:
    return filters if filters and not filters.troubles and _sees_lists(request) else None


def _sees_lists(request: HttpRequest) -> bool:
    return bool(user_of(request).roles & LISTS)


def _page(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    if "q" not in context:
        context["recent"] = _recent(request)
    if "found" in context and not context["found"]:
        context["reach"] = reach()
    if _sees_lists(request):
        slugs = list(Account.objects.values_list("slug", flat=True)[:MOST_SUGGESTED])
        context |= {"examples": examples(slugs), "an_account": slugs[0] if slugs else "…"}
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
