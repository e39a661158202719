"""Reports whose message was not known when they came: attached when it is, by a sweep, or by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from dashboard.ingest.items import Item
from dashboard.ingest.locks import lock_ids
from dashboard.ingest.record import apply, lookup
from dashboard.ingest.reread import reread
from dashboard.models import Account, Message, Orphan
from dashboard.models.messages import Source

SWEPT_FOR = timedelta(hours=72)


def waiting_items(account: Account, ids: dict[str, int]) -> list[tuple[Item, int]]:
    """The items of all orphans about these normalised ids, marked as attached. Call under `lock_ids`."""
    waiting = list(
        Orphan.objects.filter(account=account, match_id__in=ids, message=None).select_related("evidence").order_by("pk")
    )
    now = timezone.now()
    pairs = []
    for orphan in waiting:
        orphan.message_id, orphan.attached_at = ids[orphan.match_id], now
        item = _item(account, orphan)
        if item is not None:
            pairs.append((item, ids[orphan.match_id]))
    Orphan.objects.bulk_update(waiting, ["message", "attached_at"])
    return pairs


def _item(account: Account, orphan: Orphan) -> Item | None:
    report = next((r for r in reread(orphan.evidence) if r.id and _match(account, r.id) == orphan.match_id), None)
    if report is None:
        return None  # retention has taken the body
    evidence = orphan.evidence
    return Item(
        account=account,
        source=Source.WEBHOOK if evidence.call == "webhook" else Source.POLL,
        report=report,
        evidence=evidence,
        received_at=orphan.received_at,
        signed=bool(evidence.signature),
    )


def _match(account: Account, message_id: str) -> str:
    return account.provider.normalise_id(message_id)


def sweep(now: datetime, *, most: int = 500) -> int:
    """Attach what a registration missed (a worker's job, every minute). Returns how many were attached."""
    waiting = (
        Orphan.objects.filter(message=None, received_at__gte=now - SWEPT_FOR)
        .exclude(match_id="")
        .select_related("account")
        .order_by("-pk")[:most]
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
    """Attach one orphan to a message that a person chose (of the same account)."""
    _attach(orphan.account, {orphan.match_id: message.pk})
