"""The stored sums: what moves them, that adding them up and many at once change nothing, and that a fault is found."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from dashboard.domain.lifecycle import Bucket
from dashboard.ingest import counts
from dashboard.ingest.counts import recount, squash
from dashboard.ingest.orphans import sweep
from dashboard.ingest.record import record
from dashboard.ingest.register import register
from dashboard.ingest.trees import sent_again_as
from dashboard.models import Account, Batch, BatchCount, HourCount, Message
from dashboard.models.messages import Source
from dashboard.tallies import tally
from tests.core.making import (
    T0,
    account,
    answer,
    assert_row_is_its_fold,
    assert_sums_are_counts,
    message,
    poll,
    says,
    send,
    undone,
    webhook,
)

pytestmark = pytest.mark.django_db


def of_batch(name: str = "b") -> list[tuple[str, int]]:
    return sorted(BatchCount.objects.filter(batch__name=name).values_list("status", "n"))


# ------------------------------------------------------------------------------ what moves them


def test_a_report_moves_a_message_from_one_sum_to_another() -> None:
    of = account("bsg")
    message(of, "1", to="254712345678", batch="b")
    squash()
    assert of_batch() == [("queued", 1)]
    webhook(of, says("bsg", "1", "delivered"))
    assert of_batch() == [("delivered", 1), ("queued", -1), ("queued", 1)]
    assert set(HourCount.objects.values_list("hour", "country", "account")) == {(T0, "KE", of.pk)}
    assert_sums_are_counts()


def test_one_row_for_each_sum_that_changes_however_many_messages_change() -> None:
    of = account("bsg")
    register(of, [send(f"{n}", to=f"2547{n:08d}", batch="b", sent_at=T0) for n in range(50)], Source.API)
    squash()
    record([answer(one, says("bsg", one.match_id, "sent")) for one in Message.objects.select_related("recipient")])
    assert of_batch() == [("queued", -50), ("queued", 50), ("sent", 50)]
    assert HourCount.objects.count() == 3


def test_what_changes_no_state_changes_no_sum() -> None:
    of = account("bsg")
    one = message(of, "1", batch="b")
    webhook(of, says("bsg", "1", "sent"))
    before = BatchCount.objects.count(), HourCount.objects.count()
    webhook(of, says("bsg", "1", "sent"))
    webhook(of, says("bsg", "1", "queued"))
    poll(one, says("bsg", "1", "sent"))
    assert (BatchCount.objects.count(), HourCount.objects.count()) == before


def test_the_hour_is_of_utc_and_the_country_of_the_code() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    message(account("bsg"), "1", to="9779812345678", sent_at=datetime(2026, 11, 20, 15, 40, tzinfo=nepal))
    assert Message.objects.get().country == "NP"
    assert set(HourCount.objects.values_list("hour", "country")) == {(datetime(2026, 11, 20, 9, tzinfo=UTC), "NP")}
    assert_sums_are_counts()


def test_a_batch_that_is_told_later_counts_from_then_on() -> None:
    of = account("bsg")
    one = message(of, "1")
    poll(one, says("bsg", "1", "failed"))
    register(of, [send("1", batch="b")], Source.API)
    squash()
    assert of_batch() == [("failed", 1)]
    assert_sums_are_counts()


def test_a_message_that_turns_out_to_be_a_second_try_no_longer_counts_by_itself() -> None:
    of = account("esms_africa")
    root, other = message(of, "1", batch="b"), message(of, "2", batch="other")
    poll(root, says("esms_africa", "1", "failed"))
    poll(other, says("esms_africa", "2", "delivered"))
    sent_again_as(root.pk, other.pk)
    squash()
    assert (of_batch("b"), of_batch("other")) == ([("delivered", 1)], [])
    assert_row_is_its_fold()


def test_a_report_that_was_attached_later_counts() -> None:
    of = account("bsg")
    one = message(of, "1", batch="b")
    Message.objects.update(match_id=None)
    webhook(of, says("bsg", "1", "delivered"))
    Message.objects.update(match_id="1")
    assert sweep(Message.objects.get(pk=one.pk).created_at) == 1
    squash()
    assert of_batch() == [("delivered", 1)]
    assert_sums_are_counts()


def test_nothing_is_moved_by_a_transaction_that_is_taken_back() -> None:
    of = account("bsg")
    message(of, "1", batch="b")
    with undone():
        webhook(of, says("bsg", "1", "delivered"))
    assert_sums_are_counts()


# ------------------------------------------------------------------------------ adding up


def test_adding_up_changes_no_sum_and_leaves_one_row_of_each() -> None:
    of = account("bsg")
    for n in range(6):
        message(of, f"{n}", batch=f"b{n % 2}")
    for n, word in enumerate(["sent", "sent", "delivered", "delivered", "failed", "sent"]):
        webhook(of, says("bsg", f"{n}", word))
    pks = list(Batch.objects.values_list("pk", flat=True))
    before = tally(pks)
    squash()
    assert tally(pks) == before
    assert_sums_are_counts()
    for model, key in ((BatchCount, counts.BATCH_KEY), (HourCount, counts.HOUR_KEY)):
        keys = list(model._default_manager.values_list(*key))
        assert len(keys) == len(set(keys))
        assert not model._default_manager.filter(n=0).exists()
    assert squash() == 0


def test_a_round_takes_so_many_rows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "SQUASHED", 4)
    monkeypatch.setattr(counts, "ROUNDS", 3)
    batch = Batch.objects.create(account=account("bsg"), name="b", created_at=T0)
    BatchCount.objects.bulk_create(BatchCount(batch=batch, status="sent", n=1) for _ in range(50))
    assert squash() == 12
    assert BatchCount.objects.count() == 41
    while squash():
        pass
    assert of_batch() == [("sent", 50)]


# ------------------------------------------------------------------------------ finding a fault


def spoilt() -> None:
    """Two messages, whose sums are wrong in every way."""
    of = account("bsg")
    message(of, "1", batch="b", sent_at=T0)
    message(of, "2", batch="b", sent_at=T0 + timedelta(days=3))
    squash()
    BatchCount.objects.filter(status="queued").update(n=7)
    BatchCount.objects.create(batch=Batch.objects.get(), status="failed", n=2)
    HourCount.objects.filter(hour=T0).delete()
    HourCount.objects.create(account=of, hour=T0 + timedelta(days=1), country="KE", status="sent", n=-1)


def test_a_wrong_sum_is_found_named_and_put_right(caplog: pytest.LogCaptureFixture) -> None:
    spoilt()
    with caplog.at_level(logging.ERROR):
        assert sum(recount()) == 5
    assert sorted(record.getMessage().split(" and ")[0] for record in caplog.records) == [
        "A sum was wrong by +1", "A sum was wrong by +1", "A sum was wrong by -2", "A sum was wrong by -5",
        "Sums were wrong by (-1, 0, 0, 0)",
    ]  # fmt: skip
    assert_sums_are_counts()
    assert sum(recount()) == 0


def test_looking_alone_changes_nothing() -> None:
    spoilt()
    before = list(BatchCount.objects.values()), list(HourCount.objects.values())
    assert sum(recount(repair=False)) == 5
    assert (list(BatchCount.objects.values()), list(HourCount.objects.values())) == before


def test_a_rebuild_puts_sums_right(capsys: pytest.CaptureFixture[str]) -> None:
    spoilt()
    call_command("rebuild", "--dry-run")
    assert "5 sums would be put right" in capsys.readouterr().out
    call_command("rebuild")
    assert "5 sums were put right" in capsys.readouterr().out
    assert_sums_are_counts()


def test_a_recount_goes_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "BATCHES", 2)
    of = account("bsg")
    for n in range(5):
        message(of, f"{n}", batch=f"b{n}", sent_at=T0 + timedelta(hours=30 * (n % 2)))
    assert list(recount()) == [0, 0, 0, 0, 0, 0, 0]
    assert tally(Batch.objects.values_list("pk", flat=True))[Batch.objects.all()[0].pk][Bucket.PENDING] == 1


# ------------------------------------------------------------------------------ many at once


WORDS = ["queued", "sent", "delivered", "failed"]


def sends(of: Account, first: int) -> None:
    for n in range(first, first + 20):
        register(of, [send(f"{n}", to=f"2547{n:08d}", batch="b")], Source.API)


def reports(of: Account, start: int) -> None:
    for word in WORDS[start:] + WORDS[:start]:
        for n in range(0, 40, 3):
            webhook(of, says(of.provider_key, f"{n}", word))


def polls(of: Account) -> None:
    for word in WORDS:
        known = Message.objects.filter(account=of).select_related("recipient", "account")
        record([answer(one, says("bsg", one.match_id or "", word)) for one in known.order_by("?")])


def keep_house(until: threading.Event) -> None:
    while not until.is_set():
        squash()
        assert sum(recount()) == 0


def in_a_thread(work: Callable[..., None], *arguments: object) -> None:
    try:
        work(*arguments)
    finally:
        connection.close()


@pytest.mark.postgres_only  # SQLite has one writer at a time
@pytest.mark.django_db(transaction=True)
def test_whatever_happens_at_once_the_sums_stay_right() -> None:
    of, other, done = account("bsg"), account("esms_africa"), threading.Event()
    with ThreadPoolExecutor(10) as threads:
        house = [threads.submit(in_a_thread, keep_house, done) for _ in range(2)]
        work = [threads.submit(in_a_thread, sends, *given) for given in ((of, 0), (of, 20), (of, 10), (other, 0))]
        work += [threads.submit(in_a_thread, reports, *given) for given in ((of, 0), (of, 2), (other, 1))]
        work.append(threads.submit(in_a_thread, polls, of))
        try:
            for each in work:
                each.result(timeout=120)
        finally:
            done.set()
        for each in house:
            each.result(timeout=120)
    assert_row_is_its_fold()
    squash()
    assert_row_is_its_fold()


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_rows_in_another_workers_hand_are_left_alone() -> None:
    batch = Batch.objects.create(account=account("bsg"), name="b", created_at=T0)
    BatchCount.objects.bulk_create(BatchCount(batch=batch, status="sent", n=1) for _ in range(4))
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(BatchCount.objects.select_for_update().order_by("pk")[:2])
                holding.set()
                done.wait(30)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(30)
    try:
        assert squash() == 2
        assert of_batch() == [("sent", 1), ("sent", 1), ("sent", 2)]
    finally:
        done.set()
        holder.join(30)


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_two_workers_put_a_wrong_sum_right_once() -> None:
    spoilt()

    def job(_: int) -> int:
        try:
            return sum(recount())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(job, range(4))) >= 4
    assert_sums_are_counts()
