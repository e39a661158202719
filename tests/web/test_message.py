"""One message's page: its words, its story, its evidence for the right eyes only, and the page following by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.register import Send, register
from dashboard.models import Account, Evidence, Message, Orphan, Retry
from dashboard.models.messages import Source
from providers.base import Status
from tests.factory import account, person, report, sends, signed_in, webhook

pytestmark = pytest.mark.django_db

TEXT = "Dear Ann, your code is 482135."
HOSTILE = "<img src=x onerror=alert(1)>"
LIVE = {"HX-Request": "true"}


@pytest.fixture
def royce() -> Account:
    return account("rt", "roycetalk")


def told(royce: Account, n: int, word: str, **more: Any) -> Message:
    """A registered message about which a webhook came."""
    to = f"25471234560{n}"
    register(royce, [Send(to=to, provider_message_id=f"uuid-{n}", text=TEXT)], Source.API)
    assert webhook(royce, {"message_id": f"uuid-{n}", "status": word, "to": to, "text": TEXT, **more}) == 200
    return Message.objects.get(match_id=f"uuid-{n}")


def page(client: Client, message: Message) -> str:
    answer = client.get(f"/messages/{message.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_tells_status_meaning_words_and_whose_clock(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    shown = page(signed_in("support"), message)
    assert "chip-delivered" in shown
    assert "Reported as delivered to the phone number; it is being confirmed." in shown
    assert '<span class="word">delivered</span>' in shown
    assert "our clock" in shown
    assert "uuid-1" in shown
    assert not re.search(r"<title>[^<]*\d{7,}", shown)


def test_a_contradiction_is_shown_beside_delivered(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    webhook(royce, {"message_id": "uuid-1", "status": "failed"})
    shown = page(signed_in("ops"), message)
    assert "reported both that it arrived and that it failed" in shown
    assert "chip-flag" in shown


def test_a_word_that_no_table_lists_is_a_note(royce: Account) -> None:
    shown = page(signed_in("support"), told(royce, 1, "weird_word"))
    assert "weird_word" in shown
    assert "A word we do not know yet" in shown
    assert "chip-failed" not in shown


def test_a_report_heard_often_is_counted_not_repeated(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    for _ in range(2):
        webhook(royce, {"message_id": "uuid-1", "status": "delivered"})
    shown = page(signed_in("support"), message)
    assert "×3" in shown
    assert shown.count('<span class="word">delivered</span>') == 1


@pytest.mark.parametrize("role", ["support", "ops"])
def test_hostile_words_texts_and_ids_are_only_text(royce: Account, role: str) -> None:
    send = Send(
        to="254712345601",
        provider_message_id=HOSTILE,
        text=HOSTILE,
        reference=HOSTILE,
        batch=HOSTILE,
        sender=HOSTILE,
        route=HOSTILE,
    )
    register(royce, [send], Source.API)
    message = Message.objects.get()
    webhook(royce, {"message_id": HOSTILE, "status": HOSTILE, "error": HOSTILE, "text": HOSTILE})
    client = signed_in(role)
    addresses = [f"/messages/{message.pk}/", f"/recipients/{message.recipient_id}/", "/"]
    addresses += [f"/messages/{message.pk}/evidence/{row.pk}/" for row in Evidence.objects.filter(message=message)]
    for address in addresses:
        assert "<img" not in client.get(address).content.decode(), address
    assert "<img" not in client.post("/find/", {"q": HOSTILE}, follow=True).content.decode()
    if role == "ops":
        assert "<img" not in client.get("/attention/").content.decode()


# ------------------------------------------------------------------------------ evidence


def test_evidence_is_shown_in_full_to_operations(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    row = Evidence.objects.get(message=message)
    shown = signed_in("ops").get(f"/messages/{message.pk}/evidence/{row.pk}/").content.decode()
    assert "254712345601" in shown
    assert TEXT in shown
    assert row.received_sha256 in shown
    assert "not signed" in shown


def test_support_sees_evidence_without_numbers_and_texts(royce: Account) -> None:
    message = told(royce, 1, "delivered", note=f"as sent: {TEXT}")
    row = Evidence.objects.get(message=message)
    shown = signed_in("support").get(f"/messages/{message.pk}/evidence/{row.pk}/").content.decode()
    assert "254712345601" not in shown.split("<pre")[1]
    assert "482135" not in shown
    assert "delivered" in shown


def test_support_never_sees_a_body_that_cannot_be_masked(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    row = Evidence.objects.get(message=message)
    raw = Evidence.objects.create(
        **{
            f.attname: getattr(row, f.attname)
            for f in Evidence._meta.concrete_fields
            if f.attname not in ("id", "body")
        },
        body=b"<html>254712345601 " + TEXT.encode(),
    )
    address = f"/messages/{message.pk}/evidence/{raw.pk}/"
    hidden = signed_in("support").get(address).content.decode()
    assert "254712345601" not in hidden
    assert "482135" not in hidden
    assert "&lt;html&gt;254712345601" in signed_in("ops").get(address).content.decode()


def test_codes_in_the_text_are_hidden_from_support(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    assert "482135" not in page(signed_in("support"), message)
    assert "482135" in page(signed_in("ops"), message)


def test_evidence_of_another_message_is_not_found(royce: Account) -> None:
    one, other = told(royce, 1, "delivered"), told(royce, 2, "failed")
    row = Evidence.objects.get(message=other)
    client = signed_in("ops")
    assert client.get(f"/messages/{one.pk}/evidence/{row.pk}/").status_code == 404
    assert client.get(f"/messages/{other.pk}/evidence/{row.pk}/").status_code == 200
    assert client.get(f"/messages/{other.pk}/evidence/999999/").status_code == 404


def test_evidence_that_had_waited_belongs_to_the_message_it_was_attached_to(royce: Account) -> None:
    webhook(royce, {"message_id": "uuid-1", "status": "delivered"})
    row = Evidence.objects.get()
    other = told(royce, 2, "failed")
    register(royce, [Send(to="254712345601", provider_message_id="uuid-1")], Source.API)
    message = Message.objects.get(match_id="uuid-1")
    assert Orphan.objects.get().message_id == message.pk
    client = signed_in("support")
    assert client.get(f"/messages/{message.pk}/evidence/{row.pk}/").status_code == 200
    assert client.get(f"/messages/{other.pk}/evidence/{row.pk}/").status_code == 404
    assert f"/evidence/{row.pk}/" in page(client, message)


def test_evidence_comes_as_a_part_when_it_is_unfolded(royce: Account) -> None:
    message = told(royce, 1, "delivered")
    row = Evidence.objects.get(message=message)
    part = signed_in("ops").get(f"/messages/{message.pk}/evidence/{row.pk}/", headers=LIVE).content.decode()
    assert "<html" not in part
    assert "<pre" in part


# ------------------------------------------------------------------------------ following by itself


def version(text: str) -> str:
    found = re.search(r'\?v=([0-9a-f]+)"', text)
    assert found
    return found[1]


def test_a_refresh_answers_204_until_something_changes_and_286_at_the_end() -> None:
    message = sends(account(), 1)[0]
    client = signed_in("support")
    seen = version(page(client, message))
    same = client.get(f"/messages/{message.pk}/?v={seen}", headers=LIVE)
    assert (same.status_code, same.content) == (204, b"")
    report(message, Status.SENT)
    changed = client.get(f"/messages/{message.pk}/?v={seen}", headers=LIVE)
    assert changed.status_code == 200
    assert changed.content.decode().strip().startswith('<div id="live"')
    report(message, Status.DELIVERED)
    last = client.get(f"/messages/{message.pk}/?v={version(changed.content.decode())}", headers=LIVE)
    assert last.status_code == 286
    assert 'hx-trigger="every' not in last.content.decode()


def test_back_and_boosted_get_the_whole_page() -> None:
    message = sends(account(), 1)[0]
    client = signed_in("support")
    for header in ("HX-Boosted", "HX-History-Restore-Request"):
        assert b"<html" in client.get(f"/messages/{message.pk}/", headers={**LIVE, header: "true"}).content


def test_a_refresh_that_finds_nothing_new_asks_little_of_the_database(django_assert_max_num_queries: Any) -> None:
    message = sends(account(), 1)[0]
    client = signed_in("support")
    seen = version(page(client, message))
    with django_assert_max_num_queries(6):
        client.get(f"/messages/{message.pk}/?v={seen}", headers=LIVE)


def test_the_page_costs_the_same_after_one_report_and_after_hundreds(royce: Account) -> None:
    message = told(royce, 1, "sent")
    client = signed_in("ops")
    page(client, message)  # the first click writes the session
    counts = []
    for reports in (1, 50, 500):
        for n in range(Evidence.objects.filter(message=message).count(), reports):
            webhook(royce, {"message_id": "uuid-1", "status": f"word{n}"})
        with CaptureQueriesContext(connection) as queries:
            page(client, message)
        counts.append(len(queries))
    assert len(set(counts)) == 1


# ------------------------------------------------------------------------------ check now


def test_check_now_marks_the_row_and_the_page_says_that_it_waits() -> None:
    message = sends(account(), 1)[0]
    client = signed_in("support")
    answer = client.post(f"/messages/{message.pk}/check/", follow=True)
    message.refresh_from_db()
    assert message.wanted_at is not None
    assert "Asking now" in answer.content.decode()


def test_a_fresh_answer_is_not_asked_again_and_it_is_said_why() -> None:
    message = sends(account(), 1)[0]
    Message.objects.update(asked_at=timezone.now(), wanted_at=None)
    client = signed_in("support")
    shown = page(client, message)
    assert re.search(r"Asked \d s ago; that answer is still fresh", shown)
    client.post(f"/messages/{message.pk}/check/")
    message.refresh_from_db()
    assert message.wanted_at is None


def test_a_check_that_nobody_answers_is_told() -> None:
    message = sends(account(), 1)[0]
    Message.objects.update(wanted_at=timezone.now() - timedelta(minutes=5))
    assert "worker" in page(signed_in("support"), message)


# ------------------------------------------------------------------------------ sending again


@pytest.fixture
def failed(settings: Any) -> Message:
    settings.RETRY_COOL_DOWN = ["0", "0"]
    message = sends(account(), 1, text=TEXT)[0]
    report(message, Status.FAILED)
    message.refresh_from_db()
    return message


def nonce(client: Client, message: Message) -> str:
    shown = client.get(f"/messages/{message.pk}/retry/").content.decode()
    found = re.search(r'name="nonce" value="([^"]+)"', shown)
    assert found
    return found[1]


def test_sending_again_needs_a_reason_and_makes_one_retry(failed: Message) -> None:
    client = signed_in("support")
    token = nonce(client, failed)
    address = f"/messages/{failed.pk}/retry/"
    assert client.post(address, {"nonce": token, "reason": " "}).status_code == 422
    for _ in range(3):  # a double click, and back and send again
        assert client.post(address, {"nonce": token, "reason": "she called"}).status_code == 302
    assert Retry.objects.count() == 1
    assert "she called" in page(client, failed)


def test_a_page_opened_before_the_message_changed_sends_nothing(failed: Message) -> None:
    client = signed_in("support")
    token = nonce(client, failed)
    report(failed, Status.DELIVERED)
    answer = client.post(f"/messages/{failed.pk}/retry/", {"nonce": token, "reason": "she called"})
    assert answer.status_code == 409
    assert "Nothing was sent" in answer.content.decode()
    assert not Retry.objects.exists()


def test_a_permission_is_for_one_person_and_one_message(failed: Message) -> None:
    mine, theirs = signed_in("support"), signed_in("support")
    token = nonce(mine, failed)
    assert theirs.post(f"/messages/{failed.pk}/retry/", {"nonce": token, "reason": "x"}).status_code == 409
    other = sends(failed.account, 1, first=50, text=TEXT)[0]
    report(other, Status.FAILED)
    assert mine.post(f"/messages/{other.pk}/retry/", {"nonce": token, "reason": "x"}).status_code == 409
    assert mine.post(f"/messages/{failed.pk}/retry/", {"nonce": "made up", "reason": "x"}).status_code == 409
    assert not Retry.objects.exists()


def test_an_admin_reads_and_does_not_send(failed: Message) -> None:
    client = signed_in("admin")
    assert "Send again…" not in page(client, failed)
    assert client.get(f"/messages/{failed.pk}/retry/").status_code == 403
    assert client.post(f"/messages/{failed.pk}/retry/", {"reason": "x"}).status_code == 403


def test_a_message_on_its_way_cannot_be_sent_again_and_it_is_said_why() -> None:
    message = sends(account(), 1)[0]
    shown = page(signed_in("support"), message)
    assert "Sending again: It is still on its way" in shown
    assert re.search(r"<button[^>]*disabled[^>]*retry-why", shown)


def test_who_asked_and_what_came_of_it_is_shown(failed: Message) -> None:
    ann = person("support", name="ann")
    client = Client()
    client.force_login(ann, backend="dashboard.web.sessions.Backend")
    client.post(f"/messages/{failed.pk}/retry/", {"nonce": nonce(client, failed), "reason": "she called"})
    shown = page(signed_in("ops"), failed)
    assert "ann" in shown
    assert "Sent again" in shown
