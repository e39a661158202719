"""Asking to send again: a row that the worker takes. Nothing is sent here."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.ingest.counts import add_messages
from dashboard.ingest.items import Item, ours
from dashboard.ingest.record import apply
from dashboard.ingest.situation import Case, Wish, cases
from dashboard.logs import masked
from dashboard.models import Account, ApiToken, Audit, Bulk, Message, Retry, User
from dashboard.models.messages import Source
from providers.base import Report, Status


class Refused(Exception):
    """Why it may not be sent again: `code` for programs, `message` for people, `possible_at` if time lifts it."""

    def __init__(self, code: str, message: str, possible_at: datetime | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.possible_at = code, message, possible_at


def request_retry(
    message_pk: int,
    *,
    reason: str,
    nonce: str,
    user: User | None = None,
    token: ApiToken | None = None,
    account_slug: str = "",
    text: str = "",
    sender: str = "",
    bulk: Bulk | None = None,
) -> tuple[Retry, bool]:
    """Store the wish to send again; (retry, False) if this very wish (nonce) is stored already. Raises Refused.

    With `bulk` the wish is one of many: `user` is who approved them, a person's own limits do not count, and what only
    a person may decide is refused. Each wish is a transaction of its own: it locks the message's tree, then the limits
    that it counts, and a caller that already holds another tree could wait in a circle.
    """
    reason = masked(reason.strip())[:500]  # it goes to the audit, which names no number and forgets nothing
    if not reason:
        raise Refused("reason_missing", _("Say why it is sent again."))
    try:
        with transaction.atomic():
            wish = Wish(account=_account(account_slug), text=text, sender=sender)
            root_pk = Message.objects.only("pk", "root_id").get(pk=message_pk).root_pk
            case = cases(
                [root_pk], timezone.now(), wish=wish, lock=True,
                ops=token is not None or (user is not None and user.ops), user=None if bulk else user,
            )[root_pk]  # fmt: skip
            known = Retry.objects.filter(nonce=nonce).first()
            if known is not None:
                return known, False
            found = case.refusal(bulk=bulk is not None)
            if found is not None:
                raise Refused(found.code, found.sentence, found.possible_at)
            retry = _insert(case, Retry(reason=reason, nonce=nonce, user=user, token=token, bulk=bulk))
            _audit(retry, user, token)
            return retry, True
    except IntegrityError:
        known = Retry.objects.filter(nonce=nonce).first()
        if known is not None:
            return known, False
        raise Refused("open_retry", _("Sending again is already under way.")) from None


def _account(slug: str) -> Account | None:
    if not slug:
        return None
    account = Account.objects.filter(slug=slug).first()
    if account is None:
        raise Refused("account_not_found", _("There is no such account."))
    return account


def _insert(case: Case, retry: Retry) -> Retry:
    """Store the retry, and for a send the message that it will make."""
    now = case.situation.now
    retry.root, retry.original, retry.account = case.root, case.original, case.account
    retry.failed_as = case.original.status
    retry.via = Retry.Via.PROVIDER if case.by_provider else Retry.Via.SEND
    retry.reference = "r" + secrets.token_hex(15)
    if case.price is not None:
        retry.quoted_cost, retry.quoted_currency = case.price.amount, case.price.currency
    retry.created_at = retry.changed_at = now
    if not case.by_provider:
        retry.message = _new_message(retry, case)
    retry.save()
    Message.objects.filter(pk=case.original.pk).update(wanted_at=now, next_check_at=now)
    return retry


def _new_message(retry: Retry, case: Case) -> Message:
    """The row is there before anything is on the wire, so that no report can come too early to be kept."""
    root, now = case.root, retry.created_at
    message = Message(
        account=retry.account,
        recipient_id=root.recipient_id,
        country=root.country,
        batch_id=root.batch_id,
        root=root,
        sent_by_us=True,
        reference=retry.reference,
        text=case.text or "",
        sender=case.sender,
        route=root.route if retry.account_id == root.account_id else "",
        sent_at=now,
        created_at=now,
    )
    add_messages([message])
    entry = ours("asked to send again", Status.CREATED, detail=retry.reason)
    source = Source.PERSON if retry.user_id else Source.API
    item = Item(
        account=retry.account, source=source, report=Report(entries=(entry,)), received_at=now, by_provider=False
    )
    apply([(item, message.pk)])
    return message


def _audit(retry: Retry, user: User | None, token: ApiToken | None) -> None:
    Audit.objects.create(
        actor=user,
        actor_name=user.get_username() if user else f"token {token.name}" if token else "",
        action="retry",
        subject=f"message {retry.root_id}",
        reason=retry.reason,
        details={"retry": retry.pk, "account": retry.account.slug, "via": retry.via},
    )


# ------------------------------------------------------------------------------ many at once

MAY_HAVE_ARRIVED = gettext_lazy("No report came: it may have arrived, and the person may get it twice.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """About one root. Without a `code` it may be sent; `told` is what must be known before that.

    `by_hand`: a person may still send this one by itself, having looked at it. `possible_at`: when time alone lifts it.
    """

    code: str = ""
    sentence: str = ""
    possible_at: datetime | None = None
    by_hand: bool = False
    told: str = ""
    recipient: str
    account: str  # slug of the account that it would go through
    cost: Decimal | None = None
    currency: str = ""
    estimated: bool = False  # the price is the usual one, not the one of this very text

    @property
    def eligible(self) -> bool:
        return not self.code


def judge(root_pks: Sequence[int], *, user: User, account: Account | None = None) -> dict[int, Verdict]:
    """A verdict for each of up to 500 roots, as if each were sent now: by `account`, else by its own.

    The number of questions does not grow with the roots. What is no root, or not there, is left out. Limits are those
    of now: a plan that is larger than what is left of them must look again when a message's turn comes, as
    `request_retry(bulk=...)` does.
    """
    found = cases(root_pks, timezone.now(), ops=user.ops, wish=Wish(account=account))
    verdicts = {}
    for pk, case in found.items():
        alone = case.refusal()
        refusal = alone or case.refusal(bulk=True)
        price = case.price
        verdicts[pk] = Verdict(
            code=refusal.code if refusal else "",
            sentence=refusal.sentence if refusal else "",
            possible_at=refusal.possible_at if refusal else None,
            by_hand=refusal is not None and (alone is None or bool(alone.lifted_by)),
            told=str(MAY_HAVE_ARRIVED) if case.original.status == Status.UNKNOWN else "",
            recipient=case.root.recipient_id,
            account=case.account.slug,
            cost=price.amount if price else None,
            currency=price.currency if price else "",
            estimated=bool(price and price.of),
        )
    return verdicts
