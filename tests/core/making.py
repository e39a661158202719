"""What the tests of the core make: accounts, registered sends, webhooks, answers to polling, and what came of them."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from dashboard.domain.lifecycle import effective, fold
from dashboard.domain.overview import Sums
from dashboard.ingest.counts import add_messages
from dashboard.ingest.events import said
from dashboard.ingest.evidence import evidence
from dashboard.ingest.items import Item
from dashboard.ingest.quarters import quarter_of
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.ingest.replies import register_reply
from dashboard.ingest.reread import context_of
from dashboard.ingest.webhook import KEPT, Delivery, keep
from dashboard.models import Account, BatchCount, Event, HourCount, Message, QuarterCount
from dashboard.models.messages import Source
from dashboard.story import story
from providers.base import Reply, Report, Status, Target, read
from providers.strict_json import strict_json

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_numbers = count(1)


def account(key: str, slug: str = "", **fields: Any) -> Account:
    return Account.make(slug=slug or key.replace("_", "-"), provider_key=key, **fields)


def send(provider_id: str, to: str = "254712345678", **fields: Any) -> Send:
    return Send(provider_message_id=provider_id, to=to, **fields)


def message(of: Account, provider_id: str = "", **fields: Any) -> Message:
    """A registered send, sent at T0 unless said otherwise."""
    one = send(provider_id or f"m-{next(_numbers)}", **{"sent_at": T0, **fields})
    (done,) = register(of, [one], Source.API)
    assert done.message_id is not None
    return Message.objects.get(pk=done.message_id)


def unsent(of: Account, root: Message, reference: str = "r1") -> Message:
    """A text of ours that has not been answered yet: it has a reference and no provider's id."""
    made = Message(
        account=of, recipient=root.recipient, root=root, batch=root.batch, reference=reference, text="Hello",
        sent_at=T0, created_at=T0, sent_by_us=True,
    )  # fmt: skip
    add_messages([made])
    return made


def says(key: str, provider_id: str, word: str, **more: Any) -> dict[str, Any]:
    """The least a provider says about one message: its webhook, or its reply to the question about it."""
    match key:
        case "bridgexapi":
            return {"bx_message_id": provider_id, "status": word, "error": None, **more}
        case "bsg":
            return {"error": 0, "id": provider_id, "status": word, **more}
        case "roycetalk":
            return {"message_id": provider_id, "status": word, **more}
        case "smsbat":
            return {"messageId": provider_id, "deliverystatus": word, **more}
        case _:
            return {"message_id": provider_id, "id": provider_id, "status": word, **more}


def body_of(payload: Any) -> bytes:
    return payload if isinstance(payload, bytes) else json.dumps(payload, default=float).encode()


def token_of(of: Account) -> str:
    return of.webhook_url.rstrip("/").rpartition("/")[2]


def webhook(of: Account, payload: Any, **headers: str) -> None:
    """Through the door's own steps, without HTTP."""
    told = Delivery(token_of(of), body_of(payload), {"content-type": "application/json", **headers}, timezone.now())
    assert keep([told]) == [KEPT]


def answer(to: Message, payload: Any, *, at: datetime | None = None, call: str = "status", status: int = 200) -> Item:
    """What the worker records after asking about one message."""
    asked = Target(id=to.provider_message_id, to=to.recipient.digits)
    body = body_of(payload)
    report = read(to.account.provider.report, call, Reply(status=status, body=body).json(), asked)
    return heard(to, report, at=at, call=call, body=body, asked=asked)


def heard(
    to: Message, report: Report, *, at: datetime | None = None, call: str = "status", body: bytes = b"{}",
    asked: Target | None = None,
) -> Item:  # fmt: skip
    when = at or T0 + timedelta(minutes=1)
    context = {"asked": context_of(asked)} if asked else {}
    kept = evidence(to.account, call, body, when, http_status=200, context=context)
    return Item(
        account=to.account, source=Source.POLL, report=report, evidence=kept, received_at=when, message_id=to.pk,
        asked=asked, answered=True,
    )  # fmt: skip


def poll(to: Message, payload: Any, *, at: datetime | None = None) -> Message:
    record([answer(to, payload, at=at)])
    return fresh(to)


