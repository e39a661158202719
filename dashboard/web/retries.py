"""Sending one message again: what would happen, why, and a button that works once."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.contrib import messages as notes
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.domain.prices import Price
from dashboard.ingest.retry import Offer, Refused, offer, request_retry
from dashboard.models import Retry
from dashboard.web.access import roles
from dashboard.web.messages_one import Tree, tree_of
from dashboard.web.parts import hide_digits, sees_all, user_of
from dashboard.web.tags import money
from dashboard.web.trail import note

VALID_FOR = 10 * 60  # seconds: a page older than this shows the state again before anything is sent
TOO_OLD = gettext_lazy("This page was too old. Nothing was sent; look at it once more.")
CHANGED = gettext_lazy("The message has changed meanwhile. Nothing was sent; look at it once more.")
_SALT = "dashboard.retry"


class RetryForm(forms.Form):
    """What a person says when sending again. `nonce` is this page's single permission."""

    nonce = forms.CharField(max_length=500, widget=forms.HiddenInput)
    reason = forms.CharField(
        max_length=500, label=gettext_lazy("Why is it sent again?"),
        error_messages={"required": gettext_lazy("Say why it is sent again.")},
    )  # fmt: skip
    account = forms.ChoiceField(label=gettext_lazy("Through"), required=False)
    text = forms.CharField(
        max_length=2000,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label=gettext_lazy("Text"),
    )
    sender = forms.CharField(max_length=50, required=False, label=gettext_lazy("Sender"))

    def __init__(self, *args: Any, found: Offer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Any = self.fields["account"]
        account.choices = [(one.slug, one.name) for one in found.accounts]
        account.initial = found.original.account.slug
        self.fields["text"].required = found.needs_text
        for field in self.fields.values():
            kind = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            field.widget.attrs["class"] = kind


@roles("support", "ops")
@require_http_methods(["GET", "HEAD", "POST"])
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    tree = tree_of(pk)
    found = offer(tree.message, user_of(request))
    if request.method != "POST":
        return _page(request, tree, found, RetryForm(found=found, initial={"nonce": permission(tree, request)}))
    form = RetryForm(request.POST, found=found)
    if not form.is_valid():
        return _page(request, tree, found, form, status=422)
    said = form.cleaned_data
    told = _read(said["nonce"])
    if told and Retry.objects.filter(nonce=told["nonce"]).exists():
        return redirect("message", pk=pk)  # the same page sent twice
    if told is None or told["message"] != tree.message.root_pk or told["user"] != user_of(request).pk:
        return _again(request, tree, found, said, TOO_OLD)
    if told["version"] != tree.version:
        return _again(request, tree, found, said, CHANGED)
    return _ask(request, tree, found, said, told["nonce"])


def _ask(request: HttpRequest, tree: Tree, found: Offer, said: dict[str, Any], nonce: str) -> HttpResponse:
    message = tree.message
    try:
        request_retry(
            message.pk, user=user_of(request), reason=said["reason"], nonce=nonce,
            account_slug=said["account"], text=said["text"], sender=said["sender"],
        )  # fmt: skip
    except Refused as refusal:
        note(request, "retry refused", f"message {message.root_pk}", reason=said["reason"], code=refusal.code)
        return _again(request, tree, offer(message, user_of(request)), said, refusal.message)
    notes.success(request, _("It is sent again after one last look whether it arrived; this page follows by itself."))
    return redirect("message", pk=message.pk)


def permission(tree: Tree, request: HttpRequest) -> str:
    """Signed: this person, this message, as it is now, once."""
    told = {
        "message": tree.message.root_pk, "user": user_of(request).pk, "version": tree.version,
        "nonce": secrets.token_hex(16),
    }  # fmt: skip
    return signing.dumps(told, salt=_SALT)


def _read(permission: str) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = signing.loads(permission, salt=_SALT, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    return told


def _again(request: HttpRequest, tree: Tree, found: Offer, said: dict[str, Any], problem: Any) -> HttpResponse:
    """The page once more with what the person had typed, a fresh permission, and what went wrong: 409."""
    form = RetryForm(found=found, initial={**said, "nonce": permission(tree, request)})
    return _page(request, tree, found, form, problem, 409)


def _page(
    request: HttpRequest, tree: Tree, found: Offer, form: RetryForm, problem: Any = "", status: int = 200
) -> HttpResponse:
    text = found.original.text
    if text is not None and not sees_all(user_of(request)):
        text = hide_digits(text)
    context = {
        "message": tree.message, "tree": tree, "offer": found, "form": form, "problem": problem, "text": text,
        "price": _price(found.price),
    }  # fmt: skip
    return render(request, "retry.html", context, status=status)


def _price(price: Price | None) -> str:
    return money(price.amount, price.currency) if price is not None else _("price not known")
