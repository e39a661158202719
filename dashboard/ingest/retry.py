"""Asking to send again: a row that the worker takes. Nothing is sent here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from dashboard.domain.lifecycle import reached_the_wire
from dashboard.domain.retries import Situation, refusal
from dashboard.ingest.items import Item, ours
from dashboard.ingest.record import apply
from dashboard.logs import masked
from dashboard.models import Account, ApiToken, Audit, Bulk, Message, Retry, User
from dashboard.models.messages import Source
from providers.base import Report, Status


class Refused(Exception):
    """Why it may not be sent again: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True, kw_only=True)
class Offer:
    """What pressing the button would do, or why it cannot be pressed (`sentence` says either)."""

    allowed: bool
    code: str
    sentence: str
    original: Message
    accounts: list[Account] = field(default_factory=list)
    needs_text: bool = False
    cost: Decimal | None = None
    currency: str = ""
    copies_sent: int = 1
    warning: str = ""


def offer(message: Message, user: User) -> Offer:
    """For the page and the dialog. Makes a constant number of queries and changes nothing."""
    tree = _tree(message.root_pk)
    original = _latest(tree)
    found = _refusal(tree, original, original.account, has_text=original.text is not None, ops=user.ops)
    accounts = [original.account, *Account.objects.filter(enabled=True).exclude(pk=original.account_id)]
    sent = sum(reached_the_wire(m.state) for m in tree)
    code, sentence = found or ("", _promise(original))
    needs_text = original.text is None and not _by_provider(original, original.account, "", "")
    return Offer(
        allowed=found is None or code == "no_text",
        code=code,
        sentence=sentence,
        original=original,
        accounts=accounts,
        needs_text=needs_text,
        cost=original.cost,
        currency=original.currency,
        copies_sent=sent,
        warning=_doubt(original),
    )


def _promise(original: Message) -> str:
    if _by_provider(original, original.account, "", ""):
        return (
            f"{original.account.provider.label} is asked to try this message again; it may charge for it as a new text."
        )
    return f"One new text is sent through {original.account.name}, after one last look whether the first one arrived."


def _doubt(original: Message) -> str:
    if original.status == Status.UNKNOWN:
        return "No report came about this message: it may have arrived, and the person may get it twice."
    if original.status == Status.UNDELIVERABLE:
        return "The number was reported as wrong or dead; sending again will hardly help."
    if original.conflict:
        return "The reports about this message contradict each other."
    return ""


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
    """Store the wish to send again; (retry, False) if this very wish (nonce) is stored already. Raises Refused."""
    reason = masked(reason.strip())[:500]  # it goes to the audit, which names no number and forgets nothing
    if not reason:
        raise Refused("reason_missing", "Say why it is sent again.")
    try:
        with transaction.atomic():
            root_pk = Message.objects.only("pk", "root_id").get(pk=message_pk).root_pk
            tree = _tree(root_pk, lock=True)
            known = Retry.objects.filter(nonce=nonce).first()
            if known is not None:
                return known, False
            retry = _insert(tree, reason, nonce, user, token, account_slug, text, sender, bulk)
            _audit(retry, user, token)
            return retry, True
    except IntegrityError:
        known = Retry.objects.filter(nonce=nonce).first()
        if known is not None:
            return known, False
        raise Refused("open_retry", "Sending again is already under way.") from None


