"""A batch after sending again: people are counted once, every text and its price too, and who got it twice is seen."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from dashboard.domain.lifecycle import reached_the_wire
from dashboard.ingest.counts import WENT_OUT, recount
from dashboard.ingest.items import NOT_SENT, Item, ours
from dashboard.ingest.record import record
from dashboard.models import Account, Batch, Message, Retry
from dashboard.models.messages import Source
from dashboard.queries import filter_messages
from dashboard.tallies import sends as sends_in
from providers.base import Report, Status
from tests.factory import account, person, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def again(root: Message, status: Status | None = None, **fields: object) -> Message:
    """A text sent again for the root, of which the provider says this."""
    number = Message.objects.count()
    made = sends(root.account, 1, first=500 + number)[0]
    Message.objects.filter(pk=made.pk).update(
        root=root, batch=root.batch_id, recipient=root.recipient_id, sent_by_us=True, **fields
    )
    list(recount())  # what was changed here behind the sums' back
    if status:
        report(made, status)
    return Message.objects.get(pk=made.pk)


def we_say(message: Message, word: str, status: Status) -> None:
    entry = ours(word, status)
    item = Item(
        account=message.account, source=Source.SEND, report=Report(entries=(entry,)), received_at=timezone.now(),
        message_id=message.pk, by_provider=False,
    )  # fmt: skip
    record([item])


@pytest.fixture
def bsg() -> Account:
    return account("bsg")


@pytest.fixture
def twice(bsg: Account) -> Message:
    """Sent again after a failure, and both arrived; another was sent again and arrived once."""
    root, other, _ = sends(bsg, 3, batch="b", cost=Decimal("0.10"), currency="EUR")
    report(root, Status.FAILED)
    again(root, Status.DELIVERED, cost=Decimal("0.30"), currency="EUR")
    report(root, Status.DELIVERED)
    report(other, Status.FAILED)
    again(other, Status.DELIVERED, cost=Decimal("35"), currency="UGX")
    return Message.objects.get(pk=root.pk)


def listed(client: Client, url: str) -> set[int]:
    page = client.get(url).content.decode()
    return {int(pk) for pk in re.findall(r'href="/messages/(\d+)/"', page)}


def test_a_batch_counts_people_once_and_every_text_with_its_price(twice: Message) -> None:
    assert twice.batch
    found = sends_in(twice.batch)
    assert (found.texts, found.again, found.doubtful, found.twice) == (5, 2, 0, 1)
    assert [(cost.currency, cost.plain) for cost in found.costs] == [("EUR", "0.6"), ("UGX", "35")]
    page = signed_in("ops").get(f"/batches/{twice.batch_id}/").content.decode()
    assert "3 messages" in page
    assert "2 of them were sent again" in page
    assert "1 person got their text more than once." in page


def test_what_never_left_us_is_no_text_and_what_we_cannot_tell_is_said(bsg: Account) -> None:
    one, two = sends(bsg, 2, batch="b")
    dropped, doubtful = again(one), again(two)
    Message.objects.filter(pk__in=[dropped.pk, doubtful.pk]).update(status="created", effective="created")
    dropped.events.all().delete()
    doubtful.events.all().delete()
    list(recount())
    we_say(dropped, NOT_SENT, Status.FAILED)
    we_say(doubtful, "outcome unknown", Status.OUTCOME_UNKNOWN)
    found = sends_in(Batch.objects.get())
    assert (found.texts, found.again, found.doubtful) == (3, 1, 1)


def test_the_providers_own_retry_under_the_same_id_is_one_more_text() -> None:
    (root,) = sends(account("esms", "esms_africa"), 1, batch="b")
    now = timezone.now()
    Retry.objects.create(
        root=root, original=root, message=root, account=root.account, via="provider", state="accepted",
        user=person("ops"), reason="asked to", nonce="n", reference="r", created_at=now, changed_at=now,
    )  # fmt: skip
    assert sum(recount()) == 1
    found = sends_in(Batch.objects.get())
    assert (found.texts, found.again) == (2, 1)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("not_sent", [True, False])
@pytest.mark.parametrize("reported", [True, False])
def test_the_database_and_the_rule_agree_on_what_went_out(
    bsg: Account, status: Status, not_sent: bool, reported: bool
) -> None:
    (one,) = sends(bsg, 1)
    Message.objects.update(status=status.value, not_sent=not_sent, reported=reported)
    one.refresh_from_db()
    assert Message.objects.filter(WENT_OUT).exists() is reached_the_wire(one.state)


def test_who_got_it_twice_is_one_click_from_the_batch(twice: Message) -> None:
    ops = signed_in("ops")
    page = ops.get(f"/batches/{twice.batch_id}/").content.decode()
    link = re.search(r'href="(/messages/\?batch=id:\d+&amp;twice=on)"', page)
    assert link
    assert listed(ops, link[1].replace("&amp;", "&")) == {twice.pk}
    assert listed(ops, "/messages/?twice=on&status=delivered&account=bsg") == {twice.pk}
    assert listed(ops, "/messages/?twice=on&status=failed") == set()
    assert b"arrived 2 times" in ops.get("/messages/?twice=on").content
    assert f"{twice.pk}," in "".join(
        part.decode() for part in ops.get(f"/batches/{twice.batch_id}/export.csv?twice=on").streaming_content
    )
    support = signed_in("support").get(f"/batches/{twice.batch_id}/").content.decode()
    assert "1 person got their text more than once." in support
    assert "twice=on" not in support


def test_attention_and_the_overview_have_a_queue_of_them(twice: Message) -> None:
    ops = signed_in("ops")
    queue = ops.get("/attention/").content.decode().split('id="twice"')[1]
    assert {int(pk) for pk in re.findall(r'href="/messages/(\d+)/"', queue)} == {twice.pk}
    waiting = {pile.url: pile.count for pile in ops.get("/").context["waiting"]}
    assert waiting["/messages/?twice=on"] == "1"


def test_every_message_of_it_says_that_the_person_got_it_twice(twice: Message) -> None:
    support = signed_in("support")
    both = [twice, Message.objects.get(root=twice)]
    for one, other in (both, both[::-1]):
        page = " ".join(support.get(f"/messages/{one.pk}/").content.decode().split())
        assert "This person got the text 2 times: " in page
        assert f'<a href="/messages/{other.pk}/">by message {other.pk}</a>' in page
    once = Message.objects.filter(deliveries=1, root=None).get()
    assert b"got the text" not in support.get(f"/messages/{once.pk}/").content


@pytest.mark.sqlite_only
def test_the_few_are_found_without_reading_the_many() -> None:
    if connection.vendor == "sqlite":
        plan = filter_messages(twice=True).order_by("-pk")[:51].explain()
        assert "SCAN dashboard_message\n" not in plan + "\n"
        assert "message_twice" in plan
