"""The reports that came before their message: found again when its id is stored."""

from __future__ import annotations

from django.utils import timezone

from dashboard.ingest.items import Item
from dashboard.ingest.reread import reread
from dashboard.ingest.rows import Among
from dashboard.models import Account, Orphan
from dashboard.models.messages import Source


def waiting_items(account: Account, ids: dict[str, int]) -> list[tuple[Item, int]]:
    """The items of all orphans about these normalised ids, marked as attached. Call under `lock_ids`."""
    waiting = list(
        Orphan.objects.filter(Among(Orphan, "match_id", ids, account_id=account.pk, message_id=None))
        .select_related("evidence__account")
        .order_by("pk")
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
