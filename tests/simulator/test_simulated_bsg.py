"""Against seeds/bsg.txt and the newer pages named in the provider notes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from providers.simulator.server import Simulator

KEY = {"X-API-KEY": "live_key"}


def create(http: httpx.Client, sim: Simulator, method: str = "PUT", **changes: Any) -> httpx.Response:
    body = {"destination": "phone", "msisdn": "380972000001", "originator": "alpha_name", "body": "message text"}
    return http.request(method, sim.base_url("bsg") + "/rest/sms/create", headers=KEY, json=body | changes)


def phones(*given: tuple[str, str], **changes: Any) -> dict[str, Any]:
    return {"destination": "phones", "phones": [{"msisdn": m, "reference": r} for m, r in given]} | changes


def get(http: httpx.Client, sim: Simulator, path: str, key: dict[str, str] = KEY) -> Any:
    return http.get(sim.base_url("bsg") + f"/rest/sms/{path}", headers=key).json()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_one_is_created_and_asked_about_in_three_ways(http: httpx.Client, sim: Simulator, method: str) -> None:
    result = create(http, sim, method, reference="ext_id_19").json()["result"]
    message_id = result.pop("id")
    assert result == {
        "error": 0,
        "errorDescription": "No errors",
        "reference": "ext_id_19",
        "price": 0.23,
        "currency": "EUR",
    }
    assert isinstance(message_id, str)
    assert message_id.isdigit()
    sim.advance(60)
    status = get(http, sim, message_id)
    assert list(status) == [
        "error", "errorDescription", "id", "msisdn", "reference", "time_in", "time_sent", "time_dr", "status", "price",
        "currency",
    ]  # fmt: skip
    assert (status["id"], status["msisdn"], status["status"]) == (message_id, "380972000001", "delivered")
    assert len(status["time_dr"]) == len("2017-01-17 09:11:41")
    assert status == get(http, sim, "ext_id_19") == get(http, sim, "reference/ext_id_19")


def test_many_are_a_task_with_an_error_for_each(http: httpx.Client, sim: Simulator) -> None:
    given = phones(("380972000001", "a1"), ("380972000001", "a2"), ("380972000080", "a3"), ("123", "a4"))
    reply = create(http, sim, **given).json()
    assert [item["error"] for item in reply["result"]] == [0, 31, 0, 21]
    assert all("id" not in item and "price" not in item for item in reply["result"] if item["error"])
    assert (reply["total_price"], reply["currency"]) == (0.46, "EUR")
    task = get(http, sim, reply["task_id"])
    assert (task["sent"], task["delivered"], task["expired"]) == (0, 0, 0)
    sim.advance(60)
    assert get(http, sim, reply["task_id"]) == {
        "originator": "alpha_name",
        "body": "message text",
        "validity": 72,
        "totalprice": 0.46,
        "currency": "EUR",
        "sent": 2,
        "delivered": 1,
        "expired": 1,
        "undeliverable": 0,
        "unknown": 0,
    }
    assert get(http, sim, f"task/{reply['task_id']}") == get(http, sim, reply["task_id"])
    assert [entry["via"] for entry in sim.ledger("bsg")] == ["bulk", "bulk"]


def test_individual_texts_have_no_task(http: httpx.Client, sim: Simulator) -> None:
    items = [{"msisdn": "380972000001", "originator": "alpha", "body": f"text {n}"} for n in range(2)]
    reply = create(http, sim, destination="individual", phones=items).json()
    assert "task_id" not in reply
    assert [entry["text"] for entry in sim.ledger()] == ["text 0", "text 1"]


def test_a_reference_works_once(http: httpx.Client, sim: Simulator) -> None:
    create(http, sim, reference="order1")
    assert create(http, sim, reference="order1").json() == {
        "error": "23",
        "errorDescription": "SMS with this external ID is already present",
    }
    assert len(sim.ledger()) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"msisdn": "+380972000001"}, "21"),
        ({"originator": "a"}, "25"),
        ({"body": ""}, "26"),
        ({"body": "x" * 766}, "26"),
        ({"reference": "no spaces!"}, "27"),
        ({"validity": 100}, "28"),
        ({"tariff": 10}, "6"),
        ({"destination": None}, "3"),
        ({"destination": "pigeon"}, "7"),
        ({"destination": "phones"}, "24"),
        ({"destination": "phones", "phones": [{"msisdn": "380972000001"}] * 1001}, "12"),
        ({"msisdn": "380972000099"}, "21"),
    ],
)
def test_errors_come_on_200(http: httpx.Client, sim: Simulator, changes: dict[str, Any], code: str) -> None:
    reply = create(http, sim, **changes)
    assert (reply.status_code, reply.json()["error"]) == (200, code)
    assert sim.ledger() == []


def test_error_modes(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"bsg": {"errors": "number", "http_errors": True, "errors_in_result": True}})
    reply = http.get(sim.base_url("bsg") + "/rest/sms/nope", headers=KEY)
    assert (reply.status_code, reply.json()) == (404, {"result": {"error": 20, "errorDescription": "SMS not found"}})


def test_what_is_not_there(http: httpx.Client, sim: Simulator) -> None:
    paths = ("777", "reference/nope", "task/777", "task/x1")
    assert [get(http, sim, path)["error"] for path in paths] == ["20", "20", "30", "29"]
    assert get(http, sim, "211", {"X-API-KEY": "bad"}) == {"error": "1", "errorDescription": "Invalid key"}


def test_a_flat_reply(http: httpx.Client, sim: Simulator) -> None:
    sim.script(modes={"bsg": {"reply": "flat"}})
    reply = create(http, sim, reference="12erdgm9").json()
    assert reply.pop("id").isdigit()
    assert reply == {"error": "0", "reference": "12erdgm9", "price": "0.23", "currency": "EUR"}


def test_mass_status_calls_the_reference_external_id(http: httpx.Client, sim: Simulator) -> None:
    one = create(http, sim, reference="r1").json()["result"]["id"]
    url = sim.base_url("bsg") + "/rest/sms/getStatus"
    items = http.post(url, headers=KEY, json={"ids": [int(one), 123]}).json()["result"]
    assert [(item["id"], item["external_id"]) for item in items] == [(one, "r1")]
    assert "error" not in items[0]
    assert items[0]["time_dr"] is None


def test_times_are_naive_in_the_accounts_zone(http: httpx.Client, sim: Simulator) -> None:
    one = create(http, sim).json()["result"]["id"]
    utc = get(http, sim, one)["time_in"]
    sim.script(modes={"bsg": {"zone": "Asia/Kolkata", "empty_times": "0000-00-00 00:00:00"}})
    status = get(http, sim, one)
    assert status["time_in"] != utc
    assert status["time_dr"] == "0000-00-00 00:00:00"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("classic", ["delivered", "undeliverable", "rejected", "failed"]),
        ("v1", ["delivered", "failed", "rejected", "failed"]),
        ("v2", ["delivered", "undelivered", "failed", "failed"]),
    ],
)
def test_three_lists_of_words(http: httpx.Client, sim: Simulator, words: str, expected: list[str]) -> None:
    sim.script(modes={"bsg": {"words": words}})
    ids = [create(http, sim, msisdn=f"3809720000{n}").json()["result"]["id"] for n in ("00", "81", "82", "85")]
    sim.advance(60)
    assert [get(http, sim, one)["status"] for one in ids] == expected


def test_a_test_key_gets_random_answers_and_sends_nothing(http: httpx.Client, sim: Simulator) -> None:
    test = {"X-API-KEY": "test_key"}
    body = {"destination": "phone", "msisdn": "380972000001", "originator": "alpha", "body": "x"}
    reply = http.post(sim.base_url("bsg") + "/rest/sms/create", headers=test, json=body).json()
    assert reply["result"]["error"] == 0
    status = get(http, sim, "211", test)
    assert status["id"] != "211"
    assert status["error"] == 0
    assert sim.ledger() == []


def test_balance_is_made_of_strings(http: httpx.Client, sim: Simulator) -> None:
    sim.script(balances={"bsg": "-4.0999333"})
    assert get(http, sim, "balance")["amount"] == "-4.0999333"
    assert create(http, sim).json()["error"] == "8"
