"""Against seeds/roycetalk.txt and the official app's reading of the send replies."""

from __future__ import annotations

from typing import Any

import httpx

from providers.simulator.server import Simulator

KEY = {"Authorization": "Bearer ABCD_key_"}


def url(sim: Simulator, path: str) -> str:
    return sim.base_url("roycetalk") + "/api/v1/sms-api" + path


def send(http: httpx.Client, sim: Simulator, number: Any, path: str = "/send/", **more: Any) -> httpx.Response:
    body = {"phone_number": number, "text_message": "Hello from RoyceBulkSMS API", "sender_id": "RoyceLTD"} | more
    return http.post(url(sim, path), headers=KEY, json=body)


def test_a_status_has_the_seeds_envelope(http: httpx.Client, sim: Simulator) -> None:
    given = {"callback_url": "http://127.0.0.1:1/x", "client_ref": "order-12345"}
    sent = send(http, sim, "+254712345600", **given).json()
    assert sent["success"] is True
    assert (sent["data"]["sms_units"], sent["data"]["cost"]) == (1, 0.5)
    message_id = sent["data"]["message_id"]
    pending = http.get(url(sim, f"/messages/{message_id}/"), headers=KEY).json()["data"]
    assert (pending["status"], pending["sent_at"], pending["delivered_at"]) == ("pending", None, None)
    sim.advance(60)
    reply = http.get(url(sim, f"/messages/{message_id}/"), headers=KEY).json()
    assert list(reply) == ["success", "data", "message", "meta", "errors"]
    assert reply["meta"]["api_version"] == "v1"
    data = reply["data"]
    assert list(data) == [
        "id", "recipient_phone", "message_text", "sender_id", "status", "status_display", "sms_units_consumed",
        "created_at", "sent_at", "delivered_at", "provider_message_id", "provider_response_description", "metadata",
    ]  # fmt: skip
    assert (data["id"], data["recipient_phone"], data["status_display"]) == (message_id, "+254712345600", "Delivered")
    assert data["delivered_at"].endswith("+00:00")
    assert "." in data["delivered_at"]
    assert data["metadata"] == given


def test_auth_is_403_and_not_found_is_404(http: httpx.Client, sim: Simulator) -> None:
    path = url(sim, "/messages/f2672215-c20b-452a-9b6b-1ba51884c55e/")
    wrong = http.get(path, headers={"Authorization": "Bearer bad"})
    assert wrong.status_code == 403
    assert isinstance(wrong.json()["error"]["message"], str)
    missing = http.get(path, headers=KEY)
    assert missing.status_code == 404
    assert missing.json()["message"] == "Message not found"


def test_a_missing_slash_is_a_redirect_and_sends_nothing(http: httpx.Client, sim: Simulator) -> None:
    reply = send(http, sim, "+254712345600", "/send")
    assert reply.status_code == 301
    assert reply.headers["Location"] == "/roycetalk/api/v1/sms-api/send/"
    assert sim.ledger() == []


def test_a_bulk_drops_bad_numbers_without_a_word(http: httpx.Client, sim: Simulator) -> None:
    numbers = ["+254712345600", "+254712345681", "nonsense", "+254712345699", "254712345682"]
    data = send(http, sim, numbers, "/send-bulk/").json()["data"]
    assert (data["total_recipients"], data["messages_queued"], data["messages_failed"]) == (3, 3, 0)
    assert "balance_remaining" in data
    sim.advance(60)
    first = http.get(url(sim, f"/messages/?batch_id={data['batch_id']}&page_size=2"), headers=KEY).json()["data"]
    assert first["count"] == 3
    second = http.get(first["next"], headers=KEY).json()["data"]
    assert second["next"] is None
    rows = first["results"] + second["results"]
    assert [row["status"] for row in rows] == ["delivered", "failed", "rejected"]
    batch = http.get(url(sim, f"/batches/{data['batch_id']}/"), headers=KEY).json()["data"]
    assert (batch["delivered"], batch["failed"], batch["rejected"], batch["pending"]) == (1, 1, 1, 0)
    assert [entry["to"] for entry in sim.ledger()] == ["254712345600", "254712345681", "254712345682"]


def test_modes_of_the_list(http: httpx.Client, sim: Simulator) -> None:
    numbers = ["+254712345600", "+254712345601"]
    batch_id = send(http, sim, numbers, "/send-bulk/").json()["data"]["batch_id"]
    listing = url(sim, f"/messages/?batch_id={batch_id}&page_size=1")
    sim.script(modes={"roycetalk": {"next_host": "https://elsewhere.example", "bare_numbers": True}})
    data = http.get(listing, headers=KEY).json()["data"]
    assert data["next"].startswith("https://elsewhere.example/")
    assert data["results"][0]["recipient_phone"] == "254712345600"
    sim.script(modes={"roycetalk": {"list": "plain"}})
    assert len(http.get(listing, headers=KEY).json()["data"]) == 2


def test_refusals_can_come_on_200(http: httpx.Client, sim: Simulator) -> None:
    assert send(http, sim, "nonsense").status_code == 400
    sim.script(modes={"roycetalk": {"soft_errors": True}})
    reply = send(http, sim, "nonsense")
    assert (reply.status_code, reply.json()["success"]) == (200, False)
    assert reply.json()["errors"] == ["Invalid phone number"]


def test_units(http: httpx.Client, sim: Simulator) -> None:
    lengths = (160, 161, 306, 307, 460)
    replies = [send(http, sim, "+254712345600", text_message="x" * length).json() for length in lengths]
    assert [reply["data"]["sms_units"] for reply in replies] == [1, 2, 2, 3, 4]


def test_balance(http: httpx.Client, sim: Simulator) -> None:
    sim.script(balances={"roycetalk": "0.4"})
    data = http.get(url(sim, "/balance/"), headers=KEY).json()["data"]
    assert (data["current_balance"], data["currency"]) == (0.4, "KES")
    assert send(http, sim, "+254712345600").json()["message"] == "Insufficient balance"
    assert sim.ledger() == []
