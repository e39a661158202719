"""Sending many again: the list of runs, a new plan, one run followed live, and its report."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from dashboard.domain.bulk import MOST, SMALL
from dashboard.fates import with_fate
from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import Refused
from dashboard.keyset import BadCursor, Window, window
from dashboard.models import Account, Bulk, BulkItem
from dashboard.web import trail
from dashboard.web.access import roles
from dashboard.web.bulk_shown import Shown, counts_of, page_of
from dashboard.web.exports import CHUNK, Line, safe
from dashboard.web.filters import at, in_one, without
from dashboard.web.forms import Form
from dashboard.web.messages_list import MessageFilter, has_phone, words_of
from dashboard.web.parts import STOP_POLLING, at_most, page_or_partial, user_of

PAGE = 25


class PlanForm(Form):
    """What a person says besides the filter."""

    reason = forms.CharField(
        max_length=500, label=gettext_lazy("Why are they sent again?"),
        help_text=gettext_lazy("It is kept with your name. Write nothing private; phone numbers in it are hidden."),
        error_messages={"required": gettext_lazy("Say why they are sent again.")},
    )  # fmt: skip
    through = forms.ChoiceField(required=False, label=gettext_lazy("Through"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        through: Any = self.fields["through"]
        accounts = Account.objects.filter(enabled=True).only("slug", "label")
        own = ("", _("each through its own account"))
        through.choices = [own, *((account.slug, account.name) for account in accounts)]

    @property
    def account(self) -> Account | None:
        slug = self.cleaned_data["through"]
        return Account.objects.get(slug=slug) if slug else None


# ------------------------------------------------------------------------------ the list, and a new plan


@roles("ops", "admin")
@require_http_methods(["GET", "HEAD", "POST"])
def bulks(request: HttpRequest) -> HttpResponse:
    """The runs, newest first. A POST makes a plan, which is for operations alone."""
    if request.method == "POST":
        if not user_of(request).ops:
            raise PermissionDenied
        return _plan(request)
    status, problem = 200, ""
    shown: Window[Bulk] = Window([])
    try:
        found = Bulk.objects.select_related("user", "approved_by", "account")
        shown = window(found, request.GET.get("cursor", ""), PAGE)
    except BadCursor as error:
        status, problem = 400, str(error)
    context = {
        "rows": counts_of(shown.items),
        "older": at(request.GET, shown.older),
        "newer": at(request.GET, shown.newer),
        "problem": problem,
    }
    return render(request, page_or_partial(request, "bulks.html", "rows"), context, status=status)


@roles("ops")
@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """Before the plan: how many match, and the question why."""
    if has_phone(request.GET):
        return render(request, "messages_phone.html", status=400)
    return _new(request, in_one(request.GET), PlanForm(), status=200)


def _plan(request: HttpRequest) -> HttpResponse:
    said = in_one(request.POST)
    said.pop("csrfmiddlewaretoken", None)
    if has_phone(said):
        return render(request, "messages_phone.html", status=400)
    form = PlanForm(said)
    query = said.copy()
    for name in form.fields:
        query.pop(name, None)
    found = WholeFilter(query)
    messages = found.apply()
    if messages is None or not form.is_valid():
        return _new(request, query, form)
    try:
        bulk = steps.plan(
            messages, user=user_of(request), reason=form.cleaned_data["reason"], through=form.account,
            filters={name: str(value) for name, value in query.items() if value},
            ip=request.META.get("REMOTE_ADDR") or None,
        )  # fmt: skip
    except Refused as refusal:
        form.add_error(None, refusal.message)
        return _new(request, query, form)
    return redirect("bulk", pk=bulk.pk)


class WholeFilter(MessageFilter):
    """The list's filters, of which at least one must be given, and none that the list does not have.

    A misspelt one would otherwise mean more messages than somebody thinks.
    """

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = [name for name, value in self.data.items() if value]
        for name in given:
            if name not in self.fields:
                problem = _("There is no filter called “%(name)s”.") % {"name": name[:50]}
                self.add_error(None, problem)
        if not given:
            self.add_error(None, _("Choose which messages first: filter the list, then send those again."))
        return cleaned


def _new(request: HttpRequest, query: QueryDict, form: PlanForm, status: int = 422) -> HttpResponse:
    found = WholeFilter(query)
    messages = found.apply()
    if messages is None and status == 200:
        status = 422
    context = {
        "filter": found,
        "given": words_of(query, found),
        "hidden": [(name, value) for name, value in query.items() if value],
        "query": without(query),
        "matching": at_most(messages, MOST) if messages is not None else "",
        "form": form,
        "most": MOST,
    }
    return render(request, "bulk_new.html", context, status=status)


# ------------------------------------------------------------------------------ one run


@roles("ops", "admin")
@require_GET
def bulk(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one run. Asked by htmx with `?v=`, 204 says that what it shows is still so."""
    found = _bulk(pk)
    template = page_or_partial(request, "bulk.html", "live")
    live = template != "bulk.html"
    if live and request.GET.get("state") != found.state:
        return HttpResponseClientRefresh()  # other buttons than those on the page
    shown = Shown(found)
    if live and request.GET.get("v") == shown.version:
        return HttpResponse(status=204)
    context = {"bulk": found, "shown": shown, "ops": user_of(request).ops, "small": SMALL}
    if live:
        return render(request, template, context, status=200 if shown.moving else STOP_POLLING)
    context |= page_of(found, shown, user_of(request), request.GET)
    return render(request, template, context)


def _bulk(pk: int) -> Bulk:
    return get_object_or_404(Bulk.objects.select_related("user", "approved_by", "account"), pk=pk)


# ------------------------------------------------------------------------------ the report

COLUMNS = (
    "position", "message", "to", "outcome", "code", "why", "retry_state", "retry_detail", "new_message",
    "status", "quoted_cost", "quoted_currency", "cost", "currency",
)  # fmt: skip


@roles("ops")
@require_GET
def report(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(Bulk, pk=pk)
    trail.note(request, "bulk.exported", f"bulk {found.pk}")
    response = StreamingHttpResponse(_lines(found), content_type="text/csv; charset=utf-8")
    name = f"send-again-{found.pk}-{timezone.now():%Y-%m-%d-%H%M%S}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(bulk: Bulk) -> Iterator[str]:
    """The file, line by line, in the plan's order."""
    writer = csv.writer(Line())
    yield writer.writerow(COLUMNS)
    items = with_fate(BulkItem.objects.filter(bulk=bulk)).select_related("message__recipient", "retry__message")
    after = 0
    while page := list(items.filter(position__gt=after).order_by("position")[:CHUNK]):
        yield "".join(writer.writerow([safe(value) for value in _row(item)]) for item in page)
        after = page[-1].position


def _row(item: BulkItem) -> tuple[Any, ...]:
    digits, retry, fate = item.message.recipient.digits, item.retry, item.fate  # type: ignore[attr-defined]
    made = retry.message if retry else None
    priced = made if made and retry and made.pk != retry.original_id else None
    return (
        item.position, item.message_id, f"+{digits}" if digits else "", fate, item.code,
        item.why, retry.state if retry else "", retry.detail if retry else "", made.pk if made else "",
        made.status if made else "", retry.quoted_cost if retry else None, retry.quoted_currency if retry else "",
        priced.cost if priced else None, priced.currency if priced else "",
    )  # fmt: skip
