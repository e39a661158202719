"""The dialog of sending one message again: the advice and its evidence, what the button sends, and its refusals."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.models import Account, Audit, Message, Retry, User
from providers.base import Status
from tests.factory import account, person, report, reports, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

TEXT = "Dear Ann, your parcel 482135 is here."
PART = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _no_cool_down(settings: Any) -> None:
    settings.RETRY_COOL_DOWN = ["0", "0"]


@pytest.fixture
def bsg() -> Account:
    return account(label="BSG Kenya", currency="EUR")


@pytest.fixture
def failed(bsg: Account) -> Message:
    message = sends(bsg, 1, text=TEXT, sender="Duka", cost=Decimal("0.04"), currency="EUR", parts=1)[0]
    report(message, Status.FAILED, detail="Absent subscriber")
    message.refresh_from_db()
    return message


def address(message: Message) -> str:
    return f"/messages/{message.pk}/retry/"


def plain(page: str) -> str:
    """What a person reads."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def dialog(client: Client, message: Message) -> str:
    answer = client.get(address(message))
    assert answer.status_code == 200
    return answer.content.decode()


def nonce(page: str) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', page)
    assert found
    return found[1]


def button(page: str) -> str:
    found = re.search(r'<button class="btn btn-words[^>]*type="submit"[^>]*>.*?<span>(.*?)</span>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def press(client: Client, message: Message, page: str = "", **given: str) -> Any:
    return client.post(address(message), {"nonce": nonce(page or dialog(client, message)), "reason": "x", **given})


# ------------------------------------------------------------------------------ what would happen


def test_the_button_says_exactly_what_it_sends(failed: Message) -> None:
    shown = dialog(signed_in("ops"), failed)
    assert button(shown) == "Send 1 text (1 part) to +254 ••• ••0000 via BSG Kenya (0.04 EUR)"
    assert failed.recipient.digits not in shown
    assert TEXT in html.unescape(shown)
    assert "Sent so far 1 text" in plain(shown)


def test_a_providers_own_retry_is_called_that() -> None:
    message = sends(account("esms", "esms_africa", label="eSMS"), 1, text="’" * 71)[0]
    report(message, Status.FAILED)
    shown = dialog(signed_in("ops"), message)
    assert button(shown) == "Let eSMS try again: 1 text (2 parts) to +254 ••• ••0000 (price not known)"
    assert "“’” is not in the short alphabet" in plain(shown)


def test_support_sees_no_digits_of_the_text(failed: Message) -> None:
    shown = dialog(signed_in("support"), failed)
    assert "482135" not in shown
    assert "your parcel •••• is here" in shown
    Message.objects.update(text="No digits")
    assert "hidden for support" not in dialog(signed_in("support"), failed).split('id="promise"')[1]


def test_what_is_changed_is_shown_as_it_would_be_sent(failed: Message) -> None:
    other = account("rt", "roycetalk", label="Royce", currency="KES")
    dear = sends(other, 3, first=100, cost=Decimal("1.5"), currency="KES", parts=1)
    reports([(message, Status.DELIVERED) for message in dear])
    client = signed_in("ops")
    page = dialog(client, failed)
    given = {"nonce": nonce(page), "account": "rt", "text": "x" * 161, "sender": "Shop", "look": "1"}
    part = client.post(address(failed), given, headers=PART).content.decode()
    assert "<html" not in part
    assert button(part) == "Send 1 text (2 parts) to +254 ••• ••0000 via Royce (usually 3.00 KES)"
    assert "Sender: Shop" in plain(part)
    whole = client.post(address(failed), given).content.decode()
    assert "<html" in whole
    assert button(whole) == button(part)
    assert not Retry.objects.exists()
    said = {name: given[name] for name in ("account", "text", "sender")}
    assert press(client, failed, part, **said).status_code == 302
    retry = Retry.objects.get()
    assert retry.message is not None
    assert (retry.account, retry.message.sender, retry.quoted_cost) == (other, "Shop", Decimal(3))


def test_what_was_not_shown_is_not_sent_before_it_is_shown(failed: Message) -> None:
    """Also without scripts: the first press shows what is new, the second sends it."""
    client = signed_in("ops")
    first = press(client, failed, text="Another text")
    assert (first.status_code, Retry.objects.count()) == (200, 0)
    page = first.content.decode()
    assert "This is what would be sent now" in page
    assert press(client, failed, page, text="Another text").status_code == 302
    assert Retry.objects.get().message.text == "Another text"  # type: ignore[union-attr]


def test_the_first_text_typed_again_with_a_browsers_line_ends_is_no_new_text(bsg: Account) -> None:
    message = sends(bsg, 1, text="Dear Ann,\nyour parcel is here.")[0]
    report(message, Status.FAILED)
    answer = press(signed_in("ops"), message, text="Dear Ann,\r\nyour parcel is here.")
    assert answer.status_code == 302


def test_what_another_account_lifts_is_offered_and_only_then_sent(failed: Message) -> None:
    account("rt", "roycetalk")
    Account.objects.filter(slug="bsg").update(enabled=False)
    client = signed_in("ops")
    page = dialog(client, failed)
    assert "The account is switched off" in page
    assert re.search(r"<button class=\"btn btn-words[^>]*disabled", page)
    assert press(client, failed, page).status_code == 409
    look = client.post(address(failed), {"nonce": nonce(page), "account": "rt", "look": "1"}).content.decode()
    assert not re.search(r"<button class=\"btn btn-words[^>]*disabled", look)
    assert press(client, failed, look, account="rt").status_code == 302


def test_what_nothing_lifts_has_no_button(failed: Message) -> None:
    Message.objects.update(sent_at=timezone.now() - timedelta(days=40))
    page = dialog(signed_in("ops"), failed)
    assert "more than 30 days ago" in page
    assert '<form method="post" action="/messages' not in page


def test_a_wait_says_until_when(failed: Message, settings: Any) -> None:
    settings.RETRY_COOL_DOWN = ["300", "3600"]
    client = signed_in("ops")
    at = failed.final_at + timedelta(seconds=300)  # type: ignore[operator]
    for page in (dialog(client, failed), client.get(f"/messages/{failed.pk}/").content.decode()):
        assert "sending again is possible in 5 min" in plain(page)
        assert f"{at:%Y-%m-%d %H:%M:%S} UTC" in plain(page)


# ------------------------------------------------------------------------------ would it help?


def test_the_advice_names_its_evidence_which_is_on_the_page(failed: Message, bsg: Account) -> None:
    seen = sends(account("rt", "roycetalk", label="Royce"), 1, first=500)[0]
    Message.objects.filter(pk=seen.pk).update(recipient=failed.recipient)
    report(seen, Status.DELIVERED)
    client = signed_in("ops")
    shown = dialog(client, failed)
    assert "Likely to help" in shown
    assert "The phone is back" in shown
    assert "BSG said “Absent subscriber”" in shown
    (event,) = set(re.findall(rf'href="/messages/{failed.pk}/#(event-\d+)"', shown))
    page = client.get(f"/messages/{failed.pk}/").content.decode()
    assert f'id="{event}"' in page
    assert f'<a href="/messages/{seen.pk}/">' in shown
    assert "Likely to help" in page, "and beside the page's button"


def test_the_report_of_a_later_try_is_on_that_tries_page(failed: Message) -> None:
    client = signed_in("ops")
    assert press(client, failed).status_code == 302
    made = Retry.objects.get().message
    assert made is not None
    Retry.objects.update(state="accepted")
    report(made, Status.QUEUED)
    report(made, Status.FAILED, detail="THROTTLED")
    shown = dialog(client, failed)
    (event,) = set(re.findall(rf'href="/messages/{made.pk}/#(event-\d+)"', shown))
    assert f'id="{event}"' in client.get(f"/messages/{made.pk}/").content.decode()


def test_one_line_heard_several_times_is_named_by_its_first_event(failed: Message) -> None:
    report(failed, Status.FAILED, detail="Absent subscriber", at_raw="2026-11-20 10:00")
    client = signed_in("ops")
    (event,) = set(re.findall(r"#(event-\d+)", dialog(client, failed)))
    assert f'id="{event}"' in client.get(f"/messages/{failed.pk}/").content.decode()


def test_how_often_it_helped_before_is_a_figure_with_its_number(bsg: Account, failed: Message) -> None:
    ops = person("ops")
    others = sends(bsg, 12, first=100, text=TEXT)
    for n, other in enumerate(others):
        made = sends(bsg, 1, first=1000 + n)[0]
        report(made, Status.DELIVERED if n < 9 else Status.FAILED)
        now = timezone.now() - timedelta(days=3)
        Retry.objects.create(
            root=other, original=other, failed_as="failed", account=bsg, via="send", message=made, user=ops,
            reason="r", nonce=f"n{n}", reference=f"r{n}", state="accepted", created_at=now, changed_at=now,
        )  # fmt: skip
    shown = plain(dialog(signed_in("ops"), failed))
    assert "75 % of the messages that ended like this arrived when sent again this way (9 of 12)" in shown
    Retry.objects.filter(nonce__in=["n0", "n1", "n2"]).delete()
    assert "Only 9 of the messages" in plain(dialog(signed_in("ops"), failed))


def test_the_accounts_stand_beside_each_other(failed: Message) -> None:
    account("rt", "roycetalk", label="Royce")
    shown = plain(dialog(signed_in("ops"), failed))
    assert "BSG Kenya too few to say 0.04 EUR No the same way again" in shown
    assert "Royce too few to say not known No the phone stays the same" in shown


def test_an_account_that_is_paused_for_long_is_no_way_now(failed: Message) -> None:
    account("rt", "roycetalk", label="Royce")
    later = timezone.now() + timedelta(minutes=30)
    Account.objects.filter(slug="bsg").update(paused_until=later, last_error="The key was refused.")
    shown = plain(dialog(signed_in("ops"), failed))
    assert "Nothing is sent through BSG Kenya for 29 min. Another account can send it now." in shown
    assert "The key was refused." in shown
    assert "BSG Kenya too few to say 0.04 EUR No nothing goes out now" in shown


def test_numbers_in_a_providers_words_are_hidden(bsg: Account) -> None:
    message = sends(bsg, 1, text=TEXT)[0]
    report(message, Status.FAILED, detail="254712345678 is absent <b>now</b>")
    shown = dialog(signed_in("ops"), message)
    assert "254712345678" not in shown
    assert "<b>now" not in shown


# ------------------------------------------------------------------------------ pressed, too late


def told_why(answer: Any) -> str:
    assert answer.status_code == 409
    found = re.search(r'<p class="alert alert-danger" role="alert">(.*?)</p>', answer.content.decode(), re.DOTALL)
    assert found
    return plain(found[1])


def test_a_page_opened_before_it_was_delivered_says_when_it_was(failed: Message) -> None:
    client = signed_in("ops")
    page = dialog(client, failed)
    report(failed, Status.DELIVERED)
    with time_machine.travel(timezone.now() + timedelta(seconds=3), tick=False):
        assert re.fullmatch(r"It was delivered [23] s ago\. Nothing was sent\.", told_why(press(client, failed, page)))
    assert not Retry.objects.exists()


def test_a_page_opened_before_somebody_else_sent_it_again_says_who(failed: Message) -> None:
    ann = signed_in("ops", name="ann")
    client = signed_in("ops")
    page = dialog(client, failed)
    press(ann, failed)
    said = told_why(press(client, failed, page))
    assert said.startswith("ann asked for it to be sent again ")
    assert Retry.objects.count() == 1


def test_its_own_new_try_is_not_called_another_message_with_the_same_text(failed: Message) -> None:
    client = signed_in("ops")
    press(client, failed)
    shown = dialog(client, failed)
    assert "Sending again is already under way." in shown
    assert "another message" not in shown


def test_a_page_opened_before_the_provider_tried_again_says_so(failed: Message) -> None:
    client = signed_in("ops")
    page = dialog(client, failed)
    report(failed, Status.RETRYING, attempt=1)
    assert told_why(press(client, failed, page)).startswith("BSG is trying again by itself")


def test_a_page_opened_before_another_failure_says_what_it_is_now(failed: Message) -> None:
    client = signed_in("ops")
    page = dialog(client, failed)
    report(failed, Status.UNDELIVERABLE)
    assert told_why(press(client, failed, page)).startswith("It is now “Undeliverable”, as we heard ")


def test_being_asked_about_once_more_makes_no_page_stale(failed: Message) -> None:
    client = signed_in("ops")
    page = dialog(client, failed)
    report(failed, Status.FAILED, detail="Absent subscriber")
    Message.objects.update(asked_at=timezone.now(), wanted_at=timezone.now())
    assert press(client, failed, page).status_code == 302


def test_a_page_of_ten_minutes_ago_sends_nothing_and_keeps_what_was_typed(failed: Message) -> None:
    client = signed_in("ops")
    page = dialog(client, failed)
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1), tick=False):
        answer = press(client, failed, page, reason="she called twice")
        assert "too old" in told_why(answer)
    assert "she called twice" in answer.content.decode()


