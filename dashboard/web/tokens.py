"""API tokens: the keys of programs. A secret is shown once, when it is made."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from dashboard.models import Account, ApiToken
from dashboard.web import once, trail
from dashboard.web.access import roles
from dashboard.web.filters import AccountChoice
from dashboard.web.forms import Form

SHOWN = "token"
SCOPE_LABELS = {
    "read": gettext_lazy("Read: messages, batches, metrics"),
    "write": gettext_lazy("Write: register sends"),
    "retry": gettext_lazy("Retry: send again, which costs money"),
}


class TokenForm(Form):
    """A new token."""

    name = forms.CharField(max_length=100, label=gettext_lazy("Name"), help_text=gettext_lazy("Which program has it"))
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPE_LABELS.items()), widget=forms.CheckboxSelectMultiple, label=gettext_lazy("May")
    )
    account = AccountChoice(
        required=False, label=gettext_lazy("Account"), help_text=gettext_lazy("All, or only one account's messages")
    )


@roles("admin")
@require_GET
def tokens(request: HttpRequest) -> HttpResponse:
    return _list(request, TokenForm())


@roles("admin")
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _list(request, form)
    given = form.cleaned_data
    account = Account.objects.filter(slug=given["account"]).first() if given["account"] else None
    with transaction.atomic():
        made, secret = ApiToken.issue(given["name"], set(given["scopes"]), account)
        trail.note(
            request, "token.created", f"token {made.name}", id=made.pk, scopes=sorted(given["scopes"]),
            account=given["account"],
        )  # fmt: skip
    once.keep(request, SHOWN, made.name, secret)
    return redirect("tokens")


@roles("admin")
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    found = get_object_or_404(ApiToken, pk=pk)
    with transaction.atomic():
        if ApiToken.objects.filter(pk=pk, revoked_at=None).update(revoked_at=timezone.now()):
            trail.note(request, "token.revoked", f"token {found.name}", id=pk)
    messages.success(request, _("The token “%(name)s” is worth nothing any more.") % {"name": found.name})
    return redirect("tokens")


def _list(request: HttpRequest, form: TokenForm) -> HttpResponse:
    found = ApiToken.objects.select_related("account").order_by("-pk")
    context = {
        "live": [token for token in found if token.revoked_at is None],
        "revoked": [token for token in found if token.revoked_at is not None],
        "form": form,
        "shown": once.take(request, SHOWN),
    }
    return render(request, "tokens.html", context)
