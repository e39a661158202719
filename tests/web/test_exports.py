"""CSV exports: exactly the filter, safe in a spreadsheet, importable again, in constant memory, and on the record."""

from __future__ import annotations

import csv
import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.models import Account, Audit, Batch, Message, Recipient
from dashboard.queries import filter_messages
from dashboard.web import exports
from providers.base import Status
from tests.factory import account, report, sends, signed_in

pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"]


@pytest.fixture
def bsg(db: None) -> Account:
    return account("bsg")


@pytest.fixture
def ops(db: None) -> Client:
    return signed_in("ops", name="otto")


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8")
    return list(csv.DictReader(StringIO(text, newline="")))


def test_the_file_has_the_apis_names_and_the_values_as_they_are(bsg: Account, ops: Client) -> None:
    given = {"batch": "b", "reference": "r", "text": "Привіт, «світ»\nline 2", "sender": "ACME"}
    message = sends(bsg, 1, **given, cost=Decimal("0.088"), currency="EUR", parts=2, route="gold")[0]
    report(message, Status.DELIVERED)
    message.refresh_from_db()
    (row,) = rows_of(ops.get("/messages/export.csv"))
    assert row["id"] == str(message.pk)
    assert row["to"] == "'+254700000000"
    assert row["status"] == row["bucket"] == "delivered"
    assert row["sent_at"] == message.sent_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (row["batch"], row["reference"], row["provider_message_id"]) == ("b", "r", "bsg-0")
    assert (Decimal(row["cost"]), row["currency"], row["parts"], row["route"]) == (Decimal("0.088"), "EUR", "2", "gold")
    assert row["text"] == "Привіт, «світ»\nline 2"
    assert (row["conflict"], row["account"], row["valid_until"]) == ("false", "bsg", "")


def test_a_retry_names_the_message_it_was_sent_for_and_that_one_how_often_it_arrived(bsg: Account, ops: Client) -> None:
    root, again = sends(bsg, 2)
    Message.objects.filter(pk=again.pk).update(root=root)
    report(root, Status.DELIVERED)
    report(again, Status.DELIVERED)
    told = {row["id"]: (row["sent_again_for"], row["arrivals"]) for row in rows_of(ops.get("/messages/export.csv"))}
    assert told == {str(root.pk): ("", "2"), str(again.pk): (str(root.pk), "")}


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_run_by_a_spreadsheet(bsg: Account, ops: Client, formula: str) -> None:
    message = sends(bsg, 1, batch=formula, reference=formula, text=formula, sender=formula, route=formula)[0]
    Message.objects.filter(pk=message.pk).update(provider_status=formula, currency=formula)
    (row,) = rows_of(ops.get("/messages/export.csv"))
    for name in ("batch", "reference", "text", "sender", "route", "provider_status", "currency"):
        assert row[name] == "'" + formula, name
    for value in row.values():
        assert not value.startswith(exports.FORMULA)


def test_a_nul_is_quoted_as_well() -> None:
    assert exports.safe("\0=1") == "'\0=1"
    assert exports.safe(None) == ""
    assert exports.safe("plain = text") == "plain = text"


@pytest.mark.parametrize(
    "query",
    ["", "status=delivered", "bucket=pending", "batch=b1&bucket=delivered", "account=bsg&reference=r", "overdue=on"],
)
def test_it_is_exactly_the_list(bsg: Account, ops: Client, query: str) -> None:
    for n in range(3):
        for message in sends(bsg, 5, first=n * 5, batch=f"b{n}", reference="r")[n:]:
            report(message, Status.DELIVERED)
    sends(account("royce", "roycetalk"), 2, first=50)
    parameters = dict(pair.split("=") for pair in query.split("&") if pair)
    expected = filter_messages(**{k: v == "on" if k == "overdue" else v for k, v in parameters.items()})  # type: ignore[arg-type]
    found = rows_of(ops.get(f"/messages/export.csv?{query}"))
    assert [int(row["id"]) for row in found] == list(expected.order_by("-pk").values_list("pk", flat=True))


def test_a_batchs_file_has_its_messages_whatever_its_name(bsg: Account, ops: Client) -> None:
    messages = sends(bsg, 3, batch="=cmd|' /C calc'!A0")
    batch = Batch.objects.get()
    sends(bsg, 1, first=9, batch=str(batch.pk))
    response = ops.get(f"/batches/{batch.pk}/export.csv?batch=other")
    assert response["Content-Disposition"].startswith(f'attachment; filename="batch-{batch.pk}-')
    assert {int(row["id"]) for row in rows_of(response)} == {message.pk for message in messages}


