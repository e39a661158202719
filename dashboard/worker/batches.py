"""A batch as its provider sees it: its counters, and the messages of a batch that was accepted without naming them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Q
from django.utils import timezone

from dashboard.domain.lifecycle import PENDING
from dashboard.ingest.evidence import canonical, evidence, new_exchange
from dashboard.ingest.items import Item
from dashboard.ingest.known import lookup
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.models import Account, Batch, Message
from dashboard.models.messages import Source
from dashboard.worker.asking import MOST_PAGES, Lane
from providers.base import Ask, Entry, ProviderError, Report, Status, read, tried
from providers.http import Caller

BETWEEN_LISTINGS = timedelta(minutes=15)  # a number missing from two listings this far apart was skipped
LEASE = timedelta(seconds=120)
FIRST_REPORT_AGAIN = 15.0
LAST_REPORT = timedelta(days=5)


@dataclass(slots=True)
class Listed:
    """Everything a provider lists for a batch: (item, report), and whether it was all of it."""

    call: str = ""
    pairs: list[tuple[Any, Report]] = field(default_factory=list)
    complete: bool = False


# ------------------------------------------------------------------------------ asking (event loop)


async def ask_summary(caller: Caller, lane: Lane, batch_id: str) -> dict[str, int] | None:
    """The provider's counters; None if it cannot tell. Raises ProviderError."""
    provider = lane.account.provider
    while (ask := provider.summary_ask(batch_id, frozenset(lane.without))) is not None:
        reply, error = await lane.call(caller, ask.call, ask.request)
        if reply is not None and error is None:
            return read(provider.summary_of, reply.json())
        if error is None or error.code != "unsupported" or ask.call in lane.without:
            raise error or ProviderError("unreachable", "Nothing was answered.")
        lane.missing(ask.call)
    return None


async def ask_listing(caller: Caller, lane: Lane, batch_id: str) -> Listed | None:
    """All messages the provider lists for a batch; None if it cannot list. Raises ProviderError."""
    ask = lane.account.provider.listing_ask(batch_id, frozenset(lane.without))
    return None if ask is None else await ask_pages(caller, lane, ask, MOST_PAGES)


async def ask_pages(caller: Caller, lane: Lane, ask: Ask, most: int) -> Listed | None:
    """Up to so many pages of a list; None if the server does not know the call. Raises ProviderError."""
    provider = lane.account.provider
    listed = Listed(call=ask.call)
    seen: set[str] = set()
    unread = False
    for _ in range(most):
        reply, error = await lane.call(caller, ask.call, ask.request)
        if error is not None and error.code == "unsupported":
            lane.missing(ask.call)
            return None
        if reply is None or error is not None:
            raise error or ProviderError("unreachable", "Nothing was answered.")
        page = read(provider.split, ask, reply.json())
        for item in page.items:
            report, unreadable = tried(partial(read, provider.report, ask.call, item, None))
            unread = unread or unreadable is not None  # one row spoils only itself, but then not all has been listed
            if (
                report is not None and report.id and provider.normalise_id(report.id) not in seen
            ):  # an item may move between pages
                seen.add(provider.normalise_id(report.id))
                listed.pairs.append((item, report))
        if page.more is None:
            listed.complete = page.complete and not unread
            break
        ask = page.more
    return listed


# ------------------------------------------------------------------------------ storing (database thread)


def claim_batches(account: Account, now: datetime, most: int, due_by: datetime | None = None) -> list[Batch]:
    """Batches whose counters or listing are due, leased to us."""
    due = Q(next_report_at__lte=due_by or now) | Q(next_listing_at__lte=due_by or now)
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    wanted = list(Batch.objects.filter(due, free, account=account).exclude(provider_batch_id="").order_by("-pk")[:most])
    return [batch for batch in wanted if Batch.objects.filter(free, pk=batch.pk).update(lease_until=now + LEASE) == 1]


def save_summary(batch: Batch, summary: dict[str, int] | None, now: datetime) -> None:
    """Keep the provider's counters beside ours; look again while anything of the batch is pending."""
    changes: dict[str, Any] = {"lease_until": None, "next_report_at": _next_report(batch, now)}
    if summary is not None:
        changes |= {"report": summary, "report_at": now}
    else:
        changes["next_report_at"] = None
    Batch.objects.filter(pk=batch.pk).update(**changes)


