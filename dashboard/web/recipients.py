"""One phone number: everything that was sent to it, newest first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.domain import phone
from dashboard.domain.lifecycle import FINALS
from dashboard.keyset import BadCursor, window
from dashboard.models import Message, Recipient
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.find import remember
from dashboard.web.parts import hide_digits, page_or_partial, sees_all, user_of
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


@roles(*EVERYBODY)
@require_safe
def recipient(request: HttpRequest, pk: str) -> HttpResponse:
    found = get_object_or_404(Recipient, pk=pk)
    mine = Message.objects.filter(recipient=found)
    roots = mine.filter(root=None).select_related("account", "batch")
    try:
        shown = window(roots, request.GET.get("cursor", ""), PAGE)
    except BadCursor:
        raise Http404 from None
    remember(request, found)
    context = {
        "recipient": found,
        "country": phone.country(found.digits) if found.digits else "",
        "window": shown,
        "rows": _rows(shown.items, full=sees_all(user_of(request))),
        "arrived": mine.filter(status=Status.DELIVERED.value).order_by("-pk").first(),
    }
    return render(request, page_or_partial(request, "recipient.html", "rows"), context)


def _rows(roots: list[Message], *, full: bool) -> list[Row]:
    again: dict[int, list[Message]] = defaultdict(list)
    for message in Message.objects.filter(root__in=roots).select_related("account").order_by("pk"):
        again[message.root_pk].append(message)
    return [Row(root, again[root.pk], _beginning(root.text or "", full=full)) for root in roots]


def _beginning(text: str, *, full: bool) -> str:
    short = text[:SHOWN_OF_TEXT] + ("…" if len(text) > SHOWN_OF_TEXT else "")
    return short if full else hide_digits(short)
