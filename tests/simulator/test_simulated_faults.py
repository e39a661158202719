"""Every fault, as a client meets it; and what it leaves in the ledger."""

from __future__ import annotations

import gzip
import json
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from providers.simulator.server import Simulator

KEY = {"X-API-KEY": "live_key"}
SEND = {"route_id": 1, "caller_id": "BRIDGE", "numbers": ["31612345600"], "message": "x"}


def send(http: httpx.Client, sim: Simulator, **changes: Any) -> httpx.Response:
    return http.post(sim.base_url("bridgexapi") + "/api/v1/send_sms", headers=KEY, json=SEND | changes)


def status(http: httpx.Client, sim: Simulator) -> httpx.Response:
    sim.add("bsg", "380972000000", id="211", reference="r211")
    return http.get(sim.base_url("bsg") + "/rest/sms/211", headers=KEY)


def test_a_reset_after_accepting_is_in_the_ledger(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "reset_after", "provider": "bridgexapi", "count": 1}])
    with pytest.raises(httpx.NetworkError):
        send(http, sim)
    assert [entry["to"] for entry in sim.ledger()] == ["31612345600"]
    assert send(http, sim).status_code == 200
    assert len(sim.ledger("bridgexapi", "+31612345600")) == 2


def test_a_reset_before_is_not(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "reset_before", "count": 1}])
    with pytest.raises(httpx.NetworkError):
        send(http, sim)
    assert sim.ledger() == []


def test_a_bsg_create_that_was_reset_is_proved_by_error_23(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "reset_after", "path": "/create", "count": 1}])
    url = sim.base_url("bsg") + "/rest/sms/create"
    body = {"destination": "phone", "msisdn": "380972000000", "originator": "alpha", "body": "x", "reference": "m1"}
    with pytest.raises(httpx.NetworkError):
        http.post(url, headers=KEY, json=body)
    assert http.post(url, headers=KEY, json=body).json()["error"] == "23"
    assert len(sim.ledger()) == 1


@pytest.mark.parametrize(("kind", "accepted"), [("500", 0), ("502", 0), ("503", 0), ("500_after", 1), ("502_after", 1)])
def test_html_errors(http: httpx.Client, sim: Simulator, kind: str, accepted: int) -> None:
    sim.script(faults=[{"kind": kind}])
    reply = send(http, sim)
    assert (reply.status_code, reply.headers["Content-Type"]) == (int(kind[:3]), "text/html; charset=utf-8")
    assert len(sim.ledger()) == accepted


@pytest.mark.parametrize("after", [None, 7, "date"])
def test_too_many_requests(http: httpx.Client, sim: Simulator, after: Any) -> None:
    sim.script(faults=[{"kind": "429", "retry_after": after, "seconds": 90}])
    reply = send(http, sim)
    assert (reply.status_code, reply.json()) == (429, {"detail": "Too many requests"})
    value = reply.headers.get("Retry-After")
    if after == "date":
        parsedate_to_datetime(str(value))
    else:
        assert value == (str(after) if after else None)


def test_auth_money_and_redirect(http: httpx.Client, sim: Simulator) -> None:
    kinds = [{"kind": "auth", "count": 1}, {"kind": "low_balance", "count": 1}]
    sim.script(faults=[*kinds, {"kind": "redirect", "location": "http://127.0.0.1:1/"}])
    assert send(http, sim).json() == {"detail": "Invalid or inactive API key"}
    assert send(http, sim).json() == {"detail": "Insufficient balance"}
    reply = send(http, sim)
    assert (reply.status_code, reply.headers["Location"]) == (302, "http://127.0.0.1:1/")
    assert sim.ledger() == []


@pytest.mark.parametrize("kind", ["invalid_json", "truncated_json"])
def test_json_that_is_none(http: httpx.Client, sim: Simulator, kind: str) -> None:
    sim.script(faults=[{"kind": kind, "path": "/rest/sms/211"}])
    reply = status(http, sim)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()


def test_duplicate_keys(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "duplicate_keys"}])
    pairs = json.loads(status(http, sim).content, object_pairs_hook=list)
    words = [value for name, value in pairs if name == "status"]
    assert words == ["delivered", "scheduled"]


def test_a_huge_body(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "huge_body", "bytes": 300_000}])
    assert len(status(http, sim).json()["padding"]) > 300_000


