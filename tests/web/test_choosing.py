"""Choosing messages one by one, the columns of their list, and a list that follows without losing either."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page

from dashboard.models import Account, Bulk, BulkItem, Message
from providers.base import Status
from tests.factory import account, report, reports, sends, signed_in
from tests.web.eyes import LOOKS, Look, looking, sign_in

pytestmark = pytest.mark.any_database
LIVE = {"HX-Request": "true"}


@pytest.fixture
def bsg(db: None) -> Account:
    return account("bsg")


def failed(bsg: Account, count: int) -> list[Message]:
    messages = sends(bsg, count, text="Your order is ready.")
    reports([(message, Status.FAILED) for message in messages])
    return messages


def follow(page: str) -> str:
    """What the list asks by itself."""
    found = re.search(r'<div id="rows" hx-get="([^"]+)"', page)
    assert found
    return f"/messages/{found[1].replace('&amp;', '&')}"


# ------------------------------------------------------------------------------ exactly the chosen


def test_a_plan_of_chosen_messages_is_exactly_these_whatever_happens_to_them_meanwhile(bsg: Account) -> None:
    one, two, three, other = failed(bsg, 4)
    ops = signed_in("ops")
    page = ops.get(f"/bulk/new/?chosen={one.pk}&chosen={two.pk}&chosen={three.pk}").content.decode()
    assert "<strong>3</strong>" in page
    assert f'name="chosen" value="{one.pk},{two.pk},{three.pk}"' in page
    report(two, Status.DELIVERED)
    ops.post("/bulk/", {"chosen": f"{one.pk},{two.pk},{three.pk}", "reason": "They called.", "through": ""})
    bulk = Bulk.objects.get()
    items = dict(BulkItem.objects.filter(bulk=bulk).values_list("message", "code"))
    assert set(items) == {one.pk, two.pk, three.pk}
    assert items[two.pk] == "delivered"
    assert bulk.filter == {"chosen": f"{one.pk},{two.pk},{three.pk}"}
    shown = ops.get(f"/bulk/{bulk.pk}/").content.decode()
    assert "Chosen</dt><dd>3 messages</dd>" in " ".join(shown.split())
    list_url = re.search(r'href="(/messages/\?chosen=[^"]+)"', shown)
    assert list_url
    rows = ops.get(list_url[1]).context["rows"]
    assert {row.pk for row in rows} == {one.pk, two.pk, three.pk} != {other.pk}


@pytest.mark.parametrize("chosen", ["", "0", "999999", "x", "1,x", "1;2", "-1", "٣", "9" * 30])
def test_what_names_no_message_is_refused_and_plans_nothing(bsg: Account, chosen: str) -> None:
    failed(bsg, 1)
    ops = signed_in("ops")
    assert ops.get("/bulk/new/", {"chosen": chosen}).status_code == 422
    assert ops.post("/bulk/", {"chosen": chosen, "reason": "They called."}).status_code == 422
    assert ops.post("/bulk/", {"chosen": f"{chosen},1", "reason": "They called."}).status_code in (302, 422)
    assert [bulk.filter for bulk in Bulk.objects.all()] in ([], [{"chosen": ",1"}])


def test_more_than_a_page_or_two_cannot_be_chosen_one_by_one(bsg: Account) -> None:
    answer = signed_in("ops").get("/bulk/new/", {"chosen": ",".join(map(str, range(1, 202)))})
    assert "At most 200" in answer.content.decode()


def test_only_operations_have_boxes(bsg: Account) -> None:
    failed(bsg, 1)
    assert 'name="chosen"' in signed_in("ops").get("/messages/").content.decode()
    assert 'name="chosen"' not in signed_in("admin").get("/messages/").content.decode()


# ------------------------------------------------------------------------------ the list follows


def test_the_list_answers_204_until_it_looks_different_and_begins_where_it_began(bsg: Account) -> None:
    messages = sends(bsg, 3)
    ops = signed_in("ops")
    url = follow(ops.get("/messages/").content.decode())
    assert ops.get(url, headers=LIVE).status_code == 204
    sends(bsg, 2, first=10)
    newer = ops.get(url, headers=LIVE)
    assert [row.pk for row in newer.context["rows"]] == [message.pk for message in reversed(messages)]
    assert "Newer messages have come" in newer.content.decode()
    url = follow(newer.content.decode())
    assert ops.get(url, headers=LIVE).status_code == 204
    report(messages[1], Status.DELIVERED)
    assert "chip-delivered" in ops.get(url, headers=LIVE).content.decode()


def test_an_older_page_stops_asking_when_all_of_it_is_final(bsg: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.web.messages_list.PAGE", 2)
    old, middle, *_ = sends(bsg, 4)
    ops = signed_in("ops")
    older = f"/messages/?cursor={ops.get('/messages/').context['list'].older}"
    url = follow(ops.get(older).content.decode())
    assert ops.get(url, headers=LIVE).status_code == 204
    reports([(old, Status.DELIVERED), (middle, Status.FAILED)])
    last = ops.get(url, headers=LIVE)
    assert last.status_code == 286
    assert "hx-trigger" not in last.content.decode()


def test_an_empty_list_fills_by_itself(bsg: Account) -> None:
    ops = signed_in("ops")
    url = follow(ops.get("/messages/?status=delivered").content.decode())
    assert ops.get(url, headers=LIVE).status_code == 204
    report(sends(bsg, 1)[0], Status.DELIVERED)
    assert len(ops.get(url, headers=LIVE).context["rows"]) == 1


# ------------------------------------------------------------------------------ columns


def columns(client: Client) -> list[str]:
    page = client.get("/messages/").content.decode()
    return re.findall(r"<th[^>]*>([^<]+)</th>", page.split("<thead>")[1].split("</thead>")[0])


def test_columns_and_closeness_are_remembered_until_they_are_as_at_first(bsg: Account) -> None:
    sends(bsg, 1)
    admin = signed_in("admin")
    usual = columns(admin)
    assert usual == ["Sent", "To", "Status", "Account", "Batch", "Reference", "Provider’s id", "Cost"]
    choice = {"column": ["word", "took", "made up"], "density": "compact", "next": "/messages/?account=bsg"}
    assert admin.post("/columns/", choice)["Location"] == "/messages/?account=bsg"
    assert columns(admin) == ["To", "Status", "Took", "Provider’s word"]
    assert "table-sm" in admin.get("/messages/").content.decode()
    admin.post("/columns/", {"density": "normal"})
    assert columns(admin) == ["To", "Status"]
    admin.post("/columns/", {"usual": "1"})
    assert columns(admin) == usual
    admin.cookies["columns"] = '"><script>'
    assert columns(admin) == usual


# ------------------------------------------------------------------------------ in a browser


@pytest.fixture
def many(transactional_db: None, settings: Any) -> list[Message]:
    settings.RETRY_COOL_DOWN = ("0", "0")
    found = sends(account("bsg"), 6, text="Your order is ready.", batch="רשימה של הודעות")
    reports([(message, Status.FAILED) for message in found[:5]])
    return found


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_rows_are_chosen_by_mouse_and_keys_and_stay_chosen_while_the_list_follows(
    browser: Browser, live_server: Any, many: list[Message], scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, "ops")
        look.page.goto(f"{look.base}/messages/")
        _choose(look, many)


def _choose(look: Look, many: list[Message]) -> None:
    page = look.page
    assert not page.is_visible("#chosen-bar")
    for key in ("j", "j", "x", "j", "j", "X"):
        page.keyboard.press(key)
    assert words(page) == "3 of 6 on this page chosen"
    page.locator("[name=chosen]").nth(2).click()
    page.locator("[name=chosen]").nth(3).click(modifiers=["Shift"])
    assert chosen(page) == [many[4].pk]
    page.click(".columns-menu > summary")
    look(name="messages chosen and columns")
    page.click(".columns-menu > summary")
    page.locator("[name=chosen]").nth(0).focus()
    report(many[5], Status.DELIVERED)
    page.evaluate("htmx.trigger('#rows', 'resume')")
    page.wait_for_selector(f"#row-{many[5].pk} .chip-delivered")
    assert chosen(page) == [many[4].pk]
    assert page.evaluate("document.activeElement.id") == f"pick-{many[5].pk}"
    assert words(page) == "1 of 6 on this page chosen"
    page.click("#chosen-bar >> text=Choose none")
    assert not page.is_visible("#chosen-bar")
    page.keyboard.press("x")
    page.click("#chosen-bar >> text=Choose all on this page")
    page.click("text=Send the chosen again")
    page.wait_for_selector("strong:text('6')")


def words(page: Page) -> str:
    return page.inner_text("[data-chosen-words]")


def chosen(page: Page) -> list[int]:
    found: list[int] = page.evaluate("[...document.querySelectorAll('[name=chosen]:checked')].map((b) => +b.value)")
    return found


@pytest.mark.browser
def test_rows_and_columns_are_chosen_without_javascript(
    browser: Browser, live_server: Any, many: list[Message]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, live_server.url, "ops")
    page.goto(f"{live_server.url}/messages/?status=failed")
    page.click(".columns-menu > summary")
    page.uncheck("[name=column][value=batch]")
    page.click("text=Keep this choice")
    page.wait_for_url("**/messages/?status=failed")
    assert page.locator("th:text('Batch')").count() == 0
    page.check(f"#pick-{many[1].pk}")
    page.check(f"#pick-{many[3].pk}")
    page.click("text=Send the chosen again")
    page.fill("#id_reason", "They called.")
    page.click("text=Make the plan")
    page.wait_for_selector("text=They called.")
    assert set(BulkItem.objects.values_list("message", flat=True)) == {many[1].pk, many[3].pk}
    context.close()
