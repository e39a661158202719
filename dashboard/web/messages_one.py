"""One message: what it means, its story, the evidence, and asking about it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages as notes
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from dashboard.domain.lifecycle import FINALS
from dashboard.domain.schedule import deadline
from dashboard.domain.verdict import verdict
from dashboard.ingest.checks import want_check
from dashboard.ingest.offering import offer
from dashboard.logs import masked
from dashboard.models import Event, Evidence, Message, Orphan, Retry, User
from dashboard.story import story
from dashboard.verdicts import facts_of
from dashboard.web import sent_again
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.advice import shown
from dashboard.web.audit import audit_url
from dashboard.web.evidence import reading
from dashboard.web.forgotten import run_that_removed
from dashboard.web.judged import card
from dashboard.web.look import Seen
from dashboard.web.look_message import look_at_message
from dashboard.web.parts import STOP_POLLING, hide_digits, page_or_partial, sees_all, user_of
from dashboard.web.telling import NEWEST, STORY_COOKIE, lines, to_come
from providers.base import Status

MOST_EVIDENCE = 200
MOST_EVENTS = 1000
UNANSWERED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tree:
    """A message, everything sent for the same root, and the wishes to send it again."""

    message: Message
    tries: list[Message]
    retries: list[Retry]


def tree_of(pk: int) -> Tree:
    message = get_object_or_404(Message.objects.select_related("account", "recipient", "batch"), pk=pk)
    root_pk = message.root_pk
    related = Message.objects.filter(Q(pk=root_pk) | Q(root_id=root_pk)).select_related("account").order_by("pk")
    retries = Retry.objects.filter(root=root_pk).select_related("user", "token", "account", "message").order_by("pk")
    return Tree(message, list(related), list(retries))


@roles(*EVERYBODY)
@require_safe
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """The page. Asked with `?v=` by itself: 204 if what it shows is still so, 286 with the last version when done."""
    template = page_or_partial(request, "message.html", "live")
    refresh = template.endswith("#live")
    seen = look_at_message(pk)
    if refresh and seen.moving and request.GET.get("v") == seen.version:
        return HttpResponse(status=204)
    status = STOP_POLLING if refresh and not seen.moving else 200
    return render(request, template, page(request, tree_of(pk), seen), status=status)


def page(request: HttpRequest, tree: Tree, seen: Seen) -> dict[str, Any]:
    message, user, now = tree.message, user_of(request), timezone.now()
    full, newest_first = sees_all(user), request.COOKIES.get(STORY_COOKIE) == NEWEST
    events = list(Event.objects.filter(message=message).order_by("pk")[:MOST_EVENTS])
    entries = story(events)
    facts = facts_of(message, entries, tree.tries, tree.retries, now)
    stated = {row.pk: row for row in _evidence(message)}
    return {
        "message": message,
        "account": message.account,
        "recipient": message.recipient,
        "tree": tree,
        "version": seen.version,
        "moving": seen.moving,
        "card": card(verdict(facts), Status(message.status), message.recipient_id),
        "usual": facts.usual,
        "neighbours": facts.neighbours,
        "attempts": lines(entries, stated, full, newest_first=newest_first),
        "to_come": to_come(message, entries, facts.usual, now),
        "newest_first": newest_first,
        "evidence": list(stated.values()),
        "deadline": deadline(message.sent_at, message.valid_until),
        "final": Status(message.status) in FINALS,
        "text": message.text if full or message.text is None else hide_digits(message.text),
        "text_hidden": not full,
        "text_removed": run_that_removed(message.sent_at) if message.text is None else None,
        "extra": _extra(message, full),
        "due": message.next_check_at is not None and message.next_check_at <= now,
        "check": asking(message, now),
        **sent_again.context(tree.tries, tree.retries),
        "audit_url": audit_url(subject=f"message {message.root_pk}") if user.admin else "",
        **_sending_again(message, user, now),
    }


def _sending_again(message: Message, user: User, now: datetime) -> dict[str, Any]:
    """Whether the person may send it again, and whether it would help."""
    if not user.roles & {"support", "ops"}:
        return {"may_retry": False}
    found = offer(message, user)
    return {"may_retry": True, "offer": found, "advice": shown(found.advice, message.pk, now)}


def _extra(message: Message, full: bool) -> list[tuple[str, str]]:
    facts = [(str(name).replace("_", " "), str(value)) for name, value in sorted(message.extra.items())]
    return facts if full else [(name, masked(value)) for name, value in facts]


# ------------------------------------------------------------------------------ asking now


@dataclass(frozen=True, slots=True)
class Asking:
    """Whether *Check now* can be pressed, and why not; `at` is when it was asked last."""

    allowed: bool
    sentence: str = ""
    waiting: bool = False


def asking(message: Message, now: datetime) -> Asking:
    if message.wanted_at and now - message.wanted_at > UNANSWERED:
        return Asking(False, _("Asked for, and nobody has taken it up yet. Is the worker running?"), waiting=True)
    if message.wanted_at:
        return Asking(False, _("Asking now; the answer appears here by itself."), waiting=True)
    if message.status in (Status.CREATED, Status.SENDING):
        return Asking(False, _("It has not been sent yet."))
    if not (message.match_id or message.reference or message.provider_batch_id):
        return Asking(False, _("There is no id yet by which the provider could be asked."))
    if not message.account.enabled:
        return Asking(False, _("The account is switched off."))
    fresh_for = timedelta(seconds=message.account.provider.fresh_for)
    if message.asked_at and now - message.asked_at < fresh_for:
        seconds = int((now - message.asked_at).total_seconds())
        return Asking(False, _("Asked %(seconds)s s ago; that answer is still fresh.") % {"seconds": seconds})
    return Asking(True)


@roles(*EVERYBODY)
@require_POST
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the provider about this message before all others; the page then follows by itself."""
    message = get_object_or_404(Message.objects.select_related("account"), pk=pk)
    state = asking(message, timezone.now())
    if state.allowed and want_check(message):
        notes.success(request, _("The provider is asked now; the answer appears here by itself."))
    else:
        notes.info(request, state.sentence or _("It was asked a moment ago; that answer is still fresh."))
    return redirect("message", pk=pk)


# ------------------------------------------------------------------------------ evidence


def _evidence(message: Message) -> list[Evidence]:
    """Everything kept about this message, without the bodies: its own rows and those of reports that had waited."""
    attached = Orphan.objects.filter(message=message).values_list("evidence_id", flat=True)
    rows = Evidence.objects.filter(Q(message=message) | Q(pk__in=list(attached[:MOST_EVIDENCE])))
    return list(rows.defer("body", "headers", "context").order_by("-pk")[:MOST_EVIDENCE])


@roles(*EVERYBODY)
@require_GET
def evidence(request: HttpRequest, pk: int, evidence_pk: int) -> HttpResponse:
    """One conversation about this message, and never one about somebody else's."""
    message = get_object_or_404(Message.objects.select_related("account", "recipient"), pk=pk)
    row = get_object_or_404(Evidence.objects.select_related("account"), pk=evidence_pk)
    if not _is_about(row, message):
        raise Http404
    shown = reading(row, text=message.text or "", full=sees_all(user_of(request)))
    context = {"message": message, "shown": shown, "masked_for_you": not sees_all(user_of(request))}
    return render(request, page_or_partial(request, "evidence.html", "body"), context)


def _is_about(row: Evidence, message: Message) -> bool:
    if row.message_id is not None:
        return row.message_id == message.pk
    return (
        Orphan.objects.filter(evidence=row, message=message).exists()
        or Event.objects.filter(evidence=row, message=message).exists()
    )
