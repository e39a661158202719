"""Against seeds/bridgexapi.txt and the vendor's own client."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from providers.simulator.server import Simulator

KEY = {"X-API-KEY": "a-key"}


def send(http: httpx.Client, sim: Simulator, *numbers: str, **changes: Any) -> httpx.Response:
    body = {"route_id": 1, "caller_id": "BRIDGEXAPI", "numbers": list(numbers), "message": "Delivery test"} | changes
    return http.post(sim.base_url("bridgexapi") + "/api/v1/send_sms", headers=KEY, json=body)


def dlr(http: httpx.Client, sim: Simulator, path: str) -> httpx.Response:
    return http.get(sim.base_url("bridgexapi") + f"/api/v1/{path}", headers=KEY)


def test_a_send_is_answered_as_in_the_article(http: httpx.Client, sim: Simulator) -> None:
    sim.script(balances={"bridgexapi": "201.968"})
    reply = send(http, sim, "31612345670").json()
    message = reply["messages"].pop()
    assert reply == {
        "status": "success",
        "message": "SMS batch accepted via route 1",
        "order_id": 22559,
        "route_id": 1,
        "count": 1,
        "messages": [],
        "cost": 0.088,
        "balance_after": 201.88,
    }
    assert re.fullmatch(r"BX-22559-[0-9a-f]{16}", message["bx_message_id"])
    assert (message["msisdn"], message["status"]) == ("31612345670", "QUEUED")


def test_the_words_go_from_queued_to_delivered(http: httpx.Client, sim: Simulator) -> None:
    message_id = send(http, sim, "31612345600").json()["messages"][0]["bx_message_id"]
    words = []
    for _ in range(20):
        words.append(dlr(http, sim, f"dlr/{message_id}").json()["status"])
        sim.advance(0.5)
    assert list(dict.fromkeys(words)) == ["QUEUED", "SENT", "DELIVERED"]


def test_a_status_has_the_fields_of_the_vendors_client(http: httpx.Client, sim: Simulator) -> None:
    message_id = send(http, sim, "31612345680").json()["messages"][0]["bx_message_id"]
    sim.advance(60)
    status = dlr(http, sim, f"dlr/{message_id}").json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", status.pop("created_at"))
    assert "expired" in status.pop("error")
    assert status == {
        "bx_message_id": message_id,
        "msisdn": "31612345680",
        "status": "FAILED",
        "route_id": 1,
        "sms_order_id": 22559,
    }


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"numbers": ["+31612345678"]}, 422, "without +"),
        ({"numbers": ["123456789"]}, 422, "10 to 15"),
        ({"numbers": ["1234567890123456"]}, 422, "10 to 15"),
        ({"numbers": []}, 422, "at least 1"),
        ({"numbers": ["31612345678", "4912345678901"]}, 400, "same country"),
        ({"message": "x" * 159}, 422, "158"),
        ({"message": "grüezi"}, 422, "ASCII"),
        ({"caller_id": "TOO-LONG-SENDER"}, 422, "3 to 11"),
        ({"route_id": 6}, 400, "Invalid route_id"),
        ({"route_id": 8}, 403, "not authorized for route 8"),
        ({"route_id": "1"}, 422, "integer"),
    ],
)
def test_limits(http: httpx.Client, sim: Simulator, changes: dict[str, Any], status: int, word: str) -> None:
    reply = send(http, sim, "31612345678", **changes)
    detail = reply.json()["detail"]
    assert reply.status_code == status
    assert word in (detail[0]["msg"] if status == 422 else detail)
    assert isinstance(detail, list) == (status == 422)
    assert sim.ledger() == []


def test_no_money_no_send(http: httpx.Client, sim: Simulator) -> None:
    sim.script(balances={"bridgexapi": "0.1"})
    reply = send(http, sim, "31612345600", "31612345601")
    assert reply.json() == {"detail": "Insufficient balance"}
    assert sim.ledger() == []
    assert send(http, sim, "31612345600").json()["balance_after"] == 0.012


def test_a_wrong_or_missing_key(http: httpx.Client, sim: Simulator) -> None:
    url = sim.base_url("bridgexapi") + "/api/v1/balance"
    assert http.get(url).json() == {"detail": "Missing X-API-KEY header"}
    wrong = http.get(url, headers={"X-API-KEY": "bad-one"})
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid or inactive API key"})
    sim.script(keys={"bridgexapi": ["the-key"]})
    assert http.get(url, headers=KEY).status_code == 401
    assert http.get(url, headers={"X-API-KEY": "the-key"}).json()["currency"] == "EUR"


def test_lists_are_paged_by_skip_and_limit(http: httpx.Client, sim: Simulator) -> None:
    send(http, sim, *[f"316123456{n:02}" for n in range(12)])
    send(http, sim, "31612345600")
    first = dlr(http, sim, "orders/22559/dlr?limit=10").json()
    rest = dlr(http, sim, "orders/22559/dlr?limit=10&skip=10").json()
    assert (first["total"], first["skip"], first["limit"], len(rest["messages"])) == (12, 0, 10, 2)
    assert dlr(http, sim, "dlr").json()["total"] == 13
    assert dlr(http, sim, "dlr?order_id=22560").json()["total"] == 1
    assert dlr(http, sim, "dlr?msisdn=31612345600").json()["total"] == 2
    assert dlr(http, sim, "dlr?status=DELIVERED").json()["messages"] == []
    assert dlr(http, sim, "dlr?skip=x").status_code == 422
    assert dlr(http, sim, "dlr?from_date=2031-01-01").json()["total"] == 0


def test_a_destination_without_a_price(http: httpx.Client, sim: Simulator) -> None:
    alone = send(http, sim, "31612345699")
    assert (alone.status_code, alone.json()) == (400, {"detail": "No pricing available for destination"})
    send(http, sim, "31612345600", "31612345699")
    messages = dlr(http, sim, "orders/22559/dlr").json()["messages"]
    assert [message["status"] for message in messages] == ["QUEUED", "FAILED"]
    assert messages[1]["error"] == "No pricing available for destination"
    assert [entry["to"] for entry in sim.ledger()] == ["31612345600"]


def test_not_found_is_a_detail(http: httpx.Client, sim: Simulator) -> None:
    reply = dlr(http, sim, "dlr/BX-1-0000000000000000")
    assert (reply.status_code, reply.json()) == (404, {"detail": "DLR record not found"})


def test_ids_can_be_null_and_numbers_reversed(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"bridgexapi": {"null_ids": "first", "reverse": True}})
    messages = send(http, sim, "31612345600", "31612345601", "31612345602").json()["messages"]
    assert [m["msisdn"] for m in messages] == ["31612345602", "31612345601", "31612345600"]
    assert messages[2]["bx_message_id"] is None
    assert all(m["bx_message_id"] for m in messages[:2])


def test_estimate_costs_nothing(http: httpx.Client, sim: Simulator) -> None:
    body = {"route_id": 1, "caller_id": "BRIDGE", "numbers": ["31612345600"], "message": "x"}
    reply = http.post(sim.base_url("bridgexapi") + "/api/v1/estimate", headers=KEY, json=body).json()
    assert (reply["estimated_cost"], reply["currency"], reply["sufficient_balance"]) == (0.088, "EUR", True)
    assert sim.ledger() == []
