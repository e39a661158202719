"""Exactly what a list shows, as CSV or JSON lines: streamed, in constant memory, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from dashboard.domain.lifecycle import BUCKET
from dashboard.keyset import value_chunks
from dashboard.models import Batch, Message
from dashboard.web import trail
from dashboard.web.access import roles
from dashboard.web.messages_list import MessageFilter, has_phone
from providers.base import Status

CHUNK = 1000
# What a spreadsheet takes for the beginning of a formula, in both widths (OWASP "CSV injection").
FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")
# The API's field names, so that the file can be imported again. Then, for whoever adds it up: which texts were sent
# again for which message, and how often a message arrived in all.
COLUMNS = (
    "id", "account", "provider_message_id", "to", "reference", "batch", "provider_batch_id", "status", "bucket",
    "conflict", "provider_status", "attempt", "sender", "sent_at", "valid_until", "final_at", "cost", "currency",
    "parts", "route", "text", "sent_again_for", "arrivals",
)  # fmt: skip
_VALUES = (
    "pk", "account__slug", "provider_message_id", "recipient__digits", "reference", "batch__name", "provider_batch_id",
    "status", "effective", "conflict", "provider_status", "attempt", "sender", "sent_at", "valid_until", "final_at",
    "cost", "currency", "parts", "route", "text", "root_id", "deliveries",
)  # fmt: skip
_TO, _BUCKET, _ROOT, _ARRIVALS = map(COLUMNS.index, ("to", "bucket", "sent_again_for", "arrivals"))


class Line:
    """What csv.writer writes to: gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@roles("ops")
@require_GET
def messages(request: HttpRequest, kind: str) -> HttpResponseBase:
    return _export(request, request.GET, "messages", "messages", kind)


@roles("ops")
@require_GET
def batch(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    found = get_object_or_404(Batch, pk=pk)
    query = request.GET.copy()
    query["batch"] = f"id:{found.pk}"
    return _export(request, query, f"batch {found.pk}", f"batch-{found.pk}", kind)


def _export(request: HttpRequest, query: QueryDict, subject: str, name: str, kind: str) -> HttpResponseBase:
    if has_phone(query):
        return render(request, "messages_phone.html", status=400)
    form = MessageFilter(query)
    found = form.apply()
    if found is None:
        return HttpResponse(_problems(form), status=400, content_type="text/plain; charset=utf-8")
    trail.note(request, "messages.exported", subject, **{key: str(form.cleaned_data[key]) for key in _given(form)})
    written, content_type = KINDS[kind]
    response = StreamingHttpResponse(written(found), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y-%m-%d-%H%M%S}.{kind}"'
    return response


def _given(form: MessageFilter) -> list[str]:
    return [name for name, value in form.cleaned_data.items() if value]


def _problems(form: MessageFilter) -> str:
    return "".join(f"{name}: {' '.join(str(e) for e in errors)}\n" for name, errors in form.errors.items())


def csv_lines(messages: QuerySet[Message]) -> Iterator[str]:
    """A CSV file by pages, newest message first."""
    yield csv.writer(Line()).writerow(COLUMNS)
    for page in _pages(messages):
        # By columns: most of them repeat a few values.
        columns = [{value: safe(value) for value in set(column)} for column in zip(*page, strict=True)]
        text = StringIO(newline="")
        csv.writer(text).writerows([known[v] for known, v in zip(columns, row, strict=True)] for row in page)
        yield text.getvalue()


def json_lines(messages: QuerySet[Message]) -> Iterator[str]:
    """The same as one JSON object a line, with the values as the API has them."""
    for page in _pages(messages):
        rows = (dict(zip(COLUMNS, (str(pk), *values), strict=True)) for pk, *values in page)
        yield "".join(json.dumps(row, ensure_ascii=False, default=plain) + "\n" for row in rows)


KINDS = {"csv": (csv_lines, "text/csv; charset=utf-8"), "jsonl": (json_lines, "application/jsonl; charset=utf-8")}


def _pages(messages: QuerySet[Message]) -> Iterator[list[list[Any]]]:
    for found in value_chunks(messages, CHUNK, _VALUES):
        page = list(map(list, found))
        for row in page:
            row[_TO] = f"+{row[_TO]}" if row[_TO] else None
            row[_BUCKET] = BUCKET[Status(row[_BUCKET])].value
            if row[_ROOT]:
                row[_ROOT], row[_ARRIVALS] = str(row[_ROOT]), None
        yield page


def plain(value: Any) -> str:
    """Times in UTC, and numbers as digits."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}"
    return str(value)


def safe(value: Any) -> str:
    """One cell of CSV, with no text that a spreadsheet would run."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = plain(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
