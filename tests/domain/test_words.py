"""The sentences about a message: one for every status, and none that claims more than can be known."""

from __future__ import annotations

import re

import pytest

from dashboard.domain.words import Known, contradiction, explain
from providers.base import Status


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence_that_names_who_said_it_and_never_a_reader(status: Status) -> None:
    for flags in ({}, {"unconfirmed": True}, {"conflict": True}, {"not_sent": True}, {"by_deadline": True}):
        words = explain(Known(status=status, provider="BSG", **flags))
        for sentence in (words.sentence, words.next, words.customer):
            assert "{" not in sentence
            assert "!" not in sentence
            assert not re.search(r"(delivered to|read by|reached) the (person|customer|user)", sentence, re.I)
        assert words.sentence.endswith(".")
        assert "BSG" not in words.customer


def test_delivered_is_to_the_number_not_to_the_person() -> None:
    words = explain(Known(status=Status.DELIVERED, provider="BSG"))
    assert words.sentence == "BSG reports that this arrived at the phone number. We cannot tell who read it."


def test_unknown_says_whether_nobody_reported_or_the_provider_does_not_know() -> None:
    silent = explain(Known(status=Status.UNKNOWN, provider="BSG", by_deadline=True)).sentence
    said = explain(Known(status=Status.UNKNOWN, provider="BSG")).sentence
    assert "No report came by the deadline" in silent
    assert said == "BSG says that it does not know what became of this."


def test_not_sent_and_failed_are_different_things() -> None:
    assert explain(Known(status=Status.FAILED, provider="BSG", not_sent=True)).sentence.startswith("Nothing was sent")
    assert explain(Known(status=Status.FAILED, provider="BSG")).sentence.startswith("BSG says that this failed")


def test_a_provider_that_may_try_again_is_waited_for() -> None:
    assert "may still try again" in explain(Known(status=Status.FAILED, provider="eSMS", reopens=True)).next


def test_an_unsigned_report_is_being_confirmed() -> None:
    assert "not signed" in explain(Known(status=Status.DELIVERED, provider="BSG", unconfirmed=True)).next


def test_a_send_nobody_has_reported_about_is_not_called_accepted() -> None:
    assert "not heard from BSG" in explain(Known(status=Status.QUEUED, provider="BSG", heard=False)).sentence


def test_a_contradiction_says_what_contradicts_what() -> None:
    assert contradiction(Known(status=Status.DELIVERED, provider="BSG")) == ""
    assert "both" in contradiction(Known(status=Status.DELIVERED, provider="BSG", conflict=True))
    assert "nothing was sent" in contradiction(
        Known(status=Status.FAILED, provider="BSG", conflict=True, not_sent=True)
    )
