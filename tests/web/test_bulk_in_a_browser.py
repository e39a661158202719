"""Sending many again in a real Chromium: accessible, by keyboard alone, followed live, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import request_retry
from dashboard.models import Batch, Bulk, BulkItem, Message, Retry, User
from dashboard.queries import filter_messages
from providers.base import Status
from tests.factory import account, person, reports, sends
from tests.web.eyes import LOOKS, looking, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
COUNT = 60
PAUSE, RESUME, STOP = (f"form[action$='/{step}/'] button" for step in ("pause", "resume", "stop"))


@pytest.fixture
def ops(settings: Any) -> User:
    """Somebody of operations, and messages that failed."""
    settings.RETRY_COOL_DOWN = ("0", "0")
    messages = sends(account("rt", "roycetalk", label="RoyceTalk"), COUNT, text="Your order is ready.", batch="October")
    reports([(message, Status.FAILED) for message in messages])
    Message.objects.filter(pk__in=[message.pk for message in messages[:4]]).update(text=None)
    return person("ops", "admin")


@pytest.fixture
def running(ops: User) -> Bulk:
    """A run with something of everything."""
    found = filter_messages(bucket="undeliverable")
    bulk = steps.plan(found, user=ops, reason="The network was down.", filters={"bucket": "undeliverable"})
    steps.approve(bulk.pk, user=ops, typed=COUNT - 4)
    for n, item in enumerate(BulkItem.objects.filter(bulk=bulk, code="")[:6]):
        retry, _ = request_retry(item.message_id, reason="again", nonce=str(n), user=ops, bulk=bulk)
        BulkItem.objects.filter(pk=item.pk).update(retry=retry)
    states = ["accepted", "accepted", "outcome_unknown", "not_sent", "refused", "open"]
    for retry, state in zip(Retry.objects.order_by("pk"), states, strict=True):
        Retry.objects.filter(pk=retry.pk).update(state=state)
    reports([(first, Status.DELIVERED) for first in Message.objects.filter(made_by__state="accepted")[:1]])
    return bulk


@pytest.fixture
def page(browser: Browser, live_server: Any, ops: User) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, live_server.url, user=ops)
    yield page
    assert complaints == []
    context.close()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_of_it_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, ops: User, running: Bulk, scheme: Any, width: int
) -> None:
    planned = steps.plan(
        filter_messages(bucket="undeliverable"), user=ops, reason="Again", filters={"bucket": "undeliverable"}
    )
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, user=ops)
        look("/bulk/")
        look(f"/bulk/{running.pk}/?show=to_come", name="bulk running")
        look(f"/bulk/{planned.pk}/?show=excluded", name="bulk planned")
        look("/bulk/new/?bucket=undeliverable")
        look(f"/batches/{Batch.objects.get().pk}/", name="batch with failures")


def test_from_the_list_to_a_run_by_keyboard_alone(page: Page) -> None:
    page.goto("/messages/?bucket=undeliverable")
    page.locator("text=Send these again").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/bulk/new/?bucket=undeliverable")
    page.locator("#id_reason").focus()
    page.keyboard.type("The network was down.")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/bulk/\d+/$"))
    page.locator("#number").focus()
    page.keyboard.type(str(COUNT - 4))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Running")
    page.locator(PAUSE).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(RESUME)
    assert Bulk.objects.get().state == "paused"


def test_the_page_follows_and_keeps_what_is_being_typed(page: Page, running: Bulk, ops: User) -> None:
    page.goto(f"/bulk/{running.pk}/")
    delivered = page.locator(".tiles b.is-delivered").first
    assert delivered.inner_text() == "1"
    page.fill("#stop-reason", "Because")
    reports([(one, Status.DELIVERED) for one in Message.objects.filter(made_by__state="accepted")])
    page.wait_for_selector(".tiles b.is-delivered:text('2')", timeout=20_000)
    assert page.input_value("#stop-reason") == "Because"
    steps.pause(running.pk, user=ops)
    page.wait_for_selector(RESUME, timeout=20_000)


def test_two_clicks_are_one(page: Page, running: Bulk) -> None:
    page.goto(f"/bulk/{running.pk}/")
    page.dblclick(STOP)
    page.wait_for_selector("text=Stopped before its turn")
    assert page.locator("text=Nothing was changed").count() == 0


def test_it_works_without_javascript(browser: Browser, live_server: Any, ops: User) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = context.new_page()
    sign_in(page, live_server.url, user=ops)
    page.goto("/messages/?bucket=undeliverable")
    page.click("text=Send these again")
    page.fill("#id_reason", "The network was down.")
    page.click("text=Make the plan")
    page.click("text=Its text is gone")
    assert page.locator("#list tbody tr").count() == 4
    page.fill("#number", "1")
    page.click("text=Send 56 texts")
    page.wait_for_selector("text=Type the number of messages: 56.")
    page.fill("#number", str(COUNT - 4))
    page.click("text=Send 56 texts")
    for button, then in ((PAUSE, RESUME), (RESUME, PAUSE), (STOP, "text=Stopped before its turn")):
        page.click(button)
        page.wait_for_selector(then)
    assert Bulk.objects.get().state == "stopped"
    context.close()
