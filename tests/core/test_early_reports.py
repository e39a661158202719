"""A report that comes before anybody told us of its message: none is lost, however close the two come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from dashboard.ingest.items import Item
from dashboard.ingest.orphans import attach_by_hand, sweep
from dashboard.ingest.record import record
from dashboard.ingest.register import register
from dashboard.ingest.webhook import Delivery, items_of
from dashboard.models import Account, Event, Evidence, Message, Orphan
from dashboard.models.messages import Source
from providers.base import Entry, Report, Status
from tests.core.making import (
    T0,
    account,
    assert_row_is_its_fold,
    body_of,
    fresh,
    lines,
    message,
    says,
    send,
    state,
    token_of,
    unsent,
    webhook,
)


def report_items(of: Account, word: str, *provider_ids: str) -> list[Item]:
    """What the webhook door makes of one report about each id."""
    bodies = [body_of(says(of.provider_key, provider_id, word)) for provider_id in provider_ids]
    told = [Delivery(token_of(of), body, {}, timezone.now()) for body in bodies]
    return [item for each in told for item in items_of(each, of, "")]


@pytest.mark.django_db
def test_a_thousand_early_reports_are_attached_when_their_sends_are_registered() -> None:
    of = account("bsg")
    record(report_items(of, "delivered", *(f"id-{n}" for n in range(1000))))
    assert Orphan.objects.filter(message=None).count() == 1000
    sends = [send(f"id-{n}", to=f"2547123{n:05d}") for n in range(1000)]
    for start in (0, 500):
        register(of, sends[start : start + 500], Source.API)
    assert Orphan.objects.filter(message=None).count() == 0
    assert Message.objects.filter(status="delivered", effective="delivered").count() == 1000
    assert Event.objects.filter(by_provider=True, status="delivered", count=1).count() == 1000


@pytest.mark.django_db
def test_what_waited_counts_when_the_registration_returns() -> None:
    of = account("smsbat")
    webhook(of, says("smsbat", "7", "sent"))
    webhook(of, says("smsbat", "7", "undeliverable"))
    webhook(of, says("smsbat", "8", "delivered"))
    one = message(of, "7")
    assert (one.status, one.unconfirmed) == ("undeliverable", True)
    assert sorted(line[2] for line in lines(one)) == ["registered", "sent", "undeliverable"]
    (waiting,) = Orphan.objects.filter(message=None)
    assert waiting.match_id == "8"


@pytest.mark.django_db
def test_an_early_report_of_another_account_stays_where_it_is() -> None:
    first, second = account("bsg", "first"), account("bsg", "second")
    webhook(first, says("bsg", "7", "delivered"))
    assert message(second, "7").status == "queued"
    assert Orphan.objects.filter(message=None).count() == 1


@pytest.mark.django_db
def test_ids_that_the_provider_writes_in_two_ways_meet() -> None:
    of = account("esms_africa")
    webhook(of, says("esms_africa", "A1B2", "delivered", retry_count=0))
    assert message(of, "msg-a1b2").status == "delivered"


@pytest.mark.django_db
def test_hundreds_that_a_registration_missed_are_swept_up() -> None:
    of = account("bsg")
    register(of, [send(f"id-{n}", to=f"2547123{n:05d}") for n in range(600)], Source.API)
    Message.objects.update(match_id=None)
    record(report_items(of, "failed", *(f"id-{n}" for n in range(600)), *(f"strange-{n}" for n in range(20))))
    assert Orphan.objects.filter(message=None).count() == 620
    Message.objects.update(match_id=F("provider_message_id"))
    assert [sweep(timezone.now()) for _ in range(3)] == [500, 100, 0]
    assert Message.objects.filter(status="failed").count() == 600
    assert Orphan.objects.filter(message=None).count() == 20


@pytest.mark.django_db
def test_strangers_do_not_keep_the_sweep_from_its_work() -> None:
    of = account("bsg")
    one = message(of, "7")
    Message.objects.update(match_id=None)
    for provider_id in ("stranger-1", "stranger-2", "7", "stranger-3", "stranger-4"):
        webhook(of, says("bsg", provider_id, "delivered"))
    Message.objects.update(match_id="7")
    assert sweep(timezone.now(), most=1) == 1
    assert fresh(one).status == "delivered"


@pytest.mark.django_db
def test_the_sweep_ends_after_72_hours_and_a_person_may_still_attach() -> None:
    of = account("bsg")
    webhook(of, says("bsg", "8", "delivered"))
    one = message(of, "7")
    Message.objects.filter(pk=one.pk).update(match_id="8")
    assert sweep(timezone.now() + timedelta(hours=73)) == 0
    Message.objects.filter(pk=one.pk).update(match_id="7")
    attach_by_hand(Orphan.objects.get(), fresh(one))
    assert fresh(one).status == "delivered"
    assert Orphan.objects.get().message_id == one.pk
    assert_row_is_its_fold()


@pytest.mark.django_db
def test_what_names_no_message_or_is_anothers_cannot_be_attached() -> None:
    first, second = account("bsg", "first"), account("bsg", "second")
    webhook(first, b"<html>")
    webhook(first, says("bsg", "8", "delivered"))
    for orphan, one in zip(Orphan.objects.order_by("pk"), [message(first, "7"), message(second, "7")], strict=True):
        with pytest.raises(ValueError, match="cannot be attached"):
            attach_by_hand(orphan, one)
    assert Orphan.objects.filter(message=None).count() == 2


# ------------------------------------------------------------------------------ our own sends


def accepted(one: Message, provider_id: str) -> list[Item]:
    """The provider's answer to a send of ours: it tells the id."""
    entry = Entry(word="accepted", status=Status.QUEUED)
    report = Report(id=provider_id, entries=(entry,))
    return [Item(account=one.account, source=Source.SEND, report=report, received_at=T0, message_id=one.pk)]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["smsbat", "bsg"])
