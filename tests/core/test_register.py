"""Registering many sends at once says and stores what registering them one by one would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings, strategies as st

from dashboard.domain import phone
from dashboard.ingest.incoming import FIELDS, Wrong, incoming, reader
from dashboard.ingest.items import REGISTERED, Item, ours
from dashboard.ingest.known import with_ids
from dashboard.ingest.locks import bucket_of
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.ingest.rows import Among
from dashboard.models import Account, Batch, BatchCount, Event, Message, Orphan, Recipient
from dashboard.models.messages import Source
from providers.base import Report, Status
from tests.core.making import T0, account, assert_row_is_its_fold, says, send, webhook
from tests.core.test_early_reports import race

pytestmark = pytest.mark.django_db

SHARED = 50

# What COPY, JSON, arrays and SQL each have a meaning for.
ODD = [
    "\\N",
    "\\",
    "tab\there",
    "line\nbreak\r\n",
    'a "quote"',
    "it's",
    "{a,b}",
    "NULL",
    "%s %%",
    "Привіт 🙂",
    "\\.",
    "$1",
]


@pytest.fixture
def of(db: None) -> Account:
    return account("bsg", currency="EUR")


def stored(of: Account) -> list[dict[str, Any]]:
    """All that the account's messages and their events say, without ids and our own clock."""
    own = {
        "id",
        "account_id",
        "message_id",
        "key",
        "batch_id",
        "created_at",
        "heard_at",
        "next_check_at",
        "received_at",
    }
    mine = Message.objects.filter(account=of).order_by("match_id").select_related("batch")
    events = Event.objects.filter(message__account=of).order_by("message__match_id")
    rows = [{**row, "batch": one.batch and one.batch.name} for row, one in zip(mine.values(), mine, strict=True)]
    return [{name: value for name, value in row.items() if name not in own} for row in [*rows, *events.values()]]


def test_odd_texts_are_stored_as_they_are(of: Account) -> None:
    sends = [send(text, text=text, sender=text, route=text, reference=text, batch=text) for text in ODD]
    register(of, sends, Source.API)
    for text, one in zip(ODD, Message.objects.select_related("batch").order_by("pk"), strict=True):
        assert one.batch is not None
        values = {one.provider_message_id, one.match_id, one.text, one.sender, one.route, one.reference, one.batch.name}
        assert values == {text}
    assert [result.new for result in register(of, sends, Source.API)] == [False] * len(ODD)


def test_every_kind_of_value_is_stored_as_it_is(of: Account) -> None:
    later = datetime(2026, 11, 21, 7, 0, 0, 123456, tzinfo=UTC)
    full = send("1", cost=Decimal("0.00000001"), currency="KES", parts=255, sent_at=T0, valid_until=later, text="t")
    register(of, [full, send("2", to="12025550143")], Source.API)
    first, second = Message.objects.order_by("pk")
    assert (first.cost, first.currency, first.parts, first.sent_at, first.valid_until, first.country) == (
        Decimal("0.00000001"), "KES", 255, T0, later, "KE",
    )  # fmt: skip
    assert (second.cost, second.currency, second.parts, second.text, second.valid_until, second.country) == (
        None, "", None, None, None, "US",
    )  # fmt: skip
    assert second.sent_at == second.created_at == second.next_check_at
    assert first.extra == second.extra == {}


@pytest.mark.parametrize("key", ["bsg", "esms_africa"])
def test_at_once_or_one_by_one_is_the_same(key: str) -> None:
    at = [T0, T0 + timedelta(minutes=1)]
    sends = [send(f"Msg-{n}", to=f"2547123456{n:02d}", sent_at=at[n % 2], batch="b" * (n % 3)) for n in range(7)]
    first, second = account(key, "first"), account(key, "second")
    register(first, sends, Source.API)
    for each in sends:
        register(second, [each], Source.API)
    assert stored(first) == stored(second)
    assert_row_is_its_fold()


