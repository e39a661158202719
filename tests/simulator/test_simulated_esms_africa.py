"""Against seeds/esms_africa.txt and the vendor's public documents."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from providers.simulator.server import Simulator

KEY = {"Authorization": "Bearer esms_live_key"}


def call(
    http: httpx.Client, sim: Simulator, method: str, path: str, body: Any = None, **headers: str
) -> httpx.Response:
    return http.request(method, sim.base_url("esms_africa") + f"/api{path}", headers=KEY | headers, json=body)


def send(http: httpx.Client, sim: Simulator, to: str, **more: Any) -> Any:
    body = {"to": to, "text": "Hello from eSMS Africa!", "sender_id": "eSMSAfrica"} | more
    return call(http, sim, "POST", "/messages/send", body).json()


def get(http: httpx.Client, sim: Simulator, path: str) -> Any:
    return call(http, sim, "GET", path).json()


def test_a_send_has_two_prices(http: httpx.Client, sim: Simulator) -> None:
    reply = send(http, sim, "+256712345600")
    assert reply.pop("id").startswith("msg-")
    assert reply.pop("balance_after") < 1_000_000
    assert reply == {
        "status": "submitted",
        "segments": 1,
        "cost": 1.2022,
        "cost_currency": "KES",
        "route_cost": 35.0,
        "route_currency": "UGX",
        "route": "ESMS_UG",
        "scheduled_at": None,
    }


def test_a_status_has_the_seeds_timeline(http: httpx.Client, sim: Simulator) -> None:
    message_id = send(http, sim, "+256712345600")["id"]
    sim.advance(60)
    status = get(http, sim, f"/messages/{message_id}")
    assert (status["id"], status["phone"], status["country"]) == (message_id, "+256712345600", "UG")
    assert (status["cost"], status["currency"], status["segments"]) == (35.0, "UGX", 1)
    timeline = status["timeline"]
    assert [entry["status"] for entry in timeline] == ["queued", "submitted", "sent", "delivered"]
    assert [entry["event"] for entry in timeline] == ["accepted", "submitted", "sent", "delivered"]
    assert timeline[-1]["detail"] == "DLR: DELIVRD"
    assert timeline[-1]["at"] == status["delivered_at"]
    assert "gateway_message_id" in timeline[1]["metadata"]
    bare = message_id.removeprefix("msg-")
    assert str(uuid.UUID(bare)) == bare
    assert get(http, sim, f"/messages/{bare}") == status


@pytest.mark.parametrize(
    ("ending", "detail"), [("80", "EXPIRED"), ("81", "UNDELIV"), ("82", "REJECTD"), ("85", "FAILED")]
)
def test_most_ends_are_failed_with_the_carriers_word(
    http: httpx.Client, sim: Simulator, ending: str, detail: str
) -> None:
    message_id = send(http, sim, f"+2567123456{ending}")["id"]
    sim.advance(60)
    status = get(http, sim, f"/messages/{message_id}")
    assert (status["status"], status["error_code"]) == ("failed", detail)
    assert status["timeline"][-1]["detail"] == f"DLR: {detail}"
    sim.script(modes={"esms_africa": {"words": "sdk"}})
    words = {"80": "expired", "81": "undelivered", "82": "rejected", "85": "failed"}
    assert get(http, sim, f"/messages/{message_id}")["status"] == words[ending]


def test_it_retries_by_itself(http: httpx.Client, sim: Simulator) -> None:
    saved, lost = (send(http, sim, f"+2567123456{ending}")["id"] for ending in ("87", "88"))
    seen = []
    for _ in range(100):
        seen.append(get(http, sim, f"/messages/{saved}")["status"])
        sim.advance(0.25)
    assert list(dict.fromkeys(seen)) == ["queued", "submitted", "failed", "retrying", "sent", "delivered"]
    assert get(http, sim, f"/messages/{saved}")["retry_count"] == 1
    sim.advance(60)
    status = get(http, sim, f"/messages/{lost}")
    assert (status["status"], status["retry_count"]) == ("failed", 2)
    assert [entry["status"] for entry in status["timeline"]].count("retrying") == 2
    assert len(sim.ledger()) == 2


def test_a_manual_retry_is_a_new_send(http: httpx.Client, sim: Simulator) -> None:
    message_id = send(http, sim, "+256712345685")["id"]
    early = call(http, sim, "POST", f"/messages/{message_id}/retry")
    assert (early.status_code, early.json()["detail"]["code"]) == (409, "not_retryable")
    sim.advance(60)
    reply = call(http, sim, "POST", f"/messages/{message_id}/retry").json()
    child = reply.pop("id")
    assert reply == {"status": "failed", "retry_count": 1}
    assert child != message_id
    assert not child.startswith("msg-")
    sim.advance(60)
    assert get(http, sim, f"/messages/{child}")["status"] == "delivered"
    original = get(http, sim, f"/messages/{message_id}")
    assert (original["status"], original["retry_count"]) == ("failed", 1)
    assert [entry["via"] for entry in sim.ledger()] == ["send", "retry"]


def test_a_manual_retry_can_keep_the_id(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"esms_africa": {"retry": "same", "max_retries": 1}}, numbers={"*": {"fate": "failed"}})
    message_id = send(http, sim, "+256712345600")["id"]
    sim.advance(60)
    reply = call(http, sim, "POST", f"/messages/{message_id}/retry").json()
    assert reply == {"id": message_id, "status": "retrying", "retry_count": 1}
    assert get(http, sim, f"/messages/{message_id}")["status"] == "retrying"
    sim.advance(60)
    assert get(http, sim, f"/messages/{message_id}")["status"] == "delivered"
    sim.say("esms_africa", message_id, "failed")
    again = call(http, sim, "POST", f"/messages/{message_id}/retry")
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "max_retries_exceeded")
    assert [entry["id"] for entry in sim.ledger()] == [message_id.removeprefix("msg-")] * 2


def test_an_idempotency_key_is_replayed(http: httpx.Client, sim: Simulator) -> None:
    body = {"to": "+256712345600", "text": "once"}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = call(http, sim, "POST", "/messages/send", body, **key)
    again = call(http, sim, "POST", "/messages/send", body, **key)
    other = call(http, sim, "POST", "/messages/send", body, **{"Idempotency-Key": "another"})
    assert first.json() == again.json()
    assert other.json()["id"] != first.json()["id"]
    assert [entry["idempotency_key"] for entry in sim.ledger()] == [key["Idempotency-Key"], "another"]


def test_a_send_can_fail_on_200(http: httpx.Client, sim: Simulator) -> None:
    reply = send(http, sim, "+256712345699")
    assert reply["status"] == "failed"
    assert get(http, sim, f"/messages/{reply['id']}")["status"] == "failed"
    assert sim.ledger() == []


def test_lists_count_pages_from_zero(http: httpx.Client, sim: Simulator) -> None:
    for n in range(5):
        send(http, sim, f"+2567123456{n:02}", text="y" * 150)
    page = get(http, sim, "/messages?page=1&limit=2")
    assert (page["total"], page["page"], page["limit"], len(page["messages"])) == (5, 1, 2, 2)
    assert page["messages"][0]["phone"] == "+256712345602"
    assert len(page["messages"][0]["text"]) == 100
    assert get(http, sim, "/messages?page=9")["messages"] == []
    assert get(http, sim, "/messages?status=delivered")["total"] == 0
    assert get(http, sim, "/messages?to=%2B256712345603")["total"] == 1
    refused = call(http, sim, "GET", "/messages?limit=101")
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["query", "limit"])


def test_many_at_once(http: httpx.Client, sim: Simulator) -> None:
    recipients = [
        {"to": "+256712345600", "name": "Ann", "vars": {"code": 7}},
        {"to": "+256712345681", "name": "Bob"},
        {"to": "nonsense"},
    ]
    body = {"text": "Hi {{name}} {{code}}", "recipients": recipients}
    reply = call(http, sim, "POST", "/messages/send-bulk", body).json()
    assert (reply["total_recipients"], reply["status"]) == (2, "sending")
    assert [entry["text"] for entry in sim.ledger()] == ["Hi Ann 7", "Hi Bob "]
    sim.advance(60)
    batch = get(http, sim, f"/messages/batch/{reply['batch_id']}")
    assert [message["status"] for message in batch["messages"]] == ["delivered", "failed"]
    ids = ",".join(message["id"] for message in batch["messages"])
    assert len(get(http, sim, f"/messages/status?ids={ids},msg-none")["messages"]) == 2


def test_five_shapes_of_error(http: httpx.Client, sim: Simulator) -> None:
    modes = {"esms_africa": {"approved_senders": ["eSMSAfrica"]}}
    sim.script(modes=modes, faults=[{"kind": "429", "path": "stats", "retry_after": 15}])
    coded = call(http, sim, "POST", "/messages/send", {"to": "0712", "text": "x", "sender_id": "eSMSAfrica"})
    assert (coded.status_code, coded.json()["detail"]["code"]) == (400, "invalid_phone")
    text = call(http, sim, "POST", "/messages/send", {"to": "+256712345600", "text": "x", "sender_id": "OTHER"})
    assert (text.status_code, isinstance(text.json()["detail"], str)) == (403, True)
    listed = call(http, sim, "POST", "/messages/send", {"to": "+256712345600"})
    assert (listed.status_code, listed.json()["detail"][0]["msg"]) == (422, "Field required")
    limited = call(http, sim, "GET", "/messages/stats")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "15")
    assert limited.json() == {"error": "Rate limit exceeded: 30 per 1 minute"}
    sim.script(modes={"esms_africa": {"errors": "wrapped"}})
    wrapped = call(http, sim, "GET", "/messages/none").json()
    assert wrapped["error"]["code"] == wrapped["detail"]["code"] == "not_found"


@pytest.mark.parametrize(("key", "code"), [("bad", "invalid_api_key"), ("expired_1", "expired_token"), ("", None)])
def test_keys(http: httpx.Client, sim: Simulator, key: str, code: str | None) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    reply = http.get(sim.base_url("esms_africa") + "/api/messages", headers=headers)
    assert reply.status_code == 401
    assert reply.json()["detail"]["code"] == (code or "invalid_api_key")


def test_scopes_and_money(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"esms_africa": {"scopes": ["query"]}})
    assert send(http, sim, "+256712345600")["detail"]["code"] == "insufficient_scope"
    sim.script(modes={"esms_africa": {"scopes": ["query", "send"], "balance_status": 402}}, balances={"esms_africa": 1})
    reply = call(http, sim, "POST", "/messages/send", {"to": "+256712345600", "text": "x"})
    assert (reply.status_code, reply.json()["detail"]["code"]) == (402, "insufficient_balance")
    assert sim.ledger() == []


def test_test_messages_are_hidden(http: httpx.Client, sim: Simulator) -> None:
    test = {"Authorization": "Bearer esms_test_key"}
    call(http, sim, "POST", "/messages/send", {"to": "+256712345600", "text": "x"}, **test)
    assert get(http, sim, "/messages")["total"] == 0
    assert get(http, sim, "/messages?environment=test")["total"] == 1


def test_a_scheduled_send_waits(http: httpx.Client, sim: Simulator) -> None:
    at = (datetime.fromtimestamp(sim.now(), UTC) + timedelta(hours=1)).isoformat()
    reply = send(http, sim, "+256712345600", schedule_mode="scheduled", scheduled_at=at)
    assert (reply["status"], reply["scheduled_at"]) == ("scheduled", at)
    assert get(http, sim, f"/messages/{reply['id']}")["status"] == "scheduled"
    sim.advance(3700)
    assert get(http, sim, f"/messages/{reply['id']}")["status"] == "delivered"
    assert "detail" in send(http, sim, "+256712345600", schedule_mode="scheduled", scheduled_at=at)
