"""One phone number: everything that was sent to it, newest first, and whether the person wants to be texted at all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import messages as notes
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from dashboard.domain import phone
from dashboard.domain.lifecycle import FINALS
from dashboard.domain.reach import reach
from dashboard.keyset import BadCursor, window
from dashboard.logs import masked
from dashboard.models import Message, Recipient
from dashboard.verdicts import record_of
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.audit import audit_url
from dashboard.web.find import remember
from dashboard.web.forgotten import last_run
from dashboard.web.forms import Form
from dashboard.web.judged import card
from dashboard.web.parts import hide_digits, page_or_partial, sees_all, user_of
from dashboard.web.strip import strip
from dashboard.web.trail import note
from providers.base import Status

PAGE = 50
SHOWN_OF_TEXT = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A message and what was sent again for it."""

    message: Message
    again: list[Message]
    text: str

    @property
    def decided(self) -> bool:
        return Status(self.message.status) in FINALS


class ReasonForm(Form):
    """Why the person is not to be texted any more, or is again."""

    reason = forms.CharField(
        max_length=500, label=gettext_lazy("Why?"),
        help_text=gettext_lazy("It is kept with your name. Phone numbers in it are hidden."),
        error_messages={"required": gettext_lazy("Say why.")},
    )  # fmt: skip

    def clean_reason(self) -> str:
        return masked(self.cleaned_data["reason"])  # the audit names no number and forgets nothing


@roles(*EVERYBODY)
@require_safe
def recipient(request: HttpRequest, pk: str) -> HttpResponse:
    return _page(request, get_object_or_404(Recipient, pk=pk), ReasonForm())


def _page(request: HttpRequest, found: Recipient, form: ReasonForm) -> HttpResponse:
    user = user_of(request)
    mine = Message.objects.filter(recipient=found)
    roots = mine.filter(root=None).select_related("account", "batch")
    try:
        shown = window(roots, request.GET.get("cursor", ""), PAGE)
    except BadCursor:
        raise Http404 from None
    remember(request, found)
    record = record_of(found, timezone.now())
    judged = reach(record)
    context = {
        "recipient": found,
        "forgotten": None if found.digits or not found.hmac else last_run(),
        "country": phone.country(found.digits) if found.digits else "",
        "window": shown,
        "rows": _rows(shown.items, full=sees_all(user)),
        "card": card(judged, record.texts[0].status, found.pk) if judged else None,
        "days": strip(record),
        "alive": record.alive,
        "usual": record.usual,
        "form": form,
        "may_opt_out": bool(user.roles & {"support", "ops"}),
        "may_lift": user.ops,
        "audit_url": audit_url(subject=f"recipient {found.pk}") if user.admin else "",
    }
    template = page_or_partial(request, "recipient.html", "rows")
    return render(request, template, context, status=422 if form.errors else 200)


def _rows(roots: list[Message], *, full: bool) -> list[Row]:
    again: dict[int, list[Message]] = defaultdict(list)
    for message in Message.objects.filter(root__in=roots).select_related("account").order_by("pk"):
        again[message.root_pk].append(message)
    return [Row(root, again[root.pk], _beginning(root.text or "", full=full)) for root in roots]


def _beginning(text: str, *, full: bool) -> str:
    short = text[:SHOWN_OF_TEXT] + ("…" if len(text) > SHOWN_OF_TEXT else "")
    return short if full else hide_digits(short)


# ------------------------------------------------------------------------------ not to be texted any more


@roles("support", "ops")
@require_POST
def opt_out(request: HttpRequest, pk: str) -> HttpResponse:
    """The person asked not to be texted: nothing goes to them from here, and what is not on the wire yet is dropped."""
    said = _("Noted. Nothing is sent to this person from here any more. Whoever else texts them must be told as well.")
    return _mark(request, pk, "opted out", timezone.now(), said)


@roles("ops")
@require_POST
def lift_opt_out(request: HttpRequest, pk: str) -> HttpResponse:
    return _mark(request, pk, "opt-out lifted", None, _("Lifted. This person may be texted again."))


def _mark(request: HttpRequest, pk: str, action: str, at: datetime | None, said: str) -> HttpResponse:
    found, form = get_object_or_404(Recipient, pk=pk), ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form)
    why, by = form.cleaned_data["reason"], user_of(request).get_username()
    mark = {"opted_out_by": by, "opted_out_why": why} if at else {"opted_out_by": "", "opted_out_why": ""}
    with transaction.atomic():
        still = Recipient.objects.filter(pk=pk, opted_out_at__isnull=at is not None)
        if still.update(opted_out_at=at, **mark):
            note(request, action, f"recipient {pk}", reason=why)
            notes.success(request, said)
        else:
            notes.info(request, _("That was done already; nothing has changed."))
    return redirect("recipient", pk=pk)