def test_its_event_is_the_fact_that_record_would_have_stored(of: Account) -> None:
    register(of, [send("1", sent_at=T0), send("2", to="254712345600")], Source.API)
    for one in Message.objects.all():
        entry = ours(REGISTERED, Status.QUEUED, at=T0 if one.match_id == "1" else None)
        again = Item(
            account=of, source=Source.API, report=Report(entries=(entry,)), received_at=T0, by_provider=False,
            message_id=one.pk,
        )  # fmt: skip
        record([again])
    assert list(Event.objects.values_list("count", flat=True)) == [2, 2]


def test_a_send_that_stands_twice_in_one_call_is_one_message(of: Account) -> None:
    calls = [
        send("1", reference="r"), send("1", cost=Decimal("0.5"), batch="b"), send("1", reference="other", batch="c"),
        send("1", to="254712345600"),
    ]  # fmt: skip
    first, filled, differing, refused = register(of, calls, Source.API)
    assert (first.new, filled.new, differing.new) == (True, False, False)
    assert first.message_id == filled.message_id == differing.message_id
    assert differing.differs == ["reference", "batch"]
    assert refused.refused is not None
    assert refused.message_id is None
    one = Message.objects.select_related("batch").get()
    assert one.batch is not None
    assert (one.reference, one.cost, one.currency, one.batch.name) == ("r", Decimal("0.5"), "EUR", "b")
    assert list(Batch.objects.values_list("name", flat=True)) == ["b"]
    assert list(BatchCount.objects.values_list("batch__name", "n")) == [("b", 1)]


def test_known_messages_are_filled_together_and_counted_in_their_batch(of: Account) -> None:
    register(of, [send(str(n), to=f"2547123456{n:02d}") for n in range(4)], Source.API)
    more = [
        send("0", to="254712345600", text="t"), send("1", to="254712345601", batch="b", cost=Decimal(1)),
        send("2", to="254712345602", batch="b"), send("3", to="254712345603", text="u", sender="S"),
    ]  # fmt: skip
    assert [result.differs for result in register(of, more, Source.API)] == [[], [], [], []]
    rows = Message.objects.order_by("pk").values_list("text", "sender", "batch__name", "cost", "currency")
    assert list(rows) == [
        ("t", "", None, None, ""), (None, "", "b", Decimal(1), "EUR"), (None, "", "b", None, ""),
        ("u", "S", None, None, ""),
    ]  # fmt: skip
    assert sum(BatchCount.objects.filter(batch__name="b", status="queued").values_list("n", flat=True)) == 2


def test_a_number_whose_digits_were_removed_comes_back_with_its_next_text(of: Account) -> None:
    register(of, [send("1"), send("2", to="254712345600")], Source.API)
    Recipient.objects.update(digits="", reversed="")
    register(of, [send("3"), send("4", to="254712345600"), send("5", to="254712345699")], Source.API)
    assert set(Recipient.objects.values_list("digits", "reversed")) == {
        ("254712345678", "876543217452"), ("254712345600", "006543217452"), ("254712345699", "996543217452"),
    }  # fmt: skip


def test_a_batch_that_has_the_providers_id_keeps_it_from_another(of: Account) -> None:
    register(
        of,
        [send("1", batch="A"), send("2", provider_batch_id="77"), send("3", batch="A", provider_batch_id="77")],
        Source.API,
    )
    assert list(Batch.objects.order_by("name").values_list("name", "provider_batch_id")) == [("77", "77"), ("A", "")]
    batches = Message.objects.order_by("match_id").values_list("batch__name", flat=True)
    assert list(batches) == ["A", "77", "A"]


