"""What a person may mean by what they typed: a number, the end of one, or any id. Reads, never writes or logs it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.domain import phone
from dashboard.models import Account, Batch, Message, Recipient
from dashboard.queries import filter_messages
from dashboard.vault import phone_hmac
from dashboard.web.forgotten import last_run

MOST = 20  # of each kind; more means: type more
GREATEST_ID = 2**63 - 1
# As our pages and the audit write it: 12, #12, message 12.
_OURS = re.compile(r"(?:#|message\s+)?([0-9]{1,19})", re.ASCII | re.IGNORECASE)
_RECIPIENT = re.compile(r"(?:recipient\s+)?([0-9a-f]{16})", re.ASCII | re.IGNORECASE)


@dataclass(slots=True)
class Found:
    """The hits of one search, and in words what was looked for."""

    recipients: list[Recipient] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    more: bool = False  # there are more than are shown

    @property
    def only(self) -> str:
        """The address of the single hit; "" if there is none or more than one."""
        pages = [reverse("recipient", args=[one.pk]) for one in self.recipients]
        pages += [reverse("message", args=[one.pk]) for one in self.messages]
        pages += [reverse("batch", args=[one.pk]) for one in self.batches]
        return pages[0] if len(pages) == 1 else ""

    def __bool__(self) -> bool:
        return bool(self.recipients or self.messages or self.batches)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a search reaches: our first message, and what retention last did, if it ever did anything."""

    oldest: datetime | None
    forgot_at: datetime | None = None
    numbers_days: int = 0


def reach() -> Reach:
    """Two index look-ups."""
    oldest = Message.objects.order_by("sent_at", "id").values_list("sent_at", flat=True).first()
    forgot = last_run()
    return Reach(oldest, forgot.at, forgot.numbers_days) if forgot else Reach(oldest)


def look_up(text: str) -> Found:
    """Everything that `text` may be. A constant number of queries, each by an index and bounded."""
    text = text.strip()
    found = Found()
    typed = phone.typed(text, settings.DEFAULT_REGION)
    found.recipients = _recipients(typed, text, found)
    found.messages = _messages(text, found)
    found.batches = _batches(text, found)
    found.more = any(len(hits) > MOST for hits in (found.recipients, found.messages, found.batches))
    found.recipients, found.messages, found.batches = (
        found.recipients[:MOST], found.messages[:MOST], found.batches[:MOST]
    )  # fmt: skip
    return found


def _recipients(typed: phone.Typed, text: str, found: Found) -> list[Recipient]:
    which = Q()
    if match := _RECIPIENT.fullmatch(text):
        found.tried.append(_("a recipient’s id"))
        which |= Q(pk=match[1].lower())
    if typed.whole:
        found.tried.append(_("the whole number %(number)s") % {"number": phone.pretty(typed.whole)})
        which |= Q(hmac=phone_hmac(typed.whole))
    if typed.last:
        found.tried.append(_("a number that ends in %(digits)s") % {"digits": typed.last})
        which |= ends_in(typed.last)
    return list(Recipient.objects.filter(which)[: MOST + 1]) if which else []


def ends_in(digits: str) -> Q:
    """A range over the reversed digits: the index serves it on both databases, as it would not serve LIKE."""
    first = digits[::-1]
    after = str(int(first) + 1).zfill(len(first))
    which = Q(reversed__gte=first)
    return which & Q(reversed__lt=after) if len(after) == len(first) else which  # 9999: nothing comes after


def _messages(text: str, found: Found) -> list[Message]:
    found.tried.append(_("a message’s id: ours, the provider’s, or a reference"))
    by_id = filter_messages(provider_message_id=text).order_by()
    by_reference = filter_messages(reference=text).order_by()
    ours = _OURS.fullmatch(text)
    pks = [int(ours[1])] if ours and int(ours[1]) <= GREATEST_ID else []
    # Three index look-ups, not one condition with OR over three columns, which would read the table.
    for rows in (by_id, by_reference):
        pks += rows.values_list("pk", flat=True)[: MOST + 1]
    hits = Message.objects.filter(pk__in=pks[: 2 * MOST + 3]).select_related("account", "recipient").order_by("-pk")
    return list(hits[: MOST + 1])


def _batches(text: str, found: Found) -> list[Batch]:
    found.tried.append(_("a batch’s name or id"))
    accounts = list(Account.objects.values_list("pk", flat=True))
    named = Q(account__in=accounts, name=text) | Q(Batch.called_by_provider(text), account__in=accounts)
    return list(Batch.objects.filter(named).select_related("account").order_by("-pk")[: MOST + 1])
