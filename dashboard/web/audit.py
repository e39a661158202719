"""Who did what, when, from where and why: newest first, nothing can be changed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_GET

from dashboard.keyset import BadCursor, Branched, chunks, window
from dashboard.models import Audit, Batch, Bulk, Message, Retry
from dashboard.queries import GREATEST_ID
from dashboard.web.access import roles
from dashboard.web.audit_words import CHOICES, KINDS, WORDS, page_of
from dashboard.web.exports import CHUNK, Line as CsvLine, safe
from dashboard.web.filters import active, at, without
from dashboard.web.forms import Form
from dashboard.web.messages_list import Day, has_phone
from dashboard.web.parts import page_or_partial
from dashboard.web.sent_again import state_of
from dashboard.web.tags import money
from dashboard.web.trail import note

PAGE = 50
TOLD_BY_OUTCOME = frozenset({"retry", "message", "state", "via"})  # a row's details that the retry itself shows better
COLUMNS = ("id", "at", "who", "ip", "action", "about", "reason", "details")
NUMBER = gettext_lazy(
    "The audit names no phone number. Find the person first: their page leads to what was done about them."
)

_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,8})?")
_BETWEEN_DIGITS = re.compile(r"[^\w]+")  # "+254 (0) 712-345.678"


class AuditFilter(Form):
    """Every parameter of the audit list and of its export."""

    subject = forms.CharField(
        required=False, max_length=100, label=gettext_lazy("About"),
        help_text=gettext_lazy("An id, an account or a person"),
    )  # fmt: skip
    actor = forms.CharField(required=False, max_length=150, label=gettext_lazy("Who"))
    action = forms.ChoiceField(required=False, choices=CHOICES, label=gettext_lazy("Did"))
    since = Day(label=gettext_lazy("From"))
    until = Day(label=gettext_lazy("Until"))

    def __init__(self, query: QueryDict) -> None:
        super().__init__(query)
        self.query = query  # without what must not be shown again

    def clean_subject(self) -> str:
        return self._no_number("subject")

    def clean_actor(self) -> str:
        return self._no_number("actor")

    def _no_number(self, name: str) -> str:
        """What was typed, unless it is somebody's number: then it is taken off the page as well."""
        typed = str(self.cleaned_data[name])
        if reads_as_number(typed):
            self.query = self.query.copy()
            self.query[name] = ""
            self.data = self.query
            self.add_error(None, forms.ValidationError(NUMBER, code="number"))
        return typed

    @property
    def has_number(self) -> bool:
        return self.has_error(NON_FIELD_ERRORS, "number")

    def apply(self) -> QuerySet[Audit]:
        if not self.is_valid():
            return Audit.objects.none()
        given, found = self.cleaned_data, Branched.by("at", Audit)
        if given["subject"]:
            found = found.filter(subject__in=subjects_of(given["subject"]))
        if given["actor"]:
            found = found.filter(actor_name=given["actor"])
        if given["action"]:
            found = found.filter(action=given["action"])
        if given["since"]:
            found = found.filter(at__gte=_midnight(given["since"]))
        if given["until"]:
            found = found.filter(at__lt=_midnight(given["until"] + timedelta(days=1)))
        return found

    def words(self) -> dict[str, str]:
        return {"action": str(WORDS.get(str(self.data.get("action", "")), ""))}


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(settings.SITE_TIME_ZONE))


# ------------------------------------------------------------------------------ what a row may be about


def subjects_of(typed: str) -> list[str]:
    """The subjects that somebody may mean: "message 12" as it is, "12" or a name as any kind of thing.

    What is done about a message that was sent again is written about its first one, so that is looked up as well.
    """
    name = typed.removeprefix("#")
    kind, _space, rest = name.partition(" ")
    found = [typed] if kind in KINDS and rest else [name, *(f"{kind} {name}" for kind in KINDS)]
    pk = _id_in(rest if kind == "message" else name)
    root = Message.objects.filter(pk=pk).values_list("root_id", flat=True).first() if pk else None
    return [*found, f"message {root}"] if root else found


def reads_as_number(typed: str) -> bool:
    """Whether it may be a phone number, however it is written, rather than the id of anything we know."""
    name = typed.removeprefix("#")
    kind, _space, rest = name.partition(" ")
    digits = _BETWEEN_DIGITS.sub("", rest if kind in KINDS and rest else name)
    if not digits.isdigit() or not 7 <= len(digits) <= 15:
        return False
    pk = _id_in(digits)
    return not (pk and any(model.objects.filter(pk=pk).exists() for model in (Message, Batch, Bulk)))