def test_a_report_before_the_answer_to_our_own_send_is_attached_with_the_answer(key: str) -> None:
    of = account(key)
    ours = unsent(of, message(of, "first"))
    webhook(of, says(key, "again", "delivered"))
    assert Orphan.objects.filter(message=None).count() == 1
    record(accepted(ours, "again"))
    assert (fresh(ours).status, fresh(ours).match_id) == ("delivered", "again")
    assert not Orphan.objects.filter(message=None).exists()
    assert_row_is_its_fold()


@pytest.mark.django_db
def test_a_report_that_names_our_reference_finds_the_send_that_was_never_answered() -> None:
    of = account("bsg")
    ours = unsent(of, message(of, "first"), reference="r123")
    webhook(of, says("bsg", "again", "sent", reference="r999"))
    webhook(of, says("bsg", "again", "delivered", reference="r123"))
    assert (fresh(ours).status, fresh(ours).match_id) == ("delivered", "again")
    assert len(lines(ours)) == 2  # the orphan came along
    assert not Orphan.objects.filter(message=None).exists()


# ------------------------------------------------------------------------------ races

RACES = 200


def race(one: Callable[[int], None], other: Callable[[int], None], times: int) -> list[BaseException]:
    """Both at the same moment, again and again, each in a thread and on a connection of its own."""
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def run(job: Callable[[int], None]) -> None:
        try:
            for n in range(times):
                start.wait(30)
                job(n)
        except BaseException as error:
            errors.append(error)
            start.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["registered", "answered"])
def test_a_report_and_its_message_that_come_at_once_always_meet(way: str) -> None:
    of = account("smsbat")
    times = RACES if connection.vendor == "postgresql" else RACES // 10  # SQLite has one writer
    ours: list[Message] = []
    if way == "answered":
        register(of, [send(f"root-{n}") for n in range(times)], Source.API)
        roots = Message.objects.select_related("recipient", "batch").order_by("pk")
        ours = [unsent(of, root, f"r{n}") for n, root in enumerate(roots)]

    def store(n: int) -> None:
        if ours:
            record(accepted(ours[n], f"id-{n}"))
        else:
            register(of, [send(f"id-{n}", to=f"2547123{n:05d}")], Source.API)

    def report(n: int) -> None:
        record(report_items(of, "delivered", f"id-{n}"))

    assert race(store, report, times) == []
    assert Orphan.objects.filter(message=None).count() == 0
    assert Message.objects.filter(status="delivered").count() == times
    assert Evidence.objects.count() == times
    assert_row_is_its_fold()


@pytest.mark.django_db(transaction=True)
def test_two_registrations_of_one_message_at_once_make_one() -> None:
    of = account("bsg")

    def store(n: int) -> None:
        register(of, [send(f"id-{n}", to=f"2547123{n:05d}", batch="b")], Source.API)

    assert race(store, store, 25) == []
    assert Message.objects.count() == 25
    assert {state(one)[0] for one in Message.objects.all()} == {"queued"}
