"""CSV of exactly what a list shows: streamed, in constant memory, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from dashboard.keyset import chunks
from dashboard.models import Batch, Message
from dashboard.web import trail
from dashboard.web.access import roles
from dashboard.web.messages_list import MessageFilter, has_phone

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


class Line:
    """What csv.writer writes to: gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@roles("ops")
@require_GET
def messages(request: HttpRequest) -> HttpResponseBase:
    return _export(request, request.GET, "messages", "messages")


@roles("ops")
@require_GET
def batch(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(Batch, pk=pk)
    query = request.GET.copy()
    query["batch"] = f"id:{found.pk}"
    return _export(request, query, f"batch {found.pk}", f"batch-{found.pk}")


def _export(request: HttpRequest, query: QueryDict, subject: str, name: str) -> HttpResponseBase:
    if has_phone(query):
        return render(request, "messages_phone.html", status=400)
    form = MessageFilter(query)
    found = form.apply()
    if found is None:
        return HttpResponse(_problems(form), status=400, content_type="text/plain; charset=utf-8")
    trail.note(request, "messages.exported", subject, **{key: str(form.cleaned_data[key]) for key in _given(form)})
    response = StreamingHttpResponse(lines(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.now():%Y-%m-%d-%H%M%S}.csv"'
    return response


def _given(form: MessageFilter) -> list[str]:
    return [name for name, value in form.cleaned_data.items() if value]


def _problems(form: MessageFilter) -> str:
    return "".join(f"{name}: {' '.join(str(e) for e in errors)}\n" for name, errors in form.errors.items())


def lines(messages: QuerySet[Message]) -> Iterator[str]:
    """The file, line by line, newest message first."""
    writer = csv.writer(Line())
    yield writer.writerow(COLUMNS)
    for page in chunks(messages.select_related("account", "recipient", "batch"), CHUNK):
        yield "".join(writer.writerow([safe(value) for value in _row(message)]) for message in page)


def _row(message: Message) -> tuple[Any, ...]:
    digits = message.recipient.digits
    return (
        message.pk, message.account.slug, message.provider_message_id, f"+{digits}" if digits else "",
        message.reference, message.batch.name if message.batch else "", message.provider_batch_id,
        message.status, message.bucket.value, message.conflict, message.provider_status, message.attempt,
        message.sender, message.sent_at, message.valid_until, message.final_at, message.cost, message.currency,
        message.parts, message.route, message.text, message.root_id, None if message.root_id else message.deliveries,
    )  # fmt: skip


def safe(value: Any) -> str:
    """One cell: times in UTC, numbers as digits, and no text that a spreadsheet would run."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case Decimal():
            return f"{value:f}"
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
