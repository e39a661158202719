"""The list of messages: filters, pages, empty states and what an address must not hold."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from dashboard.domain.lifecycle import PENDING
from dashboard.ingest.trees import sent_again_as
from dashboard.keyset import BadCursor, chunks, window
from dashboard.models import Account, Message
from dashboard.queries import BadFilter, filter_messages, page
from providers.base import Status
from tests.factory import account, report, sends, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def bsg(db: None) -> Account:
    return account("bsg")


@pytest.fixture
def ops(db: None) -> Client:
    return signed_in("ops")


def shown(client: Client, query: str = "", path: str = "/messages/") -> list[int]:
    """The ids of the messages on the page, in order."""
    response = client.get(f"{path}?{query}" if query else path)
    assert response.status_code == 200, response.status_code
    return [int(pk) for pk in re.findall(r'href="/messages/(\d+)/"', response.content.decode())]


# ------------------------------------------------------------------------------ filters


def test_each_filter_finds_what_it_names(bsg: Account, ops: Client) -> None:
    one, two, three = sends(bsg, 3, batch="spring", reference="INV-1")
    other = sends(account("royce", "roycetalk"), 1, first=9)[0]
    report(one, Status.DELIVERED)
    report(two, Status.EXPIRED)
    report(one, Status.FAILED, "failed")  # contradicts
    assert shown(ops) == [other.pk, three.pk, two.pk, one.pk]
    assert shown(ops, "status=expired") == [two.pk]
    assert shown(ops, "bucket=pending") == [other.pk, three.pk]
    assert shown(ops, "account=royce") == [other.pk]
    assert shown(ops, "batch=spring") == [three.pk, two.pk, one.pk]
    assert shown(ops, f"batch={one.batch_id}") == [three.pk, two.pk, one.pk]
    assert shown(ops, f"batch=id:{one.batch_id}&bucket=delivered") == [one.pk]
    assert shown(ops, "reference=INV-1") == [three.pk, two.pk, one.pk]
    assert shown(ops, "provider_message_id=bsg-1") == [two.pk]
    assert shown(ops, "conflict=on") == [one.pk]


def test_days_are_of_the_sites_zone_and_both_ends_count(bsg: Account, ops: Client, settings: object) -> None:
    settings.SITE_TIME_ZONE = "Africa/Nairobi"  # type: ignore[attr-defined]
    late = sends(bsg, 1, sent_at=datetime(2026, 3, 1, 20, 59, tzinfo=UTC))[0]  # 1 March, 23:59 in Nairobi
    next_day = sends(bsg, 1, first=1, sent_at=datetime(2026, 3, 1, 21, 0, tzinfo=UTC))[0]
    assert shown(ops, "since=2026-03-01&until=2026-03-01") == [late.pk]
    assert shown(ops, "since=2026-03-02&until=2026-03-02") == [next_day.pk]


def test_overdue_is_pending_past_its_validity_or_an_hour_without_one(bsg: Account) -> None:
    now = timezone.now()
    past, hour = now - timedelta(minutes=1), timedelta(hours=1)
    overdue = [
        sends(bsg, 1, first=0, sent_at=now, valid_until=past)[0],
        sends(bsg, 1, first=1, sent_at=now - hour - timedelta(minutes=1))[0],
    ]
    sends(bsg, 1, first=2, sent_at=now - hour * 5, valid_until=now + hour)
    sends(bsg, 1, first=3, sent_at=now - hour + timedelta(minutes=1))
    done = sends(bsg, 1, first=4, sent_at=now - hour * 5)[0]
    report(done, Status.EXPIRED)
    assert set(filter_messages(overdue=True)) == set(overdue)


def test_a_bucket_of_a_batch_has_the_roots_and_what_they_count_as(bsg: Account) -> None:
    root, again = sends(bsg, 2, batch="b")
    sent_again_as(root.pk, again.pk)
    report(root, Status.EXPIRED)
    report(again, Status.DELIVERED)
    batch = f"id:{root.batch_id}"
    assert list(filter_messages(batch=batch, bucket="delivered")) == [root]
    assert list(filter_messages(batch=batch, bucket="expired")) == []
    assert set(filter_messages(batch=batch)) == {root, again}
    assert set(filter_messages(bucket="delivered")) == {root, again}


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense", "bucket=all", "account=nobody", "batch=none-such", "batch=id:99999999999999999999",
        "batch=99999999999999999999", "since=yesterday", "until=2026-02-30", "since=0001-01-01", "until=9999-12-31",
        "since=2026-03-02&until=2026-03-01", "reference=%00", "batch=%00", "provider_message_id=" + "x" * 256,
        "reference=" + "x" * 300, "account=%00", "hours=soon", "chosen=x",
    ],
)  # fmt: skip
def test_a_bad_value_is_an_error_beside_its_field_and_shows_no_rows(bsg: Account, ops: Client, query: str) -> None:
    sends(bsg, 1)
    response = ops.get(f"/messages/?{query}")
    assert response.status_code == 200
    said = [error for errors in response.context["form"].errors.values() for error in errors]
    assert said
    assert all(escape(error) in response.content.decode() for error in said)
    assert b"cannot be read" in response.content
    assert b'href="/messages/1' not in response.content


@pytest.mark.parametrize(
    "cursor", ["x", "o", "o1", "o1_00000000", "nonsense", "n" + "f" * 40, "o1 ", "%00", "o-1-%D9%A1"]
)
def test_a_bad_cursor_is_said_and_no_500(ops: Client, cursor: str) -> None:
    for path in ("/messages/", "/batches/"):
        assert ops.get(f"{path}?cursor={cursor}").status_code == 400


@pytest.mark.parametrize("name", ["phone", "to", "number"])
def test_a_phone_number_in_the_address_is_refused_and_not_repeated(ops: Client, name: str) -> None:
    for path in ("/messages/", "/messages/export.csv"):
        response = ops.get(f"{path}?{name}=%2B254712345678")
        assert response.status_code == 400
        assert b"712345678" not in response.content
        assert b'href="/find/"' in response.content


def test_the_filters_in_use_can_be_dropped_one_by_one(bsg: Account, ops: Client) -> None:
    sends(bsg, 1)
    page = ops.get("/messages/?status=queued&account=bsg&cursor=o5&batch=").content.decode()
    assert 'href="?account=bsg"' in page
    assert 'href="?status=queued"' in page


@pytest.mark.parametrize(
    ("query", "is_open"), [("", False), ("status=queued", False), ("overdue=on", True), ("since=x", True)]
)
def test_filters_that_are_folded_away_are_shown_while_in_use_or_wrong(ops: Client, query: str, is_open: bool) -> None:
    page = ops.get(f"/messages/?{query}").content.decode()
    assert ('class="filters-more" open' in page) is is_open


def test_nothing_yet_and_nothing_matches_are_told_apart(bsg: Account, ops: Client) -> None:
    assert b"No messages yet" in ops.get("/messages/").content
    sends(bsg, 1)
    assert b"No message matches" in ops.get("/messages/?status=delivered").content


def test_htmx_gets_the_rows_alone(bsg: Account, ops: Client) -> None:
    sends(bsg, 1)
    part = ops.get("/messages/", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="rows"')
    assert "<html" in ops.get("/messages/", headers={"HX-Request": "true", "HX-Boosted": "true"}).content.decode()
    history = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in ops.get("/messages/", headers=history).content.decode()


def test_text_from_outside_stays_text(bsg: Account, ops: Client) -> None:
    evil = '<script>alert(1)</script>" onmouseover="x'
    sends(bsg, 1, batch=evil, reference=evil)
    for path in ("/messages/", f"/messages/?reference={evil}", "/batches/", f"/batches/?name={evil}"):
        page = ops.get(path).content
        assert b"<script>alert" not in page
        assert b'" onmouseover' not in page


# ------------------------------------------------------------------------------ pages


def walk(size: int, add: bool) -> tuple[list[int], list[int]]:
    """All pages to the end, and back up again, while rows are added on top."""
    bsg = Account.objects.get(slug="bsg")
    down: list[int] = []
    cursor: str | None = ""
    first = 1000
    while cursor is not None:
        found = window(Message.objects.all(), cursor, size)
        down += [message.pk for message in found.items]
        cursor = found.older
        if add:
            sends(bsg, 2, first=first)
            first += 2
    up: list[int] = []
    newer = found.newer
    while newer:
        found = window(Message.objects.all(), newer, size)
        up = [message.pk for message in found.items] + up
        newer = found.newer
    return down, up


@pytest.mark.parametrize("size", [1, 3, 7, 20, 21])
@pytest.mark.parametrize("add", [False, True])
def test_no_row_is_lost_or_doubled_while_rows_are_added(bsg: Account, size: int, add: bool) -> None:
    there = [message.pk for message in sends(bsg, 20)][::-1]
    down, up = walk(size, add)
    assert down == there
    newest_first = list(Message.objects.order_by("-pk").values_list("pk", flat=True))
    assert up == newest_first[: len(up)]
    assert set(up) >= set(there) - set(there[-size:])


def test_pages_of_a_filtered_list_join_to_the_whole(bsg: Account) -> None:
    messages = sends(bsg, 30)
    random.Random(1).shuffle(messages)
    for message in messages[:13]:
        report(message, Status.DELIVERED)
    whole = list(filter_messages(status="delivered").order_by("-pk"))
    found: list[Message] = []
    cursor: str | None = ""
    while cursor is not None:
        items, cursor = page(filter_messages(status="delivered"), cursor, 4)
        found += items
    assert found == whole
    assert len(whole) == 13


def test_the_last_page_has_no_next_and_beyond_the_top_is_the_first(bsg: Account) -> None:
    there = sends(bsg, 3)
    found = window(Message.objects.all(), window(Message.objects.all(), "", 2).older or "", 2)
    assert (found.items, found.older) == ([there[0]], None)
    assert window(Message.objects.filter(pk=there[0].pk), found.newer or "", 2).items == [there[0]]
    assert window(Message.objects.none(), found.newer or "", 2).items == []
    with pytest.raises(BadCursor):
        window(Message.objects.all(), "nonsense", 2)
    with pytest.raises(BadFilter) as raised:
        page(Message.objects.all(), "nonsense", 2)
    assert raised.value.field == "cursor"


@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_chunks_give_every_row_once(bsg: Account, size: int) -> None:
    there = sends(bsg, 5)[::-1]
    assert [message for chunk in chunks(Message.objects.all(), size) for message in chunk] == there
    assert list(chunks(Message.objects.none(), size)) == []


# ------------------------------------------------------------------------------ cost


@pytest.mark.parametrize("path", ["/messages/?account=bsg&bucket=pending&batch=b0", "/messages/", "/batches/"])
def test_the_number_of_queries_does_not_grow_with_the_rows(bsg: Account, ops: Client, path: str) -> None:
    counts = []
    sends(bsg, 1, batch="b0")
    for rows in (1, 50, 500):
        for n in range(1, rows // 10):
            sends(bsg, 10, first=rows * 10 + n * 10, batch=f"b{rows}-{n}")
        ops.get(path)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            ops.get(path)
        counts.append(len(queries))
        assert not [q for q in queries if "OFFSET" in q["sql"]]
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] <= 8 + (len(PENDING) if "bucket" in path else 0)
