"""Lists, one message, batches: the fields of the contract, filters, pages, and constant query counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.webhook import Delivery, keep
from dashboard.models import Account, Batch, Message, Recipient
from tests.api.conftest import Program, error_of, item

MESSAGE = {
    "id", "account", "provider_message_id", "to", "status", "bucket", "conflict", "provider_status", "attempt",
    "reference", "batch", "provider_batch_id", "text", "sender", "route", "parts", "cost", "currency", "sent_at",
    "valid_until",
}  # fmt: skip
TIMELINE = {"status", "provider_status", "detail", "sources", "count", "occurred_at", "received_at"}
BATCH = {
    "id", "account", "name", "provider_batch_id", "created_at", "total", "buckets", "provider_report", "cost",
}  # fmt: skip
LIST, SEARCH = "/api/v1/messages", "/api/v1/messages/search"


def report(account: Account, number: int, word: str) -> None:
    body = b'{"id":"m%d","msisdn":"2547123%05d","status":"%s","error":0}' % (number, number, word.encode())
    token = account.webhook_url.rstrip("/").rpartition("/")[2]
    keep([Delivery(token, body, {"content-type": "application/json"}, timezone.now())])


@pytest.fixture
def ids(program: Program, account: Account) -> list[str]:
    sent = program.send(
        item(0, reference="r", batch="March", cost="0.10", currency="EUR", sent_at="2026-11-20T10:00:00Z"),
        item(1, batch="March", cost="0.2", currency="EUR"),
        item(2, batch="April", text="Hi", valid_until="2026-11-20T10:00:00.5+03:00"),
        item(3),
    )["messages"]
    report(account, 1, "delivered")
    report(account, 2, "expired")
    return [entry["id"] for entry in sent]


def listed(program: Program, **query: Any) -> list[str]:
    got, searched = program.get(LIST, **query), program.post(SEARCH, query)
    assert (got.status_code, searched.status_code) == (200, 200), got.content + searched.content
    assert got.json() == searched.json()
    assert set(got.json()) == {"items", "next"}
    return [entry["id"] for entry in got.json()["items"]]


def test_a_message_has_the_fields_of_the_contract(program: Program, ids: list[str]) -> None:
    found = program.get(f"{LIST}/{ids[0]}").json()
    assert set(found) == MESSAGE | {"timeline", "retries"}
    batch = Batch.objects.get(name="March")
    assert found["batch"] == {"id": str(batch.pk), "name": "March"}
    assert (found["to"], found["account"], found["status"], found["bucket"]) == (
        "+254712300000",
        "bsg",
        "queued",
        "pending",
    )
    assert (found["cost"], found["currency"], found["sent_at"]) == ("0.1", "EUR", "2026-11-20T10:00:00Z")
    assert (found["conflict"], found["attempt"], found["valid_until"], found["retries"]) == (False, 0, None, [])
    assert [set(entry) for entry in found["timeline"]] == [TIMELINE]
    assert (found["timeline"][0]["status"], found["timeline"][0]["sources"]) == ("queued", ["api"])
    assert found["timeline"][0]["received_at"].endswith("Z")


def test_a_message_tells_its_story(program: Program, ids: list[str], account: Account) -> None:
    report(account, 1, "failed")
    report(account, 1, "weird")
    found = program.get(f"{LIST}/{ids[1]}").json()
    assert (found["status"], found["provider_status"], found["conflict"]) == ("delivered", "delivered", True)
    words = {entry["provider_status"]: entry["status"] for entry in found["timeline"]}
    assert words == {None: "queued", "delivered": "delivered", "failed": "failed", "weird": None}
    assert found["batch"]["name"] == "March"


def test_list_entries_have_the_fields_and_newest_come_first(program: Program, ids: list[str]) -> None:
    assert listed(program) == ids[::-1]
    assert all(set(entry) == MESSAGE for entry in program.get(LIST).json()["items"])
    assert program.get(LIST).json()["items"][1]["valid_until"] == "2026-11-20T07:00:00.500000Z"


def test_each_filter(program: Program, ids: list[str], account: Account, other: Account) -> None:
    elsewhere = program.send(item(1), account="other")["messages"][0]["id"]
    batch = Batch.objects.get(name="March").pk
    assert listed(program, reference="r") == [ids[0]]
    assert listed(program, provider_message_id="m1") == [elsewhere, ids[1]]
    assert listed(program, status="delivered") == [ids[1]]
    assert listed(program, bucket="expired") == [ids[2]]
    assert listed(program, bucket="pending") == [elsewhere, ids[3], ids[0]]
    assert listed(program, account="other") == [elsewhere]
    assert listed(program, batch="March") == listed(program, batch=str(batch)) == [ids[1], ids[0]]
    assert listed(program, batch="March", bucket="delivered") == [ids[1]]
    assert listed(program, batch="nothing") == []
    assert listed(program, until="2026-11-20T11:00:00Z", reference="r") == [ids[0]]
    assert listed(program, provider_message_id="nothing") == []


def test_ids_match_as_the_provider_means_them(program: Program, other: Account) -> None:
    bare = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
    program.send(item(provider_message_id=f"msg-{bare}"), account="other")
    assert len(listed(program, provider_message_id=bare.upper())) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "gone"}, "status"),
        ({"bucket": "gone"}, "bucket"),
        ({"cursor": "gone!"}, "cursor"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-20T10:00:00"}, "since"),
        ({"reference": "x" * 256}, "reference"),
        ({"batch": "\x00"}, "batch"),
        ({"statsu": "sent"}, "statsu"),
    ],
)
def test_a_filter_that_means_nothing_is_422(program: Program, query: dict[str, str], field: str) -> None:
    assert error_of(program.get(LIST, **query), 422)["field"] == field
    if "\x00" not in query.values() or field != "batch":  # our JSON reader takes NUL out
        assert error_of(program.post(SEARCH, query), 422)["field"] == field


# ------------------------------------------------------------------------------ by number


@pytest.mark.parametrize("path", [LIST, f"{LIST}/1", "/api/v1/batches", "/api/v1/batches/1"])
def test_a_number_in_a_url_is_refused(program: Program, path: str) -> None:
    error = error_of(program.get(path, phone="+254712300001"), 400)
    assert (error["code"], error["field"]) == ("phone_in_url", "phone")
    assert error_of(program.post(f"{SEARCH}?phone=1", {}), 400)["code"] == "phone_in_url"


def test_search_by_number(program: Program, ids: list[str]) -> None:
    def found(**search: Any) -> list[str]:
        return [entry["id"] for entry in program.post(SEARCH, search).json()["items"]]

    assert found(phone="+254 712 300001") == [ids[1]]
    assert found(phone="254712300001", status="sent") == []
    assert found(phone="+254799999999") == []
    assert error_of(program.post(SEARCH, {"phone": "hello"}), 422)["field"] == "phone"
    Recipient.objects.update(digits="", reversed="")  # retention
    assert found(phone="+254712300001") == [ids[1]]
    assert program.get(f"{LIST}/{ids[1]}").json()["to"] is None


# ------------------------------------------------------------------------------ pages


def test_pages_follow_each_other_without_gap_or_double(program: Program) -> None:
    program.send(*(item(n) for n in range(250)))
    seen: list[str] = []
    cursor, pages = "", 0
    while True:
        answer = program.get(LIST, **({"cursor": cursor} if cursor else {})).json()
        seen += [entry["provider_message_id"] for entry in answer["items"]]
        pages += 1
        if pages == 1:
            program.send(item(1_000))  # what comes meanwhile shifts nothing
        if answer["next"] is None:
            break
        cursor = answer["next"]
    assert pages == 3
    assert seen == [f"m{n}" for n in reversed(range(250))]


# ------------------------------------------------------------------------------ batches


def test_a_batch_adds_up(program: Program, ids: list[str], account: Account) -> None:
    batch = Batch.objects.get(name="March")
    found = program.get(f"/api/v1/batches/{batch.pk}").json()
    assert set(found) == BATCH
    assert (found["account"], found["name"], found["total"], found["provider_report"]) == ("bsg", "March", 2, None)
    assert found["buckets"] == {"delivered": 1, "expired": 0, "undeliverable": 0, "unknown": 0, "pending": 1}
    assert found["cost"] == [{"currency": "EUR", "amount": "0.3", "level": "message"}]
    at = timezone.now()
    Batch.objects.update(report={"sent": 2, "delivered": 1}, report_at=at, cost="0.088", currency="")
    found = program.get(f"/api/v1/batches/{batch.pk}").json()
    as_of = at.isoformat().replace("+00:00", "Z")
    assert found["provider_report"] == {"sent": 2, "delivered": 1, "as_of": as_of}
    assert found["cost"][1] == {"currency": None, "amount": "0.088", "level": "batch"}


def test_batches_are_listed_and_filtered(program: Program, ids: list[str], other: Account) -> None:
    program.send(item(7, provider_batch_id="77"), account="other")

    def names(**query: str) -> list[str]:
        answer = program.get("/api/v1/batches", **query).json()
        assert all(set(entry) == BATCH for entry in answer["items"])
        return [entry["name"] for entry in answer["items"]]

    assert names() == ["77", "April", "March"]
    assert names(account="other") == ["77"]
    assert names(name="March") == ["March"]
    assert names(provider_batch_id="77") == ["77"]
    assert names(name="nothing") == []
    assert error_of(program.get("/api/v1/batches", cursor="?"), 422)["field"] == "cursor"
    assert error_of(program.get("/api/v1/batches", nmae="a"), 422)["code"] == "unknown_field"


# ------------------------------------------------------------------------------ speed


def queries(call: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert call().status_code == 200
    return len(captured)


def test_lists_make_the_same_queries_for_1_50_and_500_rows(program: Program) -> None:
    program.get(LIST)  # the token is seen
    counts = []
    for size in (1, 50, 500):
        program.send(*(item(n, batch=f"batch {n}", cost=1, currency="EUR") for n in range(size)))
        assert Message.objects.count() == size
        counts.append(
            (
                queries(lambda: program.get(LIST)),
                queries(lambda: program.post(SEARCH, {"phone": "+254712300000"})),
                queries(lambda: program.get("/api/v1/batches")),
            )
        )
    assert counts[0] == counts[1] == counts[2], counts


def test_a_message_makes_the_same_queries_for_a_long_story(program: Program, ids: list[str], account: Account) -> None:
    path = f"{LIST}/{ids[0]}"
    few = queries(lambda: program.get(path))
    for number in range(30):
        report(account, 0, f"word {number}")
    assert len(program.get(path).json()["timeline"]) == 31
    assert queries(lambda: program.get(path)) == few