def test_every_chunk_is_read_and_the_queries_grow_with_chunks_alone(
    bsg: Account, ops: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 10)
    sends(bsg, 45, batch="b")
    with CaptureQueriesContext(connection) as queries:
        found = rows_of(ops.get("/messages/export.csv"))
    assert len(found) == 45
    # Where the chunk begins, which rows it has, and these.
    assert len([q for q in queries if "dashboard_message" in q["sql"]]) == 3 * 5 - 1


def peak(written: Callable[[Any], Iterator[str]], rows: int) -> int:
    """The most memory while the newest rows are written."""
    newest = Message.objects.order_by("-pk")[rows - 1]
    messages = Message.objects.filter(pk__gte=newest.pk)
    tracemalloc.start()
    count = 0
    for text in written(messages):
        count += text.count("\n")
        gc.collect()  # queries leave circles behind
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count >= rows
    return most


@pytest.mark.parametrize("kind", exports.KINDS)
def test_memory_does_not_grow_with_the_rows(bsg: Account, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(exports, "CHUNK", 20)
    sends(bsg, 400, text="x" * 1000)
    written, _ = exports.KINDS[kind]
    peak(written, 20)
    assert peak(written, 400) < 1.5 * peak(written, 60)


@pytest.mark.slow
def test_fifty_thousand_rows_take_no_more_memory_than_five_thousand(bsg: Account) -> None:
    for first in range(0, 50_000, 5_000):
        sends(bsg, 5_000, first=first, text="x" * 200)
    for written, _ in exports.KINDS.values():
        peak(written, 1)
        assert peak(written, 50_000) < 1.2 * peak(written, 5_000)


def test_json_lines_have_the_same_rows_with_values_as_the_api_has_them(bsg: Account, ops: Client) -> None:
    first, second = sends(bsg, 2, batch="=b", text="line 1\nline 2 Привіт", cost=Decimal("0.088"), currency="EUR")
    report(first, Status.DELIVERED)
    Message.objects.filter(pk=second.pk).update(root=first, provider_message_id=None)
    response = ops.get("/messages/export.jsonl")
    assert response["Content-Type"] == "application/jsonl; charset=utf-8"
    assert response["Content-Disposition"].endswith('.jsonl"')
    again, one = map(json.loads, b"".join(response.streaming_content).decode().splitlines())  # type: ignore[attr-defined]
    assert (one["id"], one["to"], one["batch"], one["bucket"]) == (str(first.pk), "+254700000000", "=b", "delivered")
    assert (one["text"], Decimal(one["cost"]), one["conflict"], one["parts"]) == (
        "line 1\nline 2 Привіт", Decimal("0.088"), False, None,
    )  # fmt: skip
    assert one["sent_at"] == first.sent_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (one["sent_again_for"], one["arrivals"]) == (None, 1)
    assert (again["sent_again_for"], again["arrivals"], again["provider_message_id"]) == (str(first.pk), None, None)
    (only,) = b"".join(ops.get(f"/batches/{first.batch_id}/export.jsonl?status=queued").streaming_content).splitlines()  # type: ignore[attr-defined]
    assert json.loads(only)["id"] == str(second.pk)


def test_a_removed_number_is_empty(bsg: Account, ops: Client) -> None:
    sends(bsg, 1)
    Recipient.objects.update(digits="", reversed="")
    assert rows_of(ops.get("/messages/export.csv"))[0]["to"] == ""


def test_each_export_is_on_the_record_without_numbers(bsg: Account, ops: Client) -> None:
    sends(bsg, 1, reference="254712345678")
    ops.get("/messages/export.csv?reference=254712345678&status=queued")
    row = Audit.objects.get()
    assert (row.actor_name, row.action, row.subject) == ("otto", "messages.exported", "messages")
    assert row.details == {"reference": "•••••••", "status": "queued"}


def test_a_bad_filter_is_400_and_no_file(bsg: Account, ops: Client) -> None:
    response = ops.get("/messages/export.csv?status=nonsense")
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/plain")
    assert not Audit.objects.exists()


def test_nobody_but_ops_exports(bsg: Account) -> None:
    sends(bsg, 1, batch="b")
    for role in ("support", "admin"):
        client = signed_in(role)
        for kind in exports.KINDS:
            assert client.get(f"/messages/export.{kind}").status_code == 403
            assert client.get(f"/batches/{Batch.objects.get().pk}/export.{kind}").status_code == 403
    assert signed_in("ops").post("/messages/export.csv").status_code == 405


def test_both_kinds_of_file_are_linked_with_the_lists_own_filters(bsg: Account) -> None:
    message = sends(bsg, 1, batch="October")[0]
    ops = signed_in("ops")
    shown = ops.get("/messages/?account=bsg").content.decode()
    batch = ops.get(f"/batches/{message.batch_id}/").content.decode()
    for kind in ("csv", "jsonl"):
        assert f'href="/messages/export.{kind}?account=bsg"' in shown
        assert f'href="/batches/{message.batch_id}/export.{kind}"' in batch