def _id_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= GREATEST_ID else None


def audit_url(**filters: str) -> str:
    """The audit of one subject or of one person."""
    return f"{reverse('audit')}?{urlencode(filters)}"


# ------------------------------------------------------------------------------ a row in words


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `page` is where the thing is that it is about; `retry` what came of the wish that it tells of."""

    row: Audit
    page: str
    retry: Retry | None

    @property
    def action(self) -> Any:
        return WORDS.get(self.row.action, self.row.action)

    @property
    def who_url(self) -> str:
        return audit_url(actor=self.row.actor_name)

    @property
    def about_url(self) -> str:
        return audit_url(subject=self.row.subject)

    @property
    def state(self) -> str:
        return state_of(self.retry) if self.retry else ""

    @property
    def made(self) -> Message | None:
        """The message that a retry made, where it is another than the row is about."""
        made = self.retry.message if self.retry else None
        return made if made is not None and made.root_id else None

    @property
    def details(self) -> list[tuple[str, str]]:
        told = TOLD_BY_OUTCOME if self.retry else set()
        given = {name: value for name, value in self.row.details.items() if name not in told}
        return [
            (name.replace("_", " "), _words(value)) for name, value in given.items() if value not in ("", None, [], {})
        ]


def _lines(rows: Sequence[Audit]) -> list[Line]:
    retries = Retry.objects.select_related("message").in_bulk({pk for row in rows if (pk := _retry_of(row))})
    return [Line(row, page_of(row.subject), retries.get(_retry_of(row) or 0)) for row in rows]


def _retry_of(row: Audit) -> int | None:
    pk = row.details.get("retry")
    return pk if isinstance(pk, int) else None


def _words(value: Any) -> str:
    if isinstance(value, dict):
        if value.keys() == {"amount", "currency"} and _AMOUNT.fullmatch(str(value["amount"])):
            return money(Decimal(str(value["amount"])), str(value["currency"]))
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_words(inner) for inner in value) or "–"
    return "–" if value in ("", None) else str(value)


# ------------------------------------------------------------------------------ the page and the file


@roles("admin")
@require_GET
def audit(request: HttpRequest) -> HttpResponse:
    if has_phone(request.GET):
        return render(request, "messages_phone.html", status=400)
    form = AuditFilter(request.GET)
    status, problem, found = 200, "", form.apply()
    try:
        shown = window(found, request.GET.get("cursor", ""), PAGE)
    except BadCursor as error:
        status, problem, shown = 400, str(error), window(Audit.objects.none(), "", PAGE)
    query = form.query  # a number that was typed is in the address already; it is in no link and no field of the page
    context = {
        "form": form,
        "rows": _lines(shown.items),
        "active": active(query, {name: field.label for name, field in form.fields.items()}, form.words()),
        "older": at(query, shown.older),
        "newer": at(query, shown.newer),
        "problem": problem,
        "query": without(query),
        "filtered": without(query) != "?",
    }
    status = 400 if form.has_number else status
    return render(request, page_or_partial(request, "audit.html", "rows"), context, status=status)


@roles("admin")
@require_GET
def export(request: HttpRequest) -> HttpResponseBase:
    """The rows of the list as CSV, newest first. That it was taken is a row itself."""
    form = AuditFilter(request.GET)
    found = form.apply()
    if form.errors or has_phone(request.GET):
        return HttpResponse(_("These filters cannot be read."), status=400, content_type="text/plain; charset=utf-8")
    note(request, "audit.exported", "audit", filters={name: str(v) for name, v in form.cleaned_data.items() if v})
    response = StreamingHttpResponse(_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y-%m-%d-%H%M%S}.csv"'
    return response


def _csv(rows: QuerySet[Audit]) -> Iterator[str]:
    writer = csv.writer(CsvLine())
    yield writer.writerow(COLUMNS)
    for page in chunks(rows, CHUNK):
        yield "".join(writer.writerow([safe(value) for value in _cells(row)]) for row in page)


def _cells(row: Audit) -> tuple[Any, ...]:
    details = json.dumps(row.details, ensure_ascii=False, sort_keys=True) if row.details else ""
    return row.pk, row.at, row.actor_name, row.ip, row.action, row.subject, row.reason, details
