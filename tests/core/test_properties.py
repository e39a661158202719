"""P9 to P14, against the database that the run is for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.ingest.counts import squash
from dashboard.ingest.events import event_key
from dashboard.ingest.items import NOT_SENT, Item, note, ours
from dashboard.ingest.orphans import sweep
from dashboard.ingest.rebuild import rebuild
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, register
from dashboard.ingest.retry import Refused, request_retry
from dashboard.ingest.trees import sent_again_as
from dashboard.models import Account, Batch, Event, Message, Orphan, Retry, User
from dashboard.models.messages import Source
from dashboard.tallies import tally
from providers.base import Report, Status
from tests.core.making import (
    T0,
    account,
    assert_row_is_its_fold,
    counts,
    fresh,
    heard,
    lines,
    message,
    poll,
    says,
    state,
    undone,
    webhook,
)
from tests.factory import person

pytestmark = pytest.mark.django_db

FEWER = settings(max_examples=20, stateful_step_count=12)
TELLING = ["bsg", "roycetalk", "smsbat", "esms_africa"]  # those with webhooks
WORDS = ["queued", "pending", "sent", "SENT", "sending", "delivered", "Delivered", "failed", "rejected", "undelivered",
         "expired", "unknown", "deleted", "retrying", "processing", "filtered", "registered", ""]  # fmt: skip
TIMES = ["2026-11-20T10:00:05Z", "2026-11-20 13:00:05", "2026-10-25 02:30:00", "0001-01-01 00:00:00", "soon"]
TIME_FIELDS = {"bsg": "time_dr", "roycetalk": "sent_at", "smsbat": "timestamp", "esms_africa": "failed_at"}


@st.composite
def said(draw: st.DrawFn, key: str) -> dict[str, Any]:
    """One thing that a provider may say about a message, its id left open."""
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more[TIME_FIELDS[key]] = draw(st.sampled_from(TIMES))
    if key == "esms_africa":
        more["retry_count"] = draw(st.none() | st.integers(0, 3))
        more["error_code"] = draw(st.sampled_from([None, "DLR: EXPIRED", "DLR: UNDELIV"]))
    return {"word": draw(st.sampled_from(WORDS)), **more}


@st.composite
def history(draw: st.DrawFn) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    key = draw(st.sampled_from(TELLING))
    return key, draw(st.lists(st.tuples(st.sampled_from(["webhook", "poll"]), said(key)), min_size=1, max_size=6))


def tell(of: Account, one: Message | None, how: str, what: dict[str, Any], provider_id: str) -> None:
    payload = says(of.provider_key, provider_id, **what)
    if how == "webhook" or one is None:
        webhook(of, payload)
    else:
        poll(one, payload)


@pytest.fixture
def accounts() -> dict[str, Account]:
    return {key: account(key, time_zone="Africa/Nairobi") for key in TELLING}


# ------------------------------------------------------------------------------ P10, P11


@settings(max_examples=40)
@given(told=history(), early=st.integers(0, 2), strange=st.sampled_from(["", "not found", "unreadable", "other id"]))
def test_p10_p11_the_row_is_the_fold_and_a_rebuild_changes_nothing(
    accounts: dict[str, Account], told: tuple[str, list[tuple[str, dict[str, Any]]]], early: int, strange: str
) -> None:
    key, reports = told
    of = accounts[key]
    with undone():
        for how, what in reports[:early]:
            tell(of, None, how, what, "id-1")
        one = message(of, "id-1")
        for how, what in reports[early:]:
            tell(of, one, how, what, "id-1")
        be_strange(one, strange)
        assert_row_is_its_fold()
        before, facts = state(one), list(Event.objects.order_by("pk").values())
        assert not rebuild(dry_run=True)
        assert not rebuild()
        assert (state(one), list(Event.objects.order_by("pk").values())) == (before, facts)


def be_strange(one: Message, strange: str) -> None:
    if strange == "not found":
        record([heard(one, Report(entries=(note("not_found", "not found"),)), body=b'{"detail": "no such message"}')])
    elif strange == "unreadable":
        webhook(one.account, b'{"id": 1, "id": 1}')
    elif strange == "other id":
        poll(one, says(one.account.provider_key, "id-2", "delivered"))


@pytest.mark.parametrize("early", [True, False])
def test_p11_a_corrected_adapter_corrects_the_past_and_keeps_what_it_did_not_make(
    accounts: dict[str, Account], monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    of = accounts["smsbat"]
    if early:
        webhook(of, says("smsbat", "id-1", "buffered"))
    one = message(of, "id-1")
    if not early:
        webhook(of, says("smsbat", "id-1", "buffered"))
    kept = Event.objects.get(message=one, by_provider=False)
    unmapped = Event.objects.get(message=one, by_provider=True)
    monkeypatch.setattr(type(of.provider), "words", {**of.provider.words, "buffered": Status.SUBMITTED})
    assert rebuild(dry_run=True).corrected == 1
    assert fresh(one).status == "queued"
    done = rebuild()
    assert (done.added, done.corrected, done.removed, done.messages) == (0, 1, 0, 1)
    assert fresh(one).status == fresh(one).effective == "submitted"
    assert Event.objects.get(pk=kept.pk).status == "queued"
    assert (Event.objects.get(pk=unmapped.pk).status, Event.objects.get(pk=unmapped.pk).note) == ("submitted", "")
    assert not rebuild()


def test_p11_a_rebuild_finds_out_again_who_got_it_twice(accounts: dict[str, Account]) -> None:
    of = accounts["bsg"]
    one, other = message(of, "id-1"), message(of, "id-2")
    sent_again_as(one.pk, other.pk)
    for provider_id in ("id-1", "id-2"):
        webhook(of, says("bsg", provider_id, "delivered"))
    assert fresh(one).deliveries == 2
    Message.objects.filter(pk=one.pk).update(deliveries=1)
    assert rebuild().messages == 1
    assert fresh(one).deliveries == 2


# ------------------------------------------------------------------------------ P12

parts = st.sampled_from(["", "a", "b", "ab", "sms", '","', "1", "12"])
facts = st.tuples(
    st.integers(1, 30), parts, st.integers(0, 12), parts, parts, st.sampled_from(["", "ours", "retry", "not_found"])
)


@given(facts, facts)
def test_p12_two_facts_share_a_key_only_if_they_are_one(one: Any, other: Any) -> None:
    assert (event_key(*one) == event_key(*other)) == (one == other)


def test_p12_no_two_fields_run_together() -> None:
    keys = {event_key(1, "ab", 0, "c", ""), event_key(1, "a", 0, "bc", ""), event_key(1, "ab", 0, "", "c"),
            event_key(1, "a", 10, "", ""), event_key(11, "a", 0, "", ""), event_key(1, "a", 1, "0", "")}  # fmt: skip
    assert len(keys) == 6


def test_p12_no_time_is_not_an_empty_one_and_case_is_no_difference() -> None:
    assert event_key(1, "Sent", 0, "", "") == event_key(1, "sent", 0, "", "")


@pytest.mark.parametrize("key", TELLING)
def test_p12_a_webhook_repeated_is_one_event(accounts: dict[str, Account], key: str) -> None:
    of = accounts[key]
    one = message(of, "id-1")
    for _ in range(3):
        webhook(of, says(key, "id-1", "sent"))
    (event,) = Event.objects.filter(message=one, by_provider=True)
    assert (event.count, event.source_names) == (3, ["webhook"])


# ------------------------------------------------------------------------------ P14


@settings(max_examples=40)
@given(told=history(), early=st.integers(1, 6), by_sweep=st.booleans())
def test_p14_a_report_before_its_send_is_worth_as_much_as_one_after(
    accounts: dict[str, Account], told: tuple[str, list[tuple[str, dict[str, Any]]]], early: int, by_sweep: bool
) -> None:
    key, reports = told
    of = accounts[key]
    with undone():
        late = message(of, "late", to="254712000001")
        if by_sweep:
            soon = message(of, "soon", to="254712000002")
            Message.objects.filter(pk=soon.pk).update(match_id=None)
        for _, what in reports:
            tell(of, late, "webhook", what, "late")
        for how, what in reports[:early]:
            tell(of, None, how, what, "soon")
        if by_sweep:
            Message.objects.filter(pk=soon.pk).update(match_id="soon")
            waiting = Orphan.objects.exclude(match_id="")
            assert sweep(timezone.now()) == waiting.count()
        else:
            soon = message(of, "soon", to="254712000002")
        for _, what in reports[early:]:
            tell(of, soon, "webhook", what, "soon")
        assert state(soon) == state(late)
        assert sorted(lines(soon), key=str) == sorted(lines(late), key=str)
        assert counts(soon) == counts(late)
        assert fresh(soon).unconfirmed == fresh(late).unconfirmed
        assert not Orphan.objects.filter(message=None).exclude(match_id="").exists()
        assert_row_is_its_fold()


# ------------------------------------------------------------------------------ P9


class Traffic(RuleBasedStateMachine):
    """Sends, reports and retries in any order; whatever happens, every message is in exactly one bucket."""

    accounts: list[Account]
    ops: User
    messages: Bundle[tuple[int, str]] = Bundle("messages")
    strangers: Bundle[tuple[int, str]] = Bundle("strangers")
    retries: Bundle[int] = Bundle("retries")

    def __init__(self) -> None:
        super().__init__()
        self.scratch = undone()
        self.scratch.__enter__()
        self.numbers: Iterator[int] = iter(range(1, 1000))
        self.roots = 0

    def teardown(self) -> None:
        try:
            assert not rebuild(dry_run=True)
        finally:
            self.scratch.__exit__(None, None, None)

    @rule(target=messages, which=st.integers(0, 1), batch=st.sampled_from(["the batch", ""]))
    def send(self, which: int, batch: str) -> tuple[int, str]:
        provider_id = f"id-{next(self.numbers)}"
        self.roots += 1
        return message(self.accounts[which], provider_id, batch=batch, text="Hello").pk, provider_id

    @rule(target=strangers, which=st.integers(0, 1), word=st.sampled_from(WORDS))
    def report_too_early(self, which: int, word: str) -> tuple[int, str]:
        provider_id = f"id-{next(self.numbers)}"
        webhook(self.accounts[which], says(self.accounts[which].provider_key, provider_id, word))
        return which, provider_id

    @rule(target=messages, stranger=consumes(strangers))
    def send_after_all(self, stranger: tuple[int, str]) -> tuple[int, str]:
        which, provider_id = stranger
        self.roots += 1
        return message(self.accounts[which], provider_id, batch="the batch", text="Hello").pk, provider_id

    @rule(one=messages, times=st.integers(1, 3), word=st.sampled_from(WORDS), number=st.none() | st.integers(0, 2))
    def report(self, one: tuple[int, str], times: int, word: str, number: int | None) -> None:
        pk, provider_id = one
        of = Message.objects.get(pk=pk).account
        more = {"retry_count": number} if of.provider_key == "esms_africa" and number is not None else {}
        for _ in range(times):
            webhook(of, says(of.provider_key, provider_id, word, **more))

    @rule(one=messages, word=st.sampled_from(WORDS))
    def ask(self, one: tuple[int, str], word: str) -> None:
        pk, provider_id = one
        row = Message.objects.get(pk=pk)
        key, at = row.account.provider_key, T0 + timedelta(hours=80 if word == "" else 1)
        poll(row, says(key, provider_id, word if word or key == "bsg" else "queued"), at=at)  # only bsg says nothing

    @rule(target=retries, one=messages)
    def retry(self, one: tuple[int, str]) -> Any:
        try:
            with time_machine.travel(T0 + timedelta(days=1), tick=False):  # not yet too old
                made, _ = request_retry(
                    one[0], reason="asked to", nonce=f"n{next(self.numbers)}", user=self.ops, account_slug="bsg",
                    text="Hi",
                )  # fmt: skip
        except Refused:
            return multiple()
        return made.pk

    @rule(pk=consumes(retries), outcome=st.sampled_from(["accepted", "delivered", "not_sent", "outcome_unknown"]))
    def come_to(self, pk: int, outcome: str) -> None:
        made = Retry.objects.get(pk=pk)
        came = {"accepted": Status.QUEUED, "delivered": Status.DELIVERED, "not_sent": Status.FAILED}
        status = came.get(outcome, Status.OUTCOME_UNKNOWN)
        entry = ours(NOT_SENT if outcome == "not_sent" else outcome, status)
        record([Item(account=made.account, source=Source.SEND, report=Report(entries=(entry,)), received_at=T0,
                     message_id=made.message_id, by_provider=False)])  # fmt: skip
        Retry.objects.filter(pk=pk).update(state="accepted" if outcome == "delivered" else outcome)

    @rule(one=messages)
    def put_into_the_batch_again(self, one: tuple[int, str]) -> None:
        row = Message.objects.select_related("recipient").get(pk=one[0])
        register(row.account, [Send(to=row.recipient.digits, provider_message_id=one[1], batch="another")], Source.API)

    @rule()
    def add_up(self) -> None:
        squash()

    @invariant()
    def every_root_is_in_one_bucket(self) -> None:
        roots = Message.objects.filter(root=None, batch__isnull=False)
        found = dict.fromkeys(Bucket, 0)
        for batch in Batch.objects.all():
            for bucket, number in tally([batch.pk])[batch.pk].items():
                assert number >= 0
                found[bucket] += number
        assert sum(found.values()) == roots.count()
        assert self.roots == Message.objects.filter(root=None).count()
        expected = dict.fromkeys(Bucket, 0)
        for effective in roots.values_list("effective", flat=True):
            expected[BUCKET[Status(effective)]] += 1
        assert found == expected

    @invariant()
    def rows_are_folds(self) -> None:
        assert_row_is_its_fold()

    @invariant()
    def at_most_one_retry_is_open(self) -> None:
        roots = list(Retry.objects.filter(state__in=Retry.HOLDING).values_list("root", flat=True))
        assert len(roots) == len(set(roots))


def test_p9_traffic_in_any_order_keeps_every_message_in_one_bucket() -> None:
    Traffic.accounts = [account("bsg"), account("esms_africa")]
    Traffic.ops = person("ops")
    with override_settings(RETRY_COOL_DOWN=["0", "0"]):
        run_state_machine_as_test(Traffic, settings=FEWER)  # type: ignore[no-untyped-call]


def test_p9_the_database_itself_refuses_a_second_open_retry() -> None:
    one = message(account("bsg"), "id-1")
    ops = person("ops")
    common = {"root": one, "original": one, "account": one.account, "via": "send", "user": ops, "reason": "asked to",
              "created_at": T0, "changed_at": T0}  # fmt: skip
    Retry.objects.create(**common, nonce="n1", reference="r1", state="outcome_unknown")
    with pytest.raises(IntegrityError), transaction.atomic():
        Retry.objects.create(**common, nonce="n2", reference="r2", state="open")
    Retry.objects.create(**common, nonce="n3", reference="r3", state="accepted")
