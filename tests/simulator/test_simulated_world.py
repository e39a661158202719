"""The fate table, the clock, the seed-only server, the control calls and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from providers.simulator.__main__ import main
from providers.simulator.server import Simulator
from tests.simulator.conftest import posted

BX = {"X-API-KEY": "live_key"}
BEARER = {"Authorization": "Bearer key"}
ENDS = {
    "00": "delivered", "59": "delivered", "60": "delivered", "79": "delivered", "80": "expired", "81": "undeliverable",
    "82": "rejected", "83": "unknown", "84": "sent", "85": "failed", "86": "failed", "87": "delivered", "88": "failed",
    "89": "quarantined", "91": "delivered", "92": "delivered", "93": "expired", "96": "undeliverable",
}  # fmt: skip


def bsg(http: httpx.Client, sim: Simulator, message_id: str) -> str:
    reply = http.get(sim.base_url("bsg") + f"/rest/sms/{message_id}", headers=BX).json()
    return str(reply.get("status", f"error {reply['error']}"))


@pytest.mark.parametrize(("ending", "word"), ENDS.items())
def test_the_last_two_digits_choose_the_fate(http: httpx.Client, sim: Simulator, ending: str, word: str) -> None:
    message_id = sim.add("bsg", f"3809720000{ending}")
    sim.advance(60)
    assert bsg(http, sim, message_id) == word


def test_a_replica_lags(http: httpx.Client, sim: Simulator) -> None:
    message_id = sim.add("bsg", "380972000090")
    assert [bsg(http, sim, message_id) for _ in range(4)] == ["error 20"] * 3 + ["scheduled"]


def test_delivered_is_taken_back_once(http: httpx.Client, sim: Simulator) -> None:
    message_id = sim.add("bsg", "380972000092")
    sim.advance(60)
    assert [bsg(http, sim, message_id) for _ in range(4)] == ["delivered", "sent", "delivered", "delivered"]


def test_late_and_conflicting(http: httpx.Client, sim: Simulator) -> None:
    late, conflict = sim.add("bsg", "380972000091"), sim.add("bsg", "380972000086")
    seen: dict[str, list[str]] = {late: [], conflict: []}
    for _ in range(100):
        for message_id, words in seen.items():
            words.append(bsg(http, sim, message_id))
        sim.advance(0.5)
    assert list(dict.fromkeys(seen[late]))[-2:] == ["expired", "delivered"]
    assert list(dict.fromkeys(seen[conflict]))[-2:] == ["delivered", "failed"]


def test_overrides(http: httpx.Client, sim: Simulator) -> None:
    own_steps = {"steps": [[0, "queued"], [5, "moderation", "why"]]}
    sim.script(numbers={"380972000000": ["failed", "delivered"], "bsg:380972000081": own_steps, "*": "expired"})
    ids = [sim.add("bsg", number) for number in ["380972000000"] * 3 + ["380972000081", "380972000001"]]
    sim.advance(60)
    words = [bsg(http, sim, message_id) for message_id in ids]
    assert words == ["failed", "delivered", "delivered", "moderation", "expired"]


def test_numbers_can_recover(http: httpx.Client, sim: Simulator) -> None:
    sim.script(recover=True)
    ids = [sim.add("bsg", number) for number in ["380972000080"] * 2 + ["380972000081"] * 2]
    sim.advance(60)
    assert [bsg(http, sim, one) for one in ids] == ["expired", "delivered", "undeliverable", "undeliverable"]


def test_the_clock_runs_faster() -> None:
    with Simulator(speed=1_000_000) as sim:
        start = sim.now()
        while sim.now() < start + 60:
            pass
        sim.clock(speed=0)
        assert sim.now() == sim.now()


def test_speed_posts_webhooks_and_stopping_in_their_midst_ends_everything() -> None:
    for _ in range(30):
        with Simulator(speed=1000) as sim:
            sim.add("roycetalk", "+254712345600", callback_url="http://127.0.0.1:9/")
            assert posted(sim, 1)


@pytest.fixture
def seed_only() -> Simulator:
    return Simulator(speed=0, seed_only=True)


def test_seed_only_knows_the_seeds_calls_and_nothing_else(http: httpx.Client, seed_only: Simulator) -> None:
    with seed_only as sim:
        ids = {
            key: sim.add(key, "+256712345600", reference="ref1", batch="77")
            for key in ("bsg", "roycetalk", "smsbat", "esms_africa")
        }
        sim.advance(60)

        def ask(method: str, key: str, path: str) -> httpx.Response:
            headers = BX | BEARER | {"X-Authorization-Key": "key"}
            return http.request(method, sim.base_url(key) + path, headers=headers)

        royce = "/api/v1/sms-api/messages/"
        known = [
            ("bsg", f"/rest/sms/{ids['bsg']}"),
            ("bsg", "/rest/sms/ref1"),
            ("bsg", "/rest/sms/77"),
            ("roycetalk", f"{royce}{ids['roycetalk']}/"),
            ("smsbat", f"/bat/message/{ids['smsbat']}"),
            ("esms_africa", f"/api/messages/{ids['esms_africa']}"),
            ("esms_africa", "/api/messages?page=0&limit=20"),
        ]
        assert {ask("GET", key, path).status_code for key, path in known} == {200}
        assert ask("POST", "esms_africa", f"/api/messages/{ids['esms_africa']}/retry").status_code == 409
        unknown = [
            ("GET", "bridgexapi", "/api/v1/dlr"),
            ("GET", "bridgexapi", "/api/v1/orders/77/dlr"),
            ("GET", "bridgexapi", "/api/v1/balance"),
            ("GET", "bsg", "/rest/sms/reference/ref1"),
            ("GET", "bsg", "/rest/sms/task/77"),
            ("POST", "bsg", "/rest/sms/getStatus"),
            ("POST", "bsg", "/rest/sms/create"),
            ("GET", "roycetalk", f"{royce}?batch_id=77"),
            ("GET", "roycetalk", "/api/v1/sms-api/batches/77/"),
            ("POST", "roycetalk", "/api/v1/sms-api/send/"),
            ("POST", "smsbat", "/bat/messagelist"),
            ("GET", "esms_africa", "/api/messages/status?ids=x"),
            ("GET", "esms_africa", "/api/messages/batch/77"),
            ("POST", "esms_africa", "/api/messages/send"),
            ("GET", "esms_africa", "/api/webhooks"),
        ]
        assert {ask(*call).status_code for call in unknown} == {404}


def test_control_over_http(http: httpx.Client, sim: Simulator) -> None:
    given = {"provider": "smsbat", "to": "+380501234500", "fate": "stuck", "id": "abc123def456"}
    assert http.post(sim.url + "/_/messages", json=given).json() == {"id": "abc123def456"}
    clock = http.post(sim.url + "/_/clock", json={"advance": 60}).json()
    assert (clock["speed"], clock["messages"]["smsbat"]) == (0, 1)
    url = sim.base_url("smsbat") + "/bat/message/abc123def456"
    key = {"X-Authorization-Key": "key"}
    assert http.get(url, headers=key).json()["deliverystatus"] == "processing"
    http.post(sim.url + "/_/status", json={"provider": "smsbat", "id": "abc123def456", "word": "read"})
    assert http.get(url, headers=key).json()["deliverystatus"] == "read"
    asked = http.get(sim.url + "/_/requests").json()["requests"]
    assert [(entry["provider"], entry["status"], entry["api_key"]) for entry in asked] == [("smsbat", 200, "key")] * 2
    assert http.get(sim.url + "/_/ledger").json() == {"ledger": []}
    assert http.get(sim.url + "/_/webhooks").json() == {"posted": []}
    assert http.get(sim.url + "/_/health").json()["ok"] is True


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("messages", {"provider": "nobody", "to": "1"}),
        ("messages", {"to": "1"}),
        ("status", {"provider": "bsg", "id": "none", "word": "sent"}),
        ("webhooks", {"provider": "nobody", "url": "x"}),
        ("webhook", {"provider": "bridgexapi", "id": "none"}),
        ("clock", {"pace": 1}),
        ("clock", []),
    ],
)
def test_a_control_call_that_cannot_be_done(http: httpx.Client, sim: Simulator, call: str, body: object) -> None:
    reply = http.post(f"{sim.url}/_/{call}", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_the_ledger_over_http_is_filtered(http: httpx.Client, sim: Simulator) -> None:
    sends = sim.base_url("esms_africa") + "/api/messages/send"
    for number in ("+256712345600", "+256712345601"):
        http.post(sends, headers=BEARER, json={"to": number, "text": "hello"})
    query = {"provider": "esms_africa", "to": "+256712345601"}
    (entry,) = http.get(sim.url + "/_/ledger", params=query).json()["ledger"]
    assert entry.pop("at").endswith("Z")
    assert len(entry.pop("id")) == 36
    assert entry == {
        "provider": "esms_africa",
        "to": "256712345601",
        "text": "hello",
        "reference": "",
        "idempotency_key": "",
        "batch": "",
        "api_key": "key",
        "via": "send",
    }


def test_the_command_serves(tmp_path: Path, http: httpx.Client) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"keys": {"bsg": ["only"]}, "speed": 5}), encoding="utf-8")
    command = [sys.executable, "-m", "providers.simulator", "--port", "0", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[2].partition("/<")[0]
        assert http.get(url + "/_/health").json()["speed"] == 5
        assert http.get(url + "/bsg/rest/sms/1", headers=BX).json()["error"] == "1"
        process.terminate()


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.json"
    script.write_text("[]", encoding="utf-8")
    assert main(["--script", str(script)]) == 1
    assert "A script is a JSON object" in capsys.readouterr().err
    with Simulator() as sim:
        assert main(["--port", str(sim.port)]) == 1
    assert "cannot start" in capsys.readouterr().err
