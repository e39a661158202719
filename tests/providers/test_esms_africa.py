"""eSMS Africa: one id, several tries; two kinds of id; two prices; five shapes of an error."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dashboard.domain.lifecycle import Said, fold
from providers.base import Ask, Outgoing, ProviderError, Reply, Report, Status, Target, read
from providers.esms_africa import EsmsAfrica
from providers.strict_json import strict_json

ESMS = EsmsAfrica()
PAYLOADS = Path(__file__).parent / "payloads" / "esms_africa"
UUID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
ONLY_SEED = frozenset({"bulk", "batch", "summary"})


def body(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def payload(name: str) -> Any:
    return strict_json(body(name))


def error(call: str, name: str, status: int, **headers: str) -> ProviderError:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    found = ESMS.error(call, Reply(status=status, body=body(name) if name else b"<html>", headers=named))
    assert found is not None
    return found


def status_reply(status: str, timeline: list[Any] | None = None, **more: Any) -> Report:
    item = {"id": f"msg-{UUID}", "status": status, **({} if timeline is None else {"timeline": timeline}), **more}
    return read(ESMS.report, "status", item)


def lines(*words: str) -> list[dict[str, str]]:
    """A timeline of these words; `failed:EXPIRED` has a detail."""
    told = [word.partition(":") for word in words]
    return [
        {"event": word, "status": word, "detail": f"DLR: {detail}" if detail else "", "at": f"2026-05-02T12:00:{n:02}Z"}
        for n, (word, _, detail) in enumerate(told)
    ]


def numbered(report: Report, own_retries: int = 0) -> list[tuple[str, int]]:
    """(word, attempt) as the dashboard works it out, which knows how many fresh-id retries were ours."""
    return [(e.word, max(e.attempt, (e.counter or 0) - own_retries)) for e in report.entries]


def state(*reports: Report, own_retries: int = 0) -> tuple[Status, int]:
    said = [
        Said(status=e.status, attempt=attempt, word=e.word)
        for report in reports
        for e, (_, attempt) in zip(report.entries, numbered(report, own_retries), strict=True)
    ]
    folded = fold(said)
    return folded.status, folded.attempt


# --------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", Status.QUEUED),
        ("scheduled", Status.QUEUED),
        ("dripping", Status.QUEUED),
        ("submitted", Status.SUBMITTED),
        ("sent", Status.SENT),
        ("retrying", Status.RETRYING),
        ("delivered", Status.DELIVERED),
        ("failed", Status.FAILED),
        ("undelivered", Status.UNDELIVERABLE),
        ("rejected", Status.REJECTED),
        ("expired", Status.EXPIRED),
        ("unknown", Status.UNKNOWN),
    ],
)
def test_documented_word(word: str, status: Status) -> None:
    for variant in (word, word.upper(), word.capitalize(), f" {word}\t"):
        (entry,) = status_reply(variant).entries
        assert (entry.status, entry.word) == (status, variant.strip())
        assert read(ESMS.report, "webhook", {"message_id": "x", "status": variant}).entries[0].status is status


def test_unlisted_word_is_a_note() -> None:
    assert status_reply("moderated").entries[0].status is None


# --------------------------------------------------------------------------------------------- asking


def test_seed_call() -> None:
    (ask,) = ESMS.asks([Target(id=f"msg-{UUID}")])
    assert (ask.call, ask.request.method, ask.request.path) == ("status", "GET", f"/api/messages/msg-{UUID}")


def test_many_are_asked_in_hundreds() -> None:
    asks = ESMS.asks([Target(id=f"id{n}") for n in range(201)])
    assert [(ask.call, len(ask.targets)) for ask in asks] == [("bulk", 100), ("bulk", 100), ("status", 1)]
    assert asks[0].request.path == "/api/messages/status"
    assert asks[0].request.params == (("ids", ",".join(f"id{n}" for n in range(100))),)


def test_without_the_bulk_call_each_is_asked_singly() -> None:
    asks = ESMS.asks([Target(id="a"), Target(id="b"), Target(id=None, batch_id="b-77")], ONLY_SEED)
    assert [(ask.call, ask.request.path) for ask in asks] == [
        ("status", "/api/messages/a"),
        ("status", "/api/messages/b"),
    ]


def test_id_with_a_comma_is_asked_alone() -> None:
    asks = ESMS.asks([Target(id="a,b"), Target(id="c"), Target(id="d")])
    assert [(ask.call, ask.request.path) for ask in asks] == [
        ("bulk", "/api/messages/status"),
        ("status", "/api/messages/a%2Cb"),
    ]


def test_message_without_id_is_found_in_its_batch() -> None:
    target = Target(id=None, to="256712345678", batch_id="b-77")
    (ask,) = ESMS.asks([target])
    assert (ask.call, ask.request.path, ask.targets) == ("batch", "/api/messages/batch/b-77", (target,))
    assert ask.request.params == (("page", "0"), ("limit", "50"))
    assert ESMS.asks([Target(id=None, to="256712345678")]) == []


def test_summary_is_the_batch_call_read_otherwise() -> None:
    ask = ESMS.summary_ask("b-77")
    assert ask is not None
    assert (ask.call, ask.request.path) == ("summary", "/api/messages/batch/b-77")
    assert ESMS.summary_of(payload("batch")) == {"total": 2, "delivered": 1, "failed": 1, "queued": 0}
    assert ESMS.summary_ask("b-77", frozenset({"batch"})) is None
    assert ESMS.listing_ask("b-77", frozenset({"batch"})) is None


def test_list_proves_the_key() -> None:
    ask = ESMS.probe_ask()
    assert (ask.request.path, ask.request.params) == ("/api/messages", (("page", "0"), ("limit", "1")))
    assert ESMS.probe_says(payload("list")) == "The account lists 17 messages."


# --------------------------------------------------------------------------------------------- hearing


def test_status_as_documented() -> None:
    report = ESMS.report("status", payload("status"))
    assert (report.id, report.to, report.parts) == (f"msg-{UUID}", "256712345678", 1)
    assert (report.sender, report.route, report.text) == ("eSMSAfrica", "ESMS_UG", "Hello from eSMS Africa!")
    assert (report.cost, report.currency) == (None, "")
    assert report.extra == {"route_price": "35.00 UGX", "carrier_message_id": "0005e27f-6c0c-49f1-bfa4"}
    assert [(e.word, e.status, e.detail, e.at_raw) for e in report.entries] == [
        ("queued", Status.QUEUED, "API request received", "2026-05-02T12:00:00Z"),
        ("submitted", Status.SUBMITTED, "Gateway accepted", "2026-05-02T12:00:01Z"),
        ("delivered", Status.DELIVERED, "DLR: DELIVRD", "2026-05-02T12:00:05Z"),
    ]
    assert all(e.at is not None and e.at.utcoffset() is not None for e in report.entries)
    assert report.recheck is False


def test_top_that_the_timeline_does_not_have_yet_is_added_with_its_own_time() -> None:
    report = status_reply("delivered", lines("queued", "sent"), delivered_at="2026-05-02T12:09:00Z")
    assert [e.word for e in report.entries] == ["queued", "sent", "delivered"]
    assert report.entries[-1].at_raw == "2026-05-02T12:09:00Z"


def test_last_line_without_a_time_takes_that_of_the_top() -> None:
    report = status_reply("Failed", [{"status": "failed"}], failed_at="2026-05-02T12:09:00Z", error_message="No route")
    (entry,) = report.entries
    assert (entry.at_raw, entry.detail) == ("2026-05-02T12:09:00Z", "No route")


def test_bulk_reply() -> None:
    (ask,) = ESMS.asks([Target(id="msg-1"), Target(id="msg-2"), Target(id="msg-3")])
    items = ESMS.split(ask, payload("bulk")).items
    assert [item["id"] for item in items] == ["msg-1"]  # the failures are asked about alone, for their timelines
    reports = [ESMS.report("bulk", item) for item in payload("bulk")["messages"][:2]]
    assert [(r.id, r.entries[0].status, numbered(r)[0][1]) for r in reports] == [
        ("msg-1", Status.DELIVERED, 0),
        ("msg-2", Status.EXPIRED, 2),
    ]
    assert reports[1].extra == {"error_code": "EXPIRED"}


def test_webhook_as_documented() -> None:
    (item,) = ESMS.webhook_items(payload("webhook"))
    report = ESMS.report("webhook", item)
    (entry,) = report.entries
    assert (report.id, report.to, report.sender, report.text) == (UUID, "256712345678", "eSMSAfrica", "")
    assert (entry.status, entry.counter, entry.at_raw) == (Status.DELIVERED, 0, "2026-05-02T12:00:05Z")
    assert (report.cost, report.extra, report.recheck) == (None, {"route_price": "35.00"}, False)


def test_webhook_failed() -> None:
    report = ESMS.report("webhook", payload("webhook_failed"))
    assert numbered(report) == [("failed", 2)]
    assert (report.entries[0].at_raw, report.entries[0].detail) == ("2026-05-02T12:10:05Z", "UNDELIV")


def test_webhook_without_status_is_read_by_its_event() -> None:
    item = {**payload("webhook_failed"), "status": None}
    assert ESMS.report("webhook", item).entries[0].word == "failed"


@pytest.mark.parametrize(
    ("word", "recheck"), [("failed", True), ("delivered", True), ("expired", True), ("sent", False)]
)
def test_final_webhook_without_a_number_asks_for_a_look(word: str, recheck: bool) -> None:
    report = ESMS.report("webhook", {"message_id": UUID, "status": word})
    assert (report.recheck, numbered(report)) == (recheck, [(word, 0)])


# --------------------------------------------------------------------------------------------- attempts


@pytest.mark.parametrize(
    ("name", "status", "timeline", "count", "own", "expected", "end"),
    [
        (
            "auto-retry under way",
            "submitted",
            lines("queued", "submitted", "failed", "retrying", "submitted"),
            1,
            0,
            [("queued", 0), ("submitted", 0), ("failed", 0), ("retrying", 1), ("submitted", 1)],
            (Status.RETRYING, 1),
        ),
        (
            "failed for good after two auto-retries",
            "failed",
            lines("submitted", "failed", "retrying", "failed", "retrying", "failed"),
            2,
            0,
            [("submitted", 0), ("failed", 0), ("retrying", 1), ("failed", 1), ("retrying", 2), ("failed", 2)],
            (Status.FAILED, 2),
        ),
        (
            "auto-retry that worked",
            "delivered",
            lines("failed", "retrying", "submitted", "delivered"),
            1,
            0,
            [("failed", 0), ("retrying", 1), ("submitted", 1), ("delivered", 1)],
            (Status.DELIVERED, 1),
        ),
        (
            "the count is not there: the timeline counts",
            "sent",
            lines("failed", "retrying", "sent"),
            None,
            0,
            [("failed", 0), ("retrying", 1), ("sent", 1)],
            (Status.RETRYING, 1),
        ),
        (
            "the timeline has no retrying: its last line takes the count",
            "failed",
            lines("submitted", "failed", "submitted", "failed"),
            1,
            0,
            [("submitted", 0), ("failed", 0), ("submitted", 0), ("failed", 1)],
            (Status.FAILED, 1),
        ),
        (
            "the last line lags behind the top",
            "sent",
            lines("queued", "submitted"),
            1,
            0,
            [("queued", 0), ("submitted", 1), ("sent", 1)],
            (Status.SENT, 1),
        ),
        (
            "retrying on top of a failure that belongs to the try before",
            "retrying",
            lines("submitted", "failed"),
            1,
            0,
            [("submitted", 0), ("failed", 0), ("retrying", 1)],
            (Status.RETRYING, 1),
        ),
        (
            "retrying without any number is at least the second try",
            "retrying",
            lines("submitted", "failed"),
            None,
            0,
            [("submitted", 0), ("failed", 0), ("retrying", 1)],
            (Status.RETRYING, 1),
        ),
        (
            "our own retry under a fresh id raised the count of the original",
            "failed",
            lines("submitted", "failed"),
            1,
            1,
            [("submitted", 0), ("failed", 0)],
            (Status.FAILED, 0),
        ),
        (
            "one of theirs and one of ours",
            "failed",
            lines("failed", "retrying", "failed"),
            2,
            1,
            [("failed", 0), ("retrying", 1), ("failed", 1)],
            (Status.FAILED, 1),
        ),
        (
            "a retry of ours under the same id",
            "retrying",
            lines("failed", "retrying"),
            1,
            0,
            [("failed", 0), ("retrying", 1)],
            (Status.RETRYING, 1),
        ),
    ],
)
def test_attempts(
    name: str,
    status: str,
    timeline: list[Any],
    count: int | None,
    own: int,
    expected: list[tuple[str, int]],
    end: tuple[Status, int],
) -> None:
    report = status_reply(status, timeline, retry_count=count)
    assert numbered(report, own) == expected
    assert state(report, own_retries=own) == end


def test_counter_says_the_same_without_a_timeline() -> None:
    assert numbered(status_reply("failed", retry_count=2)) == [("failed", 2)]
    assert numbered(status_reply("retrying")) == [("retrying", 1)]
    assert numbered(status_reply("retrying", retry_count=1), own_retries=1) == [("retrying", 1)]
    assert numbered(status_reply("failed", retry_count="2")) == [("failed", 2)]


@pytest.mark.parametrize("count", [-1, 61, 1.5, "many", True, [1], 10**40])
def test_counter_that_is_no_counter_cannot_be_read(count: Any) -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        status_reply("failed", retry_count=count)


def test_endless_timeline_stays_within_the_attempts_there_can_be() -> None:
    report = status_reply("retrying", lines(*["retrying"] * 60) * 5)
    assert max(entry.attempt for entry in report.entries) == 60


# --------------------------------------------------------------------------------------------- sending


def test_send() -> None:
    outgoing = Outgoing(
        to="256712345678", text="Hi", sender="eSMS", route="ESMS_UG", idempotency_key="k-1", reference="r"
    )
    request = ESMS.send_request(outgoing)
    assert (request.method, request.path) == ("POST", "/api/messages/send")
    assert request.json == {"to": "+256712345678", "text": "Hi", "sender_id": "eSMS", "route": "ESMS_UG"}
    assert request.headers == (("Idempotency-Key", "k-1"),)


@pytest.mark.parametrize("outgoing", [Outgoing(to="", text="Hi"), Outgoing(to="256712345678", text="")])
def test_send_is_refused_here_before_the_wire(outgoing: Outgoing) -> None:
    with pytest.raises(ProviderError) as caught:
        ESMS.send_request(outgoing)
    assert (caught.value.code, caught.value.written) == ("invalid", False)


def test_send_reply_has_our_price_and_the_routes_price() -> None:
    sent = ESMS.send_reply(payload("send"), payload("send_request"))
    (item,) = sent.items
    report = ESMS.report("send", strict_json(json.dumps(item, default=float).encode()))
    assert (report.id, report.to, report.text) == (f"msg-{UUID}", "256712345678", "Hello from eSMS Africa!")
    assert (report.cost, report.currency) == (Decimal("1.2022"), "KES")
    assert report.extra == {"route_price": "35.0 UGX"}
    assert [entry.status for entry in report.entries] == [Status.SUBMITTED]
    assert sent.balance == Decimal("1965.0")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, [("accepted", Status.QUEUED)]),
        ({"status": "scheduled"}, [("scheduled", Status.QUEUED)]),
        ({"status": "processing"}, [("accepted", Status.QUEUED), ("processing", None)]),
    ],
)
def test_send_reply_without_a_word_we_know_is_accepted(said: Any, words: Any) -> None:
    (item,) = ESMS.send_reply({"id": "msg-1", **said}).items
    assert [(entry.word, entry.status) for entry in ESMS.report("send", item).entries] == words


def test_send_reply_without_an_id_cannot_be_read() -> None:
    with pytest.raises(ProviderError) as caught:
        read(ESMS.send_reply, {"status": "submitted"})
    assert caught.value.code == "unparseable"


def test_bulk_reply_makes_one_item_for_each_number_asked() -> None:
    sent = ESMS.send_reply(payload("send_bulk"), payload("send_bulk_request"))
    reports = [ESMS.report("send", item) for item in sent.items]
    assert (sent.batch_id, sent.to_list, sent.cost) == ("b-77", True, Decimal("2.4"))
    assert [(r.id, r.to, r.batch_id, r.cost) for r in reports] == [
        (None, "256712345678", "b-77", None),
        (None, "256712345679", "b-77", None),
    ]
    assert {r.text for r in reports} == {""}, "a text with {{names}} is nobody's text"
    assert ESMS.send_reply(payload("send_bulk")).items == ()


def test_batch_page_counts_from_zero() -> None:
    ask = ESMS.listing_ask("b-77")
    assert ask is not None
    full = {"messages": [{"id": str(n), "status": "sent"} for n in range(50)], "total": 60}
    first = ESMS.split(ask, full)
    assert first.more is not None
    assert (first.more.page, first.more.request.params, first.complete) == (1, (("page", "1"), ("limit", "50")), False)
    last = ESMS.split(first.more, {"messages": [{"id": str(n), "status": "sent"} for n in range(10)], "total": 60})
    assert (last.more, last.complete) == (None, True)


# --------------------------------------------------------------------------------------------- the nastiest cases


def test_nasty_01_retry_with_a_fresh_id_gives_only_that_id() -> None:
    assert ESMS.retry_reply(payload("retry_fresh_id")) == "9237c404-d73f-4fa6-813b-ab25bb8605d0"
    request = ESMS.retry_request(f"msg-{UUID}")
    assert (request.method, request.path, request.json) == ("POST", f"/api/messages/msg-{UUID}/retry", None)


def test_nasty_02_retry_with_the_same_id_is_recognised() -> None:
    assert ESMS.normalise_id(ESMS.retry_reply(payload("retry_same_id"))) == ESMS.normalise_id("A1B2C3D4")


@pytest.mark.parametrize("code", ["not_retryable", "max_retries_exceeded"])
def test_nasty_03_retry_refused_with_409(code: str) -> None:
    reply = Reply(status=409, body=json.dumps({"detail": {"code": code, "message": "No"}}).encode())
    found = ESMS.error("retry", reply)
    assert found is not None
    assert (found.code, found.provider_code, found.retryable) == ("refused", code, False)


def test_nasty_03_retry_throttled_or_unclear() -> None:
    assert error("retry", "error_limiter", 429, retry_after="15").retry_after == 15
    assert error("retry", "", 502).code == "unreachable"
    assert error("retry", "", 404).code == "not_found"


def test_nasty_04_auto_retry_seen_in_four_polls_and_in_any_order() -> None:
    told = ["queued", "submitted", "failed", "retrying", "submitted", "delivered"]
    polls = [status_reply(told[n - 1], lines(*told[:n]), retry_count=int(n > 3)) for n in range(3, 7)]
    ends = [state(*polls[: n + 1]) for n in range(4)]
    assert ends == [
        (Status.FAILED, 0),
        (Status.RETRYING, 1),
        (Status.RETRYING, 1),
        (Status.DELIVERED, 1),
    ]
    assert state(*reversed(polls)) == ends[-1]
    assert {report.id for report in polls} == {f"msg-{UUID}"}


@pytest.mark.parametrize("other", [UUID, UUID.upper(), f"msg-{UUID}", f"msg_{UUID}", f"MSG-{UUID}"])
def test_nasty_05_ids_with_and_without_prefix_are_one(other: str) -> None:
    assert ESMS.normalise_id(other) == ESMS.normalise_id(f"msg-{UUID}") == UUID


def sign(raw: bytes, secret: str = "s3cret") -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", ["x-webhook-signature", "X-Webhook-Signature"])
def test_nasty_06_right_signature(name: str) -> None:
    assert ESMS.webhook_signature_ok(body("webhook"), {name: sign(body("webhook"))}, "s3cret") is True


def test_nasty_06_signature_is_over_the_bytes_and_not_over_their_meaning() -> None:
    again = json.dumps(json.loads(body("webhook"))).encode()
    assert ESMS.webhook_signature_ok(body("webhook"), {"x-webhook-signature": sign(again)}, "s3cret") is False
    assert ESMS.webhook_signature_ok(again, {"x-webhook-signature": sign(body("webhook"))}, "s3cret") is False


def test_nasty_06_secret_just_rotated() -> None:
    header = {"x-webhook-signature": sign(body("webhook"), "old")}
    assert ESMS.webhook_signature_ok(body("webhook"), header, "new") is False
    assert ESMS.webhook_signature_ok(body("webhook"), header, "old") is True


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha256=",
        "sha256",
        "sha1=00",
        "sha256=zz",
        "é" * 80,
        "sha256=é",
        "\x00",
        "\ud800",
        "sha256=" + "0" * 10_000,
        "t=1700000000,v1=" + hmac.new(b"s3cret", b"1700000000." + b"{}", hashlib.sha256).hexdigest(),
    ],
)
def test_nasty_06_garbage_signature_is_false_and_no_exception(header: str) -> None:
    assert ESMS.webhook_signature_ok(b"{}", {"x-webhook-signature": header}, "s3cret") is False


def test_nasty_06_missing_header_or_secret() -> None:
    assert ESMS.webhook_signature_ok(b"{}", {}, "s3cret") is False
    assert ESMS.webhook_signature_ok(b"{}", {"x-webhook-signature": sign(b"{}", "")}, "") is False


def test_nasty_06_old_webhook_body_cannot_be_read() -> None:
    with pytest.raises(ProviderError, match="cannot be read"):
        read(ESMS.report, "webhook", payload("webhook_old"))


def test_nasty_07_failed_after_delivered_leaves_delivered() -> None:
    failed, delivered = (ESMS.report("webhook", payload(name)) for name in ("webhook_failed", "webhook"))
    assert state(delivered, failed)[0] is state(failed, delivered)[0] is Status.DELIVERED
    assert ESMS.report("webhook", payload("webhook")) == delivered, "six times the same body is six times the same fact"


@pytest.mark.parametrize(
    ("timeline", "error_code", "expected"),
    [
        (lines("submitted", "failed:EXPIRED"), None, Status.EXPIRED),
        (lines("submitted", "failed:expired"), None, Status.EXPIRED),
        (lines("submitted:EXPIRED", "failed"), None, Status.EXPIRED),
        (lines("submitted", "failed:UNDELIV"), "EXPIRED", Status.EXPIRED),
        (lines("submitted", "failed:THROTTLED"), "THROTTLED", Status.FAILED),
        (lines("submitted", "failed"), None, Status.FAILED),
        (None, "EXPIRED", Status.EXPIRED),
        (None, None, Status.FAILED),
    ],
)
def test_nasty_08_failed_is_expired_if_the_carrier_says_so(timeline: Any, error_code: Any, expected: Status) -> None:
    report = status_reply("failed", timeline, error_code=error_code)
    assert (report.entries[-1].word, report.entries[-1].status) == ("failed", expected)


def test_nasty_08_expired_counts_for_its_own_attempt_only() -> None:
    report = status_reply("failed", lines("failed:EXPIRED", "retrying:EXPIRED", "failed:UNDELIV"), retry_count=1)
    assert [entry.status for entry in report.entries] == [Status.EXPIRED, Status.RETRYING, Status.FAILED]
    report = status_reply("failed", lines("failed:UNDELIV", "retrying", "failed:EXPIRED"), retry_count=1)
    assert [entry.status for entry in report.entries] == [Status.FAILED, Status.RETRYING, Status.EXPIRED]


def test_nasty_08_webhook_expired() -> None:
    item = {**payload("webhook_failed"), "error_code": "EXPIRED"}
    assert ESMS.report("webhook", item).entries[0].status is Status.EXPIRED


def test_nasty_09_growing_timeline_keeps_what_it_said_and_its_order() -> None:
    before = status_reply("queued", lines("queued"))
    after = status_reply("sent", lines("queued", "submitted", "sent"))
    assert after.entries[0] == before.entries[0].__class__(
        **{**{name: getattr(before.entries[0], name) for name in before.entries[0].__slots__}, "counter": None}
    )
    assert [entry.word for entry in after.entries] == ["queued", "submitted", "sent"]


def test_nasty_09_two_events_in_one_second_unknown_event_no_metadata() -> None:
    at = "2026-05-02T12:00:00Z"
    timeline = [
        {"event": "accepted", "status": "queued", "detail": "x", "at": at},
        {"event": "rerouted", "status": "submitted", "at": at, "metadata": None},
        {"event": "number_checked", "at": at, "metadata": "text"},
    ]
    report = status_reply("submitted", timeline)
    assert [(entry.word, entry.status) for entry in report.entries] == [
        ("queued", Status.QUEUED),
        ("submitted", Status.SUBMITTED),
        ("number_checked", None),
        ("submitted", Status.SUBMITTED),
    ]


def test_nasty_10_send_that_failed_on_http_200() -> None:
    sent = ESMS.send_reply({"id": "msg-1", "status": "failed", "error_message": "No route"}, payload("send_request"))
    report = ESMS.report("send", sent.items[0])
    (entry,) = report.entries
    assert (report.id, entry.status, entry.detail) == ("msg-1", Status.FAILED, "No route")
    nameless = ESMS.send_reply({"id": None, "status": "failed"}, payload("send_request"))
    assert ESMS.report("send", nameless.items[0]).id is None


@pytest.mark.parametrize(
    ("name", "status", "code", "provider_code"),
    [
        ("error_object", 401, "credentials", "invalid_api_key"),
        ("error_text", 403, "refused", "sender_id_not_approved"),
        ("error_list", 422, "refused", ""),
        ("error_both", 422, "balance", "insufficient_balance"),
        ("error_both", 402, "balance", "insufficient_balance"),
        ("error_limiter", 429, "throttled", ""),
    ],
)
def test_nasty_11_five_shapes_of_an_error(name: str, status: int, code: str, provider_code: str) -> None:
    found = error("send", name, status)
    assert (found.code, found.provider_code) == (code, provider_code)
    with pytest.raises(ProviderError):
        ESMS.send_reply(payload(name))


@pytest.mark.parametrize(
    ("provider_code", "status", "code"),
    [
        ("sender_id_not_approved", 403, "refused"),
        ("insufficient_scope", 403, "credentials"),
        ("account_suspended", 403, "credentials"),
        ("expired_token", 401, "credentials"),
        ("invalid_phone", 400, "refused"),
        ("no_route", 400, "refused"),
        ("text_too_long", 400, "refused"),
        ("insufficient_balance", 500, "unreachable"),
        ("a_new_one", 403, "credentials"),
    ],
)
def test_nasty_11_the_code_decides_before_the_status(provider_code: str, status: int, code: str) -> None:
    reply = Reply(status=status, body=json.dumps({"detail": {"code": provider_code, "message": "x"}}).encode())
    found = ESMS.error("send", reply)
    assert found is not None
    assert (found.code, found.provider_code) == (code, provider_code)


def test_nasty_11_error_of_a_server_in_trouble_is_never_a_refusal() -> None:
    reply = Reply(status=500, body=b'{"detail": "sender service is down"}')
    found = ESMS.error("send", reply)
    assert found is not None
    assert (found.code, found.retryable) == ("unreachable", True)


@pytest.mark.parametrize("total", [100, None])
def test_nasty_12_last_page_is_empty(total: int | None) -> None:
    ask = ESMS.listing_ask("b-77")
    assert ask is not None
    page = ESMS.split(Ask(call="batch", request=ask.request, page=2), {"messages": [], "total": total})
    assert (page.items, page.more, page.complete) == ((), None, True)


def test_nasty_12_page_that_is_empty_too_early_is_not_complete() -> None:
    ask = ESMS.listing_ask("b-77")
    assert ask is not None
    page = ESMS.split(ask, {"messages": [], "total": 5})
    assert (page.more, page.complete) == (None, False)


@pytest.mark.parametrize("call", ["bulk", "batch"])
def test_nasty_12_text_cut_by_a_list_is_not_the_text(call: str) -> None:
    assert ESMS.report(call, payload(call)["messages"][0]).text == ""


# --------------------------------------------------------------------------------------------- calls a server lacks


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
@pytest.mark.parametrize("call", ["bulk", "batch", "summary"])
def test_call_unknown_to_the_server_is_unsupported(call: str, status: int) -> None:
    assert error(call, "error_list", status).code == "unsupported"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"id": "status", "status": "queued"}'])
def test_list_answered_with_something_else_is_a_missing_call(body: bytes) -> None:
    found = ESMS.error("bulk", Reply(status=200, body=body))
    assert found is not None
    assert found.code == "unsupported"


def test_list_that_broke_off_is_no_missing_call() -> None:
    found = ESMS.error("bulk", Reply(status=200, body=b'{"messages": ['))
    assert found is not None
    assert found.code == "unparseable"


def test_seed_calls_are_never_remembered_as_missing() -> None:
    assert error("status", "", 404).code == "not_found"
    assert error("status", "", 405).code == "unreachable"


# Elsewhere: what becomes of the child of 01 and of the slot of 03 (retry rules), that 04 counts once in its batch, the
# six rows of 07 that are one event, the previous secret of 06 (ingest), the test-key messages of 12 (nobody asks
# without an id or a batch).
