"""RoyceTalk: what its documents say, and the cases that would break a careless reader."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.base import Ask, Outgoing, ProviderError, Reply, Report, Status, Target, form_or_json, read
from providers.roycetalk import RoyceTalk
from providers.strict_json import strict_json

ROYCE = RoyceTalk()
PAYLOADS = Path(__file__).parent / "payloads" / "roycetalk"
MESSAGE = "f2672215-c20b-452a-9b6b-1ba51884c55e"
BATCH = "0c8f3c4e-53f1-4b0e-8d3c-6f6a1f0f7a11"


def payload(name: str) -> Any:
    return strict_json((PAYLOADS / f"{name}.json").read_bytes())


def reply(name: str = "", status: int = 200, **headers: str) -> Reply:
    body = (PAYLOADS / f"{name}.json").read_bytes() if name else b"<html>busy</html>"
    return Reply(status=status, body=body, headers={key.replace("_", "-"): value for key, value in headers.items()})


def error(call: str, answer: Reply) -> ProviderError:
    found = ROYCE.error(call, answer)
    assert found is not None
    return found


def status_with(**changes: Any) -> Report:
    whole = payload("status")
    return read(ROYCE.report, "status", {**whole, "data": {**whole["data"], **changes}})


def listed(*targets: Target) -> Ask:
    (ask,) = ROYCE.asks(targets)
    return ask


def members(count: int, batch_id: str = BATCH) -> list[Target]:
    return [Target(id=f"id-{n}", batch_id=batch_id) for n in range(count)]


# --------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", Status.QUEUED),
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("failed", Status.FAILED),
        ("rejected", Status.REJECTED),
    ],
)
def test_documented_word(word: str, status: Status) -> None:
    for variant in (word, word.upper(), word.capitalize(), f"  {word}\n"):
        (entry,) = status_with(status=variant).entries
        assert (entry.status, entry.word) == (status, variant.strip())


def test_unlisted_word_is_a_note() -> None:
    (entry,) = status_with(status="moderated").entries
    assert (entry.status, entry.word) == (None, "moderated")


# --------------------------------------------------------------------------------------------- asking


def test_seed_call_with_trailing_slash() -> None:
    (ask,) = ROYCE.asks([Target(id=MESSAGE)])
    assert (ask.call, ask.request.method) == ("status", "GET")
    assert ask.request.path == f"/api/v1/sms-api/messages/{MESSAGE}/"


def test_key_keeps_its_underscore() -> None:
    assert ROYCE.headers({"api_key": "XXXX_YYYY_"}) == {"Authorization": "Bearer XXXX_YYYY_"}


def test_few_messages_of_a_batch_are_asked_singly() -> None:
    assert [ask.call for ask in ROYCE.asks(members(3))] == ["status"] * 3


def test_many_messages_of_a_batch_are_listed() -> None:
    targets = members(4)
    ask = listed(*targets)
    assert (ask.call, ask.targets) == ("list", tuple(targets))
    assert (ask.request.path, ask.request.params) == ("/api/v1/sms-api/messages/", (("batch_id", BATCH),))


def test_message_without_id_is_found_by_listing_its_batch() -> None:
    target = Target(id=None, to="254712345678", batch_id=BATCH)
    assert listed(target).call == "list"
    assert ROYCE.asks([target], frozenset({"list"})) == []
    assert ROYCE.asks([Target(id=None, to="254712345678")]) == []


def test_without_the_list_each_message_is_asked_singly() -> None:
    assert [ask.call for ask in ROYCE.asks(members(9), frozenset({"list"}))] == ["status"] * 9
    assert ROYCE.listing_ask(BATCH, frozenset({"list"})) is None
    assert ROYCE.summary_ask(BATCH, frozenset({"summary"})) is None


def test_summary() -> None:
    ask = ROYCE.summary_ask(BATCH)
    assert ask is not None
    assert ask.request.path == f"/api/v1/sms-api/batches/{BATCH}/"
    summary = ROYCE.summary_of(payload("summary"))
    assert summary == {
        "total_recipients": 4, "pending": 0, "sent": 1, "delivered": 2, "failed": 0, "rejected": 1,
    }  # fmt: skip


def test_balance_proves_the_key() -> None:
    assert ROYCE.probe_ask().request.path == "/api/v1/sms-api/balance/"
    assert ROYCE.probe_says(payload("balance")) == "The balance is 1200 units, worth 960.0 KES."


# --------------------------------------------------------------------------------------------- hearing


def test_status_as_documented() -> None:
    report = ROYCE.report("status", payload("status"))
    (entry,) = report.entries
    assert (report.id, report.to, report.reference) == (MESSAGE, "254712345678", "order-12345")
    assert (report.parts, report.sender, report.text) == (1, "RoyceLTD", "Hello from RoyceBulkSMS API")
    assert report.extra == {"carrier_message_id": "8290842"}
    assert report.cost is None
    assert (entry.status, entry.detail) == (Status.DELIVERED, "Success")
    assert entry.at_raw == "2025-11-28T13:49:20.789012+00:00"
    assert entry.at is not None
    assert entry.at.utcoffset() is not None


@pytest.mark.parametrize(
    ("word", "field"), [("delivered", "delivered_at"), ("sent", "sent_at"), ("pending", "created_at")]
)
def test_time_belongs_to_the_word(word: str, field: str) -> None:
    assert status_with(status=word).entries[0].at_raw == payload("status")["data"][field]


@pytest.mark.parametrize("word", ["failed", "rejected"])
def test_nothing_says_when_it_failed(word: str) -> None:
    (entry,) = status_with(status=word).entries
    assert (entry.at_raw, entry.at) == ("", None)


def test_plain_list() -> None:
    page = ROYCE.split(listed(*members(4)), payload("list_plain"))
    reports = [ROYCE.report("list", item) for item in page.items]
    assert [report.entries[0].status for report in reports] == [Status.DELIVERED, Status.REJECTED]
    assert (page.more, page.complete) == (None, True)


def test_bare_list_without_the_envelope() -> None:
    page = ROYCE.split(listed(*members(4)), payload("list_plain")["data"])
    assert len(page.items) == 2


def test_list_shorter_than_its_own_count_is_not_complete() -> None:
    data = {**payload("list_paged")["data"], "next": None}
    page = ROYCE.split(listed(*members(4)), {"success": True, "data": data})
    assert (page.more, page.complete) == (None, False)


def test_paging_that_goes_in_circles_ends() -> None:
    again = {"success": True, "data": {"results": [], "next": "?page=2"}}
    second = ROYCE.split(listed(*members(4)), again).more
    assert second is not None
    assert ROYCE.split(second, again) == ROYCE.split(second, again)
    assert ROYCE.split(second, again).more is None
    assert ROYCE.split(second, again).complete is False


@pytest.mark.parametrize("url", ["?cursor=abc", "?page=-1", "?page=１", "?page=99999999999", "//[", 7])
def test_next_page_that_cannot_be_followed_leaves_the_list_incomplete(url: Any) -> None:
    page = ROYCE.split(listed(*members(4)), {"success": True, "data": {"results": [], "next": url}})
    assert (page.more, page.complete) == (None, False)


# --------------------------------------------------------------------------------------------- sending


def test_send() -> None:
    outgoing = Outgoing(to="254712345678", text="Hi", sender="ROYCE", reference="a1", callback_url="https://us/hook")
    request = ROYCE.send_request(outgoing)
    assert (request.method, request.path) == ("POST", "/api/v1/sms-api/send/")
    assert request.json == {
        "phone_number": "+254712345678",
        "text_message": "Hi",
        "sender_id": "ROYCE",
        "callback_url": "https://us/hook",
        "client_ref": "a1",
    }


@pytest.mark.parametrize(
    "outgoing", [Outgoing(to="", text="Hi"), Outgoing(to="2547", text=""), Outgoing(to="x", text="y")]
)
def test_send_is_refused_here_before_the_wire(outgoing: Outgoing) -> None:
    with pytest.raises(ProviderError) as caught:
        ROYCE.send_request(outgoing)
    assert (caught.value.code, caught.value.written) == ("invalid", False)


def test_send_reply() -> None:
    sent = ROYCE.send_reply(payload("send"), payload("send_request"))
    (item,) = sent.items
    report = ROYCE.report("send", json.loads(json.dumps(item, default=str)))
    assert (report.id, report.to, report.reference) == (MESSAGE, "254712345678", "order-12345")
    assert (report.cost, report.currency, report.parts) == (Decimal("0.5"), "", 1)
    assert [(entry.word, entry.status) for entry in report.entries] == [("accepted", Status.QUEUED)]
    assert (sent.balance, sent.to_list, sent.cost) == (Decimal("999.5"), False, None)
    assert "callback_url" not in item, "our own token is no fact about the message"


def test_send_reply_alone_still_names_the_message() -> None:
    (item,) = ROYCE.send_reply(payload("send")).items
    assert (ROYCE.report("send", item).id, ROYCE.report("send", item).to) == (MESSAGE, "")


def test_send_reply_without_an_id_cannot_be_read() -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        read(ROYCE.send_reply, {"success": True, "data": {"cost": 1}})


def test_bulk_reply_alone_is_only_a_batch_to_list() -> None:
    sent = ROYCE.send_reply(payload("send_bulk"))
    assert (sent.items, sent.to_list, sent.batch_id) == ((), True, BATCH)
    assert (sent.cost, sent.balance) == (Decimal("2.0"), Decimal("997.5"))


# --------------------------------------------------------------------------------------------- the nastiest cases


@pytest.mark.parametrize("call", ["status", "list", "summary", "send", "probe"])
def test_nasty_01_http_403_is_the_account_and_not_the_message(call: str) -> None:
    found = error(call, reply("error_403", 403))
    assert (found.code, found.retryable) == ("credentials", False)
    assert "Invalid API key" in found.message


@pytest.mark.parametrize("call", ["status", "list", "summary", "send"])
def test_nasty_02_success_false_on_http_200(call: str) -> None:
    found = error(call, reply("error_200"))
    assert (found.code, found.status) == ("refused", 200)
    assert "Request failed; Insufficient SMS units; Top up" in found.message
    with pytest.raises(ProviderError) as caught:
        ROYCE.send_reply(payload("error_200"))
    assert caught.value.code == "refused"


@pytest.mark.parametrize("body", [{"error": "Bad sender"}, {"error": {"message": "Bad sender"}}])
def test_nasty_02_error_as_text_or_object(body: Any) -> None:
    found = error("send", Reply(status=200, body=json.dumps(body).encode()))
    assert (found.code, found.message) == ("refused", "RoyceTalk refused: Bad sender")


def test_nasty_03_bulk_that_skips_a_number_makes_one_item_for_each_number_asked() -> None:
    sent = ROYCE.send_reply(payload("send_bulk"), payload("send_bulk_request"))
    reports = [ROYCE.report("send", item) for item in sent.items]
    assert sent.to_list is True
    assert [report.to for report in reports] == [
        "254712345678", "254712345679", "254712345680", "254712345681", "12",
    ]  # fmt: skip
    assert {(report.id, report.batch_id, report.text) for report in reports} == {(None, BATCH, "Hello")}
    assert all(report.cost is None for report in reports), "the price of the order is booked once"


def test_nasty_04_number_with_and_without_plus_is_the_same() -> None:
    page = ROYCE.split(listed(*members(4)), payload("list_plain"))
    assert [ROYCE.report("list", item).to for item in page.items] == ["254712345678", "254712345679"]


def test_nasty_05_webhook_rejected_nested() -> None:
    (item,) = ROYCE.webhook_items(payload("webhook_nested"))
    report = ROYCE.report("webhook", item)
    assert (report.id, report.entries[0].status) == (MESSAGE, Status.REJECTED)


def test_nasty_05_webhook_capitalised_and_flat() -> None:
    report = ROYCE.report("webhook", payload("webhook_flat"))
    assert (report.id, report.reference) == (MESSAGE, "order-12345")
    assert (report.entries[0].word, report.entries[0].status) == ("Delivered", Status.DELIVERED)


def test_nasty_05_webhook_as_a_form() -> None:
    form = form_or_json(f"message_id={MESSAGE}&status=failed".encode(), "application/x-www-form-urlencoded")
    report = ROYCE.report("webhook", form)
    assert (report.id, report.entries[0].status) == (MESSAGE, Status.FAILED)


@pytest.mark.parametrize(
    "body", [{"data": {"status": "sent"}, "id": MESSAGE}, {"data": {"id": MESSAGE}, "status": "sent"}]
)
def test_nasty_05_webhook_with_its_two_facts_in_two_places(body: Any) -> None:
    report = ROYCE.report("webhook", body)
    assert (report.id, report.entries[0].status) == (MESSAGE, Status.SENT)


def test_nasty_07_delivered_at_while_still_sent_says_nothing_about_the_status() -> None:
    (entry,) = status_with(status="sent").entries
    assert (entry.status, entry.at_raw) == (Status.SENT, "2025-11-28T13:49:15.123456+00:00")


def test_nasty_07_delivered_before_it_was_sent_is_kept_as_said() -> None:
    (entry,) = status_with(delivered_at="2025-11-28T13:00:00+00:00").entries
    assert (entry.status, entry.at_raw) == (Status.DELIVERED, "2025-11-28T13:00:00+00:00")


@pytest.mark.parametrize("metadata", [None, {}, [], "text"])
def test_nasty_08_metadata_that_is_none(metadata: Any) -> None:
    assert status_with(metadata=metadata).reference == ""


def test_nasty_08_metadata_missing() -> None:
    whole = payload("status")
    del whole["data"]["metadata"]
    assert ROYCE.report("status", whole).reference == ""


@pytest.mark.parametrize(("given", "kept"), [(8290842, {"carrier_message_id": "8290842"}), (None, {})])
def test_nasty_08_carrier_id_as_a_number_or_null(given: Any, kept: dict[str, str]) -> None:
    assert status_with(provider_message_id=given).extra == kept


def test_nasty_09_http_429_waits_as_told_or_two_seconds() -> None:
    assert error("status", reply(status=429)).retry_after == 2
    assert error("status", reply(status=429, retry_after="30")).retry_after == 30
    assert error("status", reply(status=429, retry_after="garbage")).retry_after == 2
    date = error("status", reply(status=429, retry_after="Fri, 01 Jan 2038 00:00:00 GMT")).retry_after
    assert date == 86_400, "an HTTP date, never more than a day"
    assert error("status", reply(status=429)).code == "throttled"


def test_nasty_10_status_404_is_not_found_and_no_lost_call() -> None:
    found = error("status", reply("error_404", 404))
    assert (found.code, found.retryable) == ("not_found", False)
    assert "Message not found" in found.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nasty_11_redirect_is_refused_and_every_path_has_its_slash(status: int) -> None:
    assert error("send", reply(status=status, location="/elsewhere/")).code == "refused"
    batch = [ROYCE.listing_ask(BATCH), ROYCE.summary_ask(BATCH), ROYCE.probe_ask(), *ROYCE.asks(members(1))]
    assert all(ask is not None and ask.request.path.endswith("/") for ask in batch)
    assert ROYCE.send_request(Outgoing(to="254712345678", text="Hi")).path.endswith("/")


def test_nasty_12_next_page_on_another_host_gives_only_its_number() -> None:
    targets = members(4)
    page = ROYCE.split(listed(*targets), payload("list_paged"))
    assert page.more is not None
    assert page.complete is False
    assert page.more.request.path == "/api/v1/sms-api/messages/"
    assert page.more.request.params == (("batch_id", BATCH), ("page", "2"))
    assert (page.more.call, page.more.targets) == ("list", tuple(targets))


def test_nasty_12_offset_instead_of_page() -> None:
    body = {"data": {"results": [], "next": "http://169.254.169.254/?limit=50&offset=50#x"}}
    more = ROYCE.split(listed(*members(4)), body).more
    assert more is not None
    assert more.request.params == (("batch_id", BATCH), ("offset", "50"))


# --------------------------------------------------------------------------------------------- calls a server lacks


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
@pytest.mark.parametrize("call", ["list", "summary"])
def test_call_unknown_to_the_server_is_unsupported(call: str, status: int) -> None:
    assert error(call, reply(status=status)).code == "unsupported"
    assert error(call, reply("error_404", status)).code == "unsupported"


@pytest.mark.parametrize("call", ["list", "summary"])
def test_web_page_instead_of_a_list_is_a_missing_call(call: str) -> None:
    assert error(call, reply()).code == "unsupported"
    assert error(call, Reply(status=200, body=b'{"success": tr')).code == "unparseable"
    assert error("status", reply()).code == "unparseable"


def test_seed_call_is_never_remembered_as_missing() -> None:
    assert error("status", reply(status=405)).code == "unreachable"
    assert error("status", reply(status=501)).retryable is True


def test_refused_send_is_no_missing_call() -> None:
    assert error("send", reply(status=400)).code == "refused"


# Elsewhere: 03 (the fifth number becomes "skipped by the provider" after two listings), 06 (delivered stands against a
# later sent or 404) and the orphan of 05 belong to the fold and to ingest; 10 (404, then 200) to the schedule; 11 (no
# redirect is followed) to providers.http.
