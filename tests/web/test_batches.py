"""Batches: five buckets that always sum to the total, costs by currency, and the provider's counts beside ours."""

from __future__ import annotations

import random
import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings as hypothesis_settings, strategies as st

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.ingest.trees import sent_again_as
from dashboard.models import Batch, Message
from dashboard.tallies import sends as sends_in, tally
from dashboard.web.bars import WIDTH, segments
from dashboard.web.batches import Compared, comparison
from providers.base import Status
from tests.factory import account, report, reports, sends, signed_in

pytestmark = pytest.mark.django_db

REPORTED = [status for status in Status if status not in (Status.CREATED, Status.SENDING, Status.OUTCOME_UNKNOWN)]


def only_batch() -> Batch:
    return Batch.objects.get()


@pytest.mark.parametrize("seed", range(8))
def test_the_buckets_sum_to_the_total_whatever_was_said_in_whatever_order(seed: int) -> None:
    chance = random.Random(seed)
    bsg = account("bsg")
    messages = sends(bsg, 12, batch="b")
    batch = only_batch()
    roots = messages[:8]
    for message in messages[8:]:  # four of them are retries of others
        sent_again_as(chance.choice(roots).pk, message.pk)
    for _round in range(15):
        said = [(m, chance.choice(REPORTED)) for m in chance.sample(messages, chance.randint(1, len(messages)))]
        reports(said, attempt=chance.randint(0, 2))
        counts = tally([batch.pk])[batch.pk]
        assert sum(counts.values()) == len(roots)
        recount = dict.fromkeys(Bucket, 0)
        for root in Message.objects.filter(batch=batch, root=None):
            recount[BUCKET[Status(root.effective)]] += 1
        assert counts == recount


