"""Sending again under anything that can happen in any order, with the simulator's ledger as the truth."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db.models import QuerySet
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dashboard.ingest import bulk as steps
from dashboard.ingest.counts import recount
from dashboard.ingest.doubts import settle_by_hand
from dashboard.ingest.retry import Refused, request_retry
from dashboard.models import Account, ApiToken, Bulk, Message, Retry, User
from dashboard.queries import filter_messages
from dashboard.worker.loop import Worker
from providers import PROVIDERS
from providers.base import Status
from tests.factory import person, report
from tests.worker.rig import Rig
from tests.worker.test_doubts import CutWorker

KEYS = tuple(PROVIDERS)
EACH = 2
FAULTS = ["reset_before", "reset_after", "500_after", "invalid_json", "429", "low_balance", "wrong_identity"]
ON_THE_WIRE = [Retry.State.SENDING, Retry.State.ACCEPTED, Retry.State.OUTCOME_UNKNOWN]


class Sending(RuleBasedStateMachine):
    """Two people and a program ask, providers fail and lie, workers die, time passes."""

    rig: Rig
    ops: User
    second: User
    token: ApiToken
    patch: pytest.MonkeyPatch

    @initialize()
    def begin(self) -> None:
        Account.objects.update(enabled=False)  # those of the example before
        self.rig.sim.script(faults=[], numbers={"*": "failed"})
        self.asked = 0
        started = Account.objects.count()
        self.roots: list[Message] = []
        for key in KEYS:
            self.roots += self.rig.put(
                self.rig.account(key, f"{key}-{started}"), *([85] * EACH), batch=str(700_000 + started)
            )
        self.batch = self.roots[0].batch
        self.rig.later(3000)
        self.rig.work_all()
        self.rig.later(60)
        self.numbers = {root.pk: root.recipient.digits for root in self.roots}
        self.rig.sim.script(numbers={"*": "delivered"})

    def root(self, which: int) -> Message:
        return self.roots[which % len(self.roots)]

    # -- people

    @rule(some=st.sets(st.integers(0, 9), min_size=1), text=st.sampled_from(["", "The same once more."]))
    def click_twice(self, some: set[int], text: str) -> None:
        for which in some:
            self.asked += 1
            nonce = f"c{self.root(0).pk}-{self.asked}"
            made = [self.ask(which, nonce, user=self.ops, text=text) for _ in range(2)]
            assert made[0] == made[1], "the same page sent twice is the same attempt"

    @rule(which=st.integers(0, 9), elsewhere=st.integers(0, 4))
    def ask_by_api(self, which: int, elsewhere: int) -> None:
        self.asked += 1
        through = self.root(elsewhere * EACH).account.slug
        self.ask(which, f"a{self.root(0).pk}-{self.asked}", token=self.token, account_slug=through)

    def ask(self, which: int, nonce: str, **fields: object) -> int | None:
        try:
            retry, _ = request_retry(self.root(which).pk, reason="asked to", nonce=nonce, **fields)  # type: ignore[arg-type]
        except Refused:
            return None
        return retry.pk

    @rule(approved=st.booleans())
    def plan(self, approved: bool) -> None:
        mine = filter_messages(bucket="undeliverable").filter(pk__in=self.numbers)
        try:
            bulk = steps.plan(mine, user=self.ops, reason="all of them", filters={})
            if approved:
                steps.approve(bulk.pk, user=self.second)
        except Refused:
            return

    @rule(step=st.sampled_from([steps.approve, steps.approve, steps.pause, steps.resume, steps.stop]))
    def decide(self, step: object) -> None:
        for bulk in Bulk.objects.exclude(state__in=["done", "stopped"]):
            try:
                step(bulk.pk, user=self.second)  # type: ignore[operator]
            except Refused:
                continue

    @rule(went_out=st.booleans())
    def settle(self, went_out: bool) -> None:
        """A person decides what nothing else could; wrongly that it was not sent is what the rule forbids here."""
        for retry in self.mine().filter(state=Retry.State.OUTCOME_UNKNOWN):
            gone = bool(self.rig.sim.ledger(to=self.numbers[retry.root_id]))
            try:
                settle_by_hand(retry.pk, went_out=went_out or gone, reason="looked", user=self.ops)
            except Refused:
                continue

    # -- providers

    @rule(which=st.integers(0, 9), status=st.sampled_from([Status.DELIVERED, Status.FAILED, Status.SENT]))
    def hear(self, which: int, status: Status) -> None:
        report(self.root(which), status)

    @rule(kind=st.sampled_from(FAULTS), count=st.integers(1, 3))
    def fail(self, kind: str, count: int) -> None:
        self.rig.sim.script(faults=[{"kind": kind, "method": "POST", "path": "create|send|messagelist|retry",
                                     "count": count}])  # fmt: skip

    @rule(kind=st.sampled_from(FAULTS), some=st.sets(st.integers(0, 9), min_size=4))
    def ask_while_it_fails(self, kind: str, some: set[int]) -> None:
        """What matters most, and what chance seldom puts in this order."""
        self.fail(kind, len(some))
        self.click_twice(some, "The same once more.")
        self.work(3)

    @rule(fate=st.sampled_from(["delivered", "failed", "stuck"]))
    def fate(self, fate: str) -> None:
        self.rig.sim.script(numbers={"*": fate})

    # -- the worker and the clock

    @rule(rounds=st.integers(1, 3))
    def work(self, rounds: int) -> None:
        for _ in range(rounds):
            self.rig.later(6)
            self.rig.work()

    @rule()
    def work_and_die(self) -> None:
        self.patch.setattr("tests.worker.rig.Worker", CutWorker)
        self.rig.work()
        self.patch.setattr("tests.worker.rig.Worker", Worker)

    @rule(seconds=st.sampled_from([1, 20, 61, 400, 1000]))
    def wait(self, seconds: int) -> None:
        self.rig.later(seconds)

    # -- what always holds

    def mine(self) -> QuerySet[Retry]:
        return Retry.objects.filter(root__in=self.numbers)

    @invariant()
    def no_more_texts_than_were_asked_for(self) -> None:
        if not hasattr(self, "numbers"):
            return
        owned = Counter(self.mine().filter(state__in=ON_THE_WIRE).values_list("root_id", flat=True))
        sent = Counter({pk: len(self.rig.sim.ledger(to=digits)) for pk, digits in self.numbers.items()})
        assert all(sent[pk] <= owned[pk] for pk in self.numbers), (sent, owned)

    @invariant()
    def sums_are_true(self) -> None:
        assert sum(recount(repair=False)) == 0

    def teardown(self) -> None:
        """Once everything works again, no wish stays open; what nobody can tell waits for a person, who can."""
        if not hasattr(self, "numbers"):
            return
        self.rig.sim.script(faults=[], numbers={"*": "delivered"})
        for bulk in Bulk.objects.exclude(state__in=["done", "stopped"]):
            steps.stop(bulk.pk, user=self.second)
        for _ in range(6):
            self.rig.later(700)
            self.rig.work()
        left = self.mine().exclude(state__in=["accepted", "refused", "not_sent", "cancelled"])
        assert set(left.values_list("state", flat=True)) <= {Retry.State.OUTCOME_UNKNOWN}
        for retry in left:
            settle_by_hand(retry.pk, went_out=True, reason="looked", user=self.ops)
        self.no_more_texts_than_were_asked_for()


@pytest.mark.parametrize("examples", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_no_order_of_events_texts_anybody_more_often_than_asked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, no_cool_down: None, examples: int
) -> None:
    Sending.rig, Sending.patch = rig, monkeypatch
    Sending.ops, Sending.second = person("ops"), person("ops")
    Sending.token = ApiToken.issue("machine", {"retry"})[0]
    some = settings(
        max_examples=examples, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck),
        derandomize=examples < 50, print_blob=True,
    )  # fmt: skip
    run_state_machine_as_test(Sending, settings=some)
