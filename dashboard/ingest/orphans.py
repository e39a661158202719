"""Reports whose message was not known when they came, and that no registration took along: attached by a sweep or by
hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from dashboard.ingest.known import lookup
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.record import apply
from dashboard.ingest.waiting import waiting_items
from dashboard.models import Account, Message, Orphan

SWEPT_FOR = timedelta(hours=72)


def sweep(now: datetime, *, most: int = 500) -> int:
    """Attach what a registration missed (a worker's job, every minute). Returns how many were attached."""
    known = Message.objects.filter(account=OuterRef("account"), match_id=OuterRef("match_id"))
    # Those whose message is known, and not simply the newest: another system may send through the same account.
    waiting = (
        Orphan.objects.filter(Exists(known), message=None, received_at__gte=now - SWEPT_FOR)
        .exclude(match_id="")
        .select_related("account")
        .order_by("pk")[:most]
    )
    accounts = {orphan.account_id: orphan.account for orphan in waiting}
    found = lookup({(orphan.account_id, orphan.match_id) for orphan in waiting})
    by_account: dict[int, dict[str, int]] = {}
    for (account_id, match_id), pk in found.items():
        by_account.setdefault(account_id, {})[match_id] = pk
    return sum(_attach(accounts[account_id], ids) for account_id, ids in by_account.items())


def _attach(account: Account, ids: dict[str, int]) -> int:
    with transaction.atomic():
        lock_ids((account.pk, match_id) for match_id in ids)
        pairs = waiting_items(account, ids)
        apply(pairs)
        return len(pairs)


def attach_by_hand(orphan: Orphan, message: Message) -> None:
    """Attach one orphan, and others about the same id, to a message that a person chose (of the same account)."""
    if not orphan.match_id or orphan.account_id != message.account_id:
        raise ValueError("A report without an id, or of another account, cannot be attached.")
    _attach(orphan.account, {orphan.match_id: message.pk})
