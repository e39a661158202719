"""A person who asked not to be texted: anybody who serves customers notes it, operations lift it, and it is kept."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from dashboard.models import Audit, Message, Recipient
from dashboard.retention import prune
from providers.base import Status
from tests.factory import account, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def message() -> Message:
    (one,) = sends(account("bsg"), 1, text="Hello", sender="Shop")
    report(one, Status.FAILED)
    return one


@pytest.fixture
def url(message: Message) -> str:
    return f"/recipients/{message.recipient_id}/"


def opt_out(client: Client, url: str, reason: str = "She called and asked") -> int:
    return client.post(f"{url}opt-out/", {"reason": reason}).status_code


def lift(client: Client, url: str) -> int:
    return client.post(f"{url}opt-out/lift/", {"reason": "He asked for the codes again"}).status_code


def test_it_is_noted_shown_on_both_pages_and_lifted(message: Message, url: str) -> None:
    support, ops = signed_in("support", name="sue"), signed_in("ops", name="otto")
    assert b"wants to be texted again" not in ops.get(url).content
    assert opt_out(support, url) == 302
    for page in (url, f"/messages/{message.pk}/"):
        assert b"This person asked not to be texted" in support.get(page).content
    shown = support.get(url).content.decode()
    assert "Noted by sue" in shown
    assert "She called and asked" in shown
    assert "wants to be texted again" not in shown, "only operations lift it"
    assert lift(support, url) == 403
    assert Recipient.objects.get().opted_out_at is not None
    assert lift(ops, url) == 302
    found = Recipient.objects.get()
    assert (found.opted_out_at, found.opted_out_by, found.opted_out_why) == (None, "", "")
    assert b"Nothing is sent to them" not in ops.get(f"/messages/{message.pk}/").content


def test_the_audit_says_who_and_why_about_the_recipient_and_names_no_number(message: Message, url: str) -> None:
    assert opt_out(signed_in("support", name="sue"), url, "254700000000 called") == 302
    assert lift(signed_in("ops", name="otto"), url) == 302
    rows = Audit.objects.order_by("pk").values_list("actor_name", "action", "subject", "reason")
    assert list(rows) == [
        ("sue", "opted out", f"recipient {message.recipient_id}", "••••••• called"),
        ("otto", "opt-out lifted", f"recipient {message.recipient_id}", "He asked for the codes again"),
    ]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_reason_nothing_is_marked(url: str, reason: str) -> None:
    client = signed_in("support")
    answer = client.post(f"{url}opt-out/", {"reason": reason})
    assert answer.status_code == 422
    assert b"field-error" in answer.content
    assert Recipient.objects.get().opted_out_at is None
    assert not Audit.objects.exists()


def test_a_second_press_changes_nothing(url: str) -> None:
    support = signed_in("support", name="sue")
    opt_out(support, url)
    noted = Recipient.objects.get()
    opt_out(signed_in("ops", name="otto"), url, "again")
    again = Recipient.objects.get()
    assert (again.opted_out_at, again.opted_out_by) == (noted.opted_out_at, "sue")
    assert Audit.objects.count() == 1


def test_an_admin_alone_may_read_it_and_not_write_it(url: str) -> None:
    admin = signed_in("admin")
    assert b"opt-out" not in admin.get(url).content
    assert (opt_out(admin, url), lift(admin, url)) == (403, 403)
    assert Client().post(f"{url}opt-out/", {"reason": "x"})["Location"].startswith("/sign-in/")


def test_a_recipient_who_is_not_there_is_404() -> None:
    assert opt_out(signed_in("ops"), "/recipients/none/") == 404


def test_the_mark_outlives_the_digits_and_is_found_again_with_the_number(message: Message, url: str) -> None:
    opt_out(signed_in("support"), url)
    prune(1, 1, timezone.now() + timedelta(days=5))
    found = Recipient.objects.get()
    assert (found.digits, found.opted_out_at is not None) == ("", True)
    sends(message.account, 1, batch="next month")
    assert Recipient.objects.get().digits == message.recipient.digits
    assert Recipient.objects.get().opted_out_at is not None


def test_erasing_forgets_it_and_the_receipt_says_so(message: Message, url: str) -> None:
    opt_out(signed_in("support"), url)
    receipt = io.StringIO()
    call_command("erase", f"+{message.recipient.digits}", stdout=receipt)
    assert "had asked not to be texted" in receipt.getvalue()
    assert message.recipient.digits not in receipt.getvalue()
    assert Recipient.objects.get().opted_out_why == ""
    (other,) = sends(message.account, 1, first=7)
    receipt = io.StringIO()
    call_command("erase", f"+{other.recipient.digits}", stdout=receipt)
    assert "texted" not in receipt.getvalue()
