"""record(): how many questions it asks the database, whose clock a time is, when to ask again, what is filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.ingest.items import Item, note
from dashboard.ingest.record import record
from dashboard.ingest.register import register
from dashboard.models import Account, Event, Message
from dashboard.models.messages import Source
from dashboard.story import story
from providers.base import Entry, Report, Status
from tests.core.making import T0, account, fresh, heard, lines, message, poll, says, send, webhook

pytestmark = pytest.mark.django_db


# ------------------------------------------------------------------------------ questions


def many(of: Account, count: int, first: int) -> list[Message]:
    register(of, [send(f"{of.slug}-{first + n}", to=f"2547{first + n:08d}") for n in range(count)], Source.API)
    return list(Message.objects.filter(account=of).select_related("account").order_by("-pk")[:count])


def questions(items: list[Item]) -> int:
    with CaptureQueriesContext(connection) as asked:
        record(items)
    # SQLite takes 999 values in one INSERT, so its evidence goes in pieces of 55 rows; they count as one.
    again = sum(query["sql"].startswith('INSERT INTO "dashboard_evidence"') for query in asked.captured_queries)
    return len(asked) - max(again - 1, 0)


@pytest.mark.parametrize("way", ["poll", "webhook"])
def test_the_number_of_questions_does_not_grow_with_the_number_of_messages(way: str) -> None:
    of = account("bsg")
    found = {}
    for count in (1, 50, 500):
        items = [
            heard(one, Report(id=one.match_id, entries=(Entry(word="sent", status=Status.SENT),)))
            for one in many(of, count, count * 1000)
        ]
        for item in items if way == "webhook" else ():
            item.source, item.message_id, item.answered = Source.WEBHOOK, None, False
        found[count] = questions(items)
    assert found[1] == found[50] == found[500] <= 10


def test_many_facts_about_one_message_are_no_more_questions_either() -> None:
    one = message(account("bsg"), "211")
    entries = tuple(Entry(word="sent", status=Status.SENT, at_raw=f"t{n}") for n in range(200))
    record([heard(one, Report(id="211", entries=(Entry(word="sent", status=Status.SENT),)))])
    assert questions([heard(one, Report(id="211", entries=entries[:1]))]) == questions(
        [heard(one, Report(id="211", entries=entries))]
    )


def test_nothing_is_no_question_about_rows() -> None:
    with CaptureQueriesContext(connection) as asked:
        assert record([]) == []
    assert not [query for query in asked.captured_queries if "dashboard_" in query["sql"]]


# ------------------------------------------------------------------------------ whose clock


def line_of(one: Message, word: str) -> Any:
    return next(entry for entry in story(Event.objects.filter(message=one)) if entry.word == word)


def test_a_stated_zone_is_kept_as_stated() -> None:
    of = account("smsbat", time_zone="Africa/Nairobi")
    one = message(of, "7")
    webhook(of, says("smsbat", "7", "sent", timestamp="2026-11-20T13:00:05+03:00"))
    line = line_of(one, "sent")
    assert (line.zone, line.at_raw) == ("stated", "2026-11-20T13:00:05+03:00")
    assert line.occurred_at == datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)


def test_a_time_without_a_zone_takes_the_accounts_and_says_so() -> None:
    one = poll(
        message(account("bsg", time_zone="Africa/Nairobi"), "211"),
        says("bsg", "211", "sent", time_sent="2026-11-20 13:00:05"),
    )
    line = line_of(one, "sent")
    assert (line.zone, line.occurred_at) == ("account", datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC))


def test_where_no_zone_is_known_the_text_alone_is_shown() -> None:
    one = poll(
        message(account("bsg", time_zone=""), "211"), says("bsg", "211", "sent", time_sent="2026-11-20 13:00:05")
    )
    line = line_of(one, "sent")
    assert (line.zone, line.occurred_at, line.at_raw) == ("", None, "2026-11-20 13:00:05")


@pytest.mark.parametrize("at", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_ends_of_time_are_no_accident(at: str) -> None:
    for slug, zone in (("east", "Pacific/Kiritimati"), ("west", "Pacific/Pago_Pago")):
        of = account("bsg", slug, time_zone=zone)
        one = poll(message(of, "211"), says("bsg", "211", "sent", time_sent=at))
        assert line_of(one, "sent").at_raw == at
        list(Event.objects.filter(message=one).values_list("at"))


# ------------------------------------------------------------------------------ giving up


def test_no_report_by_the_deadline_is_unknown_only_after_one_ask_past_it() -> None:
    one = message(account("bsg"), "211")
    poll(one, says("bsg", "211", "sent"), at=T0 + timedelta(hours=71, minutes=59))
    assert fresh(one).status == "sent"
    webhook(one.account, says("bsg", "211", "sent"))
    assert fresh(one).status == "sent"  # being told is not having asked
    late = poll(one, says("bsg", "211", "sent"), at=T0 + timedelta(hours=72))
    assert (late.status, late.bucket, late.next_check_at) == ("unknown", "unknown", None)
    assert poll(one, says("bsg", "211", "delivered"), at=T0 + timedelta(hours=90)).status == "delivered"
    assert not fresh(one).conflict


def test_validity_moves_the_deadline() -> None:
    one = message(account("bsg"), "211", valid_until=T0 + timedelta(hours=1))
    assert poll(one, says("bsg", "211", "sent"), at=T0 + timedelta(hours=24, minutes=59)).status == "sent"
    assert poll(one, says("bsg", "211", "sent"), at=T0 + timedelta(hours=25)).status == "unknown"


def test_an_answer_that_it_is_not_known_counts_as_an_answer() -> None:
    one = message(account("bsg"), "211")
    item = heard(one, Report(entries=(note("not_found", "not found"),)), at=T0 + timedelta(hours=73))
    record([item])
    assert fresh(one).status == "unknown"


def test_the_deadline_carries_the_attempt_it_was_decided_on() -> None:
    of = account("esms_africa")
    one = message(of, "msg-1")
    poll(one, says("esms_africa", "msg-1", "retrying", retry_count=1))
    poll(one, says("esms_africa", "msg-1", "retrying", retry_count=1), at=T0 + timedelta(hours=80))
    assert (fresh(one).status, fresh(one).attempt) == ("unknown", 1)
    assert poll(one, says("esms_africa", "msg-1", "retrying", retry_count=2)).status == "retrying"


def test_each_ask_pushes_the_next_one_out_and_a_webhook_further() -> None:
    one = message(account("bsg"), "211")
    waits = []
    for minute in range(1, 8):
        at = T0 + timedelta(minutes=minute)
        told = poll(one, says("bsg", "211", "sent"), at=at)
        assert told.next_check_at is not None
        waits.append(told.next_check_at - at)
    assert waits[0] <= timedelta(seconds=10)
    assert waits[-1] >= timedelta(minutes=5)
    other = message(account("bsg", "second"), "211")
    webhook(other.account, says("bsg", "211", "sent"))
    told = fresh(other)
    assert told.next_check_at is not None
    assert told.heard_at is not None
    assert told.next_check_at - told.heard_at >= timedelta(minutes=1)


# ------------------------------------------------------------------------------ facts


def test_the_first_price_stays_and_zero_is_a_price() -> None:
    of = account("smsbat", currency="UAH")
    one = message(of, "7")
    assert poll(one, says("smsbat", "7", "accepted")).cost is None
    assert poll(one, says("smsbat", "7", "sent", cost=Decimal("0.00"))).cost == 0
    after = poll(one, says("smsbat", "7", "delivered", cost="0.5", billAmount="0.5", billCurrency="USD"))
    assert (after.cost, after.currency) == (0, "UAH")


def test_facts_fill_what_is_empty_and_never_overwrite() -> None:
    one = message(account("bsg"), "211", text="The text", sender="ME")
    after = poll(
        one, says("bsg", "211", "sent", body="Another", originator="YOU", price="0.23", currency="EUR", task_id=9)
    )
    assert (after.text, after.sender, after.cost, after.currency) == ("The text", "ME", Decimal("0.23"), "EUR")
    assert after.provider_batch_id == "9"


@pytest.mark.parametrize("parts", [1, 255, 256, 40_000, 9_999_999])
def test_an_absurd_number_of_parts_is_none(parts: int) -> None:
    after = poll(message(account("smsbat"), "7"), says("smsbat", "7", "sent", partscount=parts))
    assert after.parts == (parts if parts <= 255 else None)


def test_a_long_currency_is_no_reason_to_lose_a_report() -> None:
    after = poll(message(account("bsg"), "211"), says("bsg", "211", "sent", price="1", currency="x" * 200))
    assert (after.status, after.currency) == ("sent", "x" * 8)


def test_a_story_is_told_once_by_everybody_who_told_it() -> None:
    of = account("smsbat")
    one = message(of, "7")
    for minute in range(3):
        poll(one, says("smsbat", "7", "sent"), at=T0 + timedelta(minutes=minute))
    webhook(of, says("smsbat", "7", "sent", timestamp="2026-11-20T10:00:05Z"))
    line = line_of(one, "sent")
    assert (line.count, line.sources, line.at_raw) == (4, ["poll", "webhook"], "2026-11-20T10:00:05Z")
    assert len(lines(one)) == 2
