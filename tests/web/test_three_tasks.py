"""What each person comes for, from the page after signing in, counted in clicks and lines typed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, expect

from dashboard.accounts import save_account
from dashboard.models import Account
from dashboard.worker.loop import Worker
from providers.base import Status
from providers.simulator.server import Simulator
from tests.factory import account, report, reports, sends
from tests.web.eyes import Look, looking, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NUMBER = "+254 700 000 000"


class Person:
    """Somebody at the page, whose steps are counted."""

    def __init__(self, look: Look) -> None:
        self.page, self.steps = look.page, 0

    def click(self, what: str) -> None:
        self.steps += 1
        self.page.locator(what).first.click()
        self.page.wait_for_load_state()

    def type(self, where: str, line: str) -> None:
        """A line and Enter."""
        self.steps += 1
        self.page.fill(where, line)
        self.page.press(where, "Enter")
        self.page.wait_for_load_state()


@pytest.fixture
def look(browser: Browser, live_server: Any) -> Iterator[Look]:
    with looking(browser, live_server, "light", 1440) as found:
        yield found


def test_support_knows_what_became_of_a_code_and_what_to_say(look: Look) -> None:
    (message,) = sends(account("rt", "roycetalk"), 1, text="Your code is 482135.")
    report(message, Status.EXPIRED, detail="Absent subscriber")
    sign_in(look.page, look.base, "support")
    somebody = Person(look)
    somebody.type("input[name=q]", NUMBER)
    expect(look.page.locator(".verdict").first).to_contain_text("the phone was off or out of reach")
    expect(look.page.get_by_text("Tell the customer").first).to_be_visible()
    expect(look.page.locator("button:has-text('Copy words for the customer')").first).to_be_visible()
    assert somebody.steps <= 2


def test_operations_sees_which_provider_fails_and_which_messages(look: Look) -> None:
    key = {"api_key": "a good key"}
    fine = save_account("fine", provider="roycetalk", label="Fine one", by="a test", credentials=key)
    bad = save_account("bad", provider="smsbat", label="Failing one", by="a test", credentials=key)
    reports([(message, Status.DELIVERED) for message in sends(fine, 60)])
    failed = sends(bad, 40, first=500)
    reports([(message, Status.FAILED) for message in failed])
    sign_in(look.page, look.base, "ops")
    expect(look.page.locator("#now")).to_contain_text("wrong")
    expect(look.page.locator(".findings")).to_contain_text("Failing one")
    expect(look.page.locator(".findings")).not_to_contain_text("Fine one")
    somebody = Person(look)
    somebody.click(".findings li:has-text('Failing one') a")
    shown = look.page.locator("[name=chosen]").evaluate_all("boxes => boxes.map(box => +box.value)")
    assert set(shown) == {message.pk for message in failed}
    assert somebody.steps <= 2


def test_an_admin_replaces_a_key_and_sees_that_it_works(look: Look, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    with Simulator(speed=0) as simulator, ThreadPoolExecutor(1) as beside:
        save_account("rt", provider="roycetalk", base_url=simulator.base_url("roycetalk"), by="a test",
                     credentials={"api_key": "bad"})  # fmt: skip
        sign_in(look.page, look.base, "admin")
        somebody = Person(look)
        somebody.click("nav >> text=Accounts")
        somebody.click("main >> text=rt")
        somebody.click("main a[href$='/credentials/']")
        somebody.type("#id_api_key", "a good key")
        beside.submit(work).result()
        expect(look.page.get_by_text("It works").first).to_be_visible(timeout=20_000)
        assert somebody.steps <= 4
        assert Account.objects.get().test_ok


def work() -> None:
    """The worker, in a thread of its own, since Playwright runs an event loop in this one."""
    try:
        asyncio.run(Worker().run(once=True))
    finally:
        connections.close_all()
