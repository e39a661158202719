"""The overview: what is wrong now, in a few figures that lead to the messages they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.domain.lifecycle import FINALS
from dashboard.models import Message
from dashboard.web import attention
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.parts import at_most, user_of

NEWEST = 10
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, what it counts, and where to see exactly that."""

    count: str
    label: str
    url: str
    icon: str
    kind: str  # of its colour, while it is not 0

    @property
    def fine(self) -> bool:
        return self.count == "0"


@roles(*EVERYBODY)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    watches = bool(user.roles & {"ops", "admin"})
    newest = Message.objects.select_related("account", "recipient").order_by("-pk")[:NEWEST]
    context: dict[str, Any] = {
        "watches": watches,
        "newest": list(newest),
        "finals": {status.value for status in FINALS},
        "troubled": attention.troubled_accounts() if watches else [],
    }
    if watches:
        context["figures"] = _figures(len(context["troubled"]))
    return render(request, "home.html", context)


def _figures(troubled: int) -> list[Figure]:
    here = reverse("attention")
    return [
        Figure(str(troubled), _("accounts in trouble"), f"{here}#accounts", "plug-connected", "bad"),
        Figure(
            at_most(attention.overdue_messages(), MOST_COUNTED), _("overdue: no word when there should be one"),
            _list("overdue=on") or f"{here}#overdue", "clock", "late",
        ),
        Figure(
            at_most(attention.contradicted(), MOST_COUNTED), _("contradicted by the provider"),
            _list("conflict=on") or f"{here}#conflicts", "equal-not", "odd",
        ),
        Figure(
            at_most(attention.delivered_twice(), MOST_COUNTED), _("delivered twice to the same person"),
            _list("twice=on") or f"{here}#twice", "copy", "late",
        ),
        Figure(
            at_most(attention.unmapped(), MOST_COUNTED), _("reports with unknown words"), f"{here}#words",
            "help", "odd",
        ),
        Figure(
            at_most(attention.waiting_orphans(), MOST_COUNTED), _("reports without a message"), f"{here}#orphans",
            "question-mark", "odd",
        ),
        Figure(
            at_most(attention.unreadable_reports(), MOST_COUNTED), _("reports that cannot be read"),
            f"{here}#unreadable", "file-text", "late",
        ),
    ]  # fmt: skip


def _list(query: str) -> str:
    try:
        return f"{reverse('messages')}?{query}"
    except NoReverseMatch:
        return ""
