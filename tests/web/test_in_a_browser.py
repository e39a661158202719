"""The pages in a real Chromium: no refused script or style, nothing inaccessible, and a page that follows by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from dashboard.ingest.ending import doubt
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Message
from providers.base import Status
from tests.factory import PASSWORD, account, person, report, sends, webhook

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Both schemes and both widths every time; all four pairs of them in `test-all`.
LOOKS = [
    ("light", 1440),
    ("dark", 390),
    pytest.param("light", 390, marks=pytest.mark.slow),
    pytest.param("dark", 1440, marks=pytest.mark.slow),
]


@pytest.fixture
def message() -> Message:
    ours: Account = account("rt", "roycetalk")
    found = sends(ours, 3, text="Dear Ann, your code is 482135.", batch="October")[0]
    webhook(ours, {"message_id": found.match_id, "status": "sent"})
    webhook(ours, {"message_id": "nobody-knows", "status": "delivered"})
    return found


def sign_in(page: Page, base: str, *roles: str, to: str = "/") -> None:
    user = person(*roles)
    page.goto(f"{base}/sign-in/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(f"{base}{to}")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, scheme: Any, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, live_server.url, "support", "ops", "admin")
    addresses = ("/", "/find/", "/help/statuses/", "/attention/", f"/messages/{message.pk}/",
                 f"/recipients/{message.recipient_id}/", f"/messages/{message.pk}/retry/")  # fmt: skip
    for address in addresses:
        page.goto(live_server.url + address)
        assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert complaints == [], address
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], address
        complaints.clear()
    page.close()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_button_follows_what_is_chosen_and_its_dialog_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, settings: Any, scheme: Any, width: int
) -> None:
    settings.RETRY_COOL_DOWN = (0, 0)
    account("other", "bsg", label="Another one")
    Message.objects.filter(pk=message.pk).update(text="Dear Ann, your parcel is here. " * 8)
    report(message, Status.FAILED, detail="Absent subscriber")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    sign_in(page, live_server.url, "ops")
    page.goto(f"{live_server.url}/messages/{message.pk}/retry/")
    for part in ("details.compare", "details.change"):
        page.click(f"{part} > summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    button = page.locator("#promise button[type=submit]")
    assert "(2 parts)" in button.inner_text()
    page.select_option("#id_account", "other")
    page.wait_for_selector("#promise button:has-text('via Another one')")
    page.fill("#id_text", "Ask us.")
    page.press("#id_text", "Tab")
    page.wait_for_selector("#promise button:has-text('(1 part)')")
    page.fill("#id_reason", "They called.")
    button.click()
    page.wait_for_url(f"{live_server.url}/messages/{message.pk}/")
    made = Message.objects.get(root=message)
    assert (made.account.slug, made.text, complaints) == ("other", "Ask us.", [])
    page.close()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_doubt_can_be_settled_and_its_page_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, message: Message, settings: Any, scheme: Any, width: int
) -> None:
    settings.RETRY_COOL_DOWN = (0, 0)
    report(message, Status.FAILED)
    retry = request_retry(message.pk, reason="Nothing came.", nonce="n", user=person("ops"))[0]
    doubt(retry, "We cannot tell whether it went out.", timezone.now() - timedelta(minutes=15))
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    sign_in(page, live_server.url, "ops")
    for address in ("/attention/", f"/messages/{retry.message_id}/doubt/"):
        page.goto(live_server.url + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], address
    page.fill("#id_reason", "The provider's page does not show it.")
    page.click("text=It did not go out")
    page.wait_for_url(f"{live_server.url}/messages/{retry.message_id}/")
    assert page.locator("text=The provider's page does not show it.").count() > 0
    assert complaints == []
    page.close()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_second_factor_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, https: None, scheme: Any, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)

    def look() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
        assert complaints == [], page.url
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], page.url

    sign_in(page, live_server.url, "support", to="/second-factor/set-up/")
    assert page.evaluate("document.querySelector('.qr').naturalWidth") > 0
    look()
    secret = page.inner_text("#secret").replace(" ", "")
    page.fill("#id_code", pyotp.TOTP(secret).now())
    page.press("#id_code", "Enter")
    page.wait_for_url(f"{live_server.url}/second-factor/codes/*")
    look()
    recovery = page.inner_text(".recovery-codes li:first-child")
    page.click("text=I have kept them")
    page.goto(f"{live_server.url}/password/")
    look()
    name = page.inner_text(".menu-name")
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/sign-in/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(f"{live_server.url}/second-factor/")
    look()
    page.click("text=Without the phone")
    page.fill("#id_recovery", recovery)
    look()
    page.press("#id_recovery", "Enter")
    page.wait_for_selector("text=9 recovery codes are left.")
    page.close()


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
    page.fill("#topbar-q", str(message.match_id))
    page.press("#topbar-q", "Enter")
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