def _insert(
    tree: list[Message], reason: str, nonce: str, user: User | None, token: ApiToken | None,
    account_slug: str, text: str, sender: str, bulk: Bulk | None,
) -> Retry:  # fmt: skip
    original = _latest(tree)
    account = original.account
    if account_slug and account_slug != account.slug:
        chosen = Account.objects.filter(slug=account_slug).first()
        if chosen is None:
            raise Refused("account_not_found", "There is no such account.")
        account = chosen
    ops = token is not None or (user is not None and user.ops)
    has_text = bool(text) or original.text is not None
    found = _refusal(tree, original, account, has_text=has_text, ops=ops, changed=bool(text or sender))
    if found is not None:
        raise Refused(*found)
    now = timezone.now()
    by_provider = _by_provider(original, account, text, sender)
    reference = "r" + secrets.token_hex(15)
    retry = Retry(
        root=tree[0],
        original=original,
        failed_as=original.status,
        account=account,
        bulk=bulk,
        via=Retry.Via.PROVIDER if by_provider else Retry.Via.SEND,
        user=user,
        token=token,
        reason=reason,
        nonce=nonce,
        reference=reference,
        quoted_cost=original.cost,
        quoted_currency=original.currency,
        created_at=now,
        changed_at=now,
    )
    if not by_provider:
        retry.message = _new_message(retry, tree[0], text or original.text or "", sender or original.sender, now)
    retry.save()
    Message.objects.filter(pk=original.pk).update(wanted_at=now, next_check_at=now)
    return retry


def _new_message(retry: Retry, root: Message, text: str, sender: str, now: datetime) -> Message:
    """The row is there before anything is on the wire, so that no report can come too early to be kept."""
    message = Message.objects.create(
        account=retry.account,
        recipient_id=root.recipient_id,
        batch_id=root.batch_id,
        root=root,
        sent_by_us=True,
        reference=retry.reference,
        text=text,
        sender=sender,
        route=root.route if retry.account_id == root.account_id else "",
        sent_at=now,
        created_at=now,
    )
    entry = ours("asked to send again", Status.CREATED, detail=retry.reason)
    source = Source.PERSON if retry.user_id else Source.API
    item = Item(
        account=retry.account, source=source, report=Report(entries=(entry,)), received_at=now, by_provider=False
    )
    apply([(item, message.pk)])
    return message


def _by_provider(original: Message, account: Account, text: str, sender: str) -> bool:
    """Whether the provider's own retry does it: the same account, nothing changed, and an id to name."""
    same = account.pk == original.account_id and not text and not sender
    return same and account.provider.has_retry and original.match_id is not None


def _tree(root_pk: int, *, lock: bool = False) -> list[Message]:
    """The root and everything sent again for it, oldest first."""
    rows = Message.objects.filter(Q(pk=root_pk) | Q(root_id=root_pk)).select_related("account", "recipient")
    if lock:
        rows = rows.select_for_update(of=("self",))
    return sorted(rows, key=lambda message: message.pk)


def _latest(tree: list[Message]) -> Message:
    """The newest try that may have reached a provider, else the root."""
    return next((message for message in reversed(tree) if reached_the_wire(message.state)), tree[0])


def _refusal(
    tree: list[Message], original: Message, account: Account, *, has_text: bool, ops: bool, changed: bool = False
) -> tuple[str, str] | None:
    retries = list(Retry.objects.filter(root=tree[0]).values_list("state", flat=True))
    now = timezone.now()
    today = Retry.objects.filter(
        root__recipient=tree[0].recipient_id, state=Retry.State.ACCEPTED, created_at__gte=now - timedelta(days=1)
    )
    tried = (Retry.State.ACCEPTED, *Retry.HOLDING)
    situation = Situation(
        effective=Status(tree[0].effective),
        status=Status(original.status),
        final_at=original.final_at,
        held_by=next((state for state in retries if state in Retry.HOLDING), ""),
        retries=sum(state in tried for state in retries),
        texts_today=today.count(),
        not_sent_but_reported=any(m.not_sent and m.reported for m in tree),
        account_enabled=account.enabled,
        has_text=has_text,
        needs_text=not (account.provider.has_retry and account.pk == original.account_id and not changed),
        may_retry_unknown=ops,
    )
    after_failure, after_expired = (int(seconds) for seconds in settings.RETRY_COOL_DOWN)
    return refusal(situation, now, (after_failure, after_expired))


def _audit(retry: Retry, user: User | None, token: ApiToken | None) -> None:
    Audit.objects.create(
        actor=user,
        actor_name=user.get_username() if user else f"token {token.name}" if token else "",
        action="retry",
        subject=f"message {retry.root_id}",
        reason=retry.reason,
        details={"retry": retry.pk, "account": retry.account.slug, "via": retry.via},
    )
