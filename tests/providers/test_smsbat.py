"""SMSBat: little is said in a status reply, and nothing is made up for what is missing."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.base import Outgoing, ProviderError, Reply, Report, Status, Target, read
from providers.smsbat import SmsBat
from providers.strict_json import strict_json

PAYLOADS = Path(__file__).parent / "payloads" / "smsbat"
provider = SmsBat()


def body(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def payload(name: str) -> Any:
    return strict_json(body(name))


def said(name: str = "status.json", **changes: Any) -> Report:
    return read(provider.report, "status", payload(name) | changes)


def text_to(to: str = "380501112233", **changes: Any) -> Outgoing:
    return replace(Outgoing(to=to, text="Hello", sender="YourSender", reference="m0123"), **changes)


# -- words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("scheduled", Status.QUEUED),
        ("accepted", Status.QUEUED),
        ("processing", Status.SUBMITTED),
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.DELIVERED),
        ("undeliverable", Status.UNDELIVERABLE),
        ("permanenterror", Status.FAILED),
        ("failed", Status.FAILED),
        ("rejected", Status.REJECTED),
        ("expired", Status.EXPIRED),
        (" PermanentError ", Status.FAILED),
    ],
)
def test_word(word: str, status: Status) -> None:
    (entry,) = said(deliverystatus=word).entries
    assert (entry.status, entry.word) == (status, word.strip())


def test_a_word_of_no_list_is_a_note() -> None:
    (entry,) = said(deliverystatus="doručeno").entries
    assert (entry.status, entry.word, entry.note) == (None, "doručeno", "")


def test_everything_a_report_says() -> None:
    report = said()
    assert (report.id, report.batch_id, report.parts) == ("abc123def456", "123456", 1)
    assert (report.cost, report.currency) == (Decimal("0.05"), "")


# -- the nasty cases


@pytest.mark.parametrize(("name", "status"), [("scheduled.json", Status.QUEUED), ("processing.json", Status.SUBMITTED)])
def test_nasty_01_a_reply_needs_no_ids_and_no_cost(name: str, status: Status) -> None:
    report = said(name)
    assert (report.id, report.batch_id, report.cost, report.parts) == (None, "", None, 1)
    assert report.entries[0].status is status


def test_nasty_02_a_refused_message_in_a_good_reply_has_no_id() -> None:
    assert provider.error("send", Reply(status=200, body=body("send_three.json"))) is None
    reports = [provider.report("send", item) for item in provider.send_reply(payload("send_three.json")).items]
    assert [(report.id, report.entries[0].status) for report in reports] == [
        ("m-3", Status.QUEUED),
        (None, Status.REJECTED),
        ("m-1", Status.QUEUED),
    ]


def test_nasty_03_our_own_id_tells_two_messages_to_one_number_apart() -> None:
    asked = {"messages": [
        {"from": "S", "to": "+380501112233", "text": "one", "customerMessageId": "one"},
        {"from": "S", "to": "+380501112244", "text": "two", "customerMessageId": "two"},
        {"from": "S", "to": "+380501112233", "text": "three", "customerMessageId": "three"},
    ]}  # fmt: skip
    reports = [provider.report("send", item) for item in provider.send_reply(payload("send_three.json"), asked).items]
    assert [(report.reference, report.text, report.to) for report in reports] == [
        ("three", "three", "380501112233"),
        ("two", "two", "380501112244"),
        ("one", "one", "380501112233"),
    ]
    for message in asked["messages"]:
        del message["customerMessageId"]
    reports = [provider.report("send", item) for item in provider.send_reply(payload("send_three.json"), asked).items]
    assert [report.text for report in reports] == ["", "two", ""]  # two to one number: not guessed


@pytest.mark.parametrize("name", ["undeliverable.json", "permanenterror.json"])
def test_nasty_04_a_cost_of_nothing_is_zero_and_a_missing_one_is_none(name: str) -> None:
    assert said(name).cost == Decimal("0")
    assert said("scheduled.json").cost is None


def test_nasty_05_the_channel_that_delivered_is_named_and_the_others_are_notes() -> None:
    report = said(
        "status_extended.json", fallbacks=None, extendedStatuses={"viber": "undeliverable", "sms": "delivered"}
    )
    assert report.entries[0].status is Status.DELIVERED
    assert [(entry.part, entry.word, entry.status, entry.note) for entry in report.entries[1:]] == [
        ("viber", "viber: undeliverable", None, "channel"),
        ("sms", "sms: delivered", None, "channel"),
    ]
    assert report.extra == {"channel": "sms"}


def test_nasty_05_a_channel_that_was_not_used_is_told_once() -> None:
    report = said("status_extended.json")
    assert [entry.word for entry in report.entries] == ["delivered", "viber: delivered", "sms: not_used"]
    assert report.extra == {"channel": "viber"}


@pytest.mark.parametrize("odd", [None, [], "x", {"sms": None}, {"sms": {"status": "x"}}])
def test_nasty_05_an_odd_detail_does_not_cost_the_status(odd: Any) -> None:
    report = said("status_extended.json", extendedStatuses=odd, fallbacks=[odd, {"type": "sms"}])
    assert [entry.status for entry in report.entries] == [Status.DELIVERED]


@pytest.mark.parametrize(
    ("word", "status"), [("expired", Status.EXPIRED), ("read", Status.DELIVERED), ("Delivered", Status.DELIVERED)]
)
def test_nasty_06_words_of_the_overview_page_are_known(word: str, status: Status) -> None:
    assert said(deliverystatus=word).entries[0].status is status


def test_nasty_07_ids_are_opaque() -> None:
    assert said(messagelistId="123456").batch_id == "123456"
    (ask,) = provider.asks([Target(id="a/b%c ?")])
    assert ask.request.path == "/bat/message/a%2Fb%25c%20%3F"


def test_nasty_09_only_the_webhook_has_a_time() -> None:
    (item,) = provider.webhook_items(payload("webhook.json"))
    report = read(provider.report, "webhook", item)
    (entry,) = report.entries
    assert (report.id, entry.status, entry.at_raw) == ("abc123def456", Status.DELIVERED, "2025-01-23T10:30:00Z")
    assert entry.at == datetime(2025, 1, 23, 10, 30, tzinfo=UTC)
    assert said().entries[0].at_raw == ""


def test_nasty_10_three_ways_to_sign_in() -> None:
    assert provider.headers({"api_key": "k"}) == {"X-Authorization-Key": "k"}
    assert basic({"username": "me", "password": "päss:word"}) == "me:päss:word"
    assert basic({"username": "@", "api_key": "your-api-key"}) == "@:your-api-key"
    assert basic({"username": "@", "password": "your-api-key"}) == "@:your-api-key"
    for nothing in ({}, {"username": "me"}, {"password": "p"}):
        with pytest.raises(ProviderError) as caught:
            provider.headers(nothing)
        assert caught.value.code == "credentials"


def basic(credentials: dict[str, str]) -> str:
    (header,) = provider.headers(credentials).items()
    assert header[0] == "Authorization"
    return b64decode(header[1].removeprefix("Basic ")).decode()


def test_nasty_10_a_refused_key_stops_the_account() -> None:
    for call in ("status", "send", "probe"):
        error = provider.error(call, Reply(status=401, body=b"<html>Unauthorized</html>"))
        assert error is not None
        assert (error.code, error.retryable) == ("credentials", False)


def test_nasty_11_too_many_requests_may_not_say_how_long() -> None:
    error = provider.error("status", Reply(status=429))
    assert error is not None
    assert (error.code, error.retry_after, error.retryable) == ("throttled", None, True)


# -- asking


def test_messages_are_asked_one_by_one() -> None:
    asks = provider.asks([Target(id="a"), Target(id=None, to="380501112233"), Target(id="b")])
    assert [(ask.call, ask.request.path) for ask in asks] == [
        ("status", "/bat/message/a"),
        ("status", "/bat/message/b"),
    ]
    assert (provider.rate, provider.fresh_for) == (5.0, 30)
    assert (provider.listing_ask("1"), provider.summary_ask("1")) == (None, None)


def test_sending_one_text() -> None:
    request = provider.send_request(text_to())
    assert (request.method, request.path) == ("POST", "/bat/messagelist")
    assert request.json == {
        "messages": [
            {"from": "YourSender", "to": "+380501112233", "type": "sms", "text": "Hello", "customerMessageId": "m0123"}
        ]
    }


@pytest.mark.parametrize(
    "outgoing", [text_to(""), text_to("+380501112233"), text_to(sender=""), text_to(sender="x" * 12), text_to(text="")]
)
def test_what_it_would_refuse_is_refused_here(outgoing: Outgoing) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.send_request(outgoing)
    assert (caught.value.code, caught.value.written) == ("invalid", False)


# -- hearing


def test_a_send_reply_as_printed() -> None:
    reply = provider.send_reply(
        payload("send.json"), {"messages": [{"from": "S", "to": "+380501112233", "text": "Hi"}]}
    )
    (item,) = reply.items
    report = provider.report("send", item)
    assert (reply.batch_id, reply.to_list) == ("123456", False)
    assert (report.id, report.reference, report.batch_id, report.parts) == (
        "abc123def456",
        "your-internal-id",
        "123456",
        1,
    )
    assert (report.text, report.sender, report.entries[0].status) == ("Hi", "S", Status.QUEUED)


def test_the_overview_pages_shape_is_read_too() -> None:
    reply = provider.send_reply({"messages": [{"messageId": "m", "recipient": "+380501112233"}]})
    report = provider.report("send", reply.items[0])
    assert (report.to, report.entries[0].word, report.entries[0].status) == ("380501112233", "accepted", Status.QUEUED)


def test_a_refused_message_says_why() -> None:
    item = {"status": "failed", "error": {"code": "INVALID_SENDER", "message": "Unknown sender"}}
    (entry,) = provider.report("send", item).entries
    assert (entry.status, entry.detail) == (Status.FAILED, "Unknown sender (INVALID_SENDER)")


@pytest.mark.parametrize("status", [400, 200, 500])
def test_an_error_is_known_by_its_code(status: int) -> None:
    error = provider.error("send", Reply(status=status, body=body("error.json")))
    assert error is not None
    assert (error.code, error.provider_code, error.status) == ("refused", "INVALID_RECIPIENT", status)
    assert "Invalid recipient number" in error.message
    with pytest.raises(ProviderError) as caught:
        provider.send_reply(payload("error.json"))
    assert (caught.value.code, caught.value.provider_code) == ("refused", "INVALID_RECIPIENT")


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ("status", 404, "not_found"),
        ("status", 405, "unreachable"),
        ("status", 403, "credentials"),
        ("status", 500, "unreachable"),
        ("send", 404, "unsupported"),
        ("send", 502, "unreachable"),
        ("send", 402, "balance"),
    ],
)
def test_a_page_of_html_is_known_by_its_http_status(call: str, status: int, code: str) -> None:
    error = provider.error(call, Reply(status=status, body=b"<html>no</html>"))
    assert error is not None
    assert (error.code, error.status) == (code, status)


def test_an_explanation_beside_a_status_is_a_detail() -> None:
    content = b'{"deliverystatus": "undeliverable", "error": {"code": "E1", "message": "Absent"}}'
    assert provider.error("status", Reply(status=200, body=content)) is None
    assert provider.report("status", strict_json(content)).entries[0].detail == "Absent (E1)"


def test_a_price_has_the_currency_of_the_amount_that_equals_it() -> None:
    assert (said("status_extended.json").cost, said("status_extended.json").currency) == (Decimal("0.05"), "USD")
    assert said("status_extended.json", billAmount=Decimal("2.1"), billCurrency="UAH").currency == "USD"
    assert (
        said("status_extended.json", cost=Decimal("2.1"), billAmount=Decimal("2.1"), billCurrency="UAH").currency
        == "UAH"
    )
    assert said("status_extended.json", cost=Decimal(9), billCurrency="UAH").currency == ""
    bare = payload("status_extended.json")
    del bare["cost"]
    report = provider.report("status", bare)
    assert (report.cost, report.currency) == (Decimal("0.05"), "USD")


@pytest.mark.parametrize(
    "changes",
    [{"deliverystatus": None}, {"deliverystatus": 1}, {"messageId": []}, {"cost": "free"}, {"partscount": -1}],
)
def test_a_wrong_type_is_unparseable(changes: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        said(**changes)
    assert caught.value.code == "unparseable"


@pytest.mark.parametrize("garbage", [{}, [], None, "x", {"messages": []}, {"messages": {}}, {"messages": [None]}])
def test_a_send_reply_that_is_none_is_unparseable(garbage: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read(provider.send_reply, garbage)
    assert caught.value.code == "unparseable"


def test_its_own_word_about_a_message_that_is_not_there_proves_the_key() -> None:
    assert provider.probe_ask().request.path == "/bat/message/0"
    for status, content in (
        (404, b'{"error": {"code": "NOT_FOUND"}}'),
        (400, body("error.json")),
        (200, body("scheduled.json")),
    ):
        assert provider.error("probe", Reply(status=status, body=content)) is None
    for content in (b"<html>some other web server</html>", b"{}", b""):
        error = provider.error("probe", Reply(status=404, body=content))
        assert error is not None
        assert error.code == "unsupported"


# Not here: nasty 08 and 09 (one event for the same news), 11 (resuming a loop) belong to the core, and 12 (a base URL
# with a slash or a path) to the socket.
