"""Find: whatever is typed, in whatever form, and never a number anywhere but in the body of a POST."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.ingest.register import Send, register
from dashboard.models import Account, Event, Message, Recipient
from dashboard.models.messages import Source
from dashboard.web.lookup import ends_in
from tests.factory import account, sends, signed_in

pytestmark = pytest.mark.django_db
NUMBER = "254712345678"


@pytest.fixture
def client(settings: Any) -> Client:
    settings.DEFAULT_REGION = "KE"
    return signed_in("support")


@pytest.fixture
def message() -> Message:
    send = Send(
        to=NUMBER, provider_message_id="AbC-1", reference="order 77", batch="October", provider_batch_id="task-9"
    )
    register(account(), [send], Source.API)
    # PostgreSQL's ids go on from test to test: one of four digits could be the end of the number, a second hit.
    Message.objects.update(id=1)
    Event.objects.update(message_id=1)
    return Message.objects.get()


@pytest.mark.parametrize(
    "typed",
    ["0712 345 678", "+254-712-345678", "00254712345678", "254712345678", " +254 (712) 345 678 ", "0712345678",
     "\u202a+254 712 345 678\u202c", "+254.712.345.678", "５６７８", "5678", "45678", "12345678"],
)  # fmt: skip
def test_a_number_is_found_however_it_is_written(client: Client, message: Message, typed: str) -> None:
    answer = client.post("/find/", {"q": typed})
    assert answer.status_code == 302
    assert answer["Location"] == f"/recipients/{message.recipient_id}/"
    assert not re.search(r"\d{9,}", answer["Location"].replace(message.recipient_id, ""))


@pytest.mark.parametrize("typed", ["AbC-1", "order 77", " order 77 "])
def test_a_message_is_found_by_any_of_its_ids(client: Client, message: Message, typed: str) -> None:
    assert client.post("/find/", {"q": typed})["Location"] == f"/messages/{message.pk}/"


def test_a_message_is_found_by_our_id(client: Client, message: Message) -> None:
    assert client.post("/find/", {"q": str(message.pk)})["Location"] == f"/messages/{message.pk}/"
    assert client.post("/find/", {"q": f"#{message.pk}"})["Location"] == f"/messages/{message.pk}/"


@pytest.mark.parametrize("typed", ["October", "task-9"])
def test_a_batch_is_found_by_its_name_and_by_the_providers_id(client: Client, message: Message, typed: str) -> None:
    assert client.post("/find/", {"q": typed})["Location"] == f"/batches/{message.batch_id}/"


def test_an_id_is_found_in_the_form_that_its_provider_treats_as_the_same(client: Client) -> None:
    esms = account("esms", "esms_africa")
    register(esms, [Send(to=NUMBER, provider_message_id="msg-a1b2")], Source.API)
    message = Message.objects.get()
    for typed in ("msg-a1b2", "a1b2"):
        assert client.post("/find/", {"q": typed})["Location"] == f"/messages/{message.pk}/", typed


def test_last_digits_that_end_in_nines_are_a_range_too(client: Client) -> None:
    register(account(), [Send(to="254712349999", provider_message_id="1x")], Source.API)
    register(Account.objects.get(), [Send(to="254712340000", provider_message_id="2x")], Source.API)
    nines = Recipient.objects.get(digits="254712349999")
    assert client.post("/find/", {"q": "9999"})["Location"] == f"/recipients/{nines.pk}/"
    assert client.post("/find/", {"q": "0000"})["Location"] != f"/recipients/{nines.pk}/"


def test_several_hits_are_shown_by_the_post_itself(client: Client) -> None:
    sends(account(), 3, reference="same")
    answer = client.post("/find/", {"q": "same"})
    assert answer.status_code == 200
    assert answer.content.decode().count('href="/messages/') == 3


def test_many_hits_are_cut_and_it_is_said(client: Client) -> None:
    sends(account(), 30, reference="same")
    page = client.post("/find/", {"q": "same"}).content.decode()
    assert page.count('href="/messages/') == 20
    assert "more hits than are shown" in page


def test_nothing_found_says_what_was_looked_for(client: Client) -> None:
    page = client.post("/find/", {"q": "0799 000 111"}).content.decode()
    assert "+254 799 000111" in page
    assert "Nothing found" in page
    title = re.search(r"<title>(.*?)</title>", page)
    assert title
    assert not re.search(r"\d", title[1])


def test_after_retention_only_the_whole_number_finds(client: Client, message: Message) -> None:
    Recipient.objects.update(digits="", reversed="")
    answer = client.post("/find/", {"q": "+254 712 345 678"})
    assert answer["Location"] == f"/recipients/{message.recipient_id}/"
    assert b"Number removed by retention" in client.get(answer["Location"]).content
    assert b"Nothing found" in client.post("/find/", {"q": "45678"}).content


def test_after_erasure_nothing_finds(client: Client, message: Message) -> None:
    Recipient.objects.update(digits="", reversed="", hmac=None)
    assert b"Nothing found" in client.post("/find/", {"q": "+254 712 345 678"}).content


@pytest.mark.parametrize("typed", ["", "   ", "x" * 256, "a\0b"])
def test_what_cannot_be_searched_is_told(client: Client, typed: str) -> None:
    assert client.post("/find/", {"q": typed}).status_code == 422


@pytest.mark.parametrize(
    "typed", ["%", "_", "'; DROP TABLE x", "<script>alert(1)</script>", "9" * 200, "٤٥٦٧", "-1", "é"]
)
def test_odd_things_find_nothing_and_break_nothing(client: Client, message: Message, typed: str) -> None:
    answer = client.post("/find/", {"q": typed})
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content


def test_a_get_never_searches(client: Client, message: Message) -> None:
    page = client.get("/find/", {"q": "order 77"}).content.decode()
    assert "order 77" not in page


def test_the_page_remembers_look_ups_masked(client: Client, message: Message) -> None:
    client.get(client.post("/find/", {"q": NUMBER})["Location"])
    page = client.get("/find/").content.decode()
    assert "+254 ••• ••5678" in page
    assert NUMBER not in str(dict(client.session.items()))


def test_no_number_reaches_a_log(client: Client, message: Message, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client.post("/find/", {"q": NUMBER})
    client.post("/find/", {"q": "254799999999"})
    told = " ".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    assert NUMBER not in told
    assert "254799999999" not in told


def test_a_search_costs_the_same_among_few_and_many(client: Client) -> None:
    ours = account()
    client.get("/")  # the first click writes the session
    counts = []
    for first, count in ((0, 1), (100, 50), (1000, 500)):
        sends(ours, count, first=first, reference=f"none {first}")
        with CaptureQueriesContext(connection) as queries:
            client.post("/find/", {"q": "+254 799 111 222"})
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_the_end_of_a_number_is_looked_up_by_the_index(client: Client) -> None:
    if connection.vendor == "sqlite":
        plan = Recipient.objects.filter(ends_in("45678")).explain()
        assert "USING INDEX dashboard_recipient_reversed" in plan
