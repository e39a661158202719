"""The story on a message's page: silences, corrections where they came, repeats, what is to come, and either order."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from dashboard.domain.lifecycle import PENDING
from dashboard.models import Message
from providers.base import Status
from tests.factory import account, report, reports, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def message(clock: Any) -> Message:
    return sends(account(), 1)[0]


def story(client: Client, message: Message) -> list[str]:
    """Each entry of the story as one line of words."""
    page = client.get(f"/messages/{message.pk}/").content.decode()
    listed = page.split('<ol class="story"')[1].split("</ol>")[0]
    found = re.findall(r'<li class="(is-[^"]*)"[^>]*>(.*?)</li>', listed, re.DOTALL)
    return [f"{kind}: {' '.join(re.sub('<[^>]+>', ' ', body).split())}" for kind, body in found]


def kinds(told: list[str]) -> list[str]:
    return [line.split(":")[0] for line in told]


def test_a_long_silence_is_drawn_and_a_short_one_is_not(message: Message, clock: Any) -> None:
    clock.shift(60)
    report(message, Status.SENT)
    clock.shift(3 * 3600 + 12 * 60 + 5)
    report(message, Status.DELIVERED)
    told = story(signed_in("support"), message)
    assert kinds(told) == ["is-pending", "is-pending", "is-silence", "is-delivered"]
    assert told[2].endswith("3 h 12 min without anything new")


def test_while_it_is_on_its_way_the_end_of_the_story_says_what_is_to_come_and_why(message: Message, clock: Any) -> None:
    others = sends(message.account, 12, first=50)
    clock.shift(30)
    reports([(other, Status.DELIVERED) for other in others])
    for _ in range(4):
        clock.shift(10)
        report(message, Status.SENT)
    client = signed_in("support")
    told = story(client, message)[-1]
    assert told.startswith("is-to-come: A report is 40 s late")
    assert "Half of the others took 30 s, nine of ten 30 s" in told
    assert re.search(r"The provider is (to be asked now|asked next in \d+ (s|min))", told)
    clock.shift(1500)
    *_, quiet, late = story(client, message)
    assert quiet == "is-silence: 25 min without anything new, the same was said 3 times more"
    assert late.startswith("is-to-come: A report is 25 min late")
    report(message, Status.DELIVERED)
    assert "is-to-come" not in kinds(story(client, message))


def test_before_anything_is_known_about_others_nothing_is_promised(message: Message) -> None:
    assert "too few through this account have arrived" in story(signed_in("support"), message)[-1]


@pytest.mark.parametrize("status", [Status.CREATED, Status.SENDING, Status.OUTCOME_UNKNOWN])
def test_what_is_not_with_the_provider_awaits_no_report(message: Message, status: Status) -> None:
    assert status in PENDING
    Message.objects.update(status=status.value)
    assert "is-to-come" not in kinds(story(signed_in("support"), message))


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        (Status.DELIVERED, Status.FAILED, "It had been delivered before."),
        (Status.FAILED, Status.DELIVERED, "It had failed before, on the same try."),
    ],
)
def test_a_contradiction_is_marked_where_it_came(
    message: Message, clock: Any, first: Status, then: Status, said: str
) -> None:
    for status in (first, then):
        clock.shift(20)
        report(message, status)
    before, after = story(signed_in("support"), message)[-2:]
    assert said in after
    assert "is-contradiction" in after
    assert "is-contradiction" not in before


def test_what_came_too_late_and_what_took_the_last_words_place_are_told(message: Message, clock: Any) -> None:
    for status in (Status.FAILED, Status.EXPIRED, Status.SENT):
        clock.shift(20)
        report(message, status)
    told = story(signed_in("support"), message)
    assert "This took the place of what stood as the last word before." in told[2]
    assert "It came after the last word, and changed nothing." in told[3]


def test_one_answer_that_tells_a_whole_story_corrects_nothing(message: Message, clock: Any) -> None:
    clock.shift(20)
    reports([(message, Status.DELIVERED), (message, Status.SENT)])
    assert not any("nothing" in line for line in story(signed_in("support"), message))


def test_parts_stand_beside_one_another_when_there_are_several(message: Message) -> None:
    report(message, Status.SENT, part="part 1")
    assert "is-lanes" not in kinds(story(signed_in("support"), message))
    report(message, Status.SENT, part="part 2")
    report(message, Status.DELIVERED, part="part 1")
    lanes = next(line for line in story(signed_in("support"), message) if line.startswith("is-lanes"))
    assert lanes == "is-lanes: part 1 Delivered part 2 Sent, waiting"


def test_the_newest_word_comes_first_for_whoever_likes_that(message: Message, clock: Any) -> None:
    for _ in range(2):
        clock.shift(600)
        report(message, Status.SENT)
    client = signed_in("support")
    told = story(client, message)
    answer = client.post("/story/", {"story": "newest", "next": f"/messages/{message.pk}/"})
    assert answer["Location"] == f"/messages/{message.pk}/"
    turned = story(client, message)
    assert turned[0].startswith("is-to-come")
    assert turned == told[::-1]
    client.post("/story/", {"story": "sideways"})
    assert story(client, message) == turned
    client.post("/story/", {"story": "oldest"})
    assert story(client, message) == told
