"""Evidence and audit stay as they are; what is kept about one message never shows another's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from dashboard.ingest.record import record
from dashboard.maintenance import maintenance
from dashboard.models import Audit, Evidence, Maintenance, Message, Orphan
from tests.core.making import account, answer, message, poll, says, webhook

pytestmark = pytest.mark.django_db
TABLES = ["dashboard_evidence", "dashboard_audit"]


@pytest.fixture
def kept() -> dict[str, Any]:
    of = account("bsg")
    one = message(of, "211")
    webhook(of, says("bsg", "211", "sent"))
    audit = Audit.objects.create(actor_name="command", action="test", subject="account bsg")
    return {"dashboard_evidence": Evidence.objects.get(), "dashboard_audit": audit, "message": one}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "what", ["UPDATE {} SET id = id", "DELETE FROM {}", "UPDATE {} SET id = id + 1000 WHERE id > 0"]
)
def test_the_database_itself_refuses_to_change_it(kept: dict[str, Any], table: str, what: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(what.format(table))
    assert type(kept[table]).objects.filter(pk=kept[table].pk).exists()


@pytest.mark.parametrize("table", TABLES)
def test_the_models_cannot_either(kept: dict[str, Any], table: str) -> None:
    row = kept[table]
    for change in (row.save, type(row).objects.filter(pk=row.pk).delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize("table", TABLES)
def test_a_maintenance_transaction_may_and_closes_behind_itself(kept: dict[str, Any], table: str) -> None:
    row = kept[table]
    with maintenance("retention"):
        type(row).objects.filter(pk=row.pk).update(**{"body": None} if table == TABLES[0] else {"reason": "x"})
    with pytest.raises(DatabaseError), transaction.atomic():
        type(row).objects.filter(pk=row.pk).delete()
    assert not Maintenance.objects.exists()


def test_a_maintenance_that_fails_leaves_nothing_open(kept: dict[str, Any]) -> None:
    with pytest.raises(ZeroDivisionError), maintenance("retention"):
        raise ZeroDivisionError
    with pytest.raises(DatabaseError), transaction.atomic():
        Evidence.objects.all().update(problem="x")


# ------------------------------------------------------------------------------ whose it is


def test_an_answer_about_several_messages_is_cut_into_one_piece_for_each() -> None:
    of = account("bsg")
    both = [message(of, "211", to="254712000001"), message(of, "212", to="254712000002")]
    record(
        [answer(one, says("bsg", one.match_id or "", "sent", msisdn=one.recipient.digits), call="bulk") for one in both]
    )
    for one, other in (both, both[::-1]):
        (piece,) = Evidence.objects.filter(message=one)
        assert other.recipient.digits.encode() not in bytes(piece.body or b"")


def test_an_answer_about_another_message_says_nothing_about_either() -> None:
    of = account("bsg")
    asked, other = message(of, "211"), message(of, "212", to="254712000002")
    assert poll(asked, says("bsg", "212", "delivered")).status == "queued"
    assert Message.objects.get(pk=other.pk).status == "queued"
    assert asked.events.get(by_provider=True).note == "other_id"
    assert not Evidence.objects.filter(message=other).exists()


def test_a_waiting_report_is_only_ever_attached_to_its_own_message() -> None:
    of = account("bsg")
    webhook(of, says("bsg", "211", "sent"))
    webhook(of, says("bsg", "212", "sent"))
    webhook(of, b"<html>")
    one = message(of, "211")
    attached = Orphan.objects.filter(message=one)
    assert [orphan.match_id for orphan in attached] == ["211"]
    assert [event.evidence_id for event in one.events.filter(by_provider=True)] == [attached.get().evidence_id]


def test_only_answers_that_say_something_new_are_kept() -> None:
    of = account("roycetalk")
    one = message(of, "m-1")
    for clock, word in enumerate(["pending", "pending", "sent", "sent", "sent", "delivered"]):
        poll(one, {**says("roycetalk", "m-1", word), "timestamp": f"2026-11-20T10:00:0{clock}Z"})
    assert Evidence.objects.filter(message=one).count() == 3
    assert {event.word: event.count for event in one.events.filter(by_provider=True)} == {
        "pending": 2, "sent": 3, "delivered": 1,
    }  # fmt: skip


def test_every_webhook_is_kept() -> None:
    of = account("roycetalk")
    one = message(of, "m-1")
    for _ in range(4):
        webhook(of, says("roycetalk", "m-1", "sent"))
    assert Evidence.objects.filter(message=one).count() == 4


def test_no_credential_of_ours_is_in_an_answer_that_is_kept() -> None:
    of = account("bsg")
    of.set_credentials({"api_key": "live_key_0123456789"}, "test")
    of.save()
    one = message(of, "211")
    record([answer(one, {**says("bsg", "211", "sent"), "echo": "live_key_0123456789"})])
    kept = Evidence.objects.get()
    assert b"live_key" not in bytes(kept.body or b"")
    assert kept.masked
    assert kept.received_sha256 != kept.sha256
