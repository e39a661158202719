"""Retention and erasure: what goes, what stays, and that nothing else may touch the evidence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from dashboard import retention
from dashboard.ingest.register import Send, register
from dashboard.ingest.webhook import Delivery, keep
from dashboard.maintenance import maintenance
from dashboard.models import Account, Audit, Event, Evidence, Maintenance, Message, Orphan, Recipient
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac
from tests.commands.conftest import Shell

NUMBER = "254712345678"


def report(account: Account, message_id: str, days_ago: int = 0, number: str = NUMBER) -> None:
    body = f'{{"id":"{message_id}","msisdn":"{number}","status":"sent","error":0}}'.encode()
    at = timezone.now() - timedelta(days=days_ago)
    token = account.webhook_url.rstrip("/").rpartition("/")[2]
    keep([Delivery(token, body, {"content-type": "application/json"}, at)])


def sent(account: Account, message_id: str, days_ago: int = 0, number: str = NUMBER) -> Message:
    at = timezone.now() - timedelta(days=days_ago)
    send = Send(to=number, provider_message_id=message_id, text="Hello", reference=f"for {number}", sent_at=at)
    register(account, [send], Source.API)
    report(account, message_id, days_ago, number)
    Recipient.objects.filter(hmac=phone_hmac(number)).update(created_at=at)
    return Message.objects.get(match_id=message_id)


# ------------------------------------------------------------------------------ the one way past the triggers


def test_evidence_changes_only_in_maintenance(account: Account) -> None:
    sent(account, "m1")
    for change in (lambda: Evidence.objects.update(body=None), lambda: Evidence.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    with maintenance("test"):
        assert Evidence.objects.update(body=None) == 1
    assert not Maintenance.objects.exists()
    with pytest.raises(DatabaseError), transaction.atomic():
        Evidence.objects.update(problem="x")


def test_maintenance_that_fails_leaves_no_door_open(account: Account) -> None:
    sent(account, "m1")

    def fail() -> None:
        with maintenance("test"):
            Evidence.objects.update(body=None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Evidence.objects.filter(body__isnull=False).count() == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        Evidence.objects.update(body=None)


@pytest.mark.django_db(transaction=True)
def test_maintenance_ends_with_its_transaction() -> None:
    account = Account.make(slug="main", provider_key="bsg")
    sent(account, "m1")
    with maintenance("test"):
        Evidence.objects.update(body=None)
    assert not connection.in_atomic_block
    with pytest.raises(DatabaseError):
        Evidence.objects.update(problem="x")
    with maintenance("the test's own flush"):
        Event.objects.all().delete()
        Evidence.objects.all().delete()


# ------------------------------------------------------------------------------ by age


def test_what_is_old_is_forgotten_and_what_is_young_stays(shell: Shell, account: Account) -> None:
    old, young = sent(account, "old", 31), sent(account, "young", 29)
    report(account, "nobody", 31)
    report(account, "nobody-yet", 1)
    hashes = list(Evidence.objects.order_by("pk").values_list("pk", "sha256", "received_sha256"))
    ran = shell("prune")
    assert (ran.code, ran.out) == (
        0,
        "Forgotten: 2 conversations, 1 texts, 0 phone numbers, 1 reports about unknown messages.\n",
    )
    assert Message.objects.get(pk=old.pk).text is None
    assert Message.objects.get(pk=young.pk).text == "Hello"
    gone = Evidence.objects.get(message=old)
    assert (gone.body, gone.context, gone.removed_why) == (None, {}, "retention: 30 days")
    assert gone.removed_at is not None
    assert Evidence.objects.get(message=young).body is not None
    assert list(Evidence.objects.order_by("pk").values_list("pk", "sha256", "received_sha256")) == hashes
    assert Orphan.objects.get().match_id == "nobody-yet"
    assert Message.objects.get(pk=old.pk).status == "sent"
    assert Audit.objects.get().details["bodies"] == 2
    assert "0 conversations" in shell("prune").out
    assert Audit.objects.count() == 1


def test_numbers_go_when_nothing_new_was_sent_to_them(shell: Shell, account: Account) -> None:
    sent(account, "a", 100, "254712000001")
    sent(account, "b", 100, "254712000002")
    sent(account, "c", 5, "254712000002")
    assert "1 phone numbers" in shell("prune").out
    gone = Recipient.objects.get(hmac=phone_hmac("254712000001"))
    assert (gone.digits, gone.reversed) == ("", "")
    assert Recipient.objects.get(hmac=phone_hmac("254712000002")).digits == "254712000002"
    sent(account, "d", 0, "254712000001")  # it comes back with a new send
    assert Recipient.objects.get(pk=gone.pk).digits == "254712000001"


def test_days_can_be_chosen(shell: Shell, account: Account) -> None:
    sent(account, "a", 3)
    assert "1 conversations, 1 texts, 1 phone numbers" in shell("prune", "--days", "2", "--numbers-days", "2").out


def test_more_than_one_chunk(shell: Shell, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    for n in range(5):
        sent(account, f"m{n}", 200, f"25471200000{n}")
    assert "5 conversations, 5 texts, 5 phone numbers" in shell("prune").out


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999"])
def test_strange_days_are_refused(shell: Shell, days: str) -> None:
    shell.fails("prune", "--days", days)
    shell.fails("prune", "--numbers-days", days)


# ------------------------------------------------------------------------------ by person


def everything() -> str:
    """All that the database holds, as text."""
    found: list[object] = []
    for model in (Recipient, Message, Event, Evidence, Orphan, Audit):
        for row in model._default_manager.values():
            found.append({k: bytes(v) if isinstance(v, memoryview) else v for k, v in row.items()})
    return str(found)


@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_a_number_is_erased_everywhere(shell: Shell, account: Account, way: str) -> None:
    message, other = sent(account, "m1"), sent(account, "m2", number="254799999999")
    report(account, "unknown")
    Message.objects.filter(pk=message.pk).update(extra={"note": f"to {NUMBER}", "n": "1"})
    Event.objects.filter(message=message).update(detail=f"{NUMBER} is busy")
    assert NUMBER in everything()
    recipient = message.recipient_id
    ran = shell("erase", "-", stdin=f"+{NUMBER}\n") if way == "stdin" else shell("erase", "+254 712 345 678")
    assert ran.code == 0
    assert f"recipient {recipient}, the texts of 1 messages, 2 conversations." in ran.out
    assert NUMBER not in ran.out + ran.err + everything()
    assert phone_hmac(NUMBER) not in everything()
    message.refresh_from_db()
    assert (message.text, message.reference, message.status, message.extra["n"]) == (None, "", "sent", "1")
    other.refresh_from_db()
    assert (other.text, other.reference) == ("Hello", "for 254799999999")
    assert Evidence.objects.get(message=other).body is not None
    assert "Nothing is known" in shell.fails("erase", f"+{NUMBER}")


def test_two_numbers_can_be_erased(shell: Shell, account: Account) -> None:
    sent(account, "m1")
    sent(account, "m2", number="254799999999")
    assert shell("erase", f"+{NUMBER}").code == 0
    assert shell("erase", "+254799999999").code == 0
    assert Recipient.objects.filter(hmac=None).count() == 2


@pytest.mark.parametrize("typed", ["hello", "", "12"])
def test_what_is_no_number_is_refused(shell: Shell, typed: str) -> None:
    shell.fails("erase", typed)
