"""Sending one message again: would it help, what exactly would happen, and a button that works once."""

from __future__ import annotations

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import messages as notes
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from dashboard.domain import phone
from dashboard.domain.prices import Price
from dashboard.ingest.offering import Offer, offer
from dashboard.ingest.retry import Refused, request_retry
from dashboard.ingest.situation import Wish
from dashboard.models import Message, Retry
from dashboard.web.access import roles
from dashboard.web.advice import shown
from dashboard.web.messages_one import Tree, tree_of
from dashboard.web.parts import hide_digits, page_or_partial, sees_all, user_of
from dashboard.web.tags import age, money, status_word
from dashboard.web.trail import note
from providers.base import Status

VALID_FOR = 10 * 60  # seconds: a page older than this shows the state again before anything is sent
TOO_OLD = gettext_lazy("This page was too old. Nothing was sent; look at it once more.")
NOT_YOURS = gettext_lazy("This page was made for somebody else or another message. Nothing was sent.")
OTHERWISE = gettext_lazy("This is what would be sent now. Press the button once more to send it.")
_SALT = "dashboard.retry"


class RetryForm(forms.Form):
    """What a person says when sending again. `nonce` is this page's single permission."""

    nonce = forms.CharField(max_length=1000, required=False, widget=forms.HiddenInput)
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

    def __init__(self, *args: Any, found: Offer, looking: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Any = self.fields["account"]
        account.choices = [(one.slug, one.name) for one in found.accounts]
        account.initial = found.case.original.account.slug
        self.fields["reason"].required = not looking
        for field in self.fields.values():
            kind = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            field.widget.attrs["class"] = kind

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        return text.replace("\r\n", "\n") if text.strip() else ""


@roles("support", "ops")
@require_http_methods(["GET", "HEAD", "POST"])
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """The dialog. With `look` in the form it only shows what would be sent; else that is sent, if it was shown."""
    tree, user = tree_of(pk), user_of(request)
    found = offer(tree.message, user, compared=True)
    if request.method != "POST":
        return _page(request, tree, found, {})
    looking = "look" in request.POST
    form = RetryForm(request.POST, found=found, looking=looking)
    if not form.is_valid():
        return _page(request, tree, found, {}, form=form, status=422)
    said = form.cleaned_data
    told = _read(said["nonce"])
    if told and Retry.objects.filter(nonce=told["nonce"]).exists():
        return redirect("message", pk=pk)  # the same page sent twice
    wish = _wish(said, found)
    if wish != Wish():
        found = offer(tree.message, user, wish=wish, compared=True)
    if looking:
        return _page(request, tree, found, said)
    problem = _why_not(told, tree, user.pk)
    if problem:
        return _page(request, tree, found, said, problem=problem, status=409)
    if told is None or told["wish"] != _digest(wish):
        return _page(request, tree, found, said, info=OTHERWISE)
    return _ask(request, tree, wish, said["reason"], told, said)


def _wish(said: dict[str, Any], found: Offer) -> Wish:
    """What the form asks for, as far as it differs from what there is."""
    original = found.case.original
    chosen = next((one for one in found.accounts if one.slug == said["account"]), None)
    return Wish(
        account=chosen if chosen is not None and chosen.pk != original.account_id else None,
        text=said["text"] if said["text"] != original.text else "",
        sender=said["sender"] if said["sender"] != original.sender else "",
    )


def _ask(
    request: HttpRequest, tree: Tree, wish: Wish, reason: str, told: dict[str, Any], said: dict[str, Any]
) -> HttpResponse:
    message, user = tree.message, user_of(request)
    try:
        request_retry(
            message.pk, user=user, reason=reason, nonce=told["nonce"],
            account_slug=wish.account.slug if wish.account else "", text=wish.text, sender=wish.sender,
        )  # fmt: skip
    except Refused as refusal:
        note(request, "retry refused", f"message {message.root_pk}", reason=reason, code=refusal.code)
        tree = tree_of(message.pk)
        problem = happened(tree, told) or refusal.message
        return _page(request, tree, offer(message, user, wish=wish, compared=True), said, problem=problem, status=409)
    notes.success(request, _("It is sent again after one last look whether it arrived; this page follows by itself."))
    return redirect("message", pk=message.pk)


# ------------------------------------------------------------------------------ the permission


def permission(tree: Tree, request: HttpRequest, wish: Wish) -> str:
    """Signed: this person, this message, as it is now, this very text and way, once."""
    told = {
        "message": tree.message.root_pk, "user": user_of(request).pk, "version": _standing(tree),
        "wish": _digest(wish), "at": timezone.now().isoformat(), "nonce": secrets.token_hex(16),
    }  # fmt: skip
    return signing.dumps(told, salt=_SALT)


def _read(permission: str) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = signing.loads(permission, salt=_SALT, max_age=VALID_FOR)
    except signing.BadSignature:
        return None
    return told


def _digest(wish: Wish) -> str:
    parts = (wish.account.slug if wish.account else "", wish.text, wish.sender)
    return sha256(repr(parts).encode()).hexdigest()[:16]


def _standing(tree: Tree) -> str:
    """Changes when something happens that a decision would rest on; being asked about again is nothing."""
    stands: list[Any] = [(m.pk, m.status, m.attempt, m.effective, m.conflict, m.unconfirmed) for m in tree.tries]
    stands += [(r.pk, r.state) for r in tree.retries]
    return sha256(repr(stands).encode()).hexdigest()[:16]


def _why_not(told: dict[str, Any] | None, tree: Tree, user: int) -> Any:
    """Why this permission is none; "" if it is good."""
    if told is None:
        return TOO_OLD
    if told["message"] != tree.message.root_pk or told["user"] != user:
        return NOT_YOURS
    if told["version"] == _standing(tree):
        return ""
    return happened(tree, told) or _("It has changed meanwhile. Nothing was sent; look at it once more.")


def happened(tree: Tree, told: dict[str, Any]) -> str:
    """What has come between since the page was made, in words with its age; "" if nothing is known."""
    now, since = timezone.now(), datetime.fromisoformat(told["at"])
    arrived = next((m for m in tree.tries if m.status == Status.DELIVERED), None)
    if arrived is not None:
        return _("It was delivered %(ago)s. Nothing was sent.") % {"ago": _ago(arrived, now)}
    last = tree.retries[-1] if tree.retries else None
    if last is not None and last.created_at > since:
        who = last.user.get_username() if last.user else last.token.name if last.token else ""
        return _("%(who)s asked for it to be sent again %(ago)s. Your page sent nothing.") % {
            "who": who, "ago": age(last.created_at, now),
        }  # fmt: skip
    newest = tree.tries[-1]
    if newest.status == Status.RETRYING:
        return _("%(provider)s is trying again by itself, as we heard %(ago)s. Nothing was sent.") % {
            "provider": newest.account.provider.label, "ago": _ago(newest, now),
        }  # fmt: skip
    if newest.heard_at and newest.heard_at > since:
        return _("It is now “%(status)s”, as we heard %(ago)s. Nothing was sent; look at it once more.") % {
            "status": status_word(newest.status), "ago": _ago(newest, now),
        }  # fmt: skip
    return ""


def _ago(message: Message, now: datetime) -> str:
    return age(message.final_at or message.heard_at or now, now)


# ------------------------------------------------------------------------------ the page


def _page(
    request: HttpRequest,
    tree: Tree,
    found: Offer,
    said: dict[str, Any],
    *,
    form: RetryForm | None = None,
    problem: Any = "",
    info: Any = "",
    status: int = 200,
) -> HttpResponse:
    """The dialog with what the person has typed, a fresh permission, and what went wrong."""
    case, full = found.case, sees_all(user_of(request))
    text = hide_digits(case.text) if case.text and not full and not case.wish.text else case.text
    nonce = permission(tree, request, case.wish)
    context = {
        "message": tree.message,
        "offer": found,
        "advice": shown(found.advice, tree.message.pk, timezone.now()),
        "form": form or RetryForm(found=found, initial={**said, "nonce": nonce}),
        "nonce": nonce,
        "problem": problem,
        "info": info,
        "text": text,
        "text_hidden": text != case.text,
        "button": button(found),
        "opened": bool(case.changed or found.needs or (form is not None and form.errors)),
    }
    return render(request, page_or_partial(request, "retry.html", "promise"), context, status=status)


def button(found: Offer) -> str:
    """The one sentence that says exactly what pressing it does."""
    case = found.case
    digits = case.root.recipient.digits
    said = {
        "texts": _("1 text") + (f" ({_parts(found.parts)})" if found.parts else ""),
        "to": phone.masked(digits) if digits else _("a number that was removed"),
        "account": case.account.name,
        "price": price_words(case.price),
    }
    if case.by_provider:
        return _("Let %(account)s try again: %(texts)s to %(to)s (%(price)s)") % said
    return _("Send %(texts)s to %(to)s via %(account)s (%(price)s)") % said


def _parts(count: int) -> str:
    return ngettext("%(n)s part", "%(n)s parts", count) % {"n": count}


def price_words(price: Price | None) -> str:
    if price is None:
        return _("price not known")
    amount = money(price.amount, price.currency)
    return _("usually %(amount)s") % {"amount": amount} if price.of else amount