def test_a_refused_press_is_in_the_audit(failed: Message) -> None:
    client = signed_in("ops", name="ann")
    page = dialog(client, failed)
    Account.objects.update(resend_cap=0)
    assert press(client, failed, page).status_code == 409
    row = Audit.objects.get(action="retry refused")
    assert (row.actor_name, row.subject, row.details["code"]) == ("ann", f"message {failed.pk}", "cap_account")


def test_the_eleventh_press_in_ten_minutes_is_refused(bsg: Account) -> None:
    client = signed_in("support", name="ann")
    many = sends(bsg, 11, text=TEXT, first=700)
    reports([(message, Status.FAILED) for message in many])
    pages = [dialog(client, message) for message in many]
    answers = [press(client, message, page) for message, page in zip(many, pages, strict=True)]
    assert [answer.status_code for answer in answers] == [302] * 10 + [409]
    assert "You have sent 10 messages again" in told_why(answers[10])
    assert Retry.objects.filter(user=User.objects.get(username="ann")).count() == 10


# ------------------------------------------------------------------------------ what it costs the database


def test_neither_page_asks_more_the_more_was_sent_to_the_number(failed: Message, bsg: Account) -> None:
    client = signed_in("ops")
    dialog(client, failed)  # the first click writes the session
    counts = []
    for many in (1, 40):
        others = sends(bsg, many, first=2000 + many * 100, text=TEXT)
        Message.objects.filter(pk__in=[message.pk for message in others]).update(recipient=failed.recipient)
        reports([(message, Status.FAILED) for message in others])
        with CaptureQueriesContext(connection) as page:
            client.get(f"/messages/{failed.pk}/")
        with CaptureQueriesContext(connection) as queries:
            dialog(client, failed)
        counts.append((len(page), len(queries)))
    assert counts[0] == counts[1]


def test_the_dialog_compares_a_bounded_number_of_accounts(failed: Message) -> None:
    client = signed_in("ops")
    counts = []
    for _ in range(2):
        for n in range(len(counts) * 20, len(counts) * 20 + 10):
            account(f"rt{n}", "roycetalk")
        with CaptureQueriesContext(connection) as queries:
            shown = dialog(client, failed)
        counts.append(len(queries))
    assert shown.count("too few to say</td>") <= 8
    assert counts[1] <= counts[0]
