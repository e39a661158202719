"""Webhooks: who is told what, signatures, the retry schedule, and what a script does to them."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from providers.simulator.server import Simulator
from tests.simulator.conftest import Inbox, Letter, posted

SECRET = "whsec_test"


def signed(letter: Letter, secret: str = SECRET) -> bool:
    right = "sha256=" + hmac.new(secret.encode(), letter.body, hashlib.sha256).hexdigest()
    return letter.headers.get("x-webhook-signature") == right


def esms(sim: Simulator, inbox: Inbox, ending: str = "00", **given: Any) -> str:
    sim.set_webhook("esms_africa", inbox.url, secret=SECRET)
    return sim.add("esms_africa", f"+2567123456{ending}", **given)


def test_esms_signs_the_exact_bytes(sim: Simulator, inbox: Inbox) -> None:
    message_id = esms(sim, inbox, sender="eSMSAfrica")
    sim.advance(60)
    letter = inbox.next()
    assert signed(letter)
    body = json.loads(letter.body)
    assert body.pop("delivered_at").endswith("Z")
    assert body == {
        "event": "message.delivered",
        "message_id": message_id.removeprefix("msg-"),
        "status": "delivered",
        "phone": "+256712345600",
        "sender_id": "eSMSAfrica",
        "segments": 1,
        "cost": 35.0,
        "error_code": None,
        "retry_count": 0,
        "failed_at": None,
    }


def test_esms_tries_again_in_its_documented_rhythm(sim: Simulator, inbox: Inbox) -> None:
    esms(sim, inbox)
    inbox.answers = [500] * 6
    sim.advance(60)
    letters = [inbox.next()]
    for tries, pause in enumerate((10, 30, 90, 270, 780), start=1):
        posted(sim, tries)
        sim.advance(pause - 1)
        assert inbox.letters.empty()
        sim.advance(1)
        letters.append(inbox.next())
    tried = posted(sim, 6)
    sim.advance(100_000)
    assert inbox.letters.empty()
    assert len({letter.body for letter in letters}) == 1
    assert all(signed(letter) for letter in letters)
    times = [datetime.fromisoformat(post["at"]).timestamp() for post in tried]
    assert [later - earlier for earlier, later in pairwise(times)] == [10, 30, 90, 270, 780]


def test_esms_stops_trying_once_it_is_heard(sim: Simulator, inbox: Inbox) -> None:
    esms(sim, inbox)
    inbox.answers = [503, 200]
    sim.advance(60)
    inbox.next()
    posted(sim, 1)
    sim.advance(1000)
    inbox.next()
    assert [post["status"] for post in posted(sim, 2)] == [503, 200]
    sim.advance(100_000)
    assert inbox.letters.empty()


def test_esms_webhooks_are_set_over_its_api(http: httpx.Client, sim: Simulator, inbox: Inbox) -> None:
    key = {"Authorization": "Bearer k1"}
    url = sim.base_url("esms_africa") + "/api/webhooks"
    secret = http.put(url, headers=key, json={"dlr_url": inbox.url}).json()["signing_secret"]
    assert http.get(url, headers=key).json()["dlr_url"] == inbox.url
    sim.add("esms_africa", "+256712345600", api_key="other")
    sim.add("esms_africa", "+256712345681", api_key="k1")
    sim.advance(60)
    letter = inbox.next()
    assert signed(letter, secret)
    assert json.loads(letter.body)["event"] == "message.failed"
    new = http.post(url + "/rotate-secret", headers=key).json()["signing_secret"]
    assert new != secret
    sim.add("esms_africa", "+256712345600", api_key="k1")
    sim.advance(60)
    assert signed(inbox.next(), new)
    assert inbox.letters.empty()


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("87", [("message.delivered", 1)]),
        ("88", [("message.failed", 2)]),
        ("86", [("message.delivered", 0), ("message.failed", 0)]),
        ("91", [("message.failed", 0), ("message.delivered", 0)]),
    ],
)
def test_esms_tells_ends_only(sim: Simulator, inbox: Inbox, ending: str, expected: list[tuple[str, int]]) -> None:
    esms(sim, inbox, ending)
    heard = []
    for _ in expected:
        while inbox.letters.empty():
            sim.advance(1)
        body = json.loads(inbox.next().body)
        heard.append((body["event"], body["retry_count"]))
    assert heard == expected


@pytest.mark.parametrize("shape", ["json", "nested", "form"])
def test_roycetalk_shapes(sim: Simulator, inbox: Inbox, shape: str) -> None:
    sim.script(modes={"roycetalk": {"webhook": shape}})
    message_id = sim.add("roycetalk", "+254712345682", callback_url=inbox.url, reference="order-1")
    sim.advance(60)
    letter = inbox.next()
    assert "x-webhook-signature" not in letter.headers
    if shape == "form":
        assert letter.headers["content-type"] == "application/x-www-form-urlencoded"
        body = {name: values[0] for name, values in parse_qs(letter.body.decode()).items()}
    else:
        body = json.loads(letter.body)
        body = body["data"] if shape == "nested" else body
    assert (body["message_id"], body["status"], body["client_ref"]) == (message_id, "rejected", "order-1")


def test_bsg_posts_its_status_reply(sim: Simulator, inbox: Inbox) -> None:
    message_id = sim.add("bsg", "380972000000", callback_url=inbox.url, text="hi", fate="stuck")
    sim.advance(60)
    body = json.loads(inbox.next().body)
    assert (body["error"], body["id"], body["status"], body["price"]) == (0, message_id, "sent", "0.2300000")


def test_smsbat_has_a_time_in_the_webhook(sim: Simulator, inbox: Inbox) -> None:
    sim.set_webhook("smsbat", inbox.url)
    message_id = sim.add("smsbat", "+380501234500", fate={"steps": [[0, "queued"], [3, "delivered"]]})
    sim.advance(60)
    body = json.loads(inbox.next().body)
    assert body.pop("timestamp").endswith("Z")
    assert body == {"messageId": message_id, "deliverystatus": "delivered", "cost": 0.05}


def test_messages_under_way_are_told_to_a_new_webhook(sim: Simulator, inbox: Inbox) -> None:
    sim.add("esms_africa", "+256712345600")
    sim.advance(1)
    sim.set_webhook("esms_africa", inbox.url)
    sim.advance(60)
    assert json.loads(inbox.next().body)["status"] == "delivered"


def test_reports_about_one_message_keep_their_order(sim: Simulator, inbox: Inbox) -> None:
    numbers = [f"+2547123456{n:02}" for n in range(20)]
    ids = [sim.add("roycetalk", number, callback_url=inbox.url) for number in numbers]
    sim.advance(60)
    heard = [json.loads(inbox.next().body) for _ in range(40)]
    for message_id in ids:
        assert [body["status"] for body in heard if body["message_id"] == message_id] == ["sent", "delivered"]


def test_duplicates(sim: Simulator, inbox: Inbox) -> None:
    sim.script(faults=[{"kind": "webhook_duplicate", "copies": 2}])
    esms(sim, inbox)
    sim.advance(60)
    assert len({inbox.next().body for _ in range(3)}) == 1


def test_out_of_order(sim: Simulator, inbox: Inbox) -> None:
    sim.script(faults=[{"kind": "webhook_reorder", "path": "^sent ", "count": 1}])
    sim.add("roycetalk", "+254712345600", callback_url=inbox.url)
    words = []
    for _ in range(2):
        while inbox.letters.empty():
            sim.advance(0.5)
        words.append(json.loads(inbox.next().body)["status"])
    assert words == ["delivered", "sent"]


@pytest.mark.parametrize("how", ["wrong", "missing", "reserialised", "old"])
def test_wrong_signatures(sim: Simulator, inbox: Inbox, how: str) -> None:
    sim.script(faults=[{"kind": "webhook_wrong_signature", "how": how}])
    esms(sim, inbox)
    sim.advance(60)
    letter = inbox.next()
    assert not signed(letter)
    assert ("x-webhook-signature" in letter.headers) == (how != "missing")


def test_garbage_delay_and_silence(sim: Simulator, inbox: Inbox) -> None:
    kinds = [{"kind": "webhook_garbage", "count": 1}, {"kind": "webhook_drop", "count": 1}]
    sim.script(faults=[*kinds, {"kind": "webhook_delay", "seconds": 500}])
    for _ in range(3):
        esms(sim, inbox)
        sim.advance(60)
    with pytest.raises(json.JSONDecodeError):
        json.loads(inbox.next().body)
    assert inbox.letters.empty()
    sim.advance(600)
    assert signed(inbox.next())


def test_what_a_person_says_is_told_too(sim: Simulator, inbox: Inbox) -> None:
    message_id = esms(sim, inbox, "84")
    sim.advance(60)
    sim.say("esms_africa", message_id, "failed", "EXPIRED")
    body = json.loads(inbox.next().body)
    assert (body["status"], body["error_code"]) == ("failed", "EXPIRED")


def test_a_given_webhook_now(http: httpx.Client, sim: Simulator, inbox: Inbox) -> None:
    message_id = esms(sim, inbox)
    answer = http.post(sim.url + "/_/webhook", json={"provider": "esms_africa", "id": message_id, "word": "delivered"})
    assert answer.json() == {"status": 200, "error": ""}
    assert signed(inbox.next())
    inbox.answers = [401]
    exact = {"url": inbox.url, "body": '{"a":  1}', "headers": {"X-Try": "1"}, "secret": "other"}
    assert sim.send_webhook(**exact)["status"] == 401
    letter = inbox.next()
    assert (letter.body, letter.headers["x-try"], signed(letter, "other")) == (b'{"a":  1}', "1", True)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/"])
def test_nothing_is_posted_beyond_this_machine(sim: Simulator, url: str) -> None:
    assert "this machine only" in sim.send_webhook(url=url, body="x")["error"]


def test_nobody_listening_is_an_error_and_is_tried_again(sim: Simulator) -> None:
    sim.add("roycetalk", "+254712345682", callback_url="http://127.0.0.1:9/")
    for tries in range(1, 4):
        sim.advance(200)
        posted(sim, tries)
    sim.advance(200)
    assert [post["attempt"] for post in posted(sim, 4)] == [0, 1, 2, 3]
    assert all(post["status"] is None and post["error"] for post in sim.posted())
