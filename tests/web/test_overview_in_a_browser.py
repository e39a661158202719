"""The overview in a real Chromium: accessible in both schemes and widths, followed live, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import Browser, expect

from dashboard.models import Message
from providers.base import Status
from tests.factory import account, report, sends
from tests.web.eyes import LOOKS, looking, sign_in
from tests.web.test_overview import a_day_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def traffic() -> Iterator[list[Message]]:
    """Two accounts, one of them with a very long name, that sent of all fates to two countries; and a silent third.

    It is never the end of an hour.
    """
    with time_machine.travel(timezone.now().replace(minute=40)):
        yield sent_by_two()


def sent_by_two() -> list[Message]:
    long = account("bsg", label="Hauptleitung für Einmalkennwörter der Filialen " * 2)
    made = a_day_of(account("rt", "roycetalk", label="RoyceTalk"), timezone.now())
    a_day_of(long, timezone.now(), first=5000)
    account("esms", "esms_africa")
    Message.objects.filter(pk__in=[one.pk for one in made[:20]]).update(country="UG")
    return made


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_it_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, traffic: list[Message], scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, "ops", "admin")
        for closed in look.page.locator("details.behind > summary").all():
            closed.click()
        assert look.page.locator("svg[role=img]").count() == 2
        look(name="overview with traffic")


def test_it_follows_by_itself_unless_paused_and_leaves_open_what_is_open(
    browser: Browser, live_server: Any, traffic: list[Message]
) -> None:
    page = browser.new_page()
    sign_in(page, live_server.url, "ops")
    page.locator("summary", has_text="The same as a table").click()
    cell = page.locator("tr", has=page.get_by_role("rowheader", name="RoyceTalk")).first.locator("td").first
    expect(cell.locator("b")).to_have_text("60")
    page.keyboard.press(".")
    last = timezone.now().replace(minute=0) - timedelta(minutes=5)
    report(sends(traffic[0].account, 1, first=9000, sent_at=last)[0], Status.DELIVERED)
    page.keyboard.press(".")  # goes on, at once
    expect(cell.locator("b")).to_have_text("61")
    assert page.locator("details.behind[open]").count() == 1
    page.close()


def test_without_javascript_its_figures_and_its_choices_are_links(
    browser: Browser, live_server: Any, traffic: list[Message]
) -> None:
    page = browser.new_page(java_script_enabled=False)
    sign_in(page, live_server.url, "ops")
    page.click("nav.choices >> text=7 days")
    assert page.locator("#h-time").inner_text() == "The last 7 days"
    page.click("nav.choices >> text=RoyceTalk")
    assert page.locator("nav.choices [aria-current]").all_inner_texts() == ["7 days", "RoyceTalk"]
    page.locator(".hour a.count").first.click()
    assert page.url.startswith(f"{live_server.url}/messages/?account=")
    page.close()
