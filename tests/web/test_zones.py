"""Times in the zone that a person chose: every one names its zone, and what a browser claims is checked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from playwright.sync_api import Browser

from dashboard.models import Message
from dashboard.web.tags import absolute
from dashboard.web.zones import zone_of
from tests.factory import PASSWORD, account, person, sends, signed_in

pytestmark = pytest.mark.any_database
SENT = datetime(2026, 7, 20, 9, 3, 7, tzinfo=UTC)


@pytest.fixture
def message(db: None, settings: Any) -> Message:
    settings.SITE_TIME_ZONE = "Africa/Nairobi"
    return sends(account(), 1, sent_at=SENT)[0]


def times(client: Client, message: Message) -> set[str]:
    """The absolute times of the message's sending that its page shows, and its footer."""
    text = client.get(f"/messages/{message.pk}/").content.decode()
    return set(re.findall(r'<time class="stamp" datetime="2026-07-20T09:03:07[^>]*>([^<]+)</time>', text))


def choose(client: Client, zone: str, page: str = "/") -> None:
    answer = client.post("/zone/", {"zone": zone, "next": page})
    assert (answer.status_code, answer["Location"]) == (302, page)


def test_times_are_in_the_sites_zone_until_something_else_is_chosen(message: Message) -> None:
    client = signed_in("ops")
    assert times(client, message) == {"2026-07-20 12:03:07 EAT"}
    choose(client, "utc", f"/messages/{message.pk}/")
    assert times(client, message) == {"2026-07-20 09:03:07 UTC"}
    assert "Times are shown in UTC" in client.get("/").content.decode()
    client.cookies["browser_zone"] = "Europe/Paris"
    assert times(client, message) == {"2026-07-20 09:03:07 UTC"}
    choose(client, "browser")
    assert times(client, message) == {"2026-07-20 11:03:07 CEST"}
    assert "Times are shown in Europe/Paris, as in this browser" in client.get("/").content.decode()
    choose(client, "site")
    assert times(client, message) == {"2026-07-20 12:03:07 EAT"}


def test_the_verdicts_sentences_go_by_the_same_zone(message: Message) -> None:
    Message.objects.update(sent_at=timezone.now() - timedelta(minutes=1))
    client = signed_in("ops")
    address = f"/messages/{message.pk}/"
    assert re.search(r"at \d\d:\d\d EAT", client.get(address).content.decode())
    choose(client, "utc")
    text = client.get(address).content.decode()
    assert re.search(r"at \d\d:\d\d UTC", text)
    assert not re.search(r"\d\d:\d\d EAT", text)


def test_lists_name_the_zone_too(message: Message) -> None:
    client = signed_in("ops")
    choose(client, "utc")
    for address in ("/messages/", f"/recipients/{message.recipient_id}/"):
        text = client.get(address).content.decode()
        assert 'datetime="2026-07-20T09:03:07+00:00" title="2026-07-20 09:03:07 UTC"' in text, address


def test_days_of_filters_stay_the_sites(message: Message) -> None:
    client = signed_in("ops")
    choose(client, "utc")
    assert "Days are of Africa/Nairobi." in client.get("/messages/").content.decode()


def test_files_and_the_api_stay_as_they_are(message: Message) -> None:
    client = signed_in("ops")
    client.cookies["browser_zone"] = "Europe/Paris"
    choose(client, "browser")
    assert b"2026-07-20T09:03:07Z" in client.get("/messages/export.csv").getvalue()


@pytest.mark.parametrize(
    "claimed",
    [
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/localtime",
        "Africa",
        "x" * 65,
        "Europe/Paris; x",
        "UTC\x00",
        "é",
    ],
)
def test_a_browsers_zone_that_is_none_is_the_sites(message: Message, claimed: str) -> None:
    client = signed_in("ops")
    choose(client, "browser")
    client.cookies["browser_zone"] = claimed
    assert times(client, message) == {"2026-07-20 12:03:07 EAT"}


def test_a_zone_without_letters_says_how_far_it_is_from_utc() -> None:
    request = RequestFactory().get("/")
    request.COOKIES.update(zone="browser", browser_zone="Asia/Dubai")
    with timezone.override(zone_of(request).info):
        assert absolute(SENT) == "2026-07-20 13:03:07 UTC+04"


def test_utc_is_not_offered_twice(db: None, settings: Any) -> None:
    settings.SITE_TIME_ZONE = "UTC"
    client = signed_in("support")
    choose(client, "utc")
    assert re.findall(r'name="zone" value="(\w+)"', client.get("/").content.decode()) == ["site", "browser"]


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        *[(page, page) for page in ("/", "/messages/?status=sent&since=2026-11-20&cursor=o1_12345678")],
        ("/messages/?phone=254712345678", "/messages/"),
        ("/audit/?subject=message+0712-345+678&action=x", "/audit/"),
        ("/audit/?subject=%2B254712345678", "/audit/"),
        ("//evil.example/", "/"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("like", ["zone", "theme"])
def test_a_choice_leads_back_and_repeats_no_number(message: Message, like: str, page: str, leads_to: str) -> None:
    client = signed_in("ops")
    chosen = {"zone": "utc", "theme": "dark"}[like]
    assert client.post(f"/{like}/", {like: chosen, "next": page})["Location"] == leads_to


@pytest.mark.parametrize("given", ["", "mars", "utc; path=/"])
def test_only_what_there_is_can_be_chosen(message: Message, given: str) -> None:
    client = signed_in("ops")
    answer = client.post("/zone/", {"zone": given, "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert "zone" not in answer.cookies
    assert client.get("/zone/")["Location"] == "/"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_z_goes_through_the_zones_and_paper_has_no_ages(browser: Browser, live_server: Any, settings: Any) -> None:
    settings.SITE_TIME_ZONE = "Africa/Nairobi"
    message = sends(account(), 1, sent_at=SENT)[0]
    context = browser.new_context(base_url=live_server.url, timezone_id="Asia/Tokyo")
    page = context.new_page()
    user = person("ops")
    page.goto("/sign-in/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/")
    page.goto("/messages/?account=bsg")
    seen = []
    for _ in range(3):
        with page.expect_navigation():
            page.keyboard.press("z")
        assert page.url.endswith("/messages/?account=bsg")
        seen.append(page.get_attribute("main time.ago", "title"))
    assert seen == ["2026-07-20 18:03:07 JST", "2026-07-20 09:03:07 UTC", "2026-07-20 12:03:07 EAT"]

    page.emulate_media(media="print")
    on_paper = "getComputedStyle(document.querySelector('main time.ago'), '::after').content"
    assert page.evaluate(on_paper) == '"2026-07-20 12:03:07 EAT"'
    assert page.evaluate("getComputedStyle(document.querySelector('main time.ago')).fontSize") == "0px"
    page.goto(f"/messages/{message.pk}/")
    assert page.locator(".when .ago:visible").count() == 0
    assert page.locator(".when .stamp:visible").count() > 0
    context.close()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_ages_tick_in_the_words_of_the_server(browser: Browser, live_server: Any) -> None:
    sends(account(), 1, sent_at=timezone.now() - timedelta(seconds=58))
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    page.clock.install()
    user = person("ops")
    page.goto("/sign-in/")
    page.fill("#id_username", user.username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url("**/")
    page.goto("/messages/")
    page.clock.fast_forward(125_000)
    page.wait_for_function("/^[34] min ago$/.test(document.querySelector('main time.ago').textContent)")
    context.close()
