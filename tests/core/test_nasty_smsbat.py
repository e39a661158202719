"""SMSBat's nasty cases, as far as they are about what becomes of a message and of a report."""

from __future__ import annotations

from itertools import permutations

import pytest

from dashboard.domain.lifecycle import Bucket
from dashboard.models import Account, Batch, Event, Evidence
from dashboard.story import story
from dashboard.tallies import tally
from tests.core.making import account, counts, fresh, lines, message, poll, printed, replied, says, webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def bat() -> Account:
    return account("smsbat")


def test_nasty_01_a_reply_of_two_fields_is_enough(bat: Account) -> None:
    after = poll(message(bat, "7"), {"deliverystatus": "processing", "partscount": 2})
    assert (after.status, after.parts, after.cost, after.provider_message_id) == ("submitted", 2, None, "7")


def test_nasty_02_a_rejected_message_in_a_good_reply_is_rejected_at_once(bat: Account) -> None:
    made = replied(bat, printed("smsbat", "send_three"))
    assert [(one.provider_message_id, one.status) for one in made] == [
        ("m-3", "queued"), (None, "rejected"), ("m-1", "queued"),
    ]  # fmt: skip
    batch = Batch.objects.get()
    counted = tally([batch.pk])[batch.pk]
    assert (counted[Bucket.PENDING], counted[Bucket.UNDELIVERABLE]) == (2, 1)


def test_nasty_03_two_texts_to_one_number_keep_their_own_texts(bat: Account) -> None:
    request = {
        "messages": [
            {"to": "+380501112233", "text": "first", "customerMessageId": "one"},
            {"to": "+380501112244", "text": "second", "customerMessageId": "two"},
            {"to": "+380501112233", "text": "third", "customerMessageId": "three"},
        ]
    }
    made = replied(bat, printed("smsbat", "send_three"), request)
    assert [(one.reference, one.text) for one in made] == [("three", "third"), ("two", "second"), ("one", "first")]
    assert made[0].recipient_id == made[2].recipient_id


def test_nasty_04_a_cost_of_nothing_is_zero_and_a_missing_one_stays_missing(bat: Account) -> None:
    free, silent = message(bat, "7"), message(bat, "8")
    assert poll(free, says("smsbat", "7", "sent", cost=0.00)).cost == 0
    assert poll(silent, says("smsbat", "8", "sent")).cost is None


def test_nasty_05_the_channel_that_failed_is_told_and_does_not_count(bat: Account) -> None:
    told = says("smsbat", "7", "delivered", extendedStatuses={"viber": "undeliverable", "sms": "delivered"})
    after = poll(message(bat, "7"), told)
    assert (after.status, after.conflict, after.extra["channel"]) == ("delivered", False, "sms")
    assert ("viber", None) in [(line[1], line[3]) for line in lines(after)]


@pytest.mark.parametrize(
    ("word", "bucket"), [("expired", "expired"), ("read", "delivered"), ("Delivered", "delivered")]
)
def test_nasty_06_words_of_the_other_pages_count(bat: Account, word: str, bucket: str) -> None:
    assert poll(message(bat, "7"), says("smsbat", "7", word)).bucket == bucket


def test_nasty_07_an_id_with_a_slash_is_found_again(bat: Account) -> None:
    one = message(bat, "a/b%2f?c")
    webhook(bat, says("smsbat", "a/b%2f?c", "delivered", messagelistId="17"))
    assert (fresh(one).status, fresh(one).provider_batch_id) == ("delivered", "17")


def test_nasty_08_twenty_equal_answers_are_one_event_and_one_piece_of_evidence(bat: Account) -> None:
    one = message(bat, "7")
    for _ in range(20):
        poll(one, says("smsbat", "7", "sent"))
    (event,) = Event.objects.filter(message=one, by_provider=True)
    assert event.count == 20
    assert Evidence.objects.filter(message=one).count() == 1


def test_nasty_09_webhook_and_poll_about_one_change_are_one_line_with_the_better_time(bat: Account) -> None:
    for number, order in enumerate(permutations(["webhook", "poll", "poll again"])):
        one = message(bat, f"{number}7")
        for way in order:
            if way == "webhook":
                webhook(bat, says("smsbat", f"{number}7", "delivered", timestamp="2026-11-20T10:00:05Z"))
            else:
                poll(one, says("smsbat", f"{number}7", "delivered"))
        line = next(e for e in story(Event.objects.filter(message=one)) if e.word == "delivered")
        assert (line.count, sorted(line.sources), line.at_raw, line.zone) == (
            3, ["poll", "webhook"], "2026-11-20T10:00:05Z", "stated",
        )  # fmt: skip
        assert counts(one) == {"registered": 1, "delivered": 3}
