"""Asking for a message to be sent again: one wish, one retry, and every refusal with its code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.ingest import retry as retrying
from dashboard.models import Account, Message, Retry
from tests.api.conftest import Program, error_of, item
from tests.api.test_reading import report


@pytest.fixture
def failed(program: Program, account: Account) -> Message:
    """A message that may be sent again."""
    program.send(item(1, text="Hello"))
    report(account, 1, "failed")
    Message.objects.update(unconfirmed=False, final_at=timezone.now() - timedelta(hours=2))
    return Message.objects.get()


@pytest.fixture
def caller(account: Account) -> Program:
    return Program("retry")


def again(caller: Program, message: Message, key: str | None = "k1", **body: Any) -> Any:
    headers = {} if key is None else {"Idempotency_Key": key}
    return caller.post(f"/api/v1/messages/{message.pk}/retry", {"reason": "they called", **body}, **headers)


def test_a_retry_is_accepted_and_the_same_key_is_the_same_retry(caller: Program, failed: Message) -> None:
    first = again(caller, failed)
    assert first.status_code == 202, first.content
    retry = Retry.objects.get()
    found = first.json()
    assert set(found) == {"id", "state", "message_id", "created_at", "reason"}
    assert (found["id"], found["state"], found["reason"]) == (str(retry.pk), "open", "they called")
    assert found["message_id"] == (str(retry.message_id) if retry.message_id else None)
    assert retry.token == caller.token
    second = again(caller, failed)
    assert (second.status_code, second.json()) == (200, found)
    assert Retry.objects.count() == 1
    detail = Program("read").get(f"/api/v1/messages/{failed.pk}").json()
    assert detail["retries"] == [found]


def test_another_key_finds_the_first_one_open(caller: Program, failed: Message) -> None:
    again(caller, failed)
    assert error_of(again(caller, failed, "k2"), 409)["code"] == "open_retry"


def test_two_tokens_may_use_one_key(caller: Program, failed: Message) -> None:
    again(caller, failed)
    assert error_of(again(Program("retry"), failed), 409)["code"] == "open_retry"


@pytest.mark.parametrize("key", [None, "", "  ", "x" * 256])
def test_without_a_key_nothing_is_sent(caller: Program, failed: Message, key: str | None) -> None:
    assert error_of(again(caller, failed, key), 400)["code"] == "idempotency_key_missing"
    assert not Retry.objects.exists()


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": "   "}])
def test_a_reason_is_needed(caller: Program, failed: Message, body: dict[str, Any]) -> None:
    error = error_of(again(caller, failed, **body), 422)
    assert (error["code"], error["field"]) == ("reason_missing", "reason")
    path = f"/api/v1/messages/{failed.pk}/retry"
    assert error_of(caller.post(path, {}, Idempotency_Key="k"), 422)["code"] == "reason_missing"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": 5}, "reason"),
        ({"sender": "x" * 51}, "sender"),
        ({"sender": "a\nb"}, "sender"),
        ({"text": "x" * 10_001}, "text"),
        ({"acount": "other"}, "acount"),
    ],
)
def test_a_misshapen_wish_is_422(caller: Program, failed: Message, body: dict[str, Any], field: str) -> None:
    assert error_of(again(caller, failed, **body), 422)["field"] == field


def test_through_another_account(caller: Program, failed: Message, other: Account) -> None:
    assert again(caller, failed, account="other").status_code == 202
    assert Retry.objects.get().account == other


def test_an_unknown_account_or_message(caller: Program, failed: Message, other: Account) -> None:
    assert error_of(again(caller, failed, account="nobody"), 404)["code"] == "account_not_found"
    restricted = Program("retry", account=failed.account)
    assert error_of(again(restricted, failed, account="other"), 404)["code"] == "account_not_found"
    assert error_of(again(Program("retry", account=other), failed), 404)["code"] == "not_found"


def test_a_delivered_or_pending_message_is_not_sent_again(
    caller: Program, program: Program, failed: Message, account: Account
) -> None:
    program.send(item(2, text="x"))
    assert error_of(again(caller, Message.objects.get(match_id="m2")), 409)["code"] == "pending"
    report(account, 2, "delivered")
    assert error_of(again(caller, Message.objects.get(match_id="m2")), 409)["code"] == "delivered"


@pytest.mark.parametrize(
    "code",
    [
        "delivered", "pending", "provider_retrying", "outcome_unknown", "unconfirmed", "cool_down", "cap_message",
        "cap_recipient", "cap_account", "spend_cap", "too_old", "blocked", "no_text", "account_disabled", "open_retry",
    ],
)  # fmt: skip
def test_every_refusal_is_409_with_its_code(
    caller: Program, failed: Message, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise retrying.Refused(code, "Not now.")

    monkeypatch.setattr("dashboard.api.retries.request_retry", refuse)
    assert error_of(again(caller, failed), 409)["code"] == code


def test_a_wait_tells_how_long(caller: Program, failed: Message) -> None:
    Message.objects.update(final_at=timezone.now() - timedelta(seconds=100))
    answer = again(caller, failed)
    error = error_of(answer, 409)
    assert error["code"] == "cool_down"
    assert 195 <= error["retry_after"] <= 200
    assert answer["Retry-After"] == str(error["retry_after"])


def test_a_key_belongs_to_one_message(caller: Program, program: Program, failed: Message, account: Account) -> None:
    again(caller, failed)
    program.send(item(2, text="x"))
    other_one = Message.objects.get(match_id="m2")
    assert error_of(again(caller, other_one), 409)["code"] == "idempotency_key_reused"
