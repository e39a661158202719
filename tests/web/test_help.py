"""What the words mean: no word of any provider and no status of ours is left out, and what is said of them is so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from dashboard.domain.lifecycle import BUCKET, Bucket
from dashboard.domain.retries import Situation, refusal
from dashboard.models.people import ROLES
from dashboard.web.buckets import BUCKET_LABELS
from dashboard.web.chips import CHIPS
from dashboard.web.help import MEANINGS
from providers import PROVIDERS
from providers.base import Provider, Status
from tests.factory import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def page(role: str = "support") -> str:
    answer = signed_in(role).get("/help/statuses/")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def section(text: str, provider: Provider) -> str:
    """The part of the page about one provider."""
    found = re.search(rf">Words of {re.escape(provider.label)}</h2>(.*?)</section>", text, re.DOTALL)
    assert found, provider.label
    return found[1]


def rows(part: str) -> dict[str, str]:
    """Their word -> the id of ours that its row links to."""
    found = {}
    for words, status in re.findall(r'<th scope="row">(.*?)</th>\s*<td.*?><a href="#(\w+)">', part):
        for word, none in re.findall(r'<span class="word">(.*?)</span>|(\(no word\))', words):
            found["" if none else word] = status
    return found


def test_every_word_of_every_provider_is_shown_with_what_we_call_it() -> None:
    text = page()
    for provider in PROVIDERS.values():
        part = section(text, provider)
        assert rows(part) == {word: status.value for word, status in provider.words.items()}, provider.key
        assert f'href="{provider.docs}"' in part
        for line in provider.not_documented:
            assert line[:1].upper() + line[1:] in part
        for note in provider.word_notes.values():
            assert note in part


def test_a_note_is_about_a_word_that_there_is() -> None:
    for provider in PROVIDERS.values():
        assert set(provider.word_notes) <= set(provider.words), provider.key


def test_a_new_provider_and_a_new_word_appear_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zonk(Provider):
        key, label, docs = "zonk", "Zonk Mobile", "https://zonk.example/words"
        words = {"zonked": Status.UNDELIVERABLE, "failed": Status.FAILED}
        reopens_failed_for = 1800
        not_documented = ("what zonked means",)

    monkeypatch.setitem(PROVIDERS, "zonk", Zonk())
    part = section(page(), PROVIDERS["zonk"])
    assert rows(part) == {"zonked": "undeliverable", "failed": "failed"}
    assert "Zonk Mobile may still try it again by itself within 30 min." in part
    assert "What zonked means" in part


def test_every_status_of_ours_is_explained() -> None:
    text = page()
    assert set(MEANINGS) == set(Status)
    for status in Status:
        found = re.search(rf'aria-labelledby="{status.value}">(.*?)</section>', text, re.DOTALL)
        assert found, status
        assert str(CHIPS[status].word) in found[1]
        assert str(MEANINGS[status].again_why) in found[1]
        assert str(BUCKET_LABELS[BUCKET[status]]) in found[1]
        assert "{provider}" not in found[1]
    for bucket in Bucket:
        assert str(BUCKET_LABELS[bucket]) in text


@pytest.mark.parametrize("status", Status)
def test_what_is_said_about_sending_again_is_what_the_rules_allow(status: Status) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    refused = refusal(Situation(effective=status, status=status, now=now, ops=True), (0, 0))
    assert (str(MEANINGS[status].again) in ("Wait", "No")) == (refused is not None)


@pytest.mark.parametrize("role", ROLES)
def test_everybody_may_read_it_and_is_led_to_it(role: str) -> None:
    client = signed_in(role)
    for address in ("/", "/find/"):
        assert 'href="/help/statuses/"' in client.get(address).content.decode(), address
    assert client.get("/help/statuses", follow=True).status_code == 200


def test_it_stays_small() -> None:
    assert len(page().encode()) < 90_000