def test_a_gzip_bomb(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "gzip_bomb", "bytes": 3_000_000}])
    sim.add("bsg", "380972000000", id="211")
    with http.stream("GET", sim.base_url("bsg") + "/rest/sms/211", headers=KEY) as reply:
        packed = b"".join(reply.iter_raw())
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 20_000
    assert json.loads(gzip.decompress(packed)) == {"status": "delivered"}


def test_a_slow_body_comes_in_pieces(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "slow_body", "seconds": 0.05, "chunks": 5}])
    assert status(http, sim).json()["id"] == "211"


def test_an_endless_body_does_not_keep_the_simulator_from_stopping(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "slow_body", "seconds": 3600, "chunks": 5}])
    with pytest.raises(httpx.ReadTimeout):
        http.get(sim.base_url("bsg") + "/rest/sms/211", headers=KEY, timeout=0.1)


def test_an_answer_that_never_comes(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "hang_after"}])
    url = sim.base_url("bridgexapi") + "/api/v1/send_sms"
    with pytest.raises(httpx.ReadTimeout):
        http.post(url, headers=KEY, json=SEND, timeout=0.2)
    assert len(sim.ledger()) == 1
    assert [entry["fault"] for entry in sim.requests()] == ["hang_after"]


@pytest.mark.parametrize(("kind", "accepted"), [("reply", 0), ("reply_after", 1)])
def test_an_exact_reply(http: httpx.Client, sim: Simulator, kind: str, accepted: int) -> None:
    sim.script(faults=[{"kind": kind, "status": 418, "body": {"error": "4"}, "headers": {"X-Note": "yes"}}])
    reply = send(http, sim)
    assert (reply.status_code, reply.json(), reply.headers["X-Note"]) == (418, {"error": "4"}, "yes")
    assert len(sim.ledger()) == accepted


def test_another_identity(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "wrong_identity"}])
    reply = status(http, sim).json()
    assert (reply["id"], reply["reference"]) == ("212", "r210")
    assert reply["msisdn"] == "380972000000"


def test_latency_only_waits(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "latency", "seconds": 0.01}, {"kind": "500", "skip": 1}])
    assert [send(http, sim).status_code for _ in range(3)] == [200, 500, 500]


def test_a_rule_matches_by_provider_method_path_and_body(http: httpx.Client, sim: Simulator) -> None:
    rule = {"kind": "500", "provider": "bridgexapi", "method": "post", "path": "send_sms$", "sent": "31612345601"}
    sim.script(faults=[rule])
    assert status(http, sim).status_code == 200
    assert send(http, sim).status_code == 200
    assert send(http, sim, numbers=["31612345601"]).status_code == 500


def test_chance_is_the_same_for_the_same_seed(http: httpx.Client, sim: Simulator) -> None:
    def runs(seed: int) -> list[int]:
        sim.script(seed=seed, faults=[{"kind": "500", "probability": 0.5}])
        return [send(http, sim).status_code for _ in range(20)]

    assert runs(1) == runs(1) != runs(2)
    assert set(runs(1)) == {200, 500}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"faults": [{"kind": "nonsense"}]}, "nonsense"),
        ({"faults": [{"kind": "500", "path": "("}]}, "regular expression"),
        ({"faults": [{}]}, "kind"),
        ({"numbers": {"1": "nonsense"}}, "no fate named"),
        ({"balances": {"bsg": "money"}}, "cannot be read"),
        ({"nonsense": 1}, "no section nonsense"),
    ],
)
def test_a_script_that_cannot_be_read_changes_nothing(
    http: httpx.Client, sim: Simulator, sections: dict[str, Any], said: str
) -> None:
    sim.script(faults=[{"kind": "500"}])
    with pytest.raises(ValueError, match=said):
        sim.script(**sections)
    reply = http.post(sim.url + "/_/script", json=sections)
    assert reply.status_code == 400
    assert said in reply.json()["error"]
    assert send(http, sim).status_code == 500


def test_a_reset_forgets_the_script(http: httpx.Client, sim: Simulator) -> None:
    sim.script(faults=[{"kind": "500"}], keys={"bridgexapi": ["other"]})
    sim.script(reset=True)
    assert send(http, sim).status_code == 200
