"""The pages of sending many again: who may do what, what a plan says, buttons that work once, and the report."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from dashboard.ingest import bulk as steps
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Audit, Bulk, BulkItem, Message, Retry, User
from dashboard.queries import filter_messages
from providers.base import Status
from tests.factory import account, person, report, reports, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_cool_down")]

LIVE = {"HTTP_HX_REQUEST": "true"}
TEXT = "Your order is ready."


@pytest.fixture
def _no_cool_down(settings: Any) -> None:
    settings.RETRY_COOL_DOWN = ("0", "0")


@pytest.fixture
def shop() -> Account:
    return account("bsg")


def failed(shop: Account, count: int, **fields: Any) -> list[Message]:
    messages = sends(shop, count, text=TEXT, **fields)
    reports([(message, Status.FAILED) for message in messages])
    return messages


def planned(user: User | None = None, **filters: str) -> Bulk:
    filters = filters or {"bucket": "undeliverable"}
    return steps.plan(
        filter_messages(**filters), user=user or person("ops"), reason="The network was down.", filters=filters
    )


def running(asked: int = 2, **filters: str) -> Bulk:
    """A run of which some messages were asked for: the first was refused, the others are on their way."""
    bulk = planned(**filters)
    steps.approve(bulk.pk, user=bulk.user, typed=steps.to_send(bulk).count())
    for item in BulkItem.objects.filter(bulk=bulk).order_by("position")[:asked]:
        retry, _ = request_retry(item.message_id, reason="again", nonce=str(item.pk), user=bulk.user, bulk=bulk)
        BulkItem.objects.filter(pk=item.pk).update(retry=retry)
    Retry.objects.filter(item__position=1).update(state="refused", detail='=HYPERLINK("http://x")')
    bulk.refresh_from_db()
    return bulk


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# ------------------------------------------------------------------------------ who


@pytest.mark.parametrize("roles", [("support",), ("admin",), ("support", "admin")])
def test_only_operations_plan_approve_and_steer(shop: Account, roles: tuple[str, ...]) -> None:
    failed(shop, 2)
    bulk = planned()
    client = signed_in(*roles)
    addresses = ["/bulk/", *(f"/bulk/{bulk.pk}/{step}/" for step in ("approve", "pause", "resume", "stop"))]
    for address in addresses:
        assert client.post(address, {"bucket": "undeliverable", "reason": "again"}).status_code == 403, address
    assert client.get(f"/bulk/{bulk.pk}/report.csv").status_code == 403
    assert client.get("/bulk/new/?bucket=undeliverable").status_code == 403
    assert list(Bulk.objects.values_list("state", flat=True)) == ["planned"]


def test_an_admin_reads_without_buttons_and_support_reads_nothing(shop: Account) -> None:
    failed(shop, 2)
    bulk = planned()
    admin, ops = signed_in("admin"), signed_in("ops")
    for address in ("/bulk/", f"/bulk/{bulk.pk}/"):
        assert admin.get(address).status_code == 200
        assert signed_in("support").get(address).status_code == 403
    assert "approve/" in text_of(ops.get(f"/bulk/{bulk.pk}/"))
    assert "approve/" not in text_of(admin.get(f"/bulk/{bulk.pk}/"))
    assert "report.csv" not in text_of(admin.get(f"/bulk/{bulk.pk}/"))


# ------------------------------------------------------------------------------ planning


def test_the_lists_lead_to_a_plan_of_exactly_what_they_show(shop: Account) -> None:
    failed(shop, 3, batch="October")
    failed(shop, 2, first=10)
    client = signed_in("ops")
    batch = Message.objects.exclude(batch=None).values_list("batch", flat=True).first()
    listed = text_of(client.get(f"/messages/?batch=id:{batch}&bucket=undeliverable&cursor="))
    assert f'href="/bulk/new/?batch=id:{batch}&amp;bucket=undeliverable"' in listed
    assert f'href="/bulk/new/?batch=id:{batch}&amp;bucket=undeliverable"' in text_of(client.get(f"/batches/{batch}/"))
    assert 'href="/bulk/new/' not in text_of(client.get("/messages/")), "all messages ever are no plan"
    assert "/bulk/new/" not in text_of(signed_in("admin").get("/messages/?bucket=undeliverable"))
    page = text_of(client.get(f"/bulk/new/?batch=id:{batch}&bucket=undeliverable"))
    assert "<strong>3</strong>" in page
    said = {"batch": f"id:{batch}", "bucket": "undeliverable", "reason": "Call 254712345678", "through": ""}
    answer = client.post("/bulk/", said)
    bulk = Bulk.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/bulk/{bulk.pk}/")
    assert (bulk.items.count(), bulk.reason) == (3, "Call •••••••")
    assert bulk.filter == {"batch": f"id:{batch}", "bucket": "undeliverable"}
    row = Audit.objects.get(action="bulk.planned")
    assert (row.subject, row.ip, row.details["messages"]) == (f"bulk {bulk.pk}", "127.0.0.1", 3)
    page = text_of(client.get(f"/bulk/{bulk.pk}/"))
    assert "Batch</dt><dd>October</dd>" in page
    assert f'href="/messages/?batch=id:{batch}&amp;bucket=undeliverable"' in page


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({}, 422, "Choose which messages first"),
        ({"bucket": ""}, 422, "Choose which messages first"),
        ({"bucket": "nonsense"}, 422, "Select a valid choice"),
        ({"bukket": "expired"}, 422, "There is no filter called “bukket”"),
        ({"bucket": "undeliverable", "root": "1"}, 422, "There is no filter called “root”"),
        ({"batch": "no such batch"}, 422, "There is no batch"),
        ({"since": "yesterday"}, 422, "Enter a valid date"),
        ({"since": "2026-11-20", "until": "2026-11-01"}, 422, "not after its beginning"),
        ({"account": "nobody"}, 422, "Select a valid choice"),
        ({"bucket": "expired"}, 422, "No message matches"),
        ({"bucket": "undeliverable", "phone": "254700000001"}, 400, "number"),
        ({"bucket": "undeliverable", "to": "254700000001"}, 400, "number"),
        ({"bucket": "undeliverable", "through": "nobody"}, 422, "Select a valid choice"),
        ({"bucket": "undeliverable", "reason": " "}, 422, "Say why they are sent again."),
        ({"bucket": "undeliverable", "reason": "x" * 501}, 422, "at most 500 characters"),
    ],
)
def test_what_means_nothing_is_answered_clearly_and_stores_nothing(
    shop: Account, said: dict[str, str], status: int, words: str
) -> None:
    failed(shop, 2)
    answer = signed_in("ops").post("/bulk/", {"reason": "again", **said})
    assert answer.status_code == status
    assert words in text_of(answer)
    assert "254700000001" not in answer.content.decode()
    assert not Bulk.objects.exists()


def test_what_was_typed_is_still_there_when_something_was_missing(shop: Account) -> None:
    failed(shop, 2)
    other = account("rt", "roycetalk")
    page = text_of(signed_in("ops").post("/bulk/", {"bucket": "undeliverable", "reason": "", "through": other.slug}))
    assert '<input type="hidden" name="bucket" value="undeliverable">' in page
    assert '<option value="rt" selected>' in page


def test_a_plan_through_another_account(shop: Account) -> None:
    failed(shop, 2)
    off = account("off", "smsbat", enabled=False)
    other = account("rt", "roycetalk")
    client = signed_in("ops")
    said = {"bucket": "undeliverable", "reason": "again"}
    assert client.post("/bulk/", {**said, "through": off.slug}).status_code == 422
    assert client.post("/bulk/", {**said, "through": other.slug}).status_code == 302
    assert Bulk.objects.get().account == other
    assert "All of them through rt, as chosen." in text_of(client.get(f"/bulk/{Bulk.objects.get().pk}/"))


def test_a_plan_says_what_is_sent_what_is_left_out_and_what_it_costs(shop: Account) -> None:
    messages = failed(shop, 7)
    Message.objects.filter(pk__in=[m.pk for m in messages[:4]]).update(cost=Decimal("0.05"), currency="EUR")
    Message.objects.filter(pk=messages[4].pk).update(text=None)
    reports([(messages[5], Status.DELIVERED)])
    Account.objects.update(resend_cap=2)
    client = signed_in("ops")
    client.post("/bulk/", {"account": shop.slug, "reason": "again"})
    page = text_of(client.get(f"/bulk/{Bulk.objects.get().pk}/"))
    assert '<b class="is-pending"><svg' in page
    assert "Send 5 texts" in page
    assert "<dt>0.20 EUR</dt><dd>for 4 texts</dd>" in page
    assert "<dt>price not known</dt><dd>for 1 text</dd>" in page
    assert 'Its text is gone</a></td><td class="num">1</td>' in page
    assert 'Delivered since</a></td><td class="num">1</td>' in page
    assert "It lets 2 more texts be sent again today: there the run pauses." in page


def test_prices_without_a_currency_are_added_up_by_account_alone(shop: Account) -> None:
    for first, of in enumerate((shop, account("rt", "roycetalk"))):
        messages = failed(of, 2, first=first * 10)
        Message.objects.filter(pk__in=[m.pk for m in messages]).update(cost=Decimal("0.5"), currency="")
    page = text_of(signed_in("ops").get(f"/bulk/{planned().pk}/"))
    for of in (shop.slug, "rt"):
        assert f"<dt>1.00 (currency not stated), {of}</dt><dd>for 2 texts</dd>" in page


def test_what_the_provider_calls_hopeless_is_left_out_unless_something_speaks_for_it(shop: Account) -> None:
    other = account("rt", "roycetalk")
    dead, alive, spam, sender, phone, nothing = failed(shop, 6)
    words = {dead: "Invalid number", alive: "unknown subscriber", spam: "Filtered by carrier",
             sender: "Sender ID not registered", phone: "Absent subscriber", nothing: ""}  # fmt: skip
    for message, detail in words.items():
        report(message, Status.UNDELIVERABLE, detail=detail)
    (since,) = sends(shop, 1, first=10, text="Another text.")
    Message.objects.filter(pk=since.pk).update(recipient=alive.recipient_id)
    report(since, Status.DELIVERED)
    bulk = planned()
    assert dict(bulk.items.values_list("message_id", "code")) == {
        dead.pk: "hopeless", alive.pk: "", spam.pk: "hopeless", sender.pk: "hopeless", phone.pk: "", nothing.pk: "",
    }  # fmt: skip
    assert 'refused as it is</a></td><td class="num">3</td>' in text_of(signed_in("ops").get(f"/bulk/{bulk.pk}/"))
    through = steps.plan(filter_messages(bucket="undeliverable"), user=bulk.user, reason="r", filters={}, through=other)
    assert set(through.items.filter(code="hopeless").values_list("message_id", flat=True)) == {dead.pk}


def test_what_may_have_arrived_is_said_before_anything_is_sent(shop: Account) -> None:
    messages = sends(shop, 2, text=TEXT)
    reports([(message, Status.UNKNOWN) for message in messages])
    page = text_of(signed_in("ops").get(f"/bulk/{planned(bucket='unknown').pk}/"))
    assert "2 of them were never reported about" in page


def test_what_waits_for_its_turn_says_until_when(shop: Account, settings: Any) -> None:
    settings.RETRY_COOL_DOWN = ("1800", "3600")
    failed(shop, 2)
    bulk = planned()
    client = signed_in("ops")
    page = text_of(client.get(f"/bulk/{bulk.pk}/"))
    assert "2 messages wait for their turn" in page
    assert "waits until" in text_of(client.get(f"/bulk/{bulk.pk}/?show=to_come"))


# ------------------------------------------------------------------------------ approving and steering


def test_the_number_is_typed_and_approving_twice_is_approving_once(shop: Account) -> None:
    failed(shop, 51)
    bulk = planned()
    client = signed_in("ops")
    address = f"/bulk/{bulk.pk}/approve/"
    assert "type the number of messages: 51" in text_of(client.get(f"/bulk/{bulk.pk}/"))
    for typed, words in ((None, "Type the number of messages: 51."), ("50", "Type the number"), ("x", "in digits")):
        answer = client.post(address, {"number": typed} if typed else {}, follow=True)
        assert words in text_of(answer)
    assert Bulk.objects.get().state == "planned"
    for _ in range(2):
        assert client.post(address, {"number": "51"})["Location"] == f"/bulk/{bulk.pk}/"
    assert Bulk.objects.get().state == "running"
    assert Audit.objects.filter(action="bulk.approved").count() == 1


@pytest.mark.parametrize("typed", ["1,051", "1.051", "1 051", "1051"])
def test_the_number_may_be_typed_in_groups(shop: Account, typed: str) -> None:
    failed(shop, 1051)
    bulk = planned()
    client = signed_in("ops")
    with override_settings(BULK_APPROVAL_ABOVE="5000"):
        page = text_of(client.get(f"/bulk/{bulk.pk}/"))
        assert "Send 1,051 texts" in page
        client.post(f"/bulk/{bulk.pk}/approve/", {"number": typed})
    assert Bulk.objects.get().state == "running"


def test_a_plan_of_that_size_needs_somebody_else(shop: Account) -> None:
    failed(shop, 3)
    client = signed_in("ops", name="amina")
    bulk = planned(User.objects.get(username="amina"))
    with override_settings(BULK_APPROVAL_ABOVE="2"):
        page = text_of(client.get(f"/bulk/{bulk.pk}/"))
        assert "Somebody else of operations has to approve it" in page
        assert "approve/" not in page
        assert "Somebody else" in text_of(client.post(f"/bulk/{bulk.pk}/approve/", follow=True))
        assert Bulk.objects.get().state == "planned"
        signed_in("ops", name="ben").post(f"/bulk/{bulk.pk}/approve/")
    found = Bulk.objects.get()
    assert (found.state, found.approved_by and found.approved_by.username) == ("running", "ben")
    assert "approved by ben" in text_of(client.get("/bulk/"))


def test_an_old_plan_offers_no_button(shop: Account) -> None:
    failed(shop, 1)
    bulk = planned()
    Bulk.objects.update(created_at=timezone.now() - timedelta(hours=25))
    page = text_of(signed_in("ops").get(f"/bulk/{bulk.pk}/"))
    assert "older than a day" in page
    assert "approve/" not in page
    assert "Drop this plan" in page


def test_pause_resume_and_stop_by_their_buttons(shop: Account) -> None:
    failed(shop, 3)
    bulk = running()
    client = signed_in("ops")
    page = f"/bulk/{bulk.pk}/"
    for step, state, button in (("pause", "paused", "Resume"), ("resume", "running", "Pause"), ("stop", "stopped", "")):
        for _ in range(2):
            assert client.post(f"{page}{step}/", {"reason": "Enough"}).status_code == 302
        found = Bulk.objects.get()
        assert found.state == state
        assert button in text_of(client.get(page))
    shown = text_of(client.get(page))
    assert "Enough" in shown
    assert "Stop for good" not in shown
    assert "It was stopped. Nothing was changed." in text_of(client.post(f"{page}resume/", follow=True))
    assert set(Retry.objects.values_list("state", flat=True)) == {"refused", "cancelled"}
    done = list(Audit.objects.filter(action__startswith="bulk.").order_by("pk").values_list("action", flat=True))
    assert done == ["bulk.planned", "bulk.approved", "bulk.paused", "bulk.resumed", "bulk.stopped"]


def test_steps_are_posts_and_a_run_that_is_not_there_is_404(shop: Account) -> None:
    failed(shop, 1)
    bulk = planned()
    client = signed_in("ops")
    for step in ("approve", "pause", "resume", "stop"):
        assert client.get(f"/bulk/{bulk.pk}/{step}/")["Location"] == f"/bulk/{bulk.pk}/"
        assert client.post(f"/bulk/99999/{step}/").status_code == 404
    for address in ("/bulk/99999/", "/bulk/99999/report.csv"):
        assert client.get(address).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person("ops"), backend="dashboard.web.sessions.Backend")
    assert strict.post(f"/bulk/{bulk.pk}/approve/").status_code == 403
    assert Bulk.objects.get().state == "planned"


# ------------------------------------------------------------------------------ the page of a run


def test_the_page_follows_and_says_when_there_is_nothing_new(shop: Account) -> None:
    failed(shop, 3)
    bulk = running()
    client = signed_in("ops")
    whole = client.get(f"/bulk/{bulk.pk}/")
    address = f"/bulk/{bulk.pk}/?live=1&state=running&v={whole.context['shown'].version}"
    assert f'hx-get="{address}"'.replace("&", "&amp;") in whole.content.decode()
    assert client.get(address, **LIVE).status_code == 204
    made = Message.objects.get(made_by__state="open")
    Retry.objects.filter(state="open").update(state="accepted")
    reports([(made, Status.DELIVERED)])
    part = client.get(address, **LIVE)
    assert part.status_code == 200
    assert "<html" not in part.content.decode()
    steps.pause(bulk.pk, user=bulk.user)
    answer = client.get(address, **LIVE)
    assert answer["HX-Refresh"] == "true", "it has other buttons now"
    steps.stop(bulk.pk, user=bulk.user)
    last = client.get(f"/bulk/{bulk.pk}/?live=1&state=stopped&v=x", **LIVE)
    assert last.status_code == 286
    assert "hx-get" not in last.content.decode()


def test_the_page_says_why_nothing_happens(shop: Account) -> None:
    failed(shop, 3)
    bulk = running(1)
    client, page = signed_in("ops"), f"/bulk/{bulk.pk}/"
    assert "Nothing can be sent" not in text_of(client.get(page))
    Account.objects.update(paused_until=timezone.now() + timedelta(minutes=5))
    assert "Nothing can be sent through bsg just now; its messages wait." in text_of(client.get(page))
    Bulk.objects.update(next_at=timezone.now() - timedelta(minutes=2))
    assert "Is one running?" in text_of(client.get(page))
    steps.pause(bulk.pk, user=bulk.user)
    assert "Is one running?" not in text_of(client.get(page))


def test_each_number_leads_to_exactly_those(shop: Account) -> None:
    messages = failed(shop, 4)
    bulk = running()
    client = signed_in("ops")
    tiles = client.get(f"/bulk/{bulk.pk}/").context["shown"].tiles
    assert {str(tile.look.word): tile.count for tile in tiles} == {
        "Delivered": 0, "Failed": 1, "On its way": 1, "To come": 2, "Left out": 0,
    }  # fmt: skip
    for tile in tiles:
        page = client.get(f"/bulk/{bulk.pk}/{tile.url}")
        rows = page.context["listed"].rows
        assert len(rows) == tile.count
    first = text_of(client.get(f"/bulk/{bulk.pk}/?show=failed"))
    assert f'href="/messages/{messages[0].pk}/"' in first
    assert "+254 700 000000" in first, "operations see numbers"
    assert client.get(f"/bulk/{bulk.pk}/?show=nonsense").context["listed"] is None


def test_a_long_list_goes_on(shop: Account) -> None:
    failed(shop, 60)
    bulk = planned()
    client = signed_in("ops")
    page = client.get(f"/bulk/{bulk.pk}/?show=to_come")
    older = page.context["listed"].older
    assert older == "?show=to_come&code=&after=50#list"
    following = client.get(f"/bulk/{bulk.pk}/{older}").context["listed"]
    assert [item.position for item, _ in following.rows] == list(range(51, 61))
    assert following.older == ""


@pytest.mark.parametrize("state", ["planned", "running"])
def test_the_number_of_queries_does_not_grow_with_the_messages(
    shop: Account, django_assert_num_queries: Any, django_assert_max_num_queries: Any, state: str
) -> None:
    client = signed_in("ops")
    client.get("/find/")
    few = failed(shop, 3, batch="few")
    many = failed(shop, 60, first=100, batch="many")
    asked: Any = {"planned": lambda count, **filters: planned(**filters), "running": running}[state]
    small = asked(2, batch=f"id:{few[0].batch_id}")
    large = asked(40, batch=f"id:{many[0].batch_id}")
    with django_assert_max_num_queries(20) as some:
        client.get(f"/bulk/{small.pk}/?show=to_come")
    with django_assert_num_queries(len(some)):
        client.get(f"/bulk/{large.pk}/?show=to_come")


def test_the_list_of_runs(shop: Account, django_assert_num_queries: Any) -> None:
    client = signed_in("ops")
    assert "Nothing was sent again in bulk yet" in text_of(client.get("/bulk/"))
    failed(shop, 3)
    running()
    with django_assert_num_queries(4) as one:
        page = text_of(client.get("/bulk/"))
    assert "2 of 3" in page
    assert "The network was down." in page
    assert '<a href="/bulk/" aria-current="page">' in page
    for _ in range(27):
        planned()
    with django_assert_num_queries(len(one)):
        first = client.get("/bulk/")
    assert len(first.context["rows"]) == 25
    rest = client.get(f"/bulk/{first.context['older']}")
    assert len(rest.context["rows"]) == 3
    assert client.get("/bulk/?cursor=nonsense").status_code == 400


def test_plans_and_pauses_wait_for_somebody_on_the_attention_page(shop: Account) -> None:
    failed(shop, 3)
    client = signed_in("ops")
    assert "waits for somebody" not in text_of(client.get("/attention/"))
    bulk = planned()
    link = f'<a href="/bulk/{bulk.pk}/"><strong>The network was down.</strong></a>'
    page = text_of(client.get("/attention/"))
    assert "waits for somebody" in page
    assert link in page
    assert "It waits for approval." in page
    steps.approve(bulk.pk, user=bulk.user)
    assert link not in text_of(client.get("/attention/"))
    steps.pause(bulk.pk, user=bulk.user)
    assert "Somebody paused it." in text_of(client.get("/attention/"))
    steps.stop(bulk.pk, user=bulk.user)
    assert link not in text_of(client.get("/attention/"))


# ------------------------------------------------------------------------------ the report


def test_the_report_has_every_message_and_what_became_of_it(shop: Account) -> None:
    messages = failed(shop, 5)
    Message.objects.filter(pk=messages[4].pk).update(text=None)
    Message.objects.filter(pk=messages[1].pk).update(cost=Decimal("0.05"), currency="EUR")
    bulk = running()
    made = Message.objects.get(made_by__state="open")
    Retry.objects.filter(state="open").update(state="accepted")
    reports([(made, Status.DELIVERED)])
    Message.objects.filter(pk=made.pk).update(cost=Decimal("0.06"), currency="EUR")
    answer = signed_in("ops").get(f"/bulk/{bulk.pk}/report.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))  # type: ignore[arg-type]
    assert [row["position"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["outcome"] for row in rows] == ["failed", "delivered", "to_come", "to_come", "excluded"]
    assert [int(row["message"]) for row in rows] == [message.pk for message in messages]
    assert rows[0]["to"] == "'+254700000000"
    assert rows[0]["retry_detail"] == '\'=HYPERLINK("http://x")', "no spreadsheet runs it"
    assert (rows[1]["new_message"], rows[1]["status"]) == (str(made.pk), "delivered")
    assert (rows[1]["quoted_cost"], rows[1]["quoted_currency"]) == ("0.05000000", "EUR")
    assert (rows[1]["cost"], rows[1]["currency"]) == ("0.06000000", "EUR")
    assert (rows[4]["code"], rows[4]["retry_state"]) == ("no_text", "")
    assert rows[4]["why"].startswith("We do not have its text")
    assert Audit.objects.filter(action="bulk.exported", subject=f"bulk {bulk.pk}").exists()
