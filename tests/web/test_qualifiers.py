"""Filters typed into the search box: where they lead, what is said about those that mean nothing, and who may."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.register import Send, register
from dashboard.models import Account, Batch, Message
from dashboard.models.messages import Source
from dashboard.web.spans import BadSpan, span_of
from providers.base import Status
from tests.factory import account, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def bsg(settings: Any) -> Account:
    settings.DEFAULT_REGION = "KE"
    return account("bsg", label="Main line")


@pytest.fixture
def october(bsg: Account) -> Batch:
    return Batch.objects.get(pk=sends(bsg, 2, batch="October 2026")[0].batch_id)


@pytest.fixture
def ops(bsg: Account) -> Client:
    return signed_in("ops")


def led_to(client: Client, typed: str) -> dict[str, str]:
    """The filters of the list that this search leads to."""
    answer = client.post("/find/", {"q": typed})
    assert answer.status_code == 302, unescape(answer.content.decode())
    address = urlsplit(answer["Location"])
    assert address.path == "/messages/"
    assert client.get(answer["Location"]).context["form"].is_valid(), answer["Location"]
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def told(client: Client, typed: str) -> str:
    answer = client.post("/find/", {"q": typed})
    assert answer.status_code == 422, answer.status_code
    return unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("status:expired", {"status": "expired"}),
        ("STATUS:Expired", {"status": "expired"}),
        ("status:outcome-unknown", {"status": "outcome_unknown"}),
        ('status:"outcome unknown"', {"status": "outcome_unknown"}),
        ("status:pending", {"bucket": "pending"}),
        ("bucket:undeliverable", {"bucket": "undeliverable"}),
        ("account:bsg", {"account": "bsg"}),
        ('account:"main line"', {"account": "bsg"}),
        ("provider:BSG", {"account": "bsg"}),
        ("overdue", {"overdue": "on"}),
        ("contradicted:yes", {"conflict": "on"}),
        ("twice", {"twice": "on"}),
        ("since:2h", {"last": "2h"}),
        ("last:30min", {"last": "30min"}),
        ("since:2026-11-20 until:2026-11-21", {"since": "2026-11-20", "until": "2026-11-21"}),
        ("reference:order-7 overdue", {"reference": "order-7", "overdue": "on"}),
        ("id:AbC-1 account:bsg", {"provider_message_id": "AbC-1", "account": "bsg"}),
        ("  status:expired   account:bsg since:2h overdue ",
         {"status": "expired", "account": "bsg", "last": "2h", "overdue": "on"}),
    ],
)  # fmt: skip
def test_filters_lead_to_the_list_they_mean(ops: Client, typed: str, query: dict[str, str]) -> None:
    assert led_to(ops, typed) == query


def test_a_batch_is_named_by_its_name_or_its_id(ops: Client, october: Batch) -> None:
    named = {"batch": f"id:{october.pk}"}
    assert led_to(ops, 'batch:"October 2026"') == named
    assert led_to(ops, f"batch:{october.pk}") == named
    assert led_to(ops, 'batch:"October 2026" status:expired') == {**named, "status": "expired"}


def test_today_is_of_the_sites_zone(ops: Client, settings: Any) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 22, 30, tzinfo=UTC), tick=False):
        assert led_to(ops, "since:yesterday until:today") == {"since": "2026-11-19", "until": "2026-11-20"}


def test_the_list_of_the_last_hours_has_what_was_sent_in_them(bsg: Account, ops: Client) -> None:
    now = timezone.now()
    early = sends(bsg, 1, sent_at=now - timedelta(hours=3))[0]
    late = sends(bsg, 1, first=1, sent_at=now - timedelta(hours=1))[0]

    def shown(query: str) -> list[int]:
        page = ops.get(f"/messages/?{query}").content.decode()
        return [int(pk) for pk in re.findall(r'href="/messages/(\d+)/"', page)]

    assert shown("last=2h") == [late.pk]
    assert shown("last=1d") == [late.pk, early.pk]
    assert shown(f"last=2h&since={now - timedelta(days=2):%Y-%m-%d}") == [late.pk]
    assert shown("last=soon") == []
    assert b"Write a span of time" in ops.get("/messages/?last=soon").content
    assert ops.get("/messages/export.csv?last=2h").getvalue().count(b"\r\n") == 2


@pytest.mark.parametrize(
    ("text", "span"), [("30min", 30), ("30m", 30), ("2h", 120), ("1d", 1440), ("1W", 10080), ("2 h", 120)]
)
def test_a_span_is_read(text: str, span: int) -> None:
    assert span_of(text) == timedelta(minutes=span)


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-2h", "2y", "99999h", "٢h", "2h3"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadSpan):
        span_of(text)


# ------------------------------------------------------------------------------ what means nothing


@pytest.mark.parametrize(
    ("typed", "sentence", "better"),
    [
        ("status:expird", "status:expird: did you mean expired?", "status:expired"),
        ("status:expird account:bsg", "did you mean expired?", "status:expired account:bsg"),
        ("status:undelivered", "did you mean undeliverable?", "status:undeliverable"),  # a provider's own word
        ("bucket:expierd", "did you mean expired?", "bucket:expired"),
        ("account:bgs overdue", "account:bgs: did you mean bsg?", "account:bsg overdue"),
        ("batch:October", "did you mean October 2026?", 'batch:"October 2026"'),
        ('batch:"october 2026"', "did you mean October 2026?", 'batch:"October 2026"'),
        ("stauts:expired overdue:yes", "stauts: did you mean status:?", "status:expired overdue:yes"),
        ("status:expired overdu", "overdu: did you mean overdue?", "status:expired overdue"),
        ("since:tody", "did you mean today?", "since:today"),
        ("overdue:never", "overdue: stands alone", "overdue"),
        ("status:", "status: has no value", ""),
        ("status:purple", "there is nothing of that name. There is cancelled, created", ""),
        ("since:soon", "since:soon: is no time", ""),
        ("status:expired status:failed", "status: can be given once only", ""),
        ("since:2h last:3h", "last: can be given once only", ""),
        ("provider:smsbat", "No account is with SMSBat.", ""),
        ("status:expired apples", "“apples” is no filter", ""),
        ("status:<script>alert(1)</script>", "there is nothing of that name", ""),
    ],
)
def test_what_means_nothing_gets_a_sentence_and_the_nearest_right_one(
    ops: Client, october: Batch, typed: str, sentence: str, better: str
) -> None:
    page = told(ops, typed)
    assert sentence in page
    offered = re.findall(r'<input type="hidden" name="q" value="(.*?)"><button', page)
    assert offered == ([better] if better else [])
    assert "<script>alert" not in ops.post("/find/", {"q": typed}).content.decode()


def test_what_is_offered_instead_works(ops: Client, october: Batch) -> None:
    assert led_to(ops, 'batch:"October 2026"') == {"batch": f"id:{october.pk}"}
    assert led_to(ops, "status:undeliverable") == {"status": "undeliverable"}


def test_several_accounts_of_a_provider_are_named(ops: Client) -> None:
    account("second", "bsg")
    assert "2 accounts are with BSG. Say which: account:bsg, account:second." in told(ops, "provider:bsg")


def test_a_mistyped_name_of_a_filter_is_told_when_nothing_is_found(ops: Client) -> None:
    page = unescape(ops.post("/find/", {"q": "stauts:expired"}).content.decode())
    assert "Nothing found" in page
    assert "stauts: did you mean status:?" in page
    assert 'value="status:expired"' in page


def test_an_id_with_a_colon_is_an_id(ops: Client, bsg: Account) -> None:
    register(bsg, [Send(to="254712345678", provider_message_id="job:77", reference="overdue")], Source.API)
    message = Message.objects.get()
    assert ops.post("/find/", {"q": "job:77"})["Location"] == f"/messages/{message.pk}/"
    both = ops.post("/find/", {"q": "overdue"}).content.decode()
    assert f'href="/messages/{message.pk}/"' in both
    assert 'href="/messages/?overdue=on"' in both


# ------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("typed", ["number:0712345678", "to:+254712345678", "phone:254712345678"])
def test_a_lone_number_with_its_name_is_looked_up(ops: Client, bsg: Account, typed: str) -> None:
    register(bsg, [Send(to="254712345678", provider_message_id="x1")], Source.API)
    recipient = Message.objects.get().recipient_id
    assert ops.post("/find/", {"q": typed})["Location"] == f"/recipients/{recipient}/"


@pytest.mark.parametrize(
    "typed",
    ["status:expired 0712345678", "status:expired +254 712 345 678", "overdue number:0712345678",
     "reference:254712345678 overdue", "id:254712345678 status:sent"],
)  # fmt: skip
def test_no_number_gets_into_an_address(ops: Client, typed: str) -> None:
    page = told(ops, typed)
    assert page.count("the address of the list would hold the number") == 1
    assert not re.search(r'(href|action)="[^"]*712345678', page)


def test_a_batch_called_like_a_number_goes_by_its_id(ops: Client, bsg: Account) -> None:
    batch = sends(bsg, 1, batch="254712345678")[0].batch_id
    assert led_to(ops, "batch:254712345678 status:sent") == {"batch": f"id:{batch}", "status": "sent"}


# ------------------------------------------------------------------------------ who may


def test_support_is_told_that_lists_are_for_others(bsg: Account, october: Batch) -> None:
    support = signed_in("support")
    page = told(support, "status:expired")
    assert "operations and admins may see" in page
    assert "account:bsg" not in support.get("/find/").content.decode()
    assert support.post("/find/", {"q": 'batch:"October 2026"'})["Location"] == f"/batches/{october.pk}/"
    assert "operations and admins may see" in told(support, "status:expird")


@pytest.mark.parametrize("role", ["ops", "admin"])
def test_who_sees_lists_is_offered_filters(bsg: Account, role: str) -> None:
    page = signed_in(role).get("/find/").content.decode()
    assert '<option value="status:expired">' in page
    assert '<option value="account:bsg">' in page
    assert "status:expired account:bsg batch:October since:2h overdue" in page
    assert page.count('name="q"') == 1


# ------------------------------------------------------------------------------ nothing found


def test_nothing_found_says_how_far_back_it_looked(ops: Client, bsg: Account) -> None:
    empty = ops.post("/find/", {"q": "0799 000 111"}).content.decode()
    assert "There is no message here at all yet" in empty
    old = sends(bsg, 1, sent_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), text="x")[0]
    sends(bsg, 1, first=5)
    page = ops.post("/find/", {"q": "0799 000 111"}).content.decode()
    assert "2026-01-02 03:04:05 UTC" in page
    assert "Retention has removed nothing yet" in page
    call_command("prune", "--numbers-days", "45", stdout=StringIO())
    page = ops.post("/find/", {"q": "0799 000 111"}).content.decode()
    assert "Retention forgets a number 45 days after its last message" in page
    assert Message.objects.get(pk=old.pk).text is None


@pytest.mark.parametrize("written", ["message {}", "Message {}", "#{}", "{}"])
def test_our_id_is_found_as_our_pages_write_it(ops: Client, bsg: Account, written: str) -> None:
    pk = sends(bsg, 1)[0].pk
    assert ops.post("/find/", {"q": written.format(pk)})["Location"] == f"/messages/{pk}/"


@pytest.mark.parametrize("written", ["recipient {}", "{}"])
def test_a_recipient_is_found_by_the_id_that_the_audit_has(ops: Client, bsg: Account, written: str) -> None:
    pk = sends(bsg, 1)[0].recipient_id
    assert ops.post("/find/", {"q": written.format(pk)})["Location"] == f"/recipients/{pk}/"


def test_filters_cost_the_same_among_few_and_many(ops: Client, bsg: Account) -> None:
    ops.get("/find/")
    counts = []
    for first, count in ((0, 1), (100, 50), (1000, 500)):
        batch = sends(bsg, count, first=first, batch=f"b{first}")[0]
        report(batch, Status.EXPIRED)
        with CaptureQueriesContext(connection) as queries:
            ops.post("/find/", {"q": f"status:expird account:bsg batch:b{first} since:2h"})
        counts.append(len(queries))
    assert len(set(counts)) == 1
