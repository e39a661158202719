"""Every key, pressed in a real Chromium, with nothing but the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Page

from dashboard.models import Message
from providers.base import Status
from tests.factory import PASSWORD, account, person, report, sends, webhook

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def messages() -> list[Message]:
    ours = account("rt", "roycetalk")
    found = sends(ours, 3, text="Dear Ann", batch="October", sent_at=timezone.now() - timedelta(hours=2))
    webhook(ours, {"message_id": found[0].match_id, "status": "sent"})
    return found


@pytest.fixture
def page(browser: Browser, live_server: Any, messages: list[Message]) -> Iterator[Page]:
    """Somebody of operations, who has put the mouse away."""
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    user = person("support", "ops", "admin")
    page.goto("/sign-in/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/")
    yield page
    assert complaints == []
    context.close()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.getAttribute('href') || document.activeElement.id")
    return found


def told(page: Page, text: str) -> None:
    page.wait_for_selector(f"#told:has-text({text!r})")


def copied(page: Page) -> None:
    """Keep what is copied where the test can read it."""
    page.evaluate("document.execCommand = () => { window.copied = document.activeElement.value; return true; }")


def test_the_search_box_takes_the_focus_and_then_letters_are_letters(page: Page) -> None:
    press(page, "/")
    assert focused(page) == "topbar-q"
    page.keyboard.type("g m ? jk/")
    assert page.input_value("#topbar-q") == "g m ? jk/"
    assert page.url.endswith("/")
    assert not page.is_visible("#keys")


def test_filters_are_suggested_for_the_word_being_typed(page: Page) -> None:
    page.goto("/find/")
    page.keyboard.type("status:expired acc")  # the box has the focus at once
    offered = page.evaluate("[...document.getElementById('q').list.options].map((one) => [one.value, one.label])")
    assert ["status:expired account:rt", "account:rt"] in offered
    press(page, "Escape")
    page.keyboard.type("overdue")
    with page.expect_navigation():
        press(page, "Enter")
    assert page.url.endswith("/messages/?overdue=on")


@pytest.mark.parametrize(
    ("key", "leads_to"), [("m", "/messages/"), ("b", "/batches/"), ("a", "/accounts/"), ("f", "/find/")]
)
def test_g_and_a_letter_go_to_a_page_and_back(page: Page, key: str, leads_to: str) -> None:
    press(page, "g", key)
    page.wait_for_url(f"**{leads_to}")
    press(page, "Escape")
    page.evaluate("document.activeElement.blur()")  # the box of Find has the focus at once
    press(page, "g", "o")
    page.wait_for_url(lambda url: url.endswith("/") and url.count("/") == 3)


def test_rows_are_walked_and_opened(page: Page, messages: list[Message]) -> None:
    page.goto("/messages/")
    newest, middle, oldest = (f"/messages/{message.pk}/" for message in reversed(messages))
    press(page, "j")
    assert focused(page) == newest
    press(page, "j", "j", "j")
    assert focused(page) == oldest  # and not beyond
    press(page, "k")
    assert focused(page) == middle
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    press(page, "Enter")
    page.wait_for_url(f"**{middle}")


def test_the_evidence_of_a_message_is_shown_and_hidden(page: Page, messages: list[Message]) -> None:
    page.goto(f"/messages/{messages[0].pk}/")
    press(page, "e")
    page.wait_for_selector("details.evidence-links[open] pre")
    press(page, "e")
    page.wait_for_selector("details.evidence-links:not([open])")


def test_ids_and_words_are_copied(page: Page, messages: list[Message]) -> None:
    page.goto(f"/messages/{messages[0].pk}/")
    page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
    copied(page)
    press(page, "c")
    told(page, f"Copied: {messages[0].pk}")
    assert page.evaluate("window.copied") == str(messages[0].pk)
    press(page, "w")
    assert page.evaluate("window.copied") == page.get_attribute("[data-key='w']", "data-copy")
    page.goto("/messages/")
    page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
    copied(page)
    press(page, "j", "j", "c")
    assert page.evaluate("window.copied") == str(messages[1].pk)


def test_links_are_copied_rows_open_beside_and_f_leads_to_the_filters(page: Page, messages: list[Message]) -> None:
    page.goto("/messages/?status=queued")
    page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
    copied(page)
    press(page, "C")
    assert page.evaluate("window.copied") == page.url
    press(page, "j", "C")
    assert page.evaluate("window.copied").endswith(f"/messages/{messages[2].pk}/")
    with page.expect_popup() as beside:
        press(page, "o")
    assert beside.value.url.endswith(f"/messages/{messages[2].pk}/")
    beside.value.close()
    press(page, "f")
    assert focused(page) == "id_status"


def test_r_opens_the_page_for_sending_again_and_sends_nothing(page: Page, messages: list[Message]) -> None:
    report(messages[0], Status.FAILED)
    Message.objects.filter(pk=messages[0].pk).update(final_at=timezone.now() - timedelta(hours=2), unconfirmed=False)
    page.goto(f"/messages/{messages[0].pk}/")
    press(page, "r")
    page.wait_for_url(f"**/messages/{messages[0].pk}/retry/")
    assert Message.objects.count() == 3


def test_r_says_why_where_it_cannot_be_sent_again(page: Page, messages: list[Message]) -> None:
    page.goto(f"/messages/{messages[1].pk}/")
    why = page.inner_text("#retry-why")
    press(page, "r")
    told(page, why[:30])
    assert page.url.endswith(f"/messages/{messages[1].pk}/")


def test_updates_are_paused_and_go_on(page: Page, messages: list[Message]) -> None:
    page.goto(f"/messages/{messages[0].pk}/")
    assert page.inner_text("#live-pause") == "Pause updates"
    press(page, ".")
    told(page, "Updates are paused.")
    assert not page.is_visible(".live-mark")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    report(messages[0], Status.DELIVERED)
    page.evaluate("htmx.trigger('#live', 'resume')")  # as its clock does every few seconds
    page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert asked == []
    assert page.locator(".chips-big .chip-delivered").count() == 0
    press(page, ".")
    page.wait_for_selector(".chips-big .chip-delivered")
    page.wait_for_selector("#live-pause", state="hidden")  # nothing more follows
    press(page, ".")
    told(page, "That key does nothing here.")


def test_the_colours_change_and_the_page_stays(page: Page) -> None:
    page.goto("/messages/?status=sent")
    themes = []
    for _ in range(3):
        with page.expect_navigation():
            press(page, "t")
        assert page.url.endswith("/messages/?status=sent")
        themes.append(page.evaluate("document.documentElement.dataset.theme"))
    assert themes == ["light", "dark", "auto"]


def test_the_keys_are_shown_and_can_be_switched_off(page: Page) -> None:
    press(page, "?")
    page.wait_for_selector("#keys[open]")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in Axe().run(page).response["violations"]] == []
    press(page, "g", "m")
    assert page.url.count("/") == 3  # nothing behind the dialog answers
    while not page.evaluate("document.activeElement.matches('[data-keys-on]')"):
        press(page, "Tab")
    press(page, "Space", "Escape")
    page.wait_for_selector("#keys", state="hidden")
    press(page, "/")
    assert focused(page) != "topbar-q"
    page.goto("/messages/")
    press(page, "?", "j")
    assert not page.is_visible("#keys")
    page.focus("[data-keys-show]")
    press(page, "Enter")
    page.wait_for_selector("#keys[open]")
    assert not page.is_checked("[data-keys-on]")
    page.check("[data-keys-on]")
    press(page, "Escape", "j")
    assert focused(page).startswith("/messages/")


def test_keys_with_a_modifier_belong_to_the_browser(page: Page) -> None:
    press(page, "Control+/", "Alt+j", "Shift+j")
    assert focused(page) == ""
    assert page.inner_text("#told") == ""


def test_without_javascript_the_keys_are_a_part_of_the_help(browser: Browser, live_server: Any) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    user = person("support")
    page.goto("/sign-in/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.click("footer >> text=Keyboard")
    page.wait_for_url("**/help/statuses/#keyboard")
    assert "Next row, row before" in page.inner_text("section[aria-labelledby='keyboard']")
    assert "Accounts" not in page.inner_text("section[aria-labelledby='keyboard']")
    assert not page.is_visible("#live-pause")
    context.close()
