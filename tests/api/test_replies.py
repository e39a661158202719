"""`POST /api/v1/sends` with the provider's own reply, for all five: everything once, however often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from dashboard.ingest.register import Send, register
from dashboard.ingest.replies import register_reply
from dashboard.models import Account, Batch, Event, Evidence, Message
from dashboard.models.messages import Source
from providers import PROVIDERS
from providers.strict_json import strict_json
from tests.api.conftest import SENDS, Program, error_of, item, total

PAYLOADS = Path(__file__).parent.parent / "providers" / "payloads"
BSG_REQUEST = {
    "destination": "individual",
    "phones": [
        {"msisdn": "380972000021", "reference": "ext_id_21", "body": "one"},
        {"msisdn": "380972000022", "reference": "ext_id_22", "body": "two"},
        {"msisdn": "380972000023", "reference": "ext_id_23", "body": "three"},
    ],
    "originator": "Shop",
}


def payload(provider: str, name: str) -> Any:
    return strict_json((PAYLOADS / provider / f"{name}.json").read_bytes())


@pytest.fixture
def accounts(db: None) -> dict[str, Account]:
    return {key: Account.make(slug=key, provider_key=key, currency="KES") for key in PROVIDERS}


@pytest.fixture
def caller(accounts: dict[str, Account]) -> Program:
    return Program("read", "write")


def told(caller: Program, provider: str, response: Any, request: Any = None) -> dict[str, Any]:
    body = {"account": provider, "response": response}
    found = caller.post(SENDS, body if request is None else {**body, "request": request})
    assert found.status_code == 200, found.content
    answer: dict[str, Any] = found.json()
    return answer


def ids(answer: dict[str, Any]) -> list[str | None]:
    return [entry["provider_message_id"] for entry in answer["messages"]]


def statuses(answer: dict[str, Any]) -> list[str]:
    return [entry["status"] for entry in answer["messages"]]


CASES: Sequence[tuple[str, str, Any, list[str | None], list[str]]] = [
    ("bridgexapi", "send", None, ["BX-22559-7c840d813121b159"], ["queued"]),
    (
        "bridgexapi",
        "send_three",
        None,
        ["BX-22560-1111111111111111", None, "BX-22560-3333333333333333"],
        ["queued", "queued", "queued"],
    ),
    ("bsg", "send_flat", {"msisdn": "380972000001", "reference": "12erdgm9"}, ["22125"], ["queued"]),
    ("bsg", "send_nested", {"msisdn": "380972000001"}, ["213"], ["queued"]),
    ("bsg", "send_bulk_one_refused", BSG_REQUEST, ["216", None, "218"], ["queued", "rejected", "queued"]),
    ("roycetalk", "send", "send_request", ["f2672215-c20b-452a-9b6b-1ba51884c55e"], ["queued"]),
    ("smsbat", "send_three", None, ["m-3", None, "m-1"], ["queued", "rejected", "queued"]),
    ("esms_africa", "send", "send_request", ["msg-a1b2c3d4-e5f6-7890-abcd-ef1234567890"], ["submitted"]),
    ("esms_africa", "send_bulk", "send_bulk_request", [None, None], ["queued", "queued"]),
]


@pytest.mark.parametrize(("provider", "name", "request_", "expected", "states"), CASES)
def test_a_reply_registers_its_messages_and_again_nothing_new(
    caller: Program, provider: str, name: str, request_: Any, expected: list[str | None], states: list[str]
) -> None:
    request = payload(provider, request_) if isinstance(request_, str) else request_
    answer = told(caller, provider, payload(provider, name), request)
    assert (answer["accepted"], answer["duplicates"], answer["errors"]) == (len(expected), 0, [])
    assert (ids(answer), statuses(answer)) == (expected, states)
    rows = Evidence.objects.filter(call="send", is_item=True)
    assert rows.filter(message__isnull=False).count() == len(expected)
    assert rows.values("exchange_id").distinct().count() == 1
    events, batches = Event.objects.count(), list(Batch.objects.values("cost", "currency", "next_listing_at"))

    again = told(caller, provider, payload(provider, name), request)
    assert (again["accepted"], again["duplicates"], again["errors"]) == (0, len(expected), [])
    assert again["messages"] == answer["messages"]
    assert (Event.objects.count(), Evidence.objects.count()) == (events, len(expected))
    assert list(Batch.objects.values("cost", "currency", "next_listing_at")) == batches


def test_one_evidence_row_speaks_of_one_message_only(caller: Program) -> None:
    told(caller, "smsbat", payload("smsbat", "send_three"))
    for row in Evidence.objects.select_related("message__recipient"):
        assert row.message is not None
        body = bytes(row.body or b"").decode()
        others = {"380501112233", "380501112244"} - {row.message.recipient.digits}
        assert row.message.recipient.digits in body
        assert not any(number in body for number in others)


def test_the_price_of_a_whole_order_is_booked_once_on_its_batch(caller: Program) -> None:
    told(caller, "bridgexapi", payload("bridgexapi", "send_three"))
    batch = Batch.objects.get()
    assert (batch.name, batch.provider_batch_id) == ("22560", "22560")
    assert (batch.cost, batch.currency) == (Decimal("0.264"), "EUR")
    assert list(Message.objects.values_list("cost", flat=True).distinct()) == [None]
    Batch.objects.update(cost=Decimal("0.5"))
    told(caller, "bridgexapi", payload("bridgexapi", "send_three"))
    assert Batch.objects.get().cost == Decimal("0.5")


def test_a_price_without_currency_is_in_the_accounts(caller: Program) -> None:
    told(caller, "roycetalk", payload("roycetalk", "send_bulk"), payload("roycetalk", "send_bulk_request"))
    assert (Batch.objects.get().cost, Batch.objects.get().currency) == (Decimal("2.0"), "KES")


def test_messages_keep_their_own_prices(caller: Program) -> None:
    told(caller, "bsg", payload("bsg", "send_bulk_one_refused"), BSG_REQUEST)
    prices = Message.objects.order_by("pk").values_list("cost", "currency", "text", "sender")
    assert list(prices) == [
        (Decimal("0.23"), "EUR", "one", "Shop"),
        (None, "", "two", "Shop"),
        (Decimal("0.23"), "EUR", "three", "Shop"),
    ]
    assert Batch.objects.get().cost is None


# ------------------------------------------------------------------------------ numbers


def test_a_bulk_reply_with_its_request_makes_one_message_per_number(caller: Program) -> None:
    answer = told(caller, "roycetalk", payload("roycetalk", "send_bulk"), payload("roycetalk", "send_bulk_request"))
    assert (answer["accepted"], ids(answer)) == (4, [None] * 4)
    assert [(f["index"], f["field"], f["code"]) for f in answer["errors"]] == [(4, "to", "not_a_number")]
    assert total(answer) == 5
    batch = Batch.objects.get()
    assert batch.next_listing_at is not None
    assert batch.messages.count() == 4
    assert set(batch.messages.values_list("text", "sender", "provider_batch_id")) == {
        ("Hello", "RoyceLTD", "0c8f3c4e-53f1-4b0e-8d3c-6f6a1f0f7a11")
    }


def test_a_bulk_reply_without_its_request_is_listed_by_the_worker(caller: Program) -> None:
    answer = told(caller, "esms_africa", payload("esms_africa", "send_bulk"))
    assert answer == {"accepted": 0, "duplicates": 0, "errors": [], "messages": []}
    batch = Batch.objects.get()
    assert batch.provider_batch_id == "b-77"
    assert batch.next_listing_at is not None
    assert Evidence.objects.get().message is None
    told(caller, "esms_africa", payload("esms_africa", "send_bulk"))
    assert Evidence.objects.count() == 1
    now_with = told(
        caller, "esms_africa", payload("esms_africa", "send_bulk"), payload("esms_africa", "send_bulk_request")
    )
    assert now_with["accepted"] == 2


def test_messages_that_a_listing_has_made_are_the_same_ones(caller: Program, accounts: dict[str, Account]) -> None:
    listed = [
        Send(to="256712345678", provider_message_id="one", provider_batch_id="b-77"),
        Send(to="256712345679", provider_message_id="two", provider_batch_id="b-77"),
    ]
    register(accounts["esms_africa"], listed, Source.POLL)
    answer = told(
        caller, "esms_africa", payload("esms_africa", "send_bulk"), payload("esms_africa", "send_bulk_request")
    )
    assert (answer["accepted"], answer["duplicates"], ids(answer)) == (0, 2, ["one", "two"])


def test_one_number_twice_in_an_order_is_two_messages(caller: Program) -> None:
    told(caller, "bridgexapi", payload("bridgexapi", "send_three"))
    assert Message.objects.filter(recipient__digits="31612345678").count() == 2
    nameless = Message.objects.get(match_id=None)
    assert nameless.item_key


def test_an_item_that_was_refused_needs_no_listing_to_be_final(caller: Program) -> None:
    told(caller, "smsbat", payload("smsbat", "send_three"))
    refused = Message.objects.get(match_id=None)
    assert (refused.status, refused.reference, refused.recipient.digits) == ("rejected", "two", "380501112244")


def test_an_item_without_a_usable_number_is_an_error(caller: Program) -> None:
    answer = told(caller, "bsg", payload("bsg", "send_bulk"))
    assert [(f["index"], f["field"], f["code"]) for f in answer["errors"]] == [
        (0, "to", "missing"),
        (1, "to", "missing"),
    ]
    assert (answer["accepted"], answer["messages"]) == (0, [])
    assert told(caller, "smsbat", payload("smsbat", "send"))["errors"][0]["code"] == "missing"


def test_the_only_number_of_the_request_is_the_items(caller: Program) -> None:
    answer = told(caller, "bsg", payload("bsg", "send_nested"), {"destination": "phone", "msisdn": "380972000001"})
    assert answer["accepted"] == 1
    assert Message.objects.get().recipient.digits == "380972000001"


def test_a_send_known_by_its_id_is_completed_by_the_reply(caller: Program) -> None:
    caller.send(item(provider_message_id="213", to="+380972000001"))
    answer = told(caller, "bsg", payload("bsg", "send_nested"), {"msisdn": "380972000001", "body": "Hi"})
    assert (answer["accepted"], answer["duplicates"]) == (0, 1)
    message = Message.objects.get()
    assert (message.reference, message.cost, message.text) == ("ext_id_16", Decimal("0.23"), "Hi")


def test_thousands_of_numbers_in_one_bulk_reply(accounts: dict[str, Account]) -> None:
    request = {"phone_number": [f"+2547{n:08d}" for n in range(1_200)], "text_message": "Hello"}
    found = register_reply(accounts["roycetalk"], payload("roycetalk", "send_bulk"), request, Source.API)
    assert sum(result.new for _, result in found.results) == 1_200
    assert Message.objects.count() == 1_200


# ------------------------------------------------------------------------------ refused as a whole


@pytest.mark.parametrize(
    ("provider", "response", "code"),
    [
        ("bsg", {"error": "25", "errorDescription": "Invalid originator"}, "provider_refused"),
        ("roycetalk", {"success": False, "errors": ["no units"]}, "provider_refused"),
        ("smsbat", {"error": {"code": "INVALID_SENDER", "message": "no"}}, "provider_refused"),
        ("bridgexapi", {"detail": "insufficient balance"}, "provider_refused"),
        ("esms_africa", {"detail": {"code": "no_route", "message": "no"}}, "provider_refused"),
        ("bsg", {}, "unreadable_response"),
        ("smsbat", {"messages": "x"}, "unreadable_response"),
        ("roycetalk", {"data": None}, "unreadable_response"),
    ],
)
def test_a_whole_send_refused_is_422_and_kept_once(caller: Program, provider: str, response: Any, code: str) -> None:
    for _ in range(2):
        error = error_of(caller.post(SENDS, {"account": provider, "response": response}), 422)
        assert (error["code"], error["field"]) == (code, "response")
    kept = Evidence.objects.get()
    assert (kept.message, kept.call) == (None, "send")
    assert kept.problem
    assert not Message.objects.exists()


def test_facts_that_no_column_can_hold_are_left_out(caller: Program) -> None:
    response = payload("esms_africa", "send")
    strange = {"segments": 100_000, "cost_currency": "X" * 50, "created_at": "9999-12-31T23:59:59Z", "route": "r" * 500}
    answer = told(caller, "esms_africa", {**response, **strange}, payload("esms_africa", "send_request"))
    assert answer["accepted"] == 1
    message = Message.objects.get()
    assert (message.parts, message.currency, len(message.route)) == (None, "X" * 8, 100)
    assert message.sent_at.year < 3000


def test_an_order_that_names_no_number_takes_the_only_one_of_its_request(caller: Program) -> None:
    response = {"order_id": 1, "messages": [{"bx_message_id": "BX-1-a", "status": "QUEUED"}]}
    answer = told(caller, "bridgexapi", response, {"numbers": ["31612345678"], "message": "Hi"})
    assert answer["accepted"] == 1, answer


def test_any_payload_is_answered(caller: Program) -> None:
    strange: list[Any] = [{"a": 1}, {"messages": [1]}, {"result": [None]}, {"data": {"message_id": []}}, {"id": {}}]
    for provider in PROVIDERS:
        for response in strange:
            for request in (None, 5, "x", [], {"phones": 3}):
                found = caller.post(SENDS, {"account": provider, "response": response, "request": request})
                assert found.status_code in (200, 422), (provider, response, request, found.content)


def test_our_own_secrets_are_masked_in_what_is_kept(caller: Program, accounts: dict[str, Account]) -> None:
    token = accounts["roycetalk"].webhook_url.rstrip("/").rsplit("/", 1)[-1]
    response = payload("roycetalk", "send")
    response["data"]["message_id"] = f"id-{token}"
    told(caller, "roycetalk", response, payload("roycetalk", "send_request"))
    kept = Evidence.objects.get()
    assert token.encode() not in bytes(kept.body or b"")
    assert kept.masked


def test_a_new_number_in_a_listed_batch_is_listed_again(caller: Program) -> None:
    told(caller, "esms_africa", payload("esms_africa", "send_bulk"), payload("esms_africa", "send_bulk_request"))
    Batch.objects.update(listed_at=timezone.now(), next_listing_at=None)
    told(caller, "esms_africa", payload("esms_africa", "send_bulk"), payload("esms_africa", "send_bulk_request"))
    assert Batch.objects.get().next_listing_at is None
    more = payload("esms_africa", "send_bulk_request")
    more["recipients"].append({"to": "+256712345680"})
    told(caller, "esms_africa", payload("esms_africa", "send_bulk"), more)
    assert Batch.objects.get().next_listing_at is not None
    assert Batch.objects.get().listed_at is None
