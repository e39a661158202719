"""Pages in states seldom looked at: from right to left, with ten thousand messages, waiting, and in trouble."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from dashboard.domain.phone import pretty
from dashboard.ingest import bulk as steps
from dashboard.models import Batch, Message
from dashboard.queries import filter_messages
from providers.base import Status
from tests.factory import account, person, report, reports, sends, webhook
from tests.web.eyes import LOOKS, looking, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MANY = 10_000
ALL_LOOKS = pytest.mark.parametrize(("scheme", "width"), LOOKS)


@pytest.fixture
def failed() -> Message:
    """A text that failed, and beside it one that nobody is known to have sent."""
    ours = account("rt", "roycetalk", label="RoyceTalk")
    found = sends(ours, 3, text="حزمتك جاهزة للاستلام", batch="October")[0]
    report(found, Status.SENT)
    webhook(ours, {"message_id": found.match_id, "status": "failed", "detail": "Absent subscriber"})
    webhook(ours, {"message_id": "nobody-knows", "status": "delivered"})
    return found


@ALL_LOOKS
def test_pages_read_from_right_to_left_are_quiet_accessible_and_fit(
    browser: Browser, live_server: Any, failed: Message, settings: Any, scheme: Any, width: int
) -> None:
    settings.LANGUAGE_CODE = "ar"
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, "support", "ops", "admin")
        message = f"/messages/{failed.pk}/"
        for address, name in (
            (message, "message"), (f"{message}retry/", "retry"), (f"/batches/{failed.batch_id}/", "batch"), ("/", ""),
            ("/messages/", ""), ("/batches/", ""), ("/attention/", ""), ("/find/", ""), ("/accounts/rt/", "account"),
            ("/help/statuses/", ""), ("/audit/", ""), (f"/recipients/{failed.recipient_id}/", "recipient"),
        ):  # fmt: skip
            look(address, name=f"right to left {name or address}")
        number = look.page.locator("h1").first
        assert number.evaluate("one => getComputedStyle(one).direction") == "rtl"
        assert pretty(failed.recipient.digits) in number.inner_text(), "its groups in their order"


@pytest.mark.slow
@ALL_LOOKS
def test_pages_about_ten_thousand_messages_are_quiet_accessible_and_fit(
    browser: Browser, live_server: Any, settings: Any, scheme: Any, width: int
) -> None:
    settings.RETRY_COOL_DOWN = ("0", "0")
    ours = account("rt", "roycetalk", label="RoyceTalk")
    made = sends(ours, MANY, text="Your order is ready.", batch="Ten thousand")
    for nth, status in enumerate((Status.DELIVERED, Status.EXPIRED, Status.FAILED, Status.UNKNOWN)):
        reports([(message, status) for message in made[nth::5]])
    Message.objects.filter(pk__in=[one.pk for one in made[:1200]]).update(recipient=made[0].recipient_id)
    batch, ops = Batch.objects.get(), person("support", "ops", "admin")
    plan = steps.plan(
        filter_messages(bucket="undeliverable"), user=ops, reason="Again", filters={"bucket": "undeliverable"}
    )
    with looking(browser, live_server, scheme, width) as look:
        sign_in(look.page, look.base, user=ops)
        for address, name in (
            ("/", ""), ("/messages/", ""), ("/batches/", ""), (f"/batches/{batch.pk}/", "batch"), ("/attention/", ""),
            (f"/recipients/{made[0].recipient_id}/", "recipient"), (f"/bulk/{plan.pk}/", "plan"), ("/bulk/", ""),
        ):  # fmt: skip
            look(address, name=f"ten thousand {name or address}")
        assert "10,000" in look.page.goto(f"{look.base}/batches/{batch.pk}/").text()  # type: ignore[union-attr]


@pytest.mark.slow
@ALL_LOOKS
def test_what_is_waited_for_and_what_went_wrong_is_quiet_accessible_and_fits(
    browser: Browser, live_server: Any, failed: Message, scheme: Any, width: int
) -> None:
    with looking(browser, live_server, scheme, width) as look:
        page = look.page
        page.goto(f"{look.base}/sign-in/")
        page.fill("#id_username", "nobody")
        page.fill("#id_password", "wrong")
        page.press("#id_password", "Enter")
        page.wait_for_selector(".alert-danger, .field-error")
        look(name="error sign in")
        sign_in(page, look.base, "ops", "admin")

        held: list[Route] = []
        page.goto(f"{look.base}/messages/{failed.pk}/")
        page.route("**/evidence/**", lambda route: held.append(route))  # noqa: PLW0108 - its signature is looked at
        page.click("details.evidence-links summary")
        page.wait_for_selector("details.evidence-links[open] .htmx-request, details.evidence-links[open].htmx-request")
        busy = page.locator("details.evidence-links[open] summary").first
        assert busy.evaluate("one => getComputedStyle(one, '::after').animationName") == "turn"
        look(name="loading evidence")
        held.pop().abort()
        page.wait_for_selector("#toasts > *")
        for words in ("net::ERR_FAILED", "htmx:afterRequest", "htmx:sendError"):
            look.expected(words)
        look(name="error not reached")

        look("/messages/?country=Nowhere&hours=soon", name="error filters")
        look("/audit/?action=guessed", name="error audit filters")
        page.goto(f"{look.base}/accounts/~add/")
        page.fill("#id_slug", "~ / ~")
        page.fill("#id_base_url", "nowhere")
        page.locator("main form").evaluate("one => { one.noValidate = true; }")
        page.locator("main form button[type=submit]").click()
        page.wait_for_selector(".field-error")
        look(name="error account")
        page.goto(f"{look.base}/password/")
        for name in page.locator("main input[type=password]").all():
            name.fill("short")
        page.locator("main form button[type=submit]").first.click()
        page.wait_for_selector(".field-error")
        look(name="error password")
        for address, status in (("/messages/99999999/", 404), ("/no-such-page/", 404), ("/recipients/x/", 404)):
            page.goto(look.base + address)
            look.expected(f"status of {status}")
            look(name=f"error {status} {address}")
        page.context.clear_cookies()
        sign_in(page, look.base, "support")
        page.goto(f"{look.base}/people/")
        look.expected("status of 403")
        look(name="error 403")
