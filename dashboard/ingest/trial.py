"""A test text: one of our own to a number that a person types, to see whether an account works.

It goes the way of a message sent again: a row first, then the worker, at most once. The only difference is that nothing
went before it, so there is nothing to ask about: its retry is its message's first (`Retry.is_first`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain import retries as rules
from dashboard.domain.phone import main_country
from dashboard.domain.prices import Price
from dashboard.domain.retries import Refusal
from dashboard.domain.segments import Segments, segments
from dashboard.ingest.counts import add_messages
from dashboard.ingest.items import Item, ours
from dashboard.ingest.locks import lock_limits
from dashboard.ingest.record import apply
from dashboard.ingest.register import recipients_of
from dashboard.ingest.retry import Refused
from dashboard.ingest.situation import throughs, to_numbers, usual_price
from dashboard.models import Account, Message, Recipient, Retry, User
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac
from providers.base import Outgoing, ProviderError, Report, Status

REASON = "test text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a person wants to send. `to` is E.164 digits."""

    account: Account
    to: str
    text: str
    sender: str = ""

    @property
    def segments(self) -> Segments:
        return segments(self.text)

    def price(self) -> Price | None:
        """What such a text usually costs there; None where too few prices are known."""
        return usual_price(self.account, main_country(self.to), self.segments.parts)

    def check(self) -> None:
        """Let the provider's own rules object before anything is stored. Raises Refused."""
        if not self.account.sealed_credentials:
            raise Refused("account_disabled", _("The account has no credentials yet."))
        example = "r" + "0" * 30
        outgoing = Outgoing(to=self.to, text=self.text, sender=self.sender, reference=example, idempotency_key=example)
        try:
            self.account.provider.send_request(outgoing)
        except ProviderError as error:
            raise Refused(error.code, error.message) from None


def refusal_of(trial: Trial, user: User, now: datetime) -> Refusal | None:
    """Why this person may not send it now."""
    recipient = Recipient.objects.filter(hmac=phone_hmac(trial.to)).first()
    tests = Retry.objects.filter(Retry.FIRST, user=user, created_at__gte=now - rules.IN_A_ROW)
    return rules.refusal_of_test(
        opted_out=recipient is not None and recipient.opted_out_at is not None,
        to_number=to_numbers([recipient.pk], now).get(recipient.pk, 0) if recipient else 0,
        tests=tests.count(),
        price=trial.price(),
        through=throughs([trial.account], now)[trial.account.pk],
        now=now,
    )


def request_trial(trial: Trial, user: User, nonce: str) -> tuple[Retry, bool]:
    """Store the wish to send it; (retry, False) if this very wish (nonce) is stored already. Raises Refused.

    The limits are held from here to the commit, so two presses at once cannot both take the last place.
    """
    trial.check()
    with transaction.atomic():
        recipient = Recipient.objects.get(pk=recipients_of({trial.to})[trial.to])
        lock_limits([f"account {trial.account.pk}", f"number {recipient.pk}", f"person {user.pk}"])
        known = Retry.objects.filter(nonce=nonce).first()
        if known is not None:
            return known, False
        now = timezone.now()
        found = refusal_of(trial, user, now)
        if found is not None:
            raise Refused(found.code, found.sentence, found.possible_at)
        return _insert(trial, recipient, Retry(user=user, nonce=nonce, created_at=now, changed_at=now)), True


def _insert(trial: Trial, recipient: Recipient, retry: Retry) -> Retry:
    """The message is there before anything is on the wire, so that no report can come too early to be kept."""
    retry.account, retry.via, retry.reason = trial.account, Retry.Via.SEND, REASON
    retry.reference = "r" + secrets.token_hex(15)
    price = trial.price()
    if price is not None:
        retry.quoted_cost, retry.quoted_currency = price.amount, price.currency
    message = Message(
        account=trial.account,
        recipient=recipient,
        sent_by_us=True,
        reference=retry.reference,
        text=trial.text,
        sender=trial.sender,
        sent_at=retry.created_at,
        created_at=retry.created_at,
    )
    add_messages([message])
    retry.root = retry.original = retry.message = message
    retry.save()
    entry = ours("asked to send a test text", Status.CREATED, detail=retry.reason)
    report = Report(entries=(entry,))
    item = Item(
        account=trial.account, source=Source.PERSON, report=report, received_at=retry.created_at, by_provider=False
    )
    apply([(item, message.pk)])
    return retry
