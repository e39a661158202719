"""What needs a person: accounts in trouble, doubts, runs that wait, words and reports we cannot place, odd messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import messages as notes
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.domain.bulk import VALID_FOR
from dashboard.ingest.doubts import doubts
from dashboard.ingest.orphans import attach_by_hand
from dashboard.models import Account, Bulk, Event, Evidence, Message, Orphan
from dashboard.queries import filter_messages
from dashboard.web.access import roles
from dashboard.web.evidence import reading
from dashboard.web.forgotten import last_run
from dashboard.web.health import Health, health
from dashboard.web.parts import page_or_partial
from dashboard.web.trail import note
from providers.base import MAX_ID_LENGTH

MOST = 20  # of each kind on the page
MOST_WORDS = 500  # the newest unknown words that are grouped


@dataclass(slots=True)
class UnknownWord:
    """A word that no table lists: how often it was heard lately, when last, and one message as an example."""

    account: Account
    word: str
    example: int
    last: datetime
    count: int = 0


@roles("ops", "admin")
@require_safe
def attention(request: HttpRequest) -> HttpResponse:
    overdue = sorted(_with_neighbours(overdue_messages())[: MOST + 1], key=lambda m: m.sent_at)
    kinds: dict[str, Sequence[object]] = {
        "troubled": troubled_accounts(),
        "words": unknown_words(),
        "orphans": list(waiting_orphans().select_related("account").order_by("-pk")[: MOST + 1]),
        "unreadable": list(unreadable_reports().select_related("account").order_by("-pk")[: MOST + 1]),
        "overdue": overdue,
        "conflicts": list(_with_neighbours(contradicted()).order_by("-pk")[: MOST + 1]),
        "doubts": list(doubts().select_related("account").order_by("changed_at")[: MOST + 1]),
        "runs": list(waiting_runs().select_related("user")[: MOST + 1]),
        "twice": list(_with_neighbours(delivered_twice()).order_by("-pk")[: MOST + 1]),
    }
    context = {
        **kinds,
        "any_fine": not all(kinds.values()),
        "all_fine": not any(kinds.values()),
        "most": MOST,
        "first": f":{MOST}",
        "forgotten": last_run(),
    }
    return render(request, "attention.html", context)


# ------------------------------------------------------------------------------ the questions


def overdue_messages() -> QuerySet[Message]:
    return filter_messages(overdue=True).order_by()


def contradicted() -> QuerySet[Message]:
    return Message.objects.filter(conflict=True)


def delivered_twice() -> QuerySet[Message]:
    return filter_messages(twice=True).order_by()


def waiting_runs() -> QuerySet[Bulk]:
    """Plans to send many again that can still be approved, and runs that paused."""
    fresh = Q(state=Bulk.State.PLANNED, created_at__gt=timezone.now() - VALID_FOR)
    return Bulk.objects.filter(fresh | Q(state=Bulk.State.PAUSED)).order_by("-pk")


def waiting_orphans() -> QuerySet[Orphan]:
    return Orphan.objects.filter(message=None, problem="")


def unreadable_reports() -> QuerySet[Orphan]:
    return Orphan.objects.filter(message=None).exclude(problem="")


def unmapped() -> QuerySet[Event]:
    return Event.objects.filter(note="unmapped")


def _with_neighbours(messages: QuerySet[Message]) -> QuerySet[Message]:
    return messages.select_related("account", "recipient")


@dataclass(frozen=True, slots=True)
class Trouble:
    account: Account
    sentence: str


def troubled_accounts() -> list[Trouble]:
    """Accounts that do not work, with the provider's last complaint."""
    now = timezone.now()
    found = [(account, health(account, now, None)) for account in Account.objects.filter(enabled=True)]
    return [Trouble(account, complaint(account, how)) for account, how in found if how.level == "bad"]


def complaint(account: Account, how: Health) -> str:
    told_already = account.last_error.rstrip(". ") in how.sentence
    return how.sentence if told_already else f"{how.sentence} {account.last_error}"


def unknown_words() -> list[UnknownWord]:
    """The newest unknown words, most frequent first."""
    accounts, found = Account.objects.in_bulk(), dict[tuple[int, str], UnknownWord]()
    newest = unmapped().order_by("-pk").values_list("message__account", "word", "message", "received_at", "count")
    for pk, text, message, at, count in newest[:MOST_WORDS]:
        word = found.setdefault((pk, text.lower()), UnknownWord(accounts[pk], text, message, at))
        word.count += count
    return sorted(found.values(), key=lambda word: -word.count)


def words_unknown() -> int:
    """How many different words those are."""
    newest = unmapped().order_by("-pk").values_list("message__account", "word")[:MOST_WORDS]
    return len({(account, word.lower()) for account, word in newest})


# ------------------------------------------------------------------------------ reports without a message


class AttachForm(forms.Form):
    message = forms.CharField(max_length=MAX_ID_LENGTH)


@roles("ops", "admin")
@require_POST
def attach(request: HttpRequest, pk: int) -> HttpResponse:
    """Attach a report to the message that a person names, by our id or the provider's."""
    orphan = get_object_or_404(Orphan.objects.select_related("account"), pk=pk)
    form = AttachForm(request.POST)
    message = _named(orphan.account, form.cleaned_data["message"]) if form.is_valid() else None
    if orphan.message_id is not None:
        notes.info(request, _("This report has been attached already."))
    elif orphan.problem or not orphan.match_id:
        notes.error(request, _("This report cannot be read, so there is nothing to attach."))
    elif message is None:
        problem = _("%(account)s has no message with this id. Nothing was changed.")
        notes.error(request, problem % {"account": orphan.account.name})
    else:
        attach_by_hand(orphan, message)
        note(request, "attach report", f"message {message.pk}", orphan=orphan.pk)
        notes.success(request, _("The report is attached."))
        return redirect("message", pk=message.pk)
    return redirect("attention")


def _named(account: Account, text: str) -> Message | None:
    mine = Message.objects.filter(account=account)
    ours = text.removeprefix("#")
    if ours.isascii() and ours.isdigit() and len(ours) < 19:
        found = mine.filter(pk=int(ours)).first()
        if found is not None:
            return found
    return mine.filter(match_id=account.provider.normalise_id(text)).first()


@roles("ops", "admin")
@require_safe
def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The evidence of a report that belongs to no message."""
    orphan = get_object_or_404(Orphan, pk=pk)
    row = Evidence.objects.select_related("account").filter(pk=orphan.evidence_id).first()
    if row is None:
        raise Http404
    return render(
        request, page_or_partial(request, "evidence.html", "body"), {"shown": reading(row, full=True), "message": None}
    )
