"""BSG: the body decides in every HTTP status, and an answer about something else is never taken for ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.base import Outgoing, ProviderError, Reply, Report, Status, Target, read
from providers.bsg import Bsg
from providers.strict_json import strict_json

PAYLOADS = Path(__file__).parent / "payloads" / "bsg"
SEEDS_ONLY = frozenset({"bulk", "reference", "task"})
provider = Bsg()


def body(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def payload(name: str) -> Any:
    return strict_json(body(name))


def said(**changes: Any) -> Report:
    return read(provider.report, "status", payload("status.json") | changes)


def error_of(call: str, status: int, content: bytes) -> ProviderError:
    error = provider.error(call, Reply(status=status, body=content))
    assert error is not None
    return error


def text_to(to: str = "380972000001", **changes: Any) -> Outgoing:
    return replace(Outgoing(to=to, text="Hello", sender="alpha", reference="m0123456789abcdef"), **changes)


# -- words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("", Status.QUEUED),
        (None, Status.QUEUED),
        ("new", Status.QUEUED),
        ("waiting", Status.QUEUED),
        ("scheduled", Status.QUEUED),
        ("moderation", Status.QUEUED),
        ("accepted", Status.QUEUED),
        ("sending", Status.SUBMITTED),
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.DELIVERED),
        ("deliver", Status.DELIVERED),
        ("expired", Status.EXPIRED),
        ("failed", Status.FAILED),
        ("rejected", Status.REJECTED),
        ("deleted", Status.CANCELLED),
        ("unknown", Status.UNKNOWN),
        (" DELIVERED ", Status.DELIVERED),
        ("Undelivered", Status.UNDELIVERABLE),
    ],
)
def test_word(word: str | None, status: Status) -> None:
    (entry,) = said(status=word).entries
    assert (entry.status, entry.word) == (status, (word or "").strip())


@pytest.mark.parametrize("word", ["not_viber_user", "not_service_user", "paused", "spam"])
def test_a_word_of_no_list_is_a_note(word: str) -> None:
    (entry,) = said(status=word).entries
    assert (entry.status, entry.word, entry.at_raw) == (None, word, "")


@pytest.mark.parametrize(
    ("word", "at"),
    [("waiting", "in"), ("sending", ""), ("sent", "sent"), ("delivered", "dr"), ("deleted", "dr"), ("unknown", "dr")],
)
def test_each_status_has_the_time_it_came_about_at(word: str, at: str) -> None:
    (entry,) = said(status=word, time_in="in", time_sent="sent", time_dr="dr").entries
    assert entry.at_raw == at


def test_everything_a_report_says() -> None:
    report = said()
    assert (report.id, report.to, report.reference) == ("211", "380972000001", "ext_id_19")
    assert (report.cost, report.currency) == (Decimal("0.23"), "EUR")
    assert report.entries[0].at == datetime(2017, 1, 17, 9, 11, 41)


# -- the nasty cases


def test_nasty_01_the_code_decides_whatever_its_type_and_the_http_status() -> None:
    assert error_of("status", 200, b'{"error": "20", "errorDescription": "SMS not found"}').code == "not_found"
    assert error_of("status", 404, body("error_20.json")).code == "not_found"
    assert error_of("status", 500, body("error_25.json")).code == "refused"
    success = body("status.json").replace(b'"error":0', b'"error":"0"')
    assert provider.error("status", Reply(status=200, body=success)) is None


def test_nasty_02_a_task_is_read_with_and_without_an_error_key() -> None:
    assert provider.error("task", Reply(status=200, body=body("task.json"))) is None
    summary = provider.summary_of(payload("task.json"))
    assert summary == {
        "sent": 1,
        "delivered": 1,
        "expired": 0,
        "undeliverable": 0,
        "unknown": 0,
        "pending": 0,
    }
    newer = provider.summary_of(payload("task_v1.json"))
    assert (newer["total"], newer["sent"], newer["pending"]) == (10, 8, 4)


def test_nasty_03_a_refused_item_of_a_bulk_send_has_no_id_and_its_own_reason() -> None:
    asked = {"destination": "phones", "originator": "alpha", "body": "Hi", "phones": [
        {"msisdn": f"38097200000{n}", "reference": f"ext_id_2{n}"} for n in (3, 2, 1)
    ]}  # fmt: skip
    reply = provider.send_reply(payload("send_bulk_one_refused.json"), asked)
    reports = [provider.report("send", item) for item in reply.items]
    assert [report.id for report in reports] == ["216", None, "218"]
    assert [report.to for report in reports] == ["380972000001", "380972000002", "380972000003"]
    assert [report.entries[0].status for report in reports] == [Status.QUEUED, Status.REJECTED, Status.QUEUED]
    assert reports[1].entries[0].detail == "Phone already in the list (error 31)"
    assert {(report.batch_id, report.text, report.sender) for report in reports} == {("7", "Hi", "alpha")}


def test_nasty_04_a_send_reply_is_nested_or_flat() -> None:
    for name, message_id, cost in (("send_nested.json", "213", "0.23"), ("send_flat.json", "22125", "0.02")):
        assert provider.error("send", Reply(status=200, body=body(name))) is None
        (item,) = provider.send_reply(payload(name)).items
        report = provider.report("send", item)
        assert (report.id, report.cost, report.currency) == (message_id, Decimal(cost), "EUR")
        assert (report.entries[0].word, report.entries[0].status) == ("accepted", Status.QUEUED)


@pytest.mark.parametrize(
    "content", [b'{"error": 26}', b'{"result": {"error": "26"}}', b'{"error": 0, "result": {"error": 26}}']
)
def test_nasty_04_a_whole_error_is_at_the_top_or_inside_result(content: bytes) -> None:
    error = error_of("send", 200, content)
    assert (error.code, error.provider_code) == ("refused", "26")
    with pytest.raises(ProviderError) as caught:
        provider.send_reply(strict_json(content))
    assert (caught.value.code, caught.value.provider_code) == ("refused", "26")


def test_nasty_05_ids_are_texts_and_keep_their_zeros() -> None:
    assert [said(id=given).id for given in ("211", 211, "0211")] == ["211", "211", "0211"]
    asks = provider.asks([Target(id="211"), Target(id="0211"), Target(id="212")])
    assert asks[0].request.json == {"ids": [211, 212]}
    assert [ask.request.path for ask in asks] == ["/rest/sms/getStatus", "/rest/sms/0211"]


@pytest.mark.parametrize("time", [None, "", "0000-00-00 00:00:00"])
def test_nasty_06_a_missing_time_is_none(time: str | None) -> None:
    (entry,) = said(time_dr=time).entries
    assert (entry.at_raw, entry.at, entry.status) == ("", None, Status.DELIVERED)


def test_nasty_06_a_time_without_a_zone_stays_without_one() -> None:
    (entry,) = said(time_dr="2026-03-29 02:30:00").entries
    assert entry.at == datetime(2026, 3, 29, 2, 30)
    assert entry.at is not None
    assert entry.at.tzinfo is None


def test_nasty_07_three_lists_of_words_meet_in_one_bucket() -> None:
    negative = {
        said(status=word).entries[0].status for word in ("undeliverable", "failed", "undelivered", "not_deliver")
    }
    assert negative == {Status.UNDELIVERABLE, Status.FAILED}
    assert said(status="").entries[0].status is Status.QUEUED


@pytest.mark.parametrize("name", ["task.json", "task_v1.json"])
def test_nasty_08_a_task_is_not_taken_for_a_message(name: str) -> None:
    with pytest.raises(ProviderError, match="about a task") as caught:
        read(provider.report, "status", payload(name), Target(id="211"))
    assert caught.value.code == "unparseable"


def test_nasty_08_a_message_is_not_taken_for_a_task() -> None:
    with pytest.raises(ProviderError, match="about a message") as caught:
        read(provider.summary_of, payload("status.json"))
    assert caught.value.code == "unparseable"


def test_nasty_08_a_reference_reply_must_be_about_that_reference() -> None:
    asked = Target(id=None, reference="ext_id_19")
    assert read(provider.report, "reference_seed", payload("status.json"), asked).id == "211"
    with pytest.raises(ProviderError, match="another reference") as caught:
        read(provider.report, "reference_seed", payload("status.json"), Target(id=None, reference="211"))
    assert caught.value.code == "unparseable"


def test_nasty_09_another_id_than_asked_is_handed_on_as_said() -> None:
    report = read(provider.report, "status", payload("status.json") | {"id": "380972000001"}, Target(id="211"))
    assert report.id == "380972000001"


def test_nasty_10_pending_never_falls_below_zero() -> None:
    task = payload("task.json") | {"sent": 1, "delivered": 2, "expired": 1}
    assert provider.summary_of(task)["pending"] == 0
    assert provider.summary_of(payload("task.json") | {"sent": "9"})["pending"] == 8


@pytest.mark.parametrize(("price", "cost"), [("1.1000000", "1.1"), (Decimal("0.23"), "0.23"), (0, "0")])
def test_nasty_11_a_price_is_a_number_or_a_text(price: Any, cost: str) -> None:
    assert said(price=price).cost == Decimal(cost)
    assert said(price=None).cost is None
    assert read(provider.report, "webhook", payload("webhook.json")).cost == Decimal("1.1")


def test_nasty_11_a_task_price_is_booked_only_where_no_message_has_one() -> None:
    assert provider.send_reply(payload("send_bulk.json")).cost is None
    reply = payload("send_bulk.json")
    for item in reply["result"]:
        del item["price"]
    whole = provider.send_reply(reply)
    assert (whole.cost, whole.currency, whole.batch_id) == (Decimal("0.46"), "EUR", "6")


def test_nasty_12_a_used_reference_is_no_failure() -> None:
    error = error_of("send", 200, b'{"error": 23, "errorDescription": "SMS with this ID is already present"}')
    assert (error.code, error.retryable) == ("duplicate", False)
    item = {"error": "23", "errorDescription": "SMS with this ID is already present", "reference": "m1"}
    entry = provider.report("send", item).entries[0]
    assert (entry.status, entry.word, entry.note) == (None, "error 23", "duplicate")


def test_nasty_12_too_many_at_a_time_means_wait() -> None:
    reply = Reply(status=200, body=b'{"error": 11}', headers={"retry-after": "9"})
    for call in ("status", "bulk", "send"):
        error = provider.error(call, reply)
        assert error is not None
        assert (error.code, error.retryable, error.retry_after) == ("throttled", True, 9.0)


# -- asking


def test_many_are_asked_a_hundred_at_a_time() -> None:
    asks = provider.asks([Target(id=str(n)) for n in range(1, 202)])
    assert [ask.call for ask in asks] == ["bulk", "bulk", "status"]
    assert [len(ask.targets) for ask in asks] == [100, 100, 1]
    assert asks[0].request.method == "POST"


def test_one_is_asked_by_the_seeds_call() -> None:
    (ask,) = provider.asks([Target(id="211")])
    assert (ask.call, ask.request.method, ask.request.path) == ("status", "GET", "/rest/sms/211")


def test_without_newer_calls_everything_is_asked_by_the_seeds_url() -> None:
    targets = [Target(id="211"), Target(id="212"), Target(id=None, reference="ext_id_19")]
    asks = provider.asks(targets, SEEDS_ONLY)
    assert [(ask.call, ask.request.path) for ask in asks] == [
        ("status", "/rest/sms/211"),
        ("status", "/rest/sms/212"),
        ("reference_seed", "/rest/sms/ext_id_19"),
    ]
    task = provider.summary_ask("6", SEEDS_ONLY)
    assert task is not None
    assert (task.call, task.request.path) == ("task_seed", "/rest/sms/6")


def test_explicit_paths_come_first() -> None:
    (ask,) = provider.asks([Target(id=None, reference="ext_id_19")])
    assert (ask.call, ask.request.path) == ("reference", "/rest/sms/reference/ext_id_19")
    task = provider.summary_ask("6")
    assert task is not None
    assert (task.call, task.request.path) == ("task", "/rest/sms/task/6")


@pytest.mark.parametrize("reference", ["", "..", "a/b", "x" * 33, "no spaces"])
def test_what_no_reference_can_be_is_not_asked_about(reference: str) -> None:
    assert provider.asks([Target(id=None, reference=reference)]) == []


def test_sending_one_text() -> None:
    request = provider.send_request(text_to(callback_url="https://example.org/hooks/t/"))
    assert (request.method, request.path) == ("POST", "/rest/sms/create")
    assert request.json == {
        "destination": "phone",
        "msisdn": "380972000001",
        "originator": "alpha",
        "body": "Hello",
        "reference": "m0123456789abcdef",
        "callback_url": "https://example.org/hooks/t/",
    }
    assert "callback_url" not in provider.send_request(text_to()).json


@pytest.mark.parametrize(
    "outgoing",
    [
        text_to("+380972000001"),
        text_to("1234567"),
        text_to(text=""),
        text_to(text="x" * 766),
        text_to(sender=""),
        text_to(reference=""),
        text_to(reference="1m"),
        text_to(reference="m" * 33),
        text_to(reference="m/../1"),
    ],
)
def test_what_it_would_refuse_is_refused_here(outgoing: Outgoing) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.send_request(outgoing)
    assert (caught.value.code, caught.value.written) == ("invalid", False)


def test_the_key_goes_into_its_header() -> None:
    assert provider.headers({"api_key": "live_1"}) == {"X-API-KEY": "live_1"}


# -- hearing


def test_a_bulk_reply_is_cut_into_its_messages() -> None:
    (ask,) = provider.asks([Target(id=str(n)) for n in (123, 124, 125)])
    items = provider.split(ask, payload("mass_status.json")).items
    reports = [read(provider.report, "bulk", item) for item in items]
    assert [(report.id, report.reference) for report in reports] == [
        ("123", "unique_ref_123"),
        ("124", "unique_ref_124"),
        ("125", ""),
    ]
    assert [report.entries[0].status for report in reports] == [Status.DELIVERED, Status.SENT, Status.QUEUED]


def test_what_a_bulk_reply_objects_to_is_left_to_be_asked_singly() -> None:
    (ask,) = provider.asks([Target(id="1"), Target(id="2")])
    reply = {"result": [{"id": "1", "error": 20}, {"id": "3", "error": "?"}, {"id": "2", "status": "sent"}]}
    assert [item["id"] for item in provider.split(ask, reply).items] == ["2"]
    assert provider.error("bulk", Reply(status=200, body=body("error_20.json"))) is None
    assert provider.split(ask, payload("error_20.json")).items == ()


@pytest.mark.parametrize(
    ("call", "status", "content", "code"),
    [
        # A server that knows only the seed's URLs answers newer calls in its own way.
        ("bulk", 404, b"<html>", "unsupported"),
        ("bulk", 405, b"", "unsupported"),
        ("bulk", 501, b"{}", "unsupported"),
        ("bulk", 404, b'{"error": 20}', "unsupported"),
        ("bulk", 200, b'{"error": 4}', "unsupported"),
        ("bulk", 422, b'{"message": "The given data was invalid."}', "unsupported"),
        ("bulk", 200, b"<html>", "unsupported"),
        ("bulk", 200, b'{"id": "1", "status": "sent"}', "unsupported"),
        ("reference", 200, b'{"error": "20"}', "unsupported"),
        ("reference", 404, b'{"error": 20}', "unsupported"),
        ("reference", 200, b'{"error": 27}', "unsupported"),
        ("task", 200, b'{"error": 29}', "unsupported"),
        ("task", 200, b'{"error": 30}', "unsupported"),
        ("task", 404, b"<html>", "unsupported"),
        ("probe", 404, b"<html>", "unsupported"),
        ("probe", 200, b'{"error": 4}', "unsupported"),
        ("send", 405, b"", "unsupported"),
        ("send", 404, b'{"error": 25}', "refused"),
        # The seed's own calls have nothing to fall back to.
        ("status", 404, b"<html>", "not_found"),
        ("status", 200, b'{"error": 4}', "unreachable"),
        ("reference_seed", 200, b'{"error": 20}', "not_found"),
        ("task_seed", 200, b'{"error": "30"}', "not_found"),
        # What is wrong with the account is never mistaken for a missing call.
        ("bulk", 200, b'{"error": 1}', "credentials"),
        ("bulk", 401, b"<html>", "credentials"),
        ("task", 429, b"{}", "throttled"),
        ("reference", 503, b"<html>", "unreachable"),
    ],
)
def test_an_error_is_seen_from_its_call(call: str, status: int, content: bytes, code: str) -> None:
    error = error_of(call, status, content)
    assert (error.code, error.status) == (code, status)


def test_a_list_that_broke_off_does_not_end_asking_in_bulk() -> None:
    assert provider.error("bulk", Reply(status=200, body=body("mass_status.json")[:100])) is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "credentials"),
        (2, "credentials"),
        (3, "refused"),
        (5, "unreachable"),
        (8, "balance"),
        (11, "throttled"),
        (12, "refused"),
        (20, "not_found"),
        (21, "refused"),
        (23, "duplicate"),
        (25, "refused"),
        (31, "refused"),
        (36, "refused"),
        (99, "refused"),
    ],
)
def test_a_code_means_the_same_as_number_and_text(number: int, code: str) -> None:
    for content in (f'{{"error": {number}}}', f'{{"error": "{number}", "errorDescription": "They say"}}'):
        error = error_of("reference_seed", 200, content.encode())
        assert (error.code, error.provider_code) == (code, str(number))
    assert "They say" in error.message


@pytest.mark.parametrize(
    ("status", "code"), [(401, "credentials"), (429, "throttled"), (500, "unreachable"), (422, "refused")]
)
def test_an_error_of_the_framework_is_known_by_its_http_status(status: int, code: str) -> None:
    error = error_of("status", status, body("error_framework.json"))
    assert (error.code, error.status) == (code, status)
    assert error_of("status", status, b'{"error": "Unauthorized"}').code == code
    assert error_of("status", status, b'{"error": 99}').code == code


def test_what_the_framework_objects_to_is_named() -> None:
    assert "The ids field is required." in error_of("send", 422, body("error_framework.json")).message


@pytest.mark.parametrize("stated", [b'"x"', b"true", b"[]", b"{}", b"1.5"])
def test_a_code_that_is_no_number_is_unparseable(stated: bytes) -> None:
    assert error_of("status", 200, b'{"error": ' + stated + b"}").code == "unparseable"


@pytest.mark.parametrize("changes", [{"status": 5}, {"status": []}, {"id": {}}, {"price": "much"}])
def test_a_wrong_type_is_unparseable(changes: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        said(**changes)
    assert caught.value.code == "unparseable"


@pytest.mark.parametrize("garbage", [{}, [], None, "x", 5, {"result": {}}, {"result": [None]}, {"error": 0}])
def test_a_send_reply_that_is_none_is_unparseable(garbage: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        read(provider.send_reply, garbage)
    assert caught.value.code == "unparseable"


def test_a_passing_trouble_of_one_item_can_be_sent_again() -> None:
    entries = [provider.report("send", {"error": code, "reference": "m1"}).entries[0] for code in (5, 8, 11, 21)]
    assert [entry.status for entry in entries] == [Status.FAILED, Status.FAILED, Status.FAILED, Status.REJECTED]


def test_a_webhook_is_read_like_a_status_reply() -> None:
    (item,) = provider.webhook_items(payload("webhook.json"))
    report = read(provider.report, "webhook", item)
    assert (report.id, report.entries[0].status) == ("211", Status.DELIVERED)
    with pytest.raises(ProviderError):
        read(provider.report, "webhook", payload("error_20.json"))


def test_the_balance_proves_the_key() -> None:
    assert provider.probe_ask().request.path == "/rest/sms/balance"
    assert provider.error("probe", Reply(status=200, body=body("balance.json"))) is None
    assert provider.probe_says(payload("balance.json")) == "Balance -4.0999333 EUR"


# Not here: nasty 06 (a zone for naive times), 09 (flagging another id than asked), 10 (counters that fall between two
# asks) and 12 (resolving by reference, backing off) belong to the core.
