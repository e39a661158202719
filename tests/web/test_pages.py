"""The frame, the recipient's page, what needs attention, and what every answer carries."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from dashboard.ingest.register import Send, register
from dashboard.models import Account, Audit, Message, Orphan, Recipient
from dashboard.models.messages import Source
from dashboard.web import errors
from providers.base import Status
from tests.factory import account, report, sends, signed_in, webhook

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def is_guarded(response: Any) -> None:
    for name, value in HEADERS.items():
        assert response[name] == value, name
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "camera=()" in response["Permissions-Policy"]
    assert "HX-Request" in response["Vary"]


def test_every_class_of_answer_carries_the_headers(client: Client) -> None:
    message = sends(account(), 1)[0]
    seen = {
        client.get("/sign-in/"): 200,
        client.get("/"): 302,
        client.post("/hooks/unknown/", data=b"{}", content_type="application/json"): 404,
        client.get("/nowhere/"): 404,
    }
    ops = signed_in("ops")
    seen |= {
        ops.get("/"): 200,
        ops.get(f"/messages/{message.pk}/", headers={"HX-Request": "true"}): 200,
        ops.get("/people/"): 403,
        ops.get("/messages/999999/"): 404,
        ops.post("/find/", {"q": ""}): 422,
        ops.get("/messages/export.csv"): 200,
        Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "x"}): 403,
    }
    for response, status in seen.items():
        assert response.status_code == status, response
        is_guarded(response)


def test_no_page_has_a_style_or_a_script_of_its_own() -> None:
    message = sends(account(), 1)[0]
    client = signed_in("support", "ops", "admin")
    for page in ("/", "/find/", "/attention/", f"/messages/{message.pk}/", f"/recipients/{message.recipient_id}/"):
        text = client.get(page).content.decode()
        assert not re.search(r"\sstyle=|<style|\son\w+=|hx-on", text), page
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), page


def test_a_stale_form_asks_to_reload() -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"username": "ann", "password": "x"})
    assert answer.status_code == 403
    assert b"Reload the page" in answer.content
    part = strict.post("/sign-in/", {}, headers={"HX-Request": "true"})
    assert (part.status_code, part["Content-Type"]) == (403, "text/plain; charset=utf-8")
    assert b"Nothing was changed" in part.content


def test_an_error_of_ours_shows_no_inside() -> None:
    page = errors.broken(RequestFactory().get("/"))
    assert page.status_code == 500
    assert b"Something broke on our side" in page.content
    part = errors.broken(RequestFactory().get("/", headers={"HX-Request": "true"}))
    assert part["Content-Type"].startswith("text/plain")
    program = errors.broken(RequestFactory().get("/api/v1/messages"))
    assert program["Content-Type"] == "application/json"


def test_a_busy_database_is_said_to_be_that(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    ops = signed_in("ops")
    ops.raise_request_exception = False
    monkeypatch.setattr("dashboard.web.home.render", busy)
    answer = ops.get("/")
    assert answer.status_code == 503
    assert b"Too busy just now" in answer.content
    assert b"Nothing was changed" in answer.content


def test_the_menu_shows_what_the_role_may_open() -> None:
    support = signed_in("support").get("/").content.decode()
    assert 'href="/batches/"' in support
    assert 'href="/people/"' not in support
    assert 'href="/messages/"' not in support
    assert 'href="/people/"' in signed_in("admin").get("/").content.decode()


# ------------------------------------------------------------------------------ overview


def test_the_overview_counts_what_is_wrong_for_operations_only() -> None:
    ours = account("rt", "roycetalk")
    webhook(ours, {"message_id": "nobody-knows", "status": "delivered"})
    webhook(ours, b"{nonsense")
    ops = signed_in("ops").get("/").content.decode()
    assert "reports without a message" in ops
    assert "It has no credentials" in ops
    assert "reports without a message" not in signed_in("support").get("/").content.decode()


@pytest.mark.parametrize("role", ["support", "ops"])
def test_pages_cost_the_same_at_1_50_and_500_messages(role: str) -> None:
    ours = account()
    client = signed_in(role)
    client.get("/")  # the first click writes the session
    pages = ["/", "/attention/"] if role == "ops" else ["/"]
    counts: list[list[int]] = []
    for first, count in ((0, 1), (100, 50), (1000, 500)):
        sends(ours, count, first=first)
        row = []
        for page in pages:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(page).status_code == 200
            row.append(len(queries))
        counts.append(row)
    assert counts[0] == counts[1] == counts[2]


# ------------------------------------------------------------------------------ recipient


def to_one_number(ours: Account, first: int, count: int) -> Recipient:
    numbers = range(first, first + count)
    register(
        ours, [Send(to="254712345678", provider_message_id=f"m{n}", text="code 987654") for n in numbers], Source.API
    )
    return Recipient.objects.get()


def test_a_recipients_page_has_the_number_but_not_in_its_title_or_address() -> None:
    recipient = to_one_number(account(), 0, 1)
    text = signed_in("support").get(f"/recipients/{recipient.pk}/").content.decode()
    assert "+254 712 345678" in text
    title = re.search(r"<title>(.*?)</title>", text)
    assert title
    assert not re.search(r"\d", title[1])
    assert not re.search(r'(href|action|hx-get)="[^"]*(712345678|345678)', text)
    assert "987654" not in text


def test_a_recipients_messages_come_by_fifty() -> None:
    recipient = to_one_number(account(), 0, 120)
    client = signed_in("support")
    seen: list[str] = []
    address = f"/recipients/{recipient.pk}/"
    query = ""
    while True:
        text = client.get(address + query).content.decode()
        seen += re.findall(r'<td data-label="Message"><a href="/messages/(\d+)/"', text)
        older = re.search(r'rel="next" href="(\?cursor=[^"]+)"', text)
        if not older:
            break
        query = older[1]
    pks = [str(pk) for pk in Message.objects.order_by("-pk").values_list("pk", flat=True)]
    assert seen == pks
    assert client.get(address + "?cursor=zz-bad").status_code == 404


def test_a_recipients_page_costs_the_same_at_1_50_and_500() -> None:
    ours = account()
    client = signed_in("support")
    counts = []
    for first, count in ((0, 1), (100, 50), (1000, 500)):
        recipient = to_one_number(ours, first, count)
        client.get(f"/recipients/{recipient.pk}/")  # the first look is remembered in the session
        with CaptureQueriesContext(connection) as queries:
            client.get(f"/recipients/{recipient.pk}/")
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_what_was_sent_again_is_folded_under_its_first() -> None:
    recipient = to_one_number(account(), 0, 2)
    first, second = Message.objects.order_by("pk")
    Message.objects.filter(pk=second.pk).update(root=first)
    text = signed_in("support").get(f"/recipients/{recipient.pk}/").content.decode()
    assert text.count('<td data-label="Message">') == 1
    assert "sent again once" in text
    assert f'href="/messages/{second.pk}/"' in text


# ------------------------------------------------------------------------------ attention


def test_the_attention_page_gives_a_card_to_what_waits_and_one_line_to_all_that_is_fine() -> None:
    ops = signed_in("ops")
    page = ops.get("/attention/").content.decode()
    assert page.count('<section class="card') == 1
    assert "Nothing: all is in order" in page
    assert page.split('class="in-order"')[1].split("</ul>")[0].count("<li") == 9
    webhook(account("rt", "roycetalk"), {"message_id": "strange", "status": "delivered"})
    page = ops.get("/attention/").content.decode()
    assert re.findall(r'<section class="card" id="(\w+)"', page) == ["accounts", "orphans"]
    assert re.findall(r'<li id="(\w+)"', page) == [
        "doubts", "runs", "words", "unreadable", "overdue", "conflicts", "twice",
    ]  # fmt: skip
    assert "all is in order" not in page


def test_an_orphan_is_attached_by_hand_and_noted() -> None:
    ours, other = account("rt", "roycetalk"), account("bsg")
    webhook(ours, {"message_id": "strange", "status": "delivered"})
    orphan = Orphan.objects.get()
    message = sends(ours, 1)[0]
    foreign = sends(other, 1, first=9)[0]
    client = signed_in("ops")
    address = f"/attention/orphans/{orphan.pk}/attach/"
    client.post(address, {"message": str(foreign.pk)})
    orphan.refresh_from_db()
    assert orphan.message_id is None
    client.post(address, {"message": str(message.pk)})
    orphan.refresh_from_db()
    message.refresh_from_db()
    assert orphan.message_id == message.pk
    assert message.status == Status.DELIVERED.value
    assert Audit.objects.get(action="attach report").subject == f"message {message.pk}"


def test_an_unreadable_body_is_listed_with_its_bytes() -> None:
    webhook(account("rt", "roycetalk"), b'{nonsense <img src=x onerror="alert(1)">')
    client = signed_in("admin")
    orphan = Orphan.objects.get()
    assert orphan.problem
    assert f"/attention/orphans/{orphan.pk}/evidence/" in client.get("/attention/").content.decode()
    shown = client.get(f"/attention/orphans/{orphan.pk}/evidence/").content.decode()
    assert "{nonsense &lt;img" in shown
    assert client.post(f"/attention/orphans/{orphan.pk}/attach/", {"message": "1"}, follow=True).status_code == 200


def test_unknown_words_are_grouped_with_an_example() -> None:
    ours = account("rt", "roycetalk")
    for n, message in enumerate(sends(ours, 3)):
        webhook(ours, {"message_id": message.match_id, "status": "Odd" if n else "odd"})
    text = signed_in("ops").get("/attention/").content.decode()
    assert text.count('<span class="word">') == 1
    assert re.search(r'class="num">3</td>', text)


def test_a_contradicted_message_is_listed() -> None:
    message = sends(account(), 1)[0]
    report(message, Status.DELIVERED)
    report(message, Status.FAILED)
    text = signed_in("ops").get("/attention/").content.decode()
    assert "chip-flag" in text


@pytest.mark.parametrize("address", ["/recipients/a%00b/", "/recipients/none/", "/messages/99999999999999999999999/"])
def test_an_address_that_nobody_has_is_not_found(address: str) -> None:
    assert signed_in("support").get(address).status_code == 404