def test_a_thousand_sends_are_no_more_questions_than_ten(of: Account) -> None:
    def questions(start: int, count: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            register(of, [send(str(n), to=f"25471{n:07d}", batch="b") for n in range(start, start + count)], Source.API)
        return len(queries)

    register(of, [send("x", batch="b")], Source.API)
    assert questions(0, 10) == questions(1_000, 1_000)


def test_early_reports_are_attached_set_by_set(of: Account) -> None:
    for n in range(3):
        webhook(of, says("bsg", str(n), "delivered"))
    register(of, [send(str(n), to=f"2547123456{n:02d}", batch="b") for n in range(5)], Source.IMPORT)
    assert list(Message.objects.order_by("pk").values_list("status", flat=True)) == ["delivered"] * 3 + ["queued"] * 2
    assert not Orphan.objects.filter(message=None).exists()
    counts = dict.fromkeys(("delivered", "queued"), 0)
    for status, n in BatchCount.objects.values_list("status", "n"):
        counts[status] += n
    assert counts == {"delivered": 3, "queued": 2}
    assert_row_is_its_fold()


# ------------------------------------------------------------------------------ looking for many


def test_an_empty_list_and_odd_texts_are_found(of: Account) -> None:
    register(of, [send(text) for text in ODD], Source.API)
    assert {m.match_id for m in with_ids(of.pk, ODD)} == set(ODD)
    assert not with_ids(of.pk, [])
    assert not with_ids(of.pk + 1, ODD)
    assert not Recipient.objects.filter(Among(Recipient, "hmac", ["", "x"]))


@pytest.mark.sqlite_only
def test_ids_are_found_by_their_index_and_not_along_all_that_the_account_sent(of: Account) -> None:
    plans = [
        with_ids(of.pk, ["a", "b"]).explain(),
        Orphan.objects.filter(Among(Orphan, "match_id", ["a", "b"], account_id=of.pk, message_id=None)).explain(),
    ]
    assert "message_provider_id (match_id=?" in plans[0]
    assert "orphan_waiting (account_id=? AND match_id=?)" in plans[1]
    assert not any("SCAN dashboard" in plan for plan in plans)


# ------------------------------------------------------------------------------ at the same time


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shared", ["numbers", "batches"])
def test_calls_that_share_numbers_or_batches_never_wait_in_a_circle(shared: str) -> None:
    of = account("bsg")

    def sends(n: int, who: int) -> list[Send]:
        numbers, batches = (who if shared == other else 0 for other in ("batches", "numbers"))
        # No id shares a lock with one of the other call: they would simply take turns.
        ids = islice((text for m in count() if bucket_of(text := f"{who}-{n}-{m}") % 2 == who % 2), SHARED)
        return [
            send(text, to=f"2547{numbers}{n:03d}{m:04d}", batch=f"{batches}-{n}-{m // 5}") for m, text in enumerate(ids)
        ]

    def forwards(n: int) -> None:
        register(of, sends(n, 1), Source.API)

    def backwards(n: int) -> None:
        register(of, sends(n, 2)[::-1], Source.API)

    times = 30 if connection.vendor == "postgresql" else 3
    assert race(forwards, backwards, times) == []
    each = SHARED * times
    assert Message.objects.count() == 2 * each
    assert Recipient.objects.count() == (each if shared == "numbers" else 2 * each)
    assert Batch.objects.count() == 10 * (times if shared == "batches" else 2 * times)


# ------------------------------------------------------------------------------ one reading of a field

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.decimals(), st.lists(st.integers(), max_size=1),
    st.text(max_size=12),
    st.sampled_from(["+254712345678", "0712", "2026-11-20T10:00:00Z", "KES", "..", "0.5", "x" * 256]),
)  # fmt: skip


@settings(max_examples=300)
@given(field=st.sampled_from(sorted(FIELDS)), value=VALUES)
def test_a_file_reads_a_field_as_the_api_does(field: str, value: object) -> None:
    item = {"provider_message_id": "1", "to": "+254712345678", field: value}
    whole = incoming(item)
    if isinstance(whole, Send):
        assert reader(field)(value) == getattr(whole, field)
    else:
        with pytest.raises(Wrong) as wrong:
            reader(field)(value)
        assert whole == list(wrong.value.args)


def test_a_number_longer_than_any_is_refused_and_not_stored(of: Account) -> None:
    assert isinstance(incoming({"provider_message_id": "1", "to": "+49123456789012345"}), list)
    with pytest.raises(phone.NotANumber):
        phone.parse("49123456789012345", "DE")
