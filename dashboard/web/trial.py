"""Sending one test text through an account: typed, looked at, then pressed once."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages as notes
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.domain import phone
from dashboard.ingest.retry import Refused
from dashboard.ingest.trial import Trial, refusal_of, request_trial
from dashboard.models import Account, Message, Retry
from dashboard.web.access import roles
from dashboard.web.forms import Form
from dashboard.web.parts import user_of
from dashboard.web.trail import note
from providers.base import Status

HARMLESS = gettext_lazy("This is a test of our text messages. You need not do anything.")
VALID_FOR = 10 * 60  # seconds
TOO_OLD = gettext_lazy("This page was too old, or something in it was changed. Nothing was sent; look at it once more.")
LATELY = 50  # messages among which a sender is looked for
_SALT = "dashboard.trial"


class TrialForm(Form):
    """Whom to text, and what. `permission` is given once it has been looked at: it sends exactly that, once."""

    to = forms.CharField(
        max_length=40, label=gettext_lazy("Number"),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "placeholder": "+254 712 345678"}),
        help_text=gettext_lazy("With + and the country code. The person should know that a test comes."),
    )  # fmt: skip
    text = forms.CharField(
        max_length=480, label=gettext_lazy("Text"), initial=HARMLESS, widget=forms.Textarea(attrs={"rows": 3})
    )
    sender = forms.CharField(
        required=False, max_length=50, label=gettext_lazy("Sender"),
        help_text=gettext_lazy("As the provider knows it. Some need one, for others it may stay empty."),
    )  # fmt: skip
    permission = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    def clean_to(self) -> str:
        try:
            return phone.parse(self.cleaned_data["to"], settings.DEFAULT_REGION)
        except phone.NotANumber as error:
            raise forms.ValidationError(str(error)) from None


@roles("ops", "admin")
@sensitive_post_parameters("to", "text")
@require_http_methods(["GET", "HEAD", "POST"])
def trial(request: HttpRequest, slug: str) -> HttpResponse:
    """The form; posted, what it would send; posted again with the permission that was given then, sent."""
    account = get_object_or_404(Account, slug=slug)
    if request.method != "POST":
        return _page(request, account, TrialForm(initial={"sender": _usual_sender(account)}))
    form = TrialForm(request.POST)
    if not form.is_valid():
        return _page(request, account, form, status=422)
    said = form.cleaned_data
    wanted = Trial(account=account, to=said["to"], text=said["text"], sender=said["sender"])
    if not said["permission"]:
        return _look(request, wanted, form)
    nonce = _nonce(said["permission"], wanted, request)
    if nonce is None:
        return _look(request, wanted, form, TOO_OLD)
    return _send(request, wanted, form, nonce)


def _send(request: HttpRequest, wanted: Trial, form: TrialForm, nonce: str) -> HttpResponse:
    known = Retry.objects.filter(nonce=nonce).first()
    if known is not None:
        return redirect("message", pk=known.root_id)  # the same page sent twice
    try:
        with transaction.atomic():
            retry, new = request_trial(wanted, user_of(request), nonce)
            if new:
                note(
                    request, "test text", f"message {retry.root_id}", retry=retry.pk, account=wanted.account.slug,
                    recipient=retry.root.recipient_id,
                )  # fmt: skip
    except Refused as refusal:
        note(request, "test text refused", f"account {wanted.account.slug}", code=refusal.code)
        return _look(request, wanted, form, refusal.message)
    notes.success(request, _("The test text is sent as soon as the worker takes it; this page follows by itself."))
    return redirect("message", pk=retry.root_id)


def _look(request: HttpRequest, wanted: Trial, form: TrialForm, problem: Any = "") -> HttpResponse:
    """What pressing the button would send, with a fresh permission; or why it may not be sent. 409 after a press."""
    try:
        wanted.check()
        found = refusal_of(wanted, user_of(request), timezone.now())
        why_not = found.sentence if found else ""
    except Refused as refusal:
        why_not = refusal.message
    context = {
        "wanted": wanted,
        "price": wanted.price(),
        "why_not": why_not,
        "permission": _permission(wanted, request),
        "country": phone.country(wanted.to),
        "problem": problem if str(problem) != why_not else "",
    }
    return _page(request, wanted.account, form, status=409 if problem else 200, **context)


def _page(request: HttpRequest, account: Account, form: TrialForm, *, status: int = 200, **more: Any) -> HttpResponse:
    paused = account.paused_until is not None and account.paused_until > timezone.now()
    context = {"account": account, "form": form, "paused": paused, **more}
    return render(request, "trial.html", context, status=status)


def _usual_sender(account: Account) -> str:
    """The sender of the account's newest texts that arrived, where they have one."""
    arrived = Message.objects.filter(account=account, effective=Status.DELIVERED.value)
    lately = arrived.order_by("-sent_at", "-pk").values_list("sender", flat=True)[:LATELY]
    return next((sender for sender in lately if sender), "")


def _permission(wanted: Trial, request: HttpRequest) -> str:
    """Signed: this person, exactly this text to this number, once."""
    told = {"what": _digest(wanted), "user": user_of(request).pk, "nonce": secrets.token_hex(16)}
    return signing.dumps(told, salt=_SALT)


def _nonce(permission: str, wanted: Trial, request: HttpRequest) -> str | None:
    try:
        told: dict[str, Any] = signing.loads(permission, salt=_SALT, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    mine = (told["what"], told["user"]) == (_digest(wanted), user_of(request).pk)
    return str(told["nonce"]) if mine else None


def _digest(wanted: Trial) -> str:
    return sha256(repr((wanted.account.pk, wanted.to, wanted.text, wanted.sender)).encode()).hexdigest()
