"""The pages in a real Chromium: no refused script or style, nothing inaccessible, and a page that follows by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser

from dashboard.ingest.ending import doubt
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Message
from providers.base import Status
from tests.factory import PASSWORD, account, person, report, sends, webhook
from tests.web.eyes import LOOKS, looking, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def message() -> Message:
    ours: Account = account("rt", "roycetalk")
    found = sends(ours, 3, text="Dear Ann, your code is 482135.", batch="October")[0]
    webhook(ours, {"message_id": found.match_id, "status": "sent"})
    webhook(ours, {"message_id": "nobody-knows", "status": "delivered"})
    return found


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        look("/sign-in/")
        sign_in(look.page, look.base, "support", "ops", "admin")
        for address in ("/", "/find/", "/help/statuses/", "/attention/", f"/messages/{message.pk}/",
                        f"/recipients/{message.recipient_id}/", f"/messages/{message.pk}/retry/"):  # fmt: skip
            look(address)


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1440), *(pytest.param(*look, marks=pytest.mark.slow) for look in (("dark", 390), ("light", 390)))],
)
def test_the_lists_and_forms_are_quiet_accessible_and_fit(
    browser: Browser, live_server: Any, message: Message, scheme: Any, width: int
) -> None:
    """With a text that is long, one that is written from right to left, and a full page of rows."""
    ours, other = message.account, account("long", "bsg", label="Hauptleitung für Einmalkennwörter der Filialen " * 2)
    sends(ours, 60, first=100, text="حزمتك جاهزة للاستلام")
    (wide,) = sends(other, 1, first=900, text="LongWordWithoutAnyPlaceToBreakIt" * 8, batch="x" * 120, sender="S" * 11)
    report(wide, Status.FAILED, detail="SubscriberUnreachableForUnknownReasons" * 5)
    webhook(ours, {"message_id": message.match_id, "status": "failed", "detail": "متعذر التسليم"})
    evidence = message.events.exclude(evidence=None).latest("pk").evidence_id
    somebody = person("support", "ops", "admin")
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, user=somebody)
        own, one = f"/accounts/{other.slug}/", f"/messages/{wide.pk}/"
        for address in ("/messages/", "/messages/?status=expired", one, "/batches/", f"/batches/{wide.batch_id}/",
                        f"/messages/{message.pk}/evidence/{evidence}/", "/accounts/", own, f"{own}edit/",
                        f"{own}credentials/", f"{own}test-text/", "/accounts/~add/", "/people/",
                        f"/people/{somebody.pk}/", "/people/tokens/", "/password/", "/audit/"):  # fmt: skip
            look(address)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_pages_with_nothing_on_them_are_quiet_accessible_and_fit(
    browser: Browser, live_server: Any, db: None, scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, "support", "ops", "admin")
        for address in ("/", "/find/", "/messages/", "/batches/", "/bulk/", "/attention/", "/accounts/", "/audit/"):
            look(address, name=f"nothing yet {address}")
        look.page.goto(look.base + "/messages/")
        look.page.fill("#topbar-q", "0722 000 000")
        look.page.press("#topbar-q", "Enter")
        look.page.wait_for_load_state()
        look(name="nothing found")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_button_follows_what_is_chosen_and_its_dialog_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, settings: Any, scheme: Any, width: int
) -> None:
    settings.RETRY_COOL_DOWN = (0, 0)
    account("other", "bsg", label="Another one")
    Message.objects.filter(pk=message.pk).update(text="Dear Ann, your parcel is here. " * 8)
    report(message, Status.FAILED, detail="Absent subscriber")
    with looking(browser, live_server, scheme, width) as look:
        page = look.page
        sign_in(page, look.base, "ops")
        page.goto(f"{look.base}/messages/{message.pk}/retry/")
        for part in ("details.compare", "details.change"):
            page.click(f"{part} > summary")
        look(name="send again")
        button = page.locator("#promise button[type=submit]")
        assert "(2 parts)" in button.inner_text()
        page.select_option("#id_account", "other")
        page.wait_for_selector("#promise button:has-text('via Another one')")
        page.fill("#id_text", "Ask us.")
        page.press("#id_text", "Tab")
        page.wait_for_selector("#promise button:has-text('(1 part)')")
        page.fill("#id_reason", "They called.")
        button.click()
        page.wait_for_url(f"{look.base}/messages/{message.pk}/")
        made = Message.objects.get(root=message)
        assert (made.account.slug, made.text) == ("other", "Ask us.")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_doubt_can_be_settled_and_its_page_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, settings: Any, scheme: Any, width: int
) -> None:
    settings.RETRY_COOL_DOWN = (0, 0)
    report(message, Status.FAILED)
    retry = request_retry(message.pk, reason="Nothing came.", nonce="n", user=person("ops"))[0]
    doubt(retry, "We cannot tell whether it went out.", timezone.now() - timedelta(minutes=15))
    with looking(browser, live_server, scheme, width) as look:
        page = look.page
        sign_in(page, look.base, "ops")
        look("/attention/", name="attention with a doubt")
        look(f"/messages/{retry.message_id}/doubt/", name="doubt")
        page.fill("#id_reason", "The provider's page does not show it.")
        page.click("text=It did not go out")
        page.wait_for_url(f"{look.base}/messages/{retry.message_id}/")
        assert page.locator("text=The provider's page does not show it.").count() > 0


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_second_factor_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, https: None, scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        page = look.page
        sign_in(page, look.base, "support", to="/second-factor/set-up/")
        assert page.evaluate("document.querySelector('.qr').naturalWidth") > 0
        look()
        secret = page.inner_text("#secret").replace(" ", "")
        page.fill("#id_code", pyotp.TOTP(secret).now())
        page.press("#id_code", "Enter")
        page.wait_for_url(f"{look.base}/second-factor/codes/*")
        look(name="second factor codes")
        recovery = page.inner_text(".recovery-codes li:first-child")
        page.click("text=I have kept them")
        look("/password/", name="password and second factor")
        name = page.inner_text(".menu-name")
        page.context.clear_cookies()
        page.goto(f"{look.base}/sign-in/")
        page.fill("#id_username", name)
        page.fill("#id_password", PASSWORD)
        page.press("#id_password", "Enter")
        page.wait_for_url(f"{look.base}/second-factor/")
        look()
        page.click("text=Without the phone")
        page.fill("#id_recovery", recovery)
        look(name="recovery code")
        page.press("#id_recovery", "Enter")
        page.wait_for_selector("text=9 recovery codes are left.")


def test_a_message_follows_by_itself_and_keeps_open_what_was_opened(
    browser: Browser, live_server: Any, message: Message
) -> None:
    page = browser.new_page()
    sign_in(page, live_server.url, "ops")
    page.goto(f"{live_server.url}/messages/{message.pk}/")
    page.click("details.evidence-links summary")
    page.wait_for_selector("details.evidence-links pre")
    report(message, Status.DELIVERED)
    page.wait_for_selector(".chips-big .chip-delivered", timeout=20_000)
    assert page.locator("details.evidence-links[open] pre").count() == 1
    assert page.locator("#live[hx-trigger]").count() == 0
    page.close()


def test_a_session_that_ended_leads_to_the_sign_in_and_not_into_the_page(
    browser: Browser, live_server: Any, message: Message
) -> None:
    page = browser.new_page()
    sign_in(page, live_server.url, "ops")
    page.goto(f"{live_server.url}/messages/{message.pk}/")
    page.context.clear_cookies(name="session")
    page.wait_for_url("**/sign-in/?next=*", timeout=20_000)
    page.close()


def test_a_failed_request_is_told_and_tried_again(browser: Browser, live_server: Any, message: Message) -> None:
    page = browser.new_page()
    sign_in(page, live_server.url, "ops")
    page.goto(f"{live_server.url}/messages/{message.pk}/")
    page.context.set_offline(True)
    page.click("details.evidence-links summary")
    page.wait_for_selector("text=The server cannot be reached. Nothing was changed.")
    page.context.set_offline(False)
    page.click("#toasts >> text=Try again")
    page.wait_for_selector("details.evidence-links pre")
    assert page.locator("#toasts > *").count() == 0
    page.close()


def test_everything_works_without_javascript(browser: Browser, live_server: Any, message: Message) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, live_server.url, "support")
    page.fill("input[name=q]", str(message.match_id))
    page.press("input[name=q]", "Enter")
    page.wait_for_url(f"**/messages/{message.pk}/")
    page.click("text=Check now")
    page.wait_for_selector("text=The provider is asked now")
    page.click("details.evidence-links summary")
    page.click("text=Open this evidence")
    assert page.locator("pre").count() == 1
    page.click("details.menu summary")
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in/")
    assert Client().get("/").status_code == 302
    context.close()