def fresh(one: Message) -> Message:
    return Message.objects.select_related("account", "recipient", "root").get(pk=one.pk)


def state(one: Message) -> tuple[Any, ...]:
    """Everything the state is."""
    row = fresh(one)
    return (
        row.status, row.attempt, row.provider_status, row.negatives, row.not_sent, row.reported, row.conflict,
        row.effective,
    )  # fmt: skip


def lines(one: Message) -> list[tuple[Any, ...]]:
    """The timeline but for our own clock and how often each line was heard."""
    entries = story(Event.objects.filter(message=one))
    return [(e.attempt, e.part, e.word, e.status, e.at_raw, e.detail, sorted(e.sources)) for e in entries]


def counts(one: Message) -> dict[str, int]:
    return {entry.word: entry.count for entry in story(Event.objects.filter(message=one))}


def events(one: Message) -> list[tuple[Any, ...]]:
    """The stored facts but for ids and our own clock."""
    rows = Event.objects.filter(message=one)
    return sorted(
        (e.key, e.status or "", e.word, e.note, e.detail, e.attempt, e.part, e.at_raw, str(e.at), e.zone, e.sources,
         e.count)
        for e in rows
    )  # fmt: skip


def assert_row_is_its_fold() -> None:
    """What each row says is what its stored events fold to, in whatever order; and a root counts as its tree does."""
    rows = list(Message.objects.all())
    facts: dict[int, list[Event]] = {row.pk: [] for row in rows}
    for event in Event.objects.order_by("-pk"):
        facts[event.message_id].append(event)
    folded = {pk: fold(map(said, events)) for pk, events in facts.items()}
    for row in rows:
        assert row.state == folded[row.pk], row.pk
        assert row.conflict == folded[row.pk].conflict
        again = [(one.pk, folded[one.pk]) for one in rows if one.root_id == row.pk]
        assert Status(row.effective) is effective(folded[row.pk], again)
        if row.root_id is None:
            tree = [folded[row.pk], *(state for _, state in again)]
            assert row.deliveries == sum(state.status is Status.DELIVERED for state in tree)
    assert_sums_are_counts()


def assert_sums_are_counts() -> None:
    """The stored sums say what counting says."""
    batches: Counter[tuple[Any, ...]] = Counter()
    hours: Counter[tuple[Any, ...]] = Counter()
    for row in Message.objects.all():
        if row.root_id is None and row.batch_id is not None:
            batches[row.batch_id, row.effective] += 1
        hours[row.sent_at.replace(minute=0, second=0, microsecond=0), row.account_id, row.country, row.status] += 1
    for stored in BatchCount.objects.all():
        batches[stored.batch_id, stored.status] -= stored.n
    by_quarter: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for (hour, of, country, status), n in hours.items():
        by_quarter[quarter_of(hour), of, country][status] += n
    for each in HourCount.objects.all():
        hours[each.hour, each.account_id, each.country, each.status] -= each.n
        if not each.rolled:
            by_quarter[quarter_of(each.hour), each.account_id, each.country][each.status] -= each.n
    stored_quarters = {(one.quarter, one.account_id, one.country): one for one in QuarterCount.objects.all()}
    for place in {*by_quarter, *stored_quarters}:
        one = stored_quarters.get(place, QuarterCount(sent=0, ended=0, delivered=0, unknown=0))
        assert Sums(one.sent, one.ended, one.delivered, one.unknown) == Sums.of(by_quarter[place]), place
    assert not any(batches.values()), batches
    assert not any(hours.values()), hours


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """One example of many: what it wrote is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def printed(key: str, name: str) -> Any:
    """A payload as the provider's documents print it."""
    path = Path(__file__).resolve().parent.parent / "providers" / "payloads" / key / f"{name}.json"
    return strict_json(path.read_bytes())


def replied(of: Account, payload: Any, request: Any = None) -> list[Message]:
    """The messages that a provider's own send reply makes, in its order."""
    done = register_reply(of, payload, request, Source.API)
    pks = [result.message_id for _, result in done.results]
    rows = {row.pk: row for row in Message.objects.select_related("account", "recipient").filter(pk__in=pks)}
    return [rows[pk] for pk in pks if pk is not None]
