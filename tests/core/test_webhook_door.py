"""What the webhook door answers, and that what it took is kept."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings, strategies as st

from dashboard import vault
from dashboard.ingest import webhook as webhook_module
from dashboard.ingest.webhook import MOST_BYTES
from dashboard.models import Account, Event, Evidence, Message, Orphan
from tests.core.conftest import DOORS, BeforeDjango, Door
from tests.core.making import account, fresh, message, poll, says, token_of, undone

pytestmark = pytest.mark.django_db
SECRET = "whsec_1234567890"


def stored() -> tuple[int, int, int]:
    return Evidence.objects.count(), Event.objects.filter(by_provider=True).count(), Orphan.objects.count()


# ------------------------------------------------------------------------------ answers


def test_an_empty_body_is_400(door: Door) -> None:
    path = f"/hooks/{token_of(account('bsg'))}/"
    answer = door.client.post(path, b"", content_type="application/json", CONTENT_LENGTH="0")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "empty")
    assert stored() == (0, 0, 0)


def test_up_to_64_kib_are_taken_and_not_one_byte_more(door: Door) -> None:
    of = account("bsg")
    start, end = b'{"error": 0, "id": "1", "status": "sent", "x": "', b'"}'
    filled = start + b"x" * (MOST_BYTES - len(start) - len(end)) + end
    assert len(filled) == 64 * 1024
    assert door.post(of, filled) == 200
    assert door.post(of, filled + b" ") == 413
    assert Evidence.objects.count() == 1


@pytest.mark.parametrize("token", ["x", "A" * 43, "..", "%00", "ü"])
def test_an_unknown_address_is_404(door: Door, token: str) -> None:
    account("bsg")
    assert door.post(f"/hooks/{token}/", {"id": "1", "status": "sent"}) == 404
    assert stored() == (0, 0, 0)


def test_head_is_200_and_get_is_405() -> None:
    path = f"/hooks/{token_of(account('bsg'))}/"
    assert Client().head(path).status_code == 200
    assert Client().get(path).status_code == 405


@pytest.mark.parametrize("client", DOORS.values(), ids=DOORS)
def test_neither_a_session_nor_a_csrf_token_is_needed(client: type[Client]) -> None:
    of = account("bsg")
    strict = client(enforce_csrf_checks=True)
    answer = strict.post(f"/hooks/{token_of(of)}/", says("bsg", "1", "sent"), content_type="application/json")
    assert (answer.status_code, answer.json(), answer["Cache-Control"]) == (200, {}, "no-store")
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/json", "nosniff")


def test_the_address_before_the_last_rotation_works_for_a_week(door: Door) -> None:
    of = account("bsg")
    old = f"/hooks/{token_of(of)}/"
    of.new_hook()
    of.save()
    assert door.post(of, says("bsg", "1", "sent")) == 200
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        assert door.post(old, says("bsg", "1", "sent")) == 200
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert door.post(old, says("bsg", "1", "sent")) == 404


def test_a_form_is_read_like_json(door: Door) -> None:
    of = account("roycetalk")
    one = message(of, "m-1")
    assert door.post(of, b"message_id=m-1&status=Delivered", "application/x-www-form-urlencoded") == 200
    assert fresh(one).status == "delivered"


# ------------------------------------------------------------------------------ signatures


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def esms() -> Account:
    of = account("esms_africa")
    of.set_credentials({"api_key": "k", "webhook_secret": SECRET}, "test")
    of.save()
    return of


BODY = json.dumps(says("esms_africa", "1", "delivered", retry_count=0)).encode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (signed(BODY), 200),
        (signed(BODY).upper().replace("SHA256", "sha256"), 401),
        (signed(BODY)[7:], 401),
        (signed(BODY + b" "), 401),
        (signed(json.dumps(json.loads(BODY), indent=1).encode()), 401),  # over the meaning, not the bytes
        (signed(BODY, "another"), 401),
        (signed(BODY, ""), 401),
        ("sha256=", 401),
        ("", 401),
        ("t=1,v1=" + signed(BODY)[7:], 401),
        ("sha256=\u00fc\u00df", 401),
        (None, 401),
    ],
)
def test_signature(door: Door, esms: Account, header: str | None, status: int) -> None:
    headers = {} if header is None else {"X-Webhook-Signature": header}
    assert door.post(esms, BODY, **headers) == status
    assert Evidence.objects.count() == (status == 200)
    assert bool(Account.objects.get().last_error) is (status == 401)


def test_which_secret_matched_is_kept_with_the_evidence(door: Door, esms: Account) -> None:
    door.post(esms, BODY, X_Webhook_Signature=signed(BODY))
    esms.set_credentials({"api_key": "k", "webhook_secret": "another-secret"}, "test")
    esms.save()
    door.post(esms, BODY, X_Webhook_Signature=signed(BODY))
    door.post(esms, BODY, X_Webhook_Signature=signed(BODY, "another-secret"))
    said = list(Evidence.objects.order_by("pk").values_list("signature", flat=True))
    assert said == ["valid: current", "valid: previous", "valid: current"]


def test_the_secret_before_the_last_change_is_good_for_a_week(door: Door, esms: Account) -> None:
    esms.set_credentials({"api_key": "k", "webhook_secret": "another-secret"}, "test")
    esms.save()
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        assert door.post(esms, BODY, X_Webhook_Signature=signed(BODY)) == 200
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert door.post(esms, BODY, X_Webhook_Signature=signed(BODY)) == 401
        assert door.post(esms, BODY, X_Webhook_Signature=signed(BODY, "another-secret")) == 200


def test_an_empty_secret_is_none_and_never_a_key(door: Door) -> None:
    of = account("esms_africa")
    of.set_credentials({"api_key": "k", "webhook_secret": ""}, "test")
    of.save()
    one = message(of, "msg-1")
    assert door.post(of, BODY, X_Webhook_Signature=signed(BODY, "")) == 200
    assert door.post(of, BODY) == 200
    assert set(Evidence.objects.values_list("signature", flat=True)) == {""}
    assert fresh(one).unconfirmed


def test_a_signed_final_needs_no_confirmation(door: Door, esms: Account) -> None:
    one = message(esms, "msg-1")
    assert door.post(esms, BODY, X_Webhook_Signature=signed(BODY)) == 200
    after = fresh(one)
    assert (after.status, after.unconfirmed, after.next_check_at) == ("delivered", False, None)


# ------------------------------------------------------------------------------ unsigned finals


@pytest.mark.parametrize("word", ["delivered", "failed"])
def test_an_unsigned_final_counts_at_once_and_makes_one_check_due(door: Door, word: str) -> None:
    of = account("bsg")
    one = message(of, "211")
    door.post(of, says("bsg", "211", "sent"))
    waiting = fresh(one)
    assert waiting.next_check_at is not None
    assert waiting.next_check_at > timezone.now()
    door.post(of, says("bsg", "211", word))
    told = fresh(one)
    assert (told.status, told.unconfirmed) == (word, True)
    assert told.next_check_at is not None
    assert told.next_check_at <= timezone.now()
    for _ in range(3):
        door.post(of, says("bsg", "211", word))
    confirmed = poll(one, says("bsg", "211", word))
    assert (confirmed.status, confirmed.unconfirmed, confirmed.next_check_at) == (word, False, None)


def test_a_later_polled_sent_does_not_undo_it(door: Door) -> None:
    of = account("bsg")
    one = message(of, "211")
    door.post(of, says("bsg", "211", "failed"))
    after = poll(one, says("bsg", "211", "sent"))
    assert (after.status, after.unconfirmed, after.next_check_at) == ("failed", False, None)


# ------------------------------------------------------------------------------ what cannot be read

UNREADABLE = {
    "a key twice": b'{"id": "1", "status": "failed", "status": "delivered"}',
    "a key twice behind a NUL": b'{"id": "1", "status": "failed", "status\\u0000": "delivered"}',
    "broken off": b'{"id": "1", "status": "deliv',
    "UTF-16": '{"id": "1", "status": "delivered"}'.encode("utf-16"),
    "a web page": b"<html><body>Bad gateway</body></html>",
    "Latin-1": '{"id": "1", "status": "délivré"}'.encode("latin-1"),
    "nothing": b"   ",
    "null": b"null",
    "a list": b"[1, 2]",
    "a text": b'"delivered"',
    "no id": b'{"status": "delivered"}',
    "no status": b'{"id": "1"}',
    "not a number": b'{"id": "1", "status": "sent", "price": NaN}',
    "a huge number": b'{"id": ' + b"9" * 5000 + b', "status": "sent"}',
    "too deep": b'{"id": "1", "status": "sent", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "an id too long": json.dumps({"id": "9" * 256, "status": "sent"}).encode(),
    "an id that leaves its place": b'{"id": "..", "status": "sent"}',
    "an id with a line break": b'{"id": "1\\n2", "status": "sent"}',
    "an id that is true": b'{"id": true, "status": "sent"}',
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_body_is_kept_and_answered_200(door: Door, name: str) -> None:
    of = account("bsg")
    one = message(of, "1")
    assert door.post(of, UNREADABLE[name]) == 200
    (orphan,) = Orphan.objects.all()
    assert orphan.problem
    assert (orphan.match_id, orphan.message) == ("", None)
    assert bytes(orphan.evidence.body or b"") == UNREADABLE[name]
    assert orphan.evidence.problem == orphan.problem
    assert fresh(one).status == "queued"


def test_a_form_that_names_a_field_twice_is_unreadable(door: Door) -> None:
    of = account("roycetalk")
    message(of, "1")
    body = b"message_id=1&status=failed&status=delivered"
    assert door.post(of, body, "application/x-www-form-urlencoded") == 200
    assert "twice" in Orphan.objects.get().problem


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=300)
    | st.sampled_from(["", "211", "sent", "delivered", "failed", "x" * 400, "\ud800", "a\u0000b", "9" * 30, "1e11"])
    | st.sampled_from(
        ["0001-01-01 00:00:00", "9999-12-31T23:59:59", "9999-12-31T23:59:59-14:00", "999999999999.999999999"]
    )
    | st.lists(st.text(max_size=3), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
)
FIELDS = [
    "id", "message_id", "messageId", "status", "deliverystatus", "event", "msisdn", "recipient_phone", "phone",
    "reference", "client_ref", "task_id", "batch_id", "messagelistId", "price", "cost", "currency", "billAmount",
    "billCurrency", "partscount", "segments", "sms_units", "originator", "sender_id", "body", "text", "message_text",
    "time_in", "time_sent", "time_dr", "timestamp", "created_at", "sent_at", "delivered_at", "failed_at",
    "retry_count", "error_code", "error_message", "timeline", "extendedStatuses", "fallbacks", "metadata", "route",
    "provider_message_id", "provider_response_description", "error", "data",
]  # fmt: skip


@settings(max_examples=100)
@given(
    st.sampled_from(["bsg", "roycetalk", "smsbat", "esms_africa"]),
    st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=8),
    st.booleans(),
)
def test_no_body_is_answered_with_an_error(key: str, odd: dict[str, Any], known: bool) -> None:
    door = Door(BeforeDjango())
    with undone():
        of = account(key, time_zone="Africa/Nairobi")
        one = message(of, "211", text=None)
        start = says(key, "211", "sent") if known else {}
        assert door.post(of, start | odd) == 200
        assert Evidence.objects.count() == 1
        assert Event.objects.filter(message=one).count() >= 1
        list(Message.objects.all())
        list(Event.objects.all())


@settings(max_examples=40)
@given(
    st.binary(min_size=1, max_size=200), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""])
)
def test_no_bytes_are_answered_with_an_error(body: bytes, content_type: str) -> None:
    with undone():
        assert Door(BeforeDjango()).post(account("smsbat"), body, content_type) == 200
        assert bytes(Orphan.objects.get().evidence.body or b"") == body


# ------------------------------------------------------------------------------ evidence of it


def test_the_body_is_kept_byte_for_byte(door: Door) -> None:
    of = account("bsg")
    body = b' {"error" : 0,\t"id":"1", "status":"sent","price": 1.10}\r\n'
    door.post(of, body, "application/json; charset=utf-8", User_Agent="BSG/1", Authorization="Bearer x")
    kept = Evidence.objects.get()
    assert bytes(kept.body or b"") == body
    assert kept.sha256 == kept.received_sha256 == hashlib.sha256(body).hexdigest()
    assert not kept.masked
    assert kept.headers == {"content-type": "application/json; charset=utf-8", "user-agent": "BSG/1"}


def test_our_own_token_is_masked_where_a_provider_echoes_it(door: Door) -> None:
    of = account("bsg")
    token = token_of(of)
    body = json.dumps({"error": 0, "id": "1", "status": "sent", "callback": of.webhook_url}).encode()
    door.post(of, body)
    kept = Evidence.objects.get()
    assert token.encode() not in bytes(kept.body or b"")
    assert b'"status": "sent"' in bytes(kept.body or b"")
    assert kept.masked
    assert kept.received_sha256 == hashlib.sha256(body).hexdigest()
    assert kept.sha256 == hashlib.sha256(bytes(kept.body or b"")).hexdigest()


# ------------------------------------------------------------------------------ ids


def test_one_id_on_two_accounts_is_two_messages(door: Door) -> None:
    first, second, other = account("bsg", "first"), account("bsg", "second"), account("smsbat", "third")
    of_first, of_second, of_other = message(first, "7"), message(second, "7"), message(other, "7")
    door.post(second, says("bsg", "7", "failed"))
    door.post(other, says("smsbat", "7", "delivered"))
    assert [fresh(one).status for one in (of_first, of_second, of_other)] == ["queued", "failed", "delivered"]


@pytest.mark.parametrize(
    "provider_id",
    ["0211", "a/b?c#d", "%2e%2e", "../x", "€-ü-漢", "x" * 255, "A", "1e999", "' OR 1=1 --", "<b>", "a b"],
)
def test_ids_are_opaque(door: Door, provider_id: str) -> None:
    of = account("bsg")
    others = [message(of, other) for other in ("211", "a", provider_id[:9].swapcase() + "~") if other != provider_id]
    one = message(of, provider_id)
    assert door.post(of, says("bsg", provider_id, "delivered")) == 200
    assert fresh(one).status == "delivered"
    assert fresh(one).provider_message_id == provider_id
    assert {fresh(other).status for other in others} == {"queued"}


# ------------------------------------------------------------------------------ our own trouble


def test_a_database_that_fails_is_503_with_a_time_to_come_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    of = account("bsg")

    def fails(*_: object) -> None:
        raise DatabaseError("no")

    monkeypatch.setattr(webhook_module, "record", fails)
    answer = door.client.post(f"/hooks/{token_of(of)}/", b"{}", content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["error"]["code"] == "unavailable"


def test_a_lost_key_is_503_too(door: Door, monkeypatch: pytest.MonkeyPatch, esms: Account) -> None:
    path = f"/hooks/{token_of(esms)}/"

    def fails(*_: object) -> None:
        raise vault.Unreadable("no key")

    monkeypatch.setattr(vault, "open_sealed", fails)
    assert door.post(path, BODY) == 503
    assert stored() == (0, 0, 0)


@pytest.mark.postgres_only
def test_postgresql_waits_five_seconds_for_a_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("5s",)
