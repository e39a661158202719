"""eSMS Africa's tries under one id: what a history comes to, in every order of its reports, polled and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest

from dashboard.ingest.record import record
from dashboard.models import Account, Event, Message
from tests.core.making import account, answer, assert_row_is_its_fold, fresh, lines, message, state, webhook

pytestmark = pytest.mark.django_db

Timeline = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Polled:
    """One GET: the word on top, the counter, and the timeline as (word, detail)."""

    word: str
    retry_count: int | None = None
    timeline: Timeline = ()

    def payload(self) -> dict[str, Any]:
        told: dict[str, Any] = {"id": "msg-1", "status": self.word}
        if self.retry_count is not None:
            told["retry_count"] = self.retry_count
        if self.timeline:
            told["timeline"] = [
                {"event": word, "status": word, "detail": detail, "at": f"2026-11-20T10:{minute:02d}:00Z"}
                for minute, (word, detail) in enumerate(self.timeline)
            ]
        return told


@dataclass(frozen=True)
class Told:
    """One webhook: delivered or failed, numbered or not."""

    word: str
    retry_count: int | None = None
    more: tuple[tuple[str, str], ...] = ()

    def payload(self) -> dict[str, Any]:
        told = {"event": f"message.{self.word}", "message_id": "1", "status": self.word, **dict(self.more)}
        return told if self.retry_count is None else {**told, "retry_count": self.retry_count}


@dataclass(frozen=True)
class History:
    reports: tuple[Polled | Told, ...]
    status: str
    attempt: int
    conflict: bool = False
    own_retries: int = 0
    words: tuple[tuple[int, str], ...] = field(default=())  # the timeline as (attempt, word), where worth saying


def grown(*said: tuple[str, str | None]) -> Timeline:
    return said


Q, S, R, D = ("queued", None), ("submitted", None), ("retrying", None), ("delivered", None)
F, X = ("failed", "DLR: UNDELIV"), ("failed", "DLR: EXPIRED")

HISTORIES = {
    "plain delivery": History(
        (Polled("queued", 0, grown(Q)), Polled("submitted", 0, grown(Q, S)), Polled("delivered", 0, grown(Q, S, D))),
        "delivered", 0, words=((0, "queued"), (0, "submitted"), (0, "delivered")),
    ),
    "automatic retry that arrives": History(
        (
            Polled("failed", 0, grown(Q, S, F)),
            Polled("retrying", 1, grown(Q, S, F, R)),
            Polled("submitted", 1, grown(Q, S, F, R, S)),
            Polled("delivered", 1, grown(Q, S, F, R, S, D)),
        ),
        "delivered", 1,
        words=((0, "queued"), (0, "submitted"), (0, "failed"), (1, "retrying"), (1, "submitted"), (1, "delivered")),
    ),
    "seen while it is being tried again": History(
        (Polled("failed", 0, grown(Q, S, F)), Polled("retrying", 1, grown(Q, S, F, R))), "retrying", 1
    ),
    "both automatic retries fail": History(
        (
            Polled("failed", 0, grown(S, F)),
            Polled("failed", 1, grown(S, F, R, S, F)),
            Polled("retrying", 2, grown(S, F, R, S, F, R)),
            Polled("failed", 2, grown(S, F, R, S, F, R, S, F)),
        ),
        "failed", 2,
    ),
    "both fail, the last one expired": History(
        (Polled("failed", 0, grown(S, F)), Polled("failed", 2, grown(S, F, R, F, R, X))),
        "expired", 2,
    ),
    "an early try expired, a later one failed": History(
        (Polled("failed", 0, grown(S, X)), Polled("failed", 1, grown(S, X, R, F))),
        "failed", 1,
    ),
    "a retry of ours under the same id": History(
        (
            Polled("failed", 2, grown(S, F, R, F, R, F)),
            Polled("retrying", 3, grown(S, F, R, F, R, F, R)),
            Polled("delivered", 3, grown(S, F, R, F, R, F, R, S, D)),
        ),
        "delivered", 3,
    ),
    "a retry of ours under a fresh id grows the counter of the original, which stays as it is": History(
        (Polled("failed", 2, grown(S, F, R, F, R, F)), Polled("failed", 3, grown(S, F, R, F, R, F))),
        "failed", 2, own_retries=1,
    ),
    "the counter told only without a timeline": History(
        (Polled("failed", 0), Polled("retrying", 1), Polled("delivered", 1)), "delivered", 1,
    ),
    "retrying without any number is try 1": History((Polled("failed"), Polled("retrying")), "retrying", 1),
    "a timeline with no numbers at all": History(
        (Polled("failed", None, grown(S, F)), Polled("delivered", None, grown(S, F, R, S, D))), "delivered", 1,
    ),
    "a timeline that lags behind the counter": History(
        (Polled("failed", 0, grown(S, F)), Polled("retrying", 1, grown(S, F)), Polled("failed", 2, grown(S, F, R, F))),
        "failed", 2,
    ),
    "webhooks with numbers": History((Told("failed", 0), Told("failed", 1), Told("delivered", 2)), "delivered", 2),
    "a webhook without a number never moves a higher attempt": History(
        (Polled("retrying", 1, grown(S, F, R)), Told("failed")), "retrying", 1
    ),
    # Taken for the first try, which failed: so it contradicts, until the check that it makes due tells its number.
    "delivered without a number still arrived": History(
        (Polled("retrying", 1, grown(S, F, R)), Told("delivered")), "delivered", 0, conflict=True
    ),
    "delivered without a number, and then with it": History(
        (Polled("retrying", 1, grown(S, F, R)), Told("delivered"), Polled("delivered", 1, grown(S, F, R, S, D))),
        "delivered", 1,
    ),
    "failed and delivered about one try contradict each other": History(
        (Told("delivered", 1), Told("failed", 1)), "delivered", 1, conflict=True
    ),
    "failed about an earlier try does not": History((Told("delivered", 1), Told("failed", 0)), "delivered", 1),
    "a webhook fails first and the poll tells why": History(
        (Told("failed", 0, (("failed_at", "2026-11-20T10:01:00Z"),)), Polled("failed", 0, grown(S, X))),
        "expired", 0, words=((0, "submitted"), (0, "failed")),
    ),
    "failed is reopened by a higher try": History((Told("failed", 0), Polled("submitted", 1)), "submitted", 1),
    "failed is not reopened by a word about the same try": History(
        (Told("failed", 0), Polled("submitted", 0)), "failed", 0
    ),
}  # fmt: skip


@pytest.fixture
def esms() -> Account:
    return account("esms_africa")


def tell(one: Message, report: Polled | Told) -> None:
    if isinstance(report, Told):
        webhook(one.account, report.payload())
    else:
        record([answer(fresh(one), report.payload())])


def orders(reports: Sequence[Polled | Told]) -> list[tuple[Polled | Told, ...]]:
    return list(permutations(reports))


@pytest.mark.parametrize("name", HISTORIES)
def test_history_ends_the_same_in_every_order(esms: Account, name: str) -> None:
    history = HISTORIES[name]
    told: list[tuple[Any, ...]] = []
    # Without a provider's time a line stands where we heard it.
    untimed = any(isinstance(report, Told) or not report.timeline for report in history.reports)
    for number, order in enumerate(orders(history.reports)):
        Message.objects.filter(account=esms).update(match_id=None)  # the next one has the same id at the provider
        one = message(esms, "msg-1", to=f"2547123{number:05d}")
        if history.own_retries:
            Message.objects.filter(pk=one.pk).update(own_retries=history.own_retries)
        for report in (*order, order[0]):
            tell(one, report)
        told.append((state(one), sorted(lines(one), key=str) if untimed else lines(one)))
    last = fresh(one)
    assert (last.status, last.attempt, last.conflict) == (history.status, history.attempt, history.conflict)
    assert all(each == told[0] for each in told)
    if history.words:
        assert [(line[0], line[2]) for line in lines(last) if line[2] != "registered"] == list(history.words)
    assert_row_is_its_fold()


def test_a_counter_read_before_our_own_retry_keeps_its_number(esms: Account) -> None:
    """Only what is told after our retry under a fresh id is reduced by it."""
    one = message(esms, "msg-1")
    tell(one, Told("failed", 2))
    Message.objects.filter(pk=one.pk).update(own_retries=1)
    tell(one, Told("failed", 3))
    assert fresh(one).attempt == 2
    assert Event.objects.filter(message=one, by_provider=True).count() == 1


def test_an_unnumbered_final_makes_a_check_due_now(esms: Account) -> None:
    esms.set_credentials({"api_key": "k"}, "test")
    one = message(esms, "msg-1")
    tell(one, Polled("submitted", 0))
    before = fresh(one).next_check_at
    tell(one, Told("delivered"))
    after = fresh(one)
    assert before is not None
    assert after.next_check_at is not None
    assert after.next_check_at <= max(after.heard_at, before)  # type: ignore[type-var]


def test_a_failure_is_watched_for_half_an_hour_and_then_no_more(esms: Account) -> None:
    one = message(esms, "msg-1")
    tell(one, Polled("failed", 0, grown(S, F)))
    failed = fresh(one)
    assert failed.next_check_at is not None
    assert failed.final_at is not None
    again = answer(failed, Polled("failed", 0, grown(S, F)).payload(), at=failed.final_at.replace(hour=11))
    record([again])
    assert fresh(one).next_check_at is None


def test_a_lists_cut_text_and_the_routes_price_never_overwrite_what_was_sent(esms: Account) -> None:
    one = message(esms, "msg-1", text="The whole text", cost="1.20", currency="KES")
    listed = Polled("delivered", 0).payload() | {"text": "The wh", "cost": 35, "currency": "UGX"}
    record([answer(one, listed, call="bulk")])
    after = fresh(one)
    assert (after.text, after.currency, after.status) == ("The whole text", "KES", "delivered")
    assert after.extra["route_price"] == "35 UGX"
