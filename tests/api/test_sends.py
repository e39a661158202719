"""`POST /api/v1/sends` with messages: what is taken, what is a duplicate, what is refused, and how that is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.webhook import Delivery, keep
from dashboard.models import Account, Batch, Event, Message, Recipient
from tests.api.conftest import Program, item, total

FULL: dict[str, Any] = {
    "provider_message_id": "211",
    "to": "254712345678",
    "reference": "order-1",
    "batch": "March",
    "provider_batch_id": "77",
    "text": "Hello\nthere",
    "sender": "Shop",
    "sent_at": "2026-11-20T10:00:00+03:00",
    "valid_until": "2026-11-21T07:00:00Z",
    "cost": 0.088,
    "currency": "eur",
    "parts": 2,
    "route": "gold",
}


def test_a_send_with_every_field_is_kept_as_given(program: Program) -> None:
    answer = program.send(FULL)
    message = Message.objects.select_related("batch", "recipient").get()
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "errors": [],
        "messages": [{"index": 0, "id": str(message.pk), "provider_message_id": "211", "status": "queued"}],
    }
    assert message.recipient.digits == "254712345678"
    assert (message.reference, message.text, message.sender, message.route) == (
        "order-1",
        "Hello\nthere",
        "Shop",
        "gold",
    )
    assert message.batch is not None
    assert (message.batch.name, message.batch.provider_batch_id) == ("March", "77")
    assert (message.cost, message.currency, message.parts) == (Decimal("0.088"), "EUR", 2)
    assert message.sent_at.isoformat() == "2026-11-20T07:00:00+00:00"
    assert message.next_check_at is not None


def test_two_fields_are_enough(program: Program) -> None:
    assert program.send(item())["accepted"] == 1


def test_good_items_are_kept_when_others_are_bad(program: Program) -> None:
    items = [item(0), {"provider_message_id": "x"}, item(2), "text", item(4, to="hello"), None]
    answer = program.send(*items)
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert total(answer) == len(items)
    faults = [(fault["index"], fault["field"], fault["code"]) for fault in answer["errors"]]
    assert faults == [(1, "to", "missing"), (3, "", "invalid"), (4, "to", "not_a_number"), (5, "", "invalid")]
    assert [entry["index"] for entry in answer["messages"]] == [0, 2]
    assert all(set(fault) == {"index", "field", "code", "error"} for fault in answer["errors"])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("provider_message_id", "", "missing"),
        ("provider_message_id", None, "missing"),
        ("provider_message_id", "x" * 256, "too_long"),
        ("provider_message_id", "..", "invalid"),
        ("provider_message_id", ".", "invalid"),
        ("provider_message_id", "a\nb", "invalid"),
        ("provider_message_id", True, "invalid"),
        ("provider_message_id", ["a"], "invalid"),
        ("provider_message_id", 1.5, "invalid"),
        ("to", None, "missing"),
        ("to", "", "missing"),
        ("to", "12", "not_a_number"),
        ("to", "+1" * 30, "too_long"),
        ("to", {"a": 1}, "invalid"),
        ("reference", "x" * 256, "too_long"),
        ("reference", "a\u0085b", "invalid"),
        ("batch", "x" * 256, "too_long"),
        ("provider_batch_id", "..", "invalid"),
        ("text", 5, "invalid"),
        ("text", "x" * 10_001, "too_long"),
        ("sender", "x" * 51, "too_long"),
        ("route", "x" * 101, "too_long"),
        ("sent_at", "yesterday", "not_a_time"),
        ("sent_at", "2026-11-20T10:00:00", "no_time_zone"),
        ("sent_at", "2026-11-20", "no_time_zone"),
        ("sent_at", 1700000000, "not_a_time"),
        ("sent_at", "0001-01-01T00:00:00+14:00", "not_a_time"),
        ("valid_until", "9999-12-31T23:59:59Z", "not_a_time"),
        ("cost", -1, "not_money"),
        ("cost", "1e400000", "not_money"),
        ("cost", "NaN", "not_money"),
        ("cost", "much", "not_money"),
        ("cost", True, "not_money"),
        ("cost", 10**12, "not_money"),
        ("currency", "EU", "invalid"),
        ("currency", "E1R", "invalid"),
        ("currency", "EUROEUROEURO", "too_long"),
        ("parts", 0, "invalid"),
        ("parts", 256, "invalid"),
        ("parts", "two", "invalid"),
        ("parts", True, "invalid"),
    ],
)
def test_a_bad_field_is_named(program: Program, field: str, value: Any, code: str) -> None:
    answer = program.send({**item(), field: value})
    assert [(f["index"], f["field"], f["code"]) for f in answer["errors"]] == [(0, field, code)]
    assert (answer["accepted"], answer["messages"]) == (0, [])
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("provider_message_id", 211, "211"),
        ("provider_message_id", "0211", "0211"),
        ("provider_message_id", "a/b?c#d%2e%2e", "a/b?c#d%2e%2e"),
        ("provider_message_id", "x" * 255, "x" * 255),
        ("reference", 17, "17"),
        ("cost", "0.23", Decimal("0.23")),
        ("cost", 0, Decimal(0)),
        ("cost", "", None),
        ("cost", 0.30000000000000004, Decimal("0.3")),
        ("parts", "3", 3),
        ("text", "", None),
        ("currency", None, ""),
    ],
)
def test_a_field_is_taken_in_each_of_its_notations(program: Program, field: str, value: Any, kept: Any) -> None:
    assert program.send({**item(), field: value})["accepted"] == 1
    assert getattr(Message.objects.get(), field) == kept


@pytest.mark.parametrize("to", ["+254 712 345678", "254712345678", "00254712345678", "'+254712345678", 254712345678])
def test_one_number_in_many_notations_is_one_recipient(program: Program, to: Any) -> None:
    program.send(item(1, to="+254712345678"), item(2, to=to))
    assert Recipient.objects.get().digits == "254712345678"


def test_a_local_number_is_read_by_the_default_region(program: Program, settings: Any) -> None:
    settings.DEFAULT_REGION = "KE"
    program.send(item(to="0712345678"))
    assert Recipient.objects.get().digits == "254712345678"


def test_an_unknown_field_is_ignored_and_named_once(program: Program) -> None:
    answer = program.send(item(0), item(1, refrence="a"), item(2, refrence="b"))
    assert answer["accepted"] == 3
    assert [(f["index"], f["field"], f["code"]) for f in answer["errors"]] == [(1, "refrence", "unknown_field")]


# ------------------------------------------------------------------------------ again


def test_the_same_send_again_is_a_duplicate(program: Program) -> None:
    first = program.send(FULL)
    again = program.send(FULL)
    assert (again["accepted"], again["duplicates"], again["errors"]) == (0, 1, [])
    assert again["messages"] == first["messages"]
    assert Message.objects.count() == 1
    assert Event.objects.get().count == 1


def test_the_same_item_twice_in_one_call_is_accepted_and_a_duplicate(program: Program) -> None:
    answer = program.send(item(), item(reference="late"))
    assert (answer["accepted"], answer["duplicates"]) == (1, 1)
    assert [entry["id"] for entry in answer["messages"]] == [str(Message.objects.get().pk)] * 2
    assert Message.objects.get().reference == "late"


def test_empty_fields_are_filled_and_different_values_stay_and_are_named(program: Program) -> None:
    program.send(item(reference="first", cost="0.1", currency="EUR"))
    answer = program.send(item(reference="second", cost="0.2", text="Hi", batch="B"))
    assert (answer["accepted"], answer["duplicates"]) == (0, 1)
    assert sorted(f["field"] for f in answer["errors"]) == ["cost", "reference"]
    assert {f["code"] for f in answer["errors"]} == {"differs"}
    message = Message.objects.select_related("batch").get()
    assert (message.reference, message.cost, message.text) == ("first", Decimal("0.1"), "Hi")
    assert message.batch is not None
    assert message.batch.name == "B"


def test_the_same_id_to_another_number_is_refused(program: Program) -> None:
    program.send(item(1))
    answer = program.send(item(1, to="+254799999999"), item(2))
    assert (answer["accepted"], answer["duplicates"]) == (1, 0)
    assert [(f["index"], f["field"]) for f in answer["errors"]] == [(0, "to")]
    assert [entry["index"] for entry in answer["messages"]] == [1]


def test_one_id_on_two_accounts_is_two_messages(program: Program, other: Account) -> None:
    program.send(item())
    assert program.send(item(), account="other")["accepted"] == 1
    assert Message.objects.count() == 2


def test_ids_match_after_the_adapters_normalisation_and_come_back_as_first_given(
    program: Program, other: Account
) -> None:
    bare = "A1B2C3D4-E5F6-7890-ABCD-EF1234567890"
    program.send(item(provider_message_id=f"msg-{bare}"), account="other")
    answer = program.send(item(provider_message_id=bare.lower()), account="other")
    assert answer["duplicates"] == 1
    assert answer["messages"][0]["provider_message_id"] == f"msg-{bare}"


def test_reports_that_had_waited_are_in_the_status(program: Program, account: Account) -> None:
    body = b'{"id":"m1","msisdn":"254712300001","status":"delivered","error":0}'
    token = account.webhook_url.rstrip("/").rpartition("/")[2]
    keep([Delivery(token, body, {"content-type": "application/json"}, timezone.now())])
    answer = program.send(item(1), item(2))
    assert [entry["status"] for entry in answer["messages"]] == ["delivered", "queued"]


def test_a_batch_is_made_once_and_found_by_either_name(program: Program) -> None:
    program.send(item(1, batch="March", provider_batch_id="9"), item(2, batch="March"), item(3, provider_batch_id="9"))
    batch = Batch.objects.get()
    assert Message.objects.filter(batch=batch).count() == 3


# ------------------------------------------------------------------------------ size


def test_a_thousand_items_in_one_call(program: Program) -> None:
    answer = program.send(*(item(n, batch="big") for n in range(1_000)))
    assert (answer["accepted"], len(answer["messages"])) == (1_000, 1_000)
    again = program.send(*(item(n, batch="big") for n in range(1_000)))
    assert (again["accepted"], again["duplicates"]) == (0, 1_000)
    assert Message.objects.count() == 1_000


def test_no_items_are_no_error(program: Program) -> None:
    assert program.send() == {"accepted": 0, "duplicates": 0, "errors": [], "messages": []}


def test_the_number_of_queries_does_not_grow_with_the_items_but_by_the_inserts(program: Program) -> None:
    program.send(item(9_999, batch="b"))
    counts = []
    for start, size in ((0, 1), (100, 50), (1_000, 500)):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            program.send(*(item(start + n, batch="b") for n in range(size)))
        # SQLite inserts some twenty rows at a time; PostgreSQL takes at most 64 locks.
        counts.append(sum("INSERT" not in query["sql"] and "advisory" not in query["sql"] for query in queries))
    assert counts[0] == counts[1] == counts[2], counts