def _next_report(batch: Batch, now: datetime) -> datetime | None:
    age = now - batch.created_at
    pending = Message.objects.filter(batch=batch, status__in=[status.value for status in PENDING]).exists()
    first = batch.report_at is None
    if not (pending or first or batch.next_listing_at) or age > LAST_REPORT:
        return None
    return now + max(timedelta(seconds=FIRST_REPORT_AGAIN), age / 4)


def postpone_batch(batch: Batch, until: datetime) -> None:
    due = {name: until for name in ("next_report_at", "next_listing_at") if getattr(batch, name)}
    Batch.objects.filter(pk=batch.pk).update(lease_until=None, **due)


def save_listing(batch: Batch, listed: Listed | None, now: datetime) -> None:
    """Give the listed ids to our messages, make the messages we did not know, and settle who was skipped."""
    if listed is None:
        Batch.objects.filter(pk=batch.pk).update(next_listing_at=None, lease_until=None)
        return
    account = batch.account
    nameless = list(
        Message.objects.filter(account=account, batch=batch, match_id=None).select_related("recipient").order_by("pk")
    )
    left = _name(account, listed, nameless, now)
    _make(account, batch, listed, left)
    _settle(batch, listed, nameless, now, new=bool(left))


def _name(account: Account, listed: Listed, nameless: list[Message], now: datetime) -> list[tuple[Any, Report]]:
    """Match by number; returns the pairs that are nobody's yet. `nameless` keeps those that were not found."""
    known = lookup({(account.pk, account.provider.normalise_id(report.id or "")) for _, report in listed.pairs})
    by_number: dict[str, list[Message]] = {}
    for message in nameless:
        by_number.setdefault(message.recipient.digits, []).append(message)
    items: list[Item] = []
    left: list[tuple[Any, Report]] = []
    exchange_id = new_exchange()
    for piece, report in listed.pairs:
        pk = known.get((account.pk, account.provider.normalise_id(report.id or "")))
        if pk is None:
            waiting = by_number.get(report.to)
            if not waiting:
                left.append((piece, report))
                continue
            message = waiting.pop(0)
            nameless.remove(message)
            pk = message.pk
        items.append(_item(account, listed.call, piece, report, pk, exchange_id, now))
    for start in range(0, len(items), 500):
        record(items[start : start + 500])
    return left


def _item(account: Account, call: str, piece: Any, report: Report, pk: int, exchange_id: str, now: datetime) -> Item:
    row = evidence(account, call, canonical(piece), now, is_item=True, exchange_id=exchange_id, http_status=200)
    return Item(
        account=account, source=Source.POLL, report=report, evidence=row, received_at=now, message_id=pk, answered=True
    )


def _make(account: Account, batch: Batch, listed: Listed, left: Sequence[tuple[Any, Report]]) -> None:
    """Messages that only the listing names: the batch was registered without its numbers."""
    exchange_id, now = new_exchange(), timezone.now()
    sends = [
        Send(
            to=report.to,
            provider_message_id=report.id,
            batch=batch.name,
            provider_batch_id=batch.provider_batch_id,
            sender=report.sender,
            report=report,
            evidence=evidence(account, listed.call, canonical(piece), now, is_item=True, exchange_id=exchange_id),
        )
        for piece, report in left
        if 7 <= len(report.to) <= 15
    ]
    for start in range(0, len(sends), 500):
        register(account, sends[start : start + 500], Source.POLL)


def _settle(batch: Batch, listed: Listed, missing: Sequence[Message], now: datetime, *, new: bool) -> None:
    """List again until nobody is missing; missing twice, 15 minutes apart: the provider skipped the number."""
    changes: dict[str, Any] = {"lease_until": None, "next_listing_at": now + timedelta(seconds=60)}
    if listed.complete:
        if not missing and not new and Message.objects.filter(batch=batch).exists():
            changes["next_listing_at"] = None
        elif batch.listed_at is None:
            changes |= {"listed_at": now, "next_listing_at": now + BETWEEN_LISTINGS}
        elif now - batch.listed_at >= BETWEEN_LISTINGS:
            _skip(batch.account, missing, now)
            changes["next_listing_at"] = None
        else:
            changes["next_listing_at"] = batch.listed_at + BETWEEN_LISTINGS
    Batch.objects.filter(pk=batch.pk).update(**changes)


def _skip(account: Account, missing: Sequence[Message], now: datetime) -> None:
    entry = Entry(word="skipped by the provider", status=Status.REJECTED, detail="The provider lists no such number.")
    items = [
        Item(account=account, source=Source.POLL, report=Report(entries=(entry,)), received_at=now, message_id=m.pk)
        for m in missing
    ]
    for start in range(0, len(items), 500):
        record(items[start : start + 500])
