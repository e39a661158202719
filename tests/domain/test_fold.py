"""P1 to P8: whatever is said in whatever order and however often, a message comes to one state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import pytest
from hypothesis import Phase, find, given, settings, strategies as st

from dashboard.domain.lifecycle import (
    BUCKET,
    FINALS,
    RANK,
    UNRESOLVED,
    Bucket,
    Said,
    State,
    effective,
    fold,
    join,
    reached_the_wire,
    state_of,
)
from providers.base import Status

WORDS = ["", "sent", "SENT", "delivered", "read", "failed", "expired"]


@dataclass(frozen=True)
class Heard:
    """Something said, with the times around it that must not matter."""

    said: Said
    at: int | None
    received: int


facts = st.builds(
    Said,
    status=st.sampled_from(Status) | st.none(),
    attempt=st.integers(0, 4) | st.sampled_from([59, 60, 61, 200]),
    word=st.sampled_from(WORDS),
    by_provider=st.booleans(),
    not_sent=st.booleans(),
)
histories = st.lists(facts, max_size=8)
timed = st.lists(st.builds(Heard, facts, at=st.none() | st.integers(0, 20), received=st.integers(0, 20)), max_size=6)


# ------------------------------------------------------------------------------ the properties


@given(histories.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_p1_any_order_gives_one_state(pair: tuple[list[Said], list[Said]]) -> None:
    events, shuffled = pair
    assert fold(events) == fold(shuffled)


@given(histories, st.integers(1, 50), st.data())
def test_p2_any_repetition_gives_one_state(events: list[Said], times: int, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=10)) if events else []
    assert fold(events) == fold(events * times) == fold([*events, *again])


@given(histories, histories)
def test_p3_two_halves_join_to_the_whole_from_either_side(one: list[Said], other: list[Said]) -> None:
    assert join(fold(one), fold(other)) == fold([*one, *other]) == join(fold(other), fold(one))


@given(histories, histories, histories)
def test_p4_joining_is_associative_and_idempotent(one: list[Said], two: list[Said], three: list[Said]) -> None:
    a, b, c = fold(one), fold(two), fold(three)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(a, State()) == a


@given(histories, facts)
def test_p5_nothing_steps_back(events: list[Said], event: Said) -> None:
    before, after = fold(events), fold([*events, event])
    assert after.order >= before.order
    assert (after.status is Status.DELIVERED, after.attempt) >= (before.status is Status.DELIVERED, before.attempt)
    if before.attempt == after.attempt:
        assert RANK[after.status] >= RANK[before.status]
    assert after.negatives & before.negatives == before.negatives
    assert (after.reported, after.not_sent) >= (before.reported, False)
    assert after.not_sent >= before.not_sent


@given(histories, histories)
def test_p6_delivered_stands(before: list[Said], after: list[Said]) -> None:
    state = fold([*before, Said(Status.DELIVERED, 0, "delivered"), *after])
    assert state.status is Status.DELIVERED
    assert state.bucket is Bucket.DELIVERED


@given(timed, st.data())
def test_p7_no_clock_takes_part(history: list[Heard], data: st.DataObject) -> None:
    moved = [replace(one, at=data.draw(st.none() | st.integers(0, 20)), received=0) for one in history]
    assert by_the_fold(history) == by_the_fold(moved)


@given(histories, st.integers(0, 8), st.sampled_from(WORDS), st.integers(0, 60))
def test_p8_a_note_changes_nothing(events: list[Said], place: int, word: str, attempt: int) -> None:
    assert fold([*events[:place], Said(None, attempt, word), *events[place:]]) == fold(events)


# ------------------------------------------------------------------------------ the properties find wrong folds

Folding = Callable[[Iterable[Heard]], object]


def by_the_fold(history: Iterable[Heard]) -> object:
    return fold(one.said for one in history)


def last_write_wins(history: Iterable[Heard]) -> object:
    return reduce(lambda state, one: one.said.status or state, history, Status.CREATED)


def first_terminal_wins(history: Iterable[Heard]) -> object:
    state = Status.CREATED
    for one in history:
        if state not in FINALS and one.said.status is not None:
            state = one.said.status
    return state


def by_provider_time(history: Iterable[Heard]) -> object:
    dated = sorted(history, key=lambda one: -1 if one.at is None else one.at)
    return last_write_wins(dated)


def changes_with_order(folding: Folding, history: Sequence[Heard]) -> bool:
    return folding(history) != folding(list(reversed(history)))


def changes_with_repetition(folding: Folding, history: Sequence[Heard]) -> bool:
    return folding(history) != folding([*history, *history[:1]])


def changes_with_clocks(folding: Folding, history: Sequence[Heard]) -> bool:
    return folding(history) != folding([replace(one, at=None) for one in history])


def leaves_delivered(folding: Folding, history: Sequence[Heard]) -> bool:
    result = folding(history)
    status = result.status if isinstance(result, State) else result
    return any(one.said.status is Status.DELIVERED for one in history) and status is not Status.DELIVERED


@pytest.mark.parametrize(
    ("wrong", "must_break"),
    [
        (last_write_wins, [changes_with_order, changes_with_repetition, leaves_delivered]),
        (first_terminal_wins, [changes_with_order, leaves_delivered]),
        (by_provider_time, [changes_with_order, changes_with_clocks, leaves_delivered]),
    ],
)
def test_each_wrong_fold_is_found_out(
    wrong: Folding, must_break: list[Callable[[Folding, Sequence[Heard]], bool]]
) -> None:
    for rule in must_break:
        quick = settings(max_examples=1000, phases=[Phase.generate])  # any witness will do, not the smallest
        find(timed, lambda history, rule=rule: rule(wrong, history), settings=quick)  # raises if there is none


@given(timed)
def test_our_fold_is_not(history: list[Heard]) -> None:
    rules = (changes_with_order, changes_with_repetition, changes_with_clocks, leaves_delivered)
    assert not [rule.__name__ for rule in rules if rule(by_the_fold, history)]


# ------------------------------------------------------------------------------ the tables


def test_ranks_and_buckets_are_the_documented_ones() -> None:
    table = """
        created 0 pending | sending 10 pending | outcome_unknown 15 pending | queued 20 pending | submitted 30 pending
        sent 40 pending | retrying 45 pending | unknown 50 unknown | failed 60 undeliverable
        cancelled 62 undeliverable | rejected 64 undeliverable | undeliverable 66 undeliverable | expired 68 expired
        delivered 90 delivered
    """
    rows = [row.split() for line in table.strip().splitlines() for row in line.split("|")]
    assert [(s.value, str(RANK[s]), BUCKET[s].value) for s in Status] == [tuple(row) for row in rows]


@pytest.mark.parametrize("status", Status)
def test_each_status_is_in_one_of_five_buckets(status: Status) -> None:
    assert state_of(Said(status)).bucket is BUCKET[status]
    assert BUCKET[status] in Bucket


# ------------------------------------------------------------------------------ attempts


def said(word: str, attempt: int = 0, **more: bool) -> Said:
    return Said(Status(word), attempt, word, **more)


@pytest.mark.parametrize(
    ("events", "status", "attempt"),
    [
        ([said("failed", 0), said("retrying", 1)], "retrying", 1),
        ([said("failed", 0), said("retrying", 1), said("submitted", 1)], "retrying", 1),
        ([said("failed", 0), said("sent", 1)], "sent", 1),
        ([said("failed", 2), said("delivered", 0)], "delivered", 0),  # late, about an earlier try: it arrived
        ([said("failed", 1), said("failed", 0)], "failed", 1),
        ([said("expired", 0), said("retrying", 0)], "expired", 0),  # not reopened without a higher number
        ([said("unknown"), said("failed")], "failed", 0),  # unknown is soft
        ([said("unknown"), said("sent")], "unknown", 0),
        ([said("failed"), said("rejected"), said("undeliverable"), said("expired")], "expired", 0),
        ([said("delivered", 1), said("failed", 2)], "delivered", 1),
    ],
)
def test_an_attempt_outranks_what_was_said_of_earlier_ones(events: list[Said], status: str, attempt: int) -> None:
    for order in (events, list(reversed(events))):
        state = fold(order)
        assert (state.status, state.attempt) == (Status(status), attempt)


def test_an_absurd_attempt_is_capped_so_that_the_bits_fit() -> None:
    state = fold([said("failed", 10**9)])
    assert state.attempt == 60
    assert state.negatives.bit_length() <= 63


def test_the_word_shown_among_synonyms_is_the_same_in_any_order() -> None:
    read, arrived = Said(Status.DELIVERED, 0, "read"), Said(Status.DELIVERED, 0, "delivered")
    assert fold([read, arrived]) == fold([arrived, read])


# ------------------------------------------------------------------------------ contradictions


@pytest.mark.parametrize(
    ("events", "conflict"),
    [
        ([said("delivered"), said("failed")], True),
        ([said("delivered"), said("expired")], True),
        ([said("delivered", 1), said("failed", 1)], True),
        ([said("delivered", 1), said("failed", 0)], False),  # an earlier try failed: no contradiction
        ([said("delivered", 0), said("failed", 1)], False),
        ([said("delivered"), said("unknown")], False),
        ([said("delivered"), said("unknown", by_provider=False)], False),  # our own deadline
        ([said("delivered"), said("failed", by_provider=False)], False),
        ([said("failed", by_provider=False, not_sent=True)], False),
        ([said("failed", by_provider=False, not_sent=True), said("sent")], True),  # we called it not sent
        ([said("failed", by_provider=False, not_sent=True), said("delivered")], True),
        ([said("failed", by_provider=False, not_sent=True), Said(None, 0, "huh")], False),
        ([said("rejected"), said("failed")], False),
    ],
)
def test_conflict_is_a_providers_no_about_the_delivered_attempt(events: list[Said], conflict: bool) -> None:
    assert fold(events).conflict is fold(reversed(events)).conflict is conflict


# ------------------------------------------------------------------------------ what a root counts as


def message(*words: str) -> State:
    return fold(said(word) for word in words)


NOT_SENT = fold([Said(Status.FAILED, 0, "", by_provider=False, not_sent=True)])


@pytest.mark.parametrize(
    ("own", "retries", "counts_as"),
    [
        (message("failed"), [], "failed"),
        (message("failed"), [(2, message("created"))], "failed"),  # nothing is on the wire yet
        (message("failed"), [(2, message("sending"))], "sending"),
        (message("failed"), [(2, message("sent"))], "sent"),
        (message("failed"), [(2, message("delivered"))], "delivered"),
        (message("failed"), [(2, message("expired")), (3, message("sent"))], "sent"),
        (message("failed"), [(3, message("sent")), (2, message("expired"))], "sent"),  # newest by age, not by place
        (message("failed"), [(2, message("delivered")), (3, message("failed"))], "delivered"),
        (message("delivered"), [(2, message("failed"))], "delivered"),
        (message("failed"), [(2, message("expired")), (3, NOT_SENT)], "expired"),
        (message("expired"), [(2, NOT_SENT)], "expired"),
        (message("expired"), [(2, message("outcome_unknown"))], "outcome_unknown"),
    ],
)
def test_a_root_counts_as_its_delivered_or_newest_try(
    own: State, retries: list[tuple[int, State]], counts_as: str
) -> None:
    assert effective(own, retries) is Status(counts_as)


def test_a_text_we_called_not_sent_has_reached_the_wire_once_it_is_reported() -> None:
    assert not reached_the_wire(NOT_SENT)
    assert reached_the_wire(join(NOT_SENT, state_of(said("sent"))))
    assert not reached_the_wire(State())


def test_nothing_gives_up_on_our_own_unanswered_send() -> None:
    assert {Status.CREATED, Status.SENDING, Status.OUTCOME_UNKNOWN} == UNRESOLVED
