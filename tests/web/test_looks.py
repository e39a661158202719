"""An open page asks whether it is still so: few statements say that it is, and see each change of what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.counts import squash
from dashboard.models import Account, Batch, Bulk, Event, Message, Recipient, Retry, User
from dashboard.models.messages import Source
from dashboard.web.look_message import step
from providers.base import Status
from tests.factory import account, report, sends, signed_in, webhook

pytestmark = pytest.mark.django_db

BY_ITSELF = {"HX-Request": "true"}
Change = Callable[[Account, list[Message]], object]


class Page:
    """A page that is left open."""

    def __init__(self, client: Client, path: str) -> None:
        self._client, self._path = client, path
        self._read(client.get(path))

    def _read(self, answer: Any) -> None:
        found = re.search(r'hx-get="([^"]+)" hx-trigger="every', answer.content.decode())
        assert found, "it follows by itself"
        self.asks = urljoin(self._path, unescape(found[1]))

    def same(self, most: int = 0) -> bool:
        """Whether it is still so, said by no more than so many statements; else the page shows what it is now."""
        with CaptureQueriesContext(connection) as queries:
            answer = self._client.get(self.asks, headers=BY_ITSELF)
        assert ("Content-Security-Policy" in answer) == (answer.status_code != 204), "where there is content"
        if answer.status_code == 204:
            assert len(queries) <= (most or 100), [query["sql"] for query in queries]
            return True
        assert answer.status_code == 200
        self._read(answer)
        return False


def field(**values: Any) -> Change:
    """Something that is shown beside the status, and has changed without a word of the provider."""
    return lambda _ours, made: Message.objects.filter(pk=made[1].pk).update(**values)


def of_account(**values: Any) -> Change:
    return lambda ours, _made: Account.objects.filter(pk=ours.pk).update(**values)


def left_behind(ours: Account, made: list[Message]) -> None:
    Message.objects.filter(pk=made[0].pk).update(next_check_at=timezone.now() - timedelta(minutes=5))


def in_doubt(ours: Account, made: list[Message]) -> None:
    Retry.objects.create(
        root=made[0], original=made[0], failed_as="failed", account=ours, user=User.objects.get(), reason="-",
        nonce="n", reference="r", state=Retry.State.OUTCOME_UNKNOWN,
        created_at=timezone.now(), changed_at=timezone.now(),
    )  # fmt: skip


def planned(ours: Account, made: list[Message]) -> None:
    now = timezone.now()
    user = User.objects.get()
    Bulk.objects.create(user=user, reason="-", state=Bulk.State.PLANNED, filter={}, created_at=now, changed_at=now)


def unknown_word(ours: Account, made: list[Message]) -> None:
    now = timezone.now()
    Event.objects.create(
        message=made[0], key=b"k".hex(), word="hm", note="unmapped", received_at=now, sources=Source.POLL
    )


def priced(ours: Account, made: list[Message]) -> None:
    Batch.objects.update(cost="1.5", currency="EUR")


EVERYWHERE: dict[str, Change] = {
    "a status": lambda _ours, made: report(made[0], Status.DELIVERED),
    "another one": lambda ours, _made: sends(ours, 1, first=900, batch="b"),
}
LIST: dict[str, Change] = {
    "contradicted": field(conflict=True),
    "not confirmed": field(unconfirmed=True),
    "counts as": field(effective="sent"),
    "the provider's id": field(provider_message_id="other"),
    "the provider's word": field(provider_status="hm"),
    "a price": field(cost="0.5", currency="EUR"),
    "how many parts": field(parts=2),
    "a reference": field(reference="r"),
    "the final time": field(final_at=timezone.now()),
    "a batch": field(batch=None),
    "a forgotten number": lambda _ours, made: Recipient.objects.filter(pk=made[1].recipient_id).update(digits=""),
    "an account's name": of_account(label="Main"),
}
BATCH: dict[str, Change] = {
    "contradicted": field(conflict=True),
    "not confirmed": field(unconfirmed=True),
    "the provider's id": field(provider_message_id="other"),
    "delivered twice": field(deliveries=2),
    "a price of the order": priced,
    "the provider's counters": lambda *_: Batch.objects.update(report={"sent": 1}, report_at=timezone.now()),
    "it is being listed": lambda *_: Batch.objects.update(next_listing_at=timezone.now()),
}
OVERVIEW: dict[str, Change] = {
    "contradicted": field(conflict=True),
    "delivered twice": field(deliveries=2),
    "an account's name": of_account(label="Main"),
    "switched off": of_account(enabled=False),
    "an error": of_account(last_error="No.", last_error_at=timezone.now()),
    "an answer": of_account(last_success_at=timezone.now()),
    "a pause": of_account(paused_until=timezone.now() + timedelta(hours=1)),
    "a balance": of_account(test_ok=True, test_result="12 EUR"),
    "nothing sent": of_account(no_sends_until=timezone.now() + timedelta(hours=1), no_sends_why="-"),
    "a late check": left_behind,
    "a doubt": in_doubt,
    "a plan": planned,
    "an unknown word": unknown_word,
    "a report of no message": lambda ours, _made: webhook(ours, {"id": "nobody", "status": "delivered"}),
    "an unreadable report": lambda ours, _made: webhook(ours, b"\xff"),
}
PAGES = {
    "/messages/": (EVERYWHERE | LIST, 4),
    "/messages/?account=bsg&bucket=pending": (EVERYWHERE | LIST, 4),
    "/batches/1/": (EVERYWHERE | BATCH, 7),
    "/": (EVERYWHERE | OVERVIEW, 5),
    "/?span=7d&account=bsg": (EVERYWHERE | OVERVIEW, 5),
}


@pytest.mark.parametrize("path", PAGES)
def test_whatever_it_shows_is_a_change_and_nothing_else_is(path: str, clock: Any) -> None:
    ours, ops = account(), signed_in("ops")
    made = sends(ours, 3, batch="b")
    changes, most = PAGES[path]
    page = Page(ops, path.replace("/1/", f"/{Batch.objects.get().pk}/"))
    assert page.same()
    for name, change in changes.items():
        change(ours, made)
        assert not page.same(), name
        assert page.same(most), name


def test_a_full_list_is_still_so_in_two_statements_and_what_is_newer_is_said() -> None:
    ours = account()
    sends(ours, 60)
    page = Page(signed_in("ops"), "/messages/?bucket=pending")
    assert page.same()
    assert page.same(4)  # two of them about who asks
    sends(ours, 1, first=100)
    assert not page.same()
    assert page.same(4)


def test_an_older_page_stops_when_nothing_on_it_is_on_its_way() -> None:
    ours, ops = account(), signed_in("ops")
    made = sends(ours, 52)
    older = ops.get("/messages/").context["older"]
    page = Page(ops, f"/messages/{older}")
    assert page.same()
    sends(ours, 1, first=100)
    assert page.same(), "it is another page's"
    report(made[0], Status.DELIVERED)
    assert not page.same()
    report(made[1], Status.EXPIRED)
    assert ops.get(page.asks, headers=BY_ITSELF).status_code == 286


def test_time_alone_changes_a_list_of_the_last_hours_and_of_what_is_overdue(clock: Any, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS = 100_000
    ours, ops, now = account(), signed_in("ops"), timezone.now()
    sends(ours, 1)
    last, overdue = Page(ops, "/messages/?last=2h"), Page(ops, "/messages/?overdue=on")
    assert (last.same(), overdue.same()) == (True, True)
    clock.move_to(now + timedelta(hours=1, minutes=1))
    assert (last.same(), overdue.same()) == (True, False)
    clock.move_to(now + timedelta(hours=2, minutes=1))
    assert (last.same(), overdue.same()) == (False, True)


def test_time_alone_changes_the_overview_within_a_minute(clock: Any, settings: Any) -> None:
    settings.SESSION_IDLE_SECONDS = 100_000
    ours, ops, now = account(), signed_in("ops"), timezone.now()
    sends(ours, 1)
    page = Page(ops, "/")
    assert page.same()
    clock.move_to(now + timedelta(hours=1, minutes=1))
    assert not page.same()
    assert "1 message is overdue" in ops.get("/").content.decode()
    assert page.same(5)


def test_an_overview_that_many_have_open_is_worked_out_once_for_each_zone_and_question() -> None:
    ours = account()
    made = sends(ours, 3)

    def asked(client: Client, question: str = "?span=24h&live=1&v=old") -> tuple[int, str]:
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"/{question}", headers=BY_ITSELF).content.decode()
        return len(queries), page

    ann, ben, far = (signed_in("ops", name=name) for name in ("ann", "ben", "far"))
    far.cookies["zone"], far.cookies["browser_zone"] = "browser", "Africa/Nairobi"
    first, second = asked(ann), asked(ben)
    assert second[0] < first[0] / 2
    assert second[1] == first[1]
    own = "/accounts/bsg/"
    assert (own in first[1], own in asked(signed_in("admin"))[1]) == (False, True), "each sees what their role may"
    assert asked(ann, "?span=7d&live=1&v=old")[0] > second[0], "another question"
    assert asked(far)[0] > second[0], "other hours"
    report(made[0], Status.DELIVERED)
    assert asked(ben)[0] > second[0], "another answer"


@pytest.mark.parametrize(
    ("age", "soonest", "latest"),
    [(0, 15, 15), (60, 15, 15), (200, 15, 40), (1_800, 150, 300), (6_000, 600, 1_200), (86_400, 600, 600)],
)
def test_a_verdict_is_looked_at_anew_when_the_message_is_a_tenth_older(age: int, soonest: int, latest: int) -> None:
    steps = {step(timedelta(seconds=seconds)) for seconds in range(age, age + 3 * latest)}
    ages = [step(timedelta(seconds=seconds)) for seconds in range(age, age + 3 * latest)]
    begins = [n for n in range(1, len(ages)) if ages[n] != ages[n - 1]]
    assert len(begins) == len(steps) - 1 >= 2, "none comes back"
    spans = [later - earlier for earlier, later in pairwise(begins)]
    assert soonest <= min(spans) <= max(spans) <= latest


def test_adding_sums_up_is_no_news_of_a_list_or_batch() -> None:
    ours, ops = account(), signed_in("ops")
    sends(ours, 3, batch="b")
    pages = [Page(ops, "/messages/"), Page(ops, f"/batches/{Batch.objects.get().pk}/")]
    squash()
    assert all(page.same() for page in pages)
