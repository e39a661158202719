"""A send of which nobody knows whether it went out: what was tried to find out, and a person's word as the last way."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages as notes
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.domain.outcomes import ways_of
from dashboard.ingest.doubts import settle_by_hand, why_not_by_hand
from dashboard.ingest.retry import Refused
from dashboard.models import Evidence, Message, Retry
from dashboard.web.access import roles
from dashboard.web.forms import Form
from dashboard.web.parts import user_of
from providers.base import MAX_ID_LENGTH

WENT_OUT, NOT_SENT = "went_out", "not_sent"
MOST_EVIDENCE = 50
NONE = gettext_lazy("Nothing of the kind is open for this message.")


class SettleForm(Form):
    """What a person says about it. The two buttons are the two answers."""

    verdict = forms.ChoiceField(choices=[(WENT_OUT, WENT_OUT), (NOT_SENT, NOT_SENT)])
    reason = forms.CharField(
        max_length=500, label=gettext_lazy("How do you know?"),
        error_messages={"required": gettext_lazy("Say how you know.")},
        help_text=gettext_lazy("It is kept with your name. Write nothing private; phone numbers in it are hidden."),
    )  # fmt: skip
    provider_id = forms.CharField(
        required=False, max_length=MAX_ID_LENGTH, label=gettext_lazy("The provider’s id of it, if it went out"),
        help_text=gettext_lazy("From the provider’s own pages. With it the message is followed like any other."),
    )  # fmt: skip


@roles("ops")
@require_http_methods(["GET", "HEAD", "POST"])
def doubt(request: HttpRequest, pk: int) -> HttpResponse:
    """409 while nobody needs to settle it by hand, or where something has settled it meanwhile."""
    message = get_object_or_404(Message.objects.select_related("account", "recipient"), pk=pk)
    retry = _latest(message)
    problem = why_not_by_hand(retry, timezone.now()) if retry else str(NONE)
    if retry is None or problem or request.method != "POST":
        return _page(request, message, retry, SettleForm(), problem)
    form = SettleForm(request.POST)
    if not form.is_valid():
        return _page(request, message, retry, form, "", 422)
    said = form.cleaned_data
    try:
        settle_by_hand(
            retry.pk, went_out=said["verdict"] == WENT_OUT, reason=said["reason"], user=user_of(request),
            provider_id=said["provider_id"], ip=request.META.get("REMOTE_ADDR") or None,
        )  # fmt: skip
    except Refused as refusal:
        return _page(request, message, _latest(message), form, refusal.message, 409)
    notes.success(request, _("It is settled, with your name and your reason."))
    return redirect("message", pk=message.pk)


def open_doubt(retries: list[Retry]) -> Retry | None:
    """The one of a message's wishes to send it that is a doubt."""
    return next((retry for retry in retries if retry.state == Retry.State.OUTCOME_UNKNOWN), None)


def _latest(message: Message) -> Retry | None:
    """The doubt, else the newest wish to send: it tells how the doubt was settled."""
    mine = Retry.objects.filter(root=message.root_pk).select_related("account", "user", "token", "message", "original")
    return open_doubt(list(mine)) or mine.order_by("-pk").first()


def _page(
    request: HttpRequest, message: Message, retry: Retry | None, form: SettleForm, problem: str, status: int = 0
) -> HttpResponse:
    unknown = retry is not None and retry.state == Retry.State.OUTCOME_UNKNOWN
    context: dict[str, Any] = {"message": message, "retry": retry, "form": form, "problem": problem, "unknown": unknown}
    if retry is not None and unknown:
        now = timezone.now()
        context |= {
            "ways": _ways(retry),
            "due": retry.next_look_at is not None and retry.next_look_at <= now,
            "may_settle": not why_not_by_hand(retry, now),
            "evidence": _evidence(retry),
        }
    return render(request, "doubt.html", context, status=status or (409 if problem else 200))


def _ways(retry: Retry) -> list[str]:
    """What can still settle it without a person, in words."""
    account, name = retry.account, {"provider": retry.account.provider.label}
    ways = ways_of(
        account.provider, retry.reference, retry.created_at, account.without(timezone.now()),
        by_retry=retry.via == Retry.Via.PROVIDER,
    )  # fmt: skip
    found = [_("Any report of %(provider)s about it: then it went out.") % name]
    if ways.by_reference:
        found.append(_("Asking %(provider)s about our own reference.") % name)
    if ways.by_repeating:
        found.append(
            _("In the first ten minutes: the very same request once more, of which %(provider)s makes one text.") % name
        )
    if ways.by_listing:
        found.append(_("What %(provider)s lists as sent to this number, if exactly one of it can be this text.") % name)
    if not ways:
        found.append(_("%(provider)s has no way of being asked about it.") % name)
    return found


def _evidence(retry: Retry) -> QuerySet[Evidence]:
    """What was said since the send: about the message that it makes, and about the one that had failed."""
    about = Q(message=retry.message_id) | Q(message=retry.original_id)
    rows = Evidence.objects.filter(about, received_at__gte=retry.created_at)
    return rows.defer("body", "headers", "context").order_by("-pk")[:MOST_EVIDENCE]
