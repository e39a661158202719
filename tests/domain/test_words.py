"""The sentences about a status: one for each, and none that claims more than can be known."""

from __future__ import annotations

import re

import pytest

from dashboard.domain.words import explain
from providers.base import Status


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence_that_names_who_said_it_and_never_a_reader(status: Status) -> None:
    words = explain(status, "BSG")
    for sentence in (words.sentence, words.next):
        assert "{" not in sentence
        assert "!" not in sentence
        assert not re.search(r"(delivered to|read by|reached) the (person|customer|user)", sentence, re.I)
    assert words.sentence.endswith(".")


def test_delivered_is_to_the_number_not_to_the_person() -> None:
    words = explain(Status.DELIVERED, "BSG")
    assert words.sentence == "BSG reports that this arrived at the phone number. We cannot tell who read it."
