"""BridgeXAPI: what its replies mean, and what is never sent to it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.base import Outgoing, ProviderError, Reply, Report, Status, Target, read
from providers.bridgexapi import BridgeXApi
from providers.strict_json import strict_json

PAYLOADS = Path(__file__).parent / "payloads" / "bridgexapi"
provider = BridgeXApi()


def body(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def payload(name: str) -> Any:
    return strict_json(body(name))


def dlr(**changes: Any) -> Report:
    return read(provider.report, "status", payload("dlr.json") | changes)


def target(number: int, batch_id: str = "22560") -> Target:
    return Target(id=f"BX-22560-{number}", to=f"3161234567{number}", batch_id=batch_id)


def text_to(to: str = "31612345678", **changes: Any) -> Outgoing:
    return replace(Outgoing(to=to, text="Delivery test", sender="BRIDGEXAPI"), **changes)


# -- words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("QUEUED", Status.QUEUED),
        ("SENT", Status.SENT),
        ("DELIVERED", Status.DELIVERED),
        ("FAILED", Status.FAILED),
        ("delivered", Status.DELIVERED),
        (" Delivered ", Status.DELIVERED),
    ],
)
def test_word(word: str, status: Status) -> None:
    (entry,) = dlr(status=word).entries
    assert (entry.status, entry.word) == (status, word.strip())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("Message expired", Status.EXPIRED),
        ("EXPIRED", Status.EXPIRED),
        ("validity period expiration", Status.EXPIRED),
        ("timeout", Status.FAILED),
        (None, Status.FAILED),
    ],
)
def test_failed_is_expired_only_if_the_error_says_so(error: str | None, status: Status) -> None:
    assert dlr(status="FAILED", error=error).entries[0].status is status


def test_a_delivered_message_is_not_expired_by_its_error_text() -> None:
    assert dlr(status="DELIVERED", error="expired").entries[0].status is Status.DELIVERED


def test_only_the_queued_entry_takes_the_creation_time() -> None:
    assert dlr(status="QUEUED").entries[0].at_raw == "2026-04-08T12:00:00"
    delivered = dlr(status="DELIVERED")
    assert (delivered.entries[0].at_raw, delivered.entries[0].at) == ("", None)
    assert delivered.extra == {"created_at": "2026-04-08T12:00:00"}


def test_everything_a_report_says() -> None:
    report = dlr()
    assert (report.id, report.to, report.batch_id, report.route) == (
        "BX-22519-94fc918774ccf6d8",
        "31612345678",
        "22519",
        "2",
    )
    assert report.cost is None


# -- the nasty cases


def test_nasty_01_success_then_failed_with_its_reason() -> None:
    (item,) = provider.send_reply(payload("send.json")).items
    assert provider.report("send", item).entries[0].status is Status.QUEUED
    failed = provider.report("status", payload("dlr_failed.json")).entries[0]
    assert (failed.status, failed.detail) == (Status.FAILED, "Rejected by operator")


def test_nasty_02_no_record_yet_is_not_found_and_the_call_is_still_supported() -> None:
    for status in (404, 400, 200):
        for call in ("status", "orders"):
            error = provider.error(call, Reply(status=status, body=body("error_not_found.json")))
            assert error is not None
            assert (error.code, error.retryable) == ("not_found", False)


def test_nasty_03_null_message_id_is_found_in_its_order_by_number() -> None:
    reply = provider.send_reply(payload("send_three.json"))
    reports = [provider.report("send", item) for item in reply.items]
    assert [report.id for report in reports] == ["BX-22560-1111111111111111", None, "BX-22560-3333333333333333"]
    nameless = Target(id=None, to=reports[1].to, batch_id=reports[1].batch_id)
    (ask,) = provider.asks([nameless])
    assert (ask.call, ask.request.path) == ("orders", "/api/v1/orders/22560/dlr")
    assert "31612345678" in [
        provider.report("orders", item).to for item in provider.split(ask, payload("order_dlr.json")).items
    ]


def test_nasty_04_messages_are_told_apart_by_their_own_number_not_by_their_place() -> None:
    asked = {"numbers": ["31612345678", "31612345678", "31612345679"], "message": "Hi", "caller_id": "ME1"}
    reports = [provider.report("send", item) for item in provider.send_reply(payload("send_three.json"), asked).items]
    assert [report.to for report in reports] == ["31612345679", "31612345678", "31612345678"]
    assert {(report.text, report.sender) for report in reports} == {("Hi", "ME1")}


def test_nasty_05_detail_is_a_list_a_text_or_a_page_of_html() -> None:
    error = provider.error("send", Reply(status=422, body=body("error_list.json")))
    assert error is not None
    assert (error.code, "body.numbers.0: field required" in error.message) == ("refused", True)
    error = provider.error("send", Reply(status=400, body=b'{"detail": "Invalid route_id"}'))
    assert error is not None
    assert (error.code, "Invalid route_id" in error.message) == ("refused", True)
    error = provider.error("status", Reply(status=502, body=b"<html>Bad gateway</html>"))
    assert error is not None
    assert (error.code, error.retryable) == ("unreachable", True)


def test_nasty_06_an_unheard_of_word_is_a_note() -> None:
    (entry,) = dlr(status="FILTERED").entries
    assert (entry.status, entry.word, entry.note) == (None, "FILTERED", "")


def test_nasty_07_a_list_is_read_to_its_end_by_what_each_page_holds() -> None:
    ask = provider.listing_ask("22560")
    skips = []
    while ask is not None:  # the server allows 50 a page, whatever we ask for
        skip = int(dict(ask.request.params)["skip"])
        skips.append(skip)
        messages = [{"bx_message_id": f"BX-{n}"} for n in range(skip, min(skip + 50, 120))]
        page = provider.split(ask, {"total": 120, "skip": skip, "limit": 50, "messages": messages})
        ask = page.more
        assert page.complete is (ask is None)
    assert skips == [0, 50, 100]


def test_nasty_07_a_server_that_ignores_skip_does_not_hold_us_for_ever() -> None:
    first = provider.listing_ask("22560")
    assert first is not None
    same = {"total": 900, "skip": 0, "limit": 500, "messages": [{}] * 500}
    second = provider.split(first, same).more
    assert second is not None
    page = provider.split(second, same)
    assert (page.more, page.complete) == (None, False)


def test_nasty_07_an_empty_page_ends_a_list_that_shrank() -> None:
    ask = provider.listing_ask("22560")
    assert ask is not None
    page = provider.split(ask, {"total": 7, "skip": 0, "limit": 500, "messages": []})
    assert (page.more, page.complete) == (None, False)


@pytest.mark.parametrize(("order", "batch_id"), [(22519, "22519"), ("22229", "22229"), (0, ""), (None, "")])
def test_nasty_08_order_id_is_a_number_a_text_zero_or_missing(order: Any, batch_id: str) -> None:
    assert dlr(sms_order_id=order).batch_id == batch_id
    item = payload("dlr.json")
    del item["sms_order_id"]
    assert provider.report("status", item).batch_id == ""


@pytest.mark.parametrize(
    "outgoing",
    [
        text_to("+31612345678"),
        text_to("123456789"),
        text_to("1234567890123456"),
        text_to("٣١٦١٢٣٤٥٦٧٨"),
        text_to(text="x" * 159),
        text_to(text="Hi 🙂"),
        text_to(text=""),
        text_to(sender="ab"),
        text_to(sender="twelve chars"),
        text_to(route="6"),
    ],
)
def test_nasty_09_what_it_would_refuse_is_refused_here(outgoing: Outgoing) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.send_request(outgoing)
    assert (caught.value.code, caught.value.written) == ("invalid", False)


def test_nasty_10_no_money_is_not_a_send() -> None:
    for status in (402, 400, 403, 200):
        error = provider.error("send", Reply(status=status, body=b'{"detail": "Insufficient balance"}'))
        assert error is not None
        assert (error.code, error.retryable) == ("balance", False)
    with pytest.raises(ProviderError) as caught:
        provider.send_reply({"detail": "Insufficient balance"})
    assert caught.value.code == "balance"


def test_nasty_12_the_cost_of_an_order_is_on_no_message() -> None:
    reply = provider.send_reply(payload("send_three.json"))
    assert (reply.cost, reply.currency, reply.balance) == (Decimal("0.264"), "EUR", Decimal("201.616"))
    assert {provider.report("send", item).cost for item in reply.items} == {None}


# -- asking


def test_more_than_three_of_an_order_are_asked_in_one_request() -> None:
    (ask,) = provider.asks([target(n) for n in range(4)])
    assert (ask.call, ask.request.params) == ("orders", (("limit", "500"), ("skip", "0")))
    assert len(ask.targets) == 4
    assert [ask.call for ask in provider.asks([target(n) for n in range(3)])] == ["status"] * 3
    assert len(provider.asks([target(n, batch_id="") for n in range(9)])) == 9


def test_without_lists_every_message_is_asked_by_the_seeds_call() -> None:
    targets = [target(n) for n in range(5)] + [Target(id=None, to="31612345678", batch_id="22560")]
    asks = provider.asks(targets, frozenset({"orders"}))
    assert [ask.request.path for ask in asks] == [f"/api/v1/dlr/BX-22560-{n}" for n in range(5)]
    assert provider.listing_ask("22560", frozenset({"orders"})) is None


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    (ask,) = provider.asks([Target(id="../a?b#c%2F", batch_id="")])
    assert ask.request.path == "/api/v1/dlr/..%2Fa%3Fb%23c%252F"


def test_the_next_page_asks_about_the_same_targets() -> None:
    (ask,) = provider.asks([target(n) for n in range(4)])
    more = provider.split(ask, {"total": 9, "messages": [{}] * 5}).more
    assert more is not None
    assert (more.targets, more.page, more.call) == (ask.targets, 1, "orders")


def test_sending_one_text() -> None:
    request = provider.send_request(text_to(route="5"))
    assert (request.method, request.path) == ("POST", "/api/v1/send_sms")
    assert request.json == {
        "route_id": 5,
        "caller_id": "BRIDGEXAPI",
        "numbers": ["31612345678"],
        "message": "Delivery test",
    }
    assert provider.send_request(text_to()).json["route_id"] == 1


def test_the_key_goes_into_its_header() -> None:
    assert provider.headers({"api_key": "k"}) == {"X-API-KEY": "k"}
    with pytest.raises(ProviderError, match="api_key") as caught:
        provider.headers({})
    assert caught.value.code == "credentials"


# -- hearing


def test_a_send_reply_as_printed() -> None:
    reply = provider.send_reply(payload("send.json"))
    (item,) = reply.items
    report = provider.report("send", item)
    assert (report.id, report.to, report.batch_id) == ("BX-22559-7c840d813121b159", "31651860670", "22559")
    assert (reply.batch_id, reply.to_list, reply.cost) == ("22559", False, Decimal("0.088"))
    assert report.entries[0].status is Status.QUEUED


def test_a_message_named_without_a_word_is_accepted() -> None:
    reply = provider.send_reply({"order_id": 7, "messages": [{"bx_message_id": "BX-7-1", "msisdn": "31612345678"}]})
    (entry,) = provider.report("send", reply.items[0]).entries
    assert (entry.word, entry.status) == ("accepted", Status.QUEUED)


def test_an_order_that_names_no_message_is_listed_later() -> None:
    reply = provider.send_reply({"status": "success", "order_id": 7}, {"numbers": ["31612345678"], "message": "Hi"})
    assert (reply.to_list, reply.batch_id) == (True, "7")
    report = provider.report("send", reply.items[0])
    assert (report.id, report.to, report.text) == (None, "31612345678", "Hi")
    assert provider.send_reply({"status": "success", "order_id": 7}).items == ()


@pytest.mark.parametrize("garbage", [{}, [], None, "x", 5, {"messages": [None]}, {"messages": {}}, {"order_id": True}])
def test_a_send_reply_that_is_none_is_unparseable(garbage: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read(provider.send_reply, garbage)
    assert caught.value.code == "unparseable"


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("Missing API key", "credentials"),
        ("Missing X-API-KEY header", "credentials"),
        ("Invalid or inactive API key", "credentials"),
        ("Insufficient balance", "balance"),
        ("You are not authorized for route 5", "refused"),
        ("You are not authorized for the casino route", "refused"),
        ("Sender ID not allowed for route 8", "refused"),
        ("Pricing failed", "refused"),
        ("No pricing available for destination", "refused"),
        ("Vendor send failed", "unreachable"),
        ("Something new", "refused"),
    ],
)
def test_an_error_is_known_by_its_text(detail: str, code: str) -> None:
    reply = Reply(status=400, body=b'{"detail": "%s"}' % detail.encode())
    error = provider.error("send", reply)
    assert error is not None
    assert (error.code, detail in error.message) == (code, True)
    with pytest.raises(ProviderError) as caught:
        provider.send_reply({"detail": detail})
    assert caught.value.code == code


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_forbidden_route_is_no_bad_key_and_no_missing_call(status: int) -> None:
    error = provider.error("send", Reply(status=status, body=b'{"detail": "You are not authorized for route 5"}'))
    assert error is not None
    assert error.code == "refused"


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        ("status", 401, "credentials"),
        ("status", 404, "not_found"),
        ("status", 405, "unreachable"),
        ("orders", 404, "unsupported"),
        ("orders", 200, "unsupported"),
        ("orders", 405, "unsupported"),
        ("orders", 422, "unsupported"),
        ("orders", 501, "unsupported"),
        ("orders", 401, "credentials"),
        ("orders", 503, "unreachable"),
        ("probe", 404, "unsupported"),
        ("probe", 401, "credentials"),
    ],
)
def test_a_page_of_html_is_known_by_its_http_status(call: str, status: int, code: str) -> None:
    error = provider.error(call, Reply(status=status, body=b"<html>no</html>"))
    assert error is not None
    assert (error.code, error.status) == (code, status)


def test_a_list_that_broke_off_does_not_end_asking_by_order() -> None:
    assert provider.error("orders", Reply(status=200, body=body("order_dlr.json")[:100])) is None


def test_too_many_requests_says_how_long_to_wait() -> None:
    for call in ("status", "orders", "send"):
        error = provider.error(call, Reply(status=429, body=b"{}", headers={"retry-after": "7"}))
        assert error is not None
        assert (error.code, error.retry_after, error.retryable) == ("throttled", 7.0, True)


def test_a_good_reply_is_no_error() -> None:
    for call, name in (("status", "dlr_failed.json"), ("orders", "order_dlr.json"), ("send", "send.json")):
        assert provider.error(call, Reply(status=200, body=body(name))) is None


@pytest.mark.parametrize("detail", [b"null", b'""', b"[]", b"[null]", b'{"a": 1}', b"5", b"[[1]]"])
def test_no_detail_breaks_the_error_reader(detail: bytes) -> None:
    error = provider.error("status", Reply(status=400, body=b'{"status": {}, "detail": ' + detail + b"}"))
    assert error is not None
    assert error.code == "refused"


@pytest.mark.parametrize("changes", [{"status": None}, {"status": 5}, {"bx_message_id": []}, {"error": {}}])
def test_a_wrong_type_is_unparseable(changes: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        dlr(**changes)
    assert caught.value.code == "unparseable"


def test_the_balance_proves_the_key() -> None:
    assert provider.probe_ask().request.path == "/api/v1/balance"
    assert provider.probe_says(payload("balance.json")) == "Balance 201.88 EUR"


# Not here: nasty 02 (waiting for the record), 04 and 07 (matching and removing doubles), 09's mixed countries (one
# text has one number) and 11 (a stale reply after DELIVERED) belong to the worker and the fold.
