"""Against seeds/smsbat.txt and the vendor's send page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from providers.simulator.server import Simulator

KEY = {"X-Authorization-Key": "your-api-key"}


def send(http: httpx.Client, sim: Simulator, *messages: dict[str, Any]) -> httpx.Response:
    items = [{"from": "YourSender", "type": "sms", "text": "hello"} | message for message in messages]
    return http.post(sim.base_url("smsbat") + "/bat/messagelist", headers=KEY, json={"messages": items})


def status(http: httpx.Client, sim: Simulator, message_id: str) -> Any:
    return http.get(sim.base_url("smsbat") + f"/bat/message/{quote(message_id, safe='')}", headers=KEY).json()


def test_bodies_are_minimal_until_the_end(http: httpx.Client, sim: Simulator) -> None:
    reply = send(http, sim, {"to": "+380501234500", "customerMessageId": "mine"}).json()
    (message,) = reply["messages"]
    message_id = message.pop("messageId")
    assert message == {"status": "accepted", "parts": 1, "customerMessageId": "mine", "to": "+380501234500"}
    assert status(http, sim, message_id) == {"deliverystatus": "scheduled", "partscount": 1}
    sim.advance(2)
    assert status(http, sim, message_id) == {"deliverystatus": "processing", "partscount": 1}
    sim.advance(60)
    assert status(http, sim, message_id) == {
        "messagelistId": reply["messagelistId"],
        "messageId": message_id,
        "deliverystatus": "delivered",
        "partscount": 1,
        "cost": 0.05,
    }


@pytest.mark.parametrize(
    ("ending", "word"), [("81", "undeliverable"), ("80", "undeliverable"), ("85", "permanenterror")]
)
def test_failures_cost_nothing(http: httpx.Client, sim: Simulator, ending: str, word: str) -> None:
    message_id = send(http, sim, {"to": f"+3805012345{ending}"}).json()["messages"][0]["messageId"]
    sim.advance(60)
    body = status(http, sim, message_id)
    assert (body["deliverystatus"], body["cost"]) == (word, 0.0)


def test_one_can_be_rejected_on_200(http: httpx.Client, sim: Simulator) -> None:
    reply = send(http, sim, {"to": "+380501234500"}, {"to": "+380501234599", "customerMessageId": "b"}, {"to": "12"})
    assert reply.status_code == 200
    rows = reply.json()["messages"]
    assert [row["status"] for row in rows] == ["accepted", "rejected", "rejected"]
    assert rows[1] == {"status": "rejected", "customerMessageId": "b", "to": "+380501234599"}
    assert len(sim.ledger()) == 1


def test_error_bodies(http: httpx.Client, sim: Simulator) -> None:
    cases = [
        {"to": "12"},
        {"to": "+380501234500", "from": "much-too-long"},
        {"to": "+380501234500", "text": "x" * 1600},
    ]
    codes = [send(http, sim, case).json()["error"]["code"] for case in cases]
    assert codes == ["INVALID_RECIPIENT", "INVALID_SENDER", "MESSAGE_TOO_LONG"]
    missing = http.get(sim.base_url("smsbat") + "/bat/message/nope", headers=KEY)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("auth", "headers", "code"),
    [
        (None, {"X-Authorization-Key": "key"}, 404),
        (("username", "password"), {}, 404),
        (("@", "key"), {}, 404),
        (None, {}, 401),
        (None, {"X-Authorization-Key": "bad-key"}, 401),
        (("username", "bad-password"), {}, 401),
        (("@", "bad-key"), {}, 401),
        (None, {"Authorization": "Basic not-base64!"}, 401),
    ],
)
def test_three_ways_to_sign_in(
    http: httpx.Client, sim: Simulator, auth: tuple[str, str] | None, headers: dict[str, str], code: int
) -> None:
    reply = http.get(sim.base_url("smsbat") + "/bat/message/x", headers=headers, auth=auth)
    assert reply.status_code == code


def test_exact_users(http: httpx.Client, sim: Simulator) -> None:
    sim.script(users={"smsbat": {"ann": "secret"}}, keys={"smsbat": ["k1"]})
    target = sim.base_url("smsbat") + "/bat/message/x"
    pairs = [("ann", "secret"), ("ann", "other"), ("@", "k1"), ("@", "k2")]
    assert [http.get(target, auth=pair).status_code for pair in pairs] == [404, 401, 404, 401]


def test_viber_with_sms_behind_it(http: httpx.Client, sim: Simulator) -> None:
    viber = {"type": "viber_promo", "fallback": {"type": "sms", "text": "x"}}
    messages = [viber | {"to": number} for number in ("+380501234200", "+380501234300", "+380501234281")]
    ids = [row["messageId"] for row in send(http, sim, *messages).json()["messages"]]
    sim.advance(60)
    by_viber, by_sms, by_none = (status(http, sim, one) for one in ids)
    assert by_viber["extendedStatuses"] == {"viber": "delivered", "sms": "not_used"}
    assert by_viber["fallbacks"] == [{"type": "sms", "status": "not_used"}]
    assert (by_viber["rateCurrency"], by_viber["billCurrency"]) == ("USD", "USD")
    assert by_sms["deliverystatus"] == "delivered"
    assert by_sms["extendedStatuses"] == {"viber": "undeliverable", "sms": "delivered"}
    assert by_none["extendedStatuses"] == {"viber": "undeliverable", "sms": "undeliverable"}


def test_modes(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"smsbat": {"odd_ids": True, "string_list_id": True, "reverse": True, "words": "overview"}})
    reply = send(http, sim, {"to": "+380501234580"}, {"to": "+380501234585"}).json()
    assert isinstance(reply["messagelistId"], str)
    assert [row["to"] for row in reply["messages"]] == ["+380501234585", "+380501234580"]
    sim.advance(60)
    ids = [row["messageId"] for row in reply["messages"]]
    assert all("/" in one and "%" in one for one in ids)
    assert [status(http, sim, one)["deliverystatus"] for one in ids] == ["failed", "expired"]