def test_one_query_tallies_a_whole_page() -> None:
    bsg = account("bsg")
    for n in range(5):
        sends(bsg, n + 1, first=n * 10, batch=f"b{n}")
    pks = list(Batch.objects.order_by("pk").values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        counts = tally([*pks, 10**9])
    assert len(queries) == 1
    assert [sum(counts[pk].values()) for pk in pks] == [1, 2, 3, 4, 5]
    assert counts[10**9] == dict.fromkeys(Bucket, 0)
    assert tally([]) == {}


def test_costs_are_exact_and_never_added_up_across_currencies() -> None:
    bsg = account("bsg")
    sends(bsg, 10, batch="b", cost=Decimal("0.1"), currency="EUR")
    sends(bsg, 3, first=10, batch="b", cost=Decimal("0.00000001"), currency="EUR")
    sends(bsg, 2, first=20, batch="b", cost=Decimal("35"), currency="UGX")
    sends(bsg, 1, first=30, batch="b", cost=Decimal("1"))
    sends(bsg, 1, first=40, batch="b")
    again = sends(bsg, 1, first=50, batch="b", cost=Decimal("0.1"), currency="EUR")[0]
    Message.objects.filter(pk=again.pk).update(root=Message.objects.order_by("pk")[0])
    batch = only_batch()
    batch.cost, batch.currency = Decimal("12.5"), "EUR"
    batch.save()
    found = [(cost.currency, cost.plain, cost.level) for cost in sends_in(Batch.objects.get()).costs]
    assert found == [
        ("", "1", "message"), ("EUR", "1.10000003", "message"), ("UGX", "70", "message"), ("EUR", "12.5", "batch"),
    ]  # fmt: skip


def test_a_bucket_leads_to_exactly_the_messages_it_counts() -> None:
    bsg = account("bsg")
    messages = sends(bsg, 9, batch="b")
    for message, status in zip(messages, REPORTED, strict=False):
        report(message, status)
    sends(bsg, 1, first=99, batch=str(only_batch().pk))  # a name that looks like the other's id
    ops = signed_in("ops")
    batch = Batch.objects.get(name="b")
    page = ops.get(f"/batches/{batch.pk}/").content.decode()
    for bucket, count in tally([batch.pk])[batch.pk].items():
        link = re.search(rf'href="(/messages/\?batch=id:{batch.pk}&amp;bucket={bucket})"', page)
        assert link
        listed = ops.get(link[1].replace("&amp;", "&")).content.decode()
        assert len(re.findall(r'href="/messages/\d+/"', listed)) == count


def test_support_sees_a_batch_without_links_to_lists_and_with_masked_numbers() -> None:
    sends(account("bsg"), 1, batch="b")
    page = signed_in("support").get(f"/batches/{only_batch().pk}/").content.decode()
    assert "/messages/?" not in page
    assert "export.csv" not in page
    assert "700 000000" not in page
    assert "••0000" in page


def test_the_page_follows_until_nothing_is_pending() -> None:
    one, two = sends(account("bsg"), 2, batch="b")
    client, url = signed_in("ops"), f"/batches/{only_batch().pk}/"
    htmx = {"HX-Request": "true"}

    def version() -> str:
        found = re.search(r"live=1&amp;v=([0-9a-f]+)", client.get(url).content.decode())
        return found[1] if found else ""

    first = version()
    assert first
    assert client.get(f"{url}?live=1&v={first}", headers=htmx).status_code == 204
    report(one, Status.DELIVERED)
    changed = client.get(f"{url}?live=1&v={first}", headers=htmx)
    assert changed.status_code == 200
    assert changed.content.lstrip().startswith(b'<div id="live" data-live')
    assert client.get(f"{url}?live=1&v={version()}", headers=htmx).status_code == 204
    report(two, Status.EXPIRED)
    last = client.get(f"{url}?live=1&v={first}", headers=htmx)
    assert last.status_code == 286
    assert b"data-live" not in last.content
    assert version() == ""


@pytest.mark.parametrize("pk", ["0", "999999", "99999999999999999999999"])
def test_a_batch_that_is_not_there_is_404(pk: str) -> None:
    ops = signed_in("ops")
    assert ops.get(f"/batches/{pk}/").status_code == 404
    assert ops.get(f"/batches/{pk}/export.csv").status_code == 404


def test_the_list_finds_by_a_part_of_the_name_or_of_the_providers_id() -> None:
    bsg = account("bsg")
    sends(bsg, 1, batch="Spring sale")
    sends(bsg, 1, first=1, batch="other", provider_batch_id="task-77")
    ops = signed_in("ops")
    assert b"Spring sale" in ops.get("/batches/?name=spring").content
    assert b"Spring sale" not in ops.get("/batches/?name=task-7").content
    assert b"other" in ops.get("/batches/?name=task-7").content
    assert b"No batch matches" in ops.get("/batches/?name=zzz&account=bsg").content
    assert ops.get("/batches/?account=nobody").context["form"].errors


# ------------------------------------------------------------------------------ beside the provider's


def compared(provider: str, said: dict[str, int]) -> tuple[dict[str, int | None], list[tuple[str, int]]]:
    batch = Batch(account=account("x", provider), name="b", created_at=timezone.now(), report=said)
    found = comparison(batch, dict.fromkeys(Bucket, 1))
    assert found
    return {str(line.label): line.theirs for line in found.lines}, found.others


def test_a_counter_is_compared_only_where_its_name_means_one_bucket() -> None:
    theirs, others = compared("bsg", {"delivered": 4, "expired": 0, "sent": 9, "pending": 2, "total": 7})
    assert theirs == {
        "Delivered": 4, "Expired": 0, "Undeliverable": None, "Unknown": None, "Pending": 2, "Total": 7,
    }  # fmt: skip
    assert others == [("sent", 9)]


def test_words_for_failures_are_added_up_and_named() -> None:
    theirs, others = compared(
        "roycetalk", {"delivered": 4, "failed": 2, "rejected": 1, "sent": 3, "messages_queued": 5}
    )
    assert theirs["Undeliverable"] == 3
    assert theirs["Total"] is None
    assert others == [("messages_queued", 5), ("sent", 3)]


def test_no_counters_are_no_comparison() -> None:
    batch = Batch(account=account("x"), name="b", created_at=timezone.now(), report=None)
    assert comparison(batch, dict.fromkeys(Bucket, 0)) is None


@given(st.lists(st.integers(0, 10**7), min_size=5, max_size=5))
@hypothesis_settings(max_examples=100, deadline=None)
def test_the_bar_is_full_and_shows_whatever_is_there(counts: list[int]) -> None:
    drawn = segments(dict(zip(Bucket, counts, strict=True)))
    assert [segment.count for segment in drawn] == [n for n in counts if n]
    assert sum(segment.width for segment in drawn) == (WIDTH if any(counts) else 0)
    assert all(segment.width > 0 for segment in drawn)
    assert [segment.x for segment in drawn] == [sum(s.width for s in drawn[:n]) for n in range(len(drawn))]


def test_orders_of_one_message_stay_out_of_the_way_until_they_are_wanted() -> None:
    bsg = account("bsg")
    sends(bsg, 1, first=0, provider_batch_id="7001")
    sends(bsg, 2, first=10, provider_batch_id="7002")
    sends(bsg, 1, first=20, batch="named by us", provider_batch_id="7003")
    ops = signed_in("ops")
    assert shown(ops.get("/batches/")) == {"7002", "named by us"}
    assert shown(ops.get("/batches/?singles=on")) == {"7001", "7002", "named by us"}
    assert shown(ops.get("/batches/?name=7001")) == {"7001"}


def shown(response: object) -> set[str]:
    return {row.batch.name for row in response.context["rows"]}  # type: ignore[attr-defined]


def test_a_difference_is_grouped_and_signed() -> None:
    differences = [Compared("", 0, theirs, "").difference for theirs in (None, 0, 123, 12_345, -12_345)]
    assert differences == ["", "0", "+123", "+12,345", "\N{MINUS SIGN}12,345"]
