"""What the words mean: every status of ours, every word of every provider, and the keys.

Everything is read from the tables that the code itself goes by, so a new word is explained here by being used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_safe

from dashboard.domain.lifecycle import BUCKET, RANK, Bucket
from dashboard.domain.words import explain
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.buckets import BUCKET_ICONS, BUCKET_LABELS, BUCKET_MEANINGS
from dashboard.web.tags import RETRY_WORDS, short
from dashboard.web.telling import NOTES, OURS, SOURCES
from providers import PROVIDERS
from providers.base import Provider, Status


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status means for the person who has to act on it: in a word, and in a sentence."""

    side: Any
    again: Any
    again_why: Any
    charged: Any
    charged_why: Any


_WAIT = gettext_lazy("Wait")
_NO = gettext_lazy("No")
_USUALLY = gettext_lazy("Usually")
_OFTEN = gettext_lazy("Often")
_NOT_KNOWN = gettext_lazy("Not known")
_PROVIDERS_SIDE = gettext_lazy("The provider’s")
_NETWORKS_SIDE = gettext_lazy("The network’s")
_PHONES_SIDE = gettext_lazy("The phone’s")
_OUR_SIDE = gettext_lazy("Ours")
_NOBODYS_SIDE = gettext_lazy("Cannot be told")
_STILL_ON_ITS_WAY = gettext_lazy("It may still arrive; a second text now could make two of one.")
_WHEN_TAKEN = gettext_lazy("Most providers charge when they take a text, whatever becomes of it.")
_FOR_THE_TRY = gettext_lazy("Most providers charge for the try, although it did not arrive.")

MEANINGS: dict[Status, Meaning] = {
    Status.CREATED: Meaning(
        _OUR_SIDE, _WAIT, gettext_lazy("It has not gone out yet, and does so by itself."),
        _NO, gettext_lazy("Nothing has been handed to the provider."),
    ),
    Status.SENDING: Meaning(
        _OUR_SIDE, _WAIT, gettext_lazy("We are handing it over now."),
        _NOT_KNOWN, gettext_lazy("The provider’s answer tells."),
    ),
    Status.OUTCOME_UNKNOWN: Meaning(
        _NOBODYS_SIDE, _NO, gettext_lazy("Not before we know: the person could get it twice, and it could cost twice."),
        _NOT_KNOWN, gettext_lazy("Only if it was taken, which we are finding out."),
    ),
    Status.QUEUED: Meaning(_PROVIDERS_SIDE, _WAIT, _STILL_ON_ITS_WAY, _USUALLY, _WHEN_TAKEN),
    Status.SUBMITTED: Meaning(_NETWORKS_SIDE, _WAIT, _STILL_ON_ITS_WAY, _USUALLY, _WHEN_TAKEN),
    Status.SENT: Meaning(_NETWORKS_SIDE, _WAIT, _STILL_ON_ITS_WAY, _USUALLY, _WHEN_TAKEN),
    Status.RETRYING: Meaning(
        _PROVIDERS_SIDE, _WAIT, gettext_lazy("The provider is doing just that."), _USUALLY, _WHEN_TAKEN,
    ),
    Status.UNKNOWN: Meaning(
        _NOBODYS_SIDE, gettext_lazy("Perhaps"),
        gettext_lazy("It may have arrived, and then the person gets it twice. Only operations may send it again."),
        _USUALLY, _WHEN_TAKEN,
    ),
    Status.FAILED: Meaning(
        _NOBODYS_SIDE, gettext_lazy("Perhaps"),
        gettext_lazy("Nobody said why it failed. The message’s page says what is known and what may help."),
        _OFTEN, gettext_lazy("Most providers charge for the try. Where our request never left us, nobody is charged."),
    ),
    Status.CANCELLED: Meaning(
        _PROVIDERS_SIDE, gettext_lazy("Yes"), gettext_lazy("If the text is still wanted: somebody stopped it."),
        _NOT_KNOWN, gettext_lazy("Providers differ: some give the money back."),
    ),
    Status.REJECTED: Meaning(
        _PROVIDERS_SIDE, _NO,
        gettext_lazy("The same would be refused again. Operations may change the text, the sender or the account."),
        gettext_lazy("Often not"), gettext_lazy("A text that the provider itself refuses is usually free; one that the "
                                                "network refuses is not."),
    ),
    Status.UNDELIVERABLE: Meaning(
        _PHONES_SIDE, gettext_lazy("Hardly"), gettext_lazy("The number is wrong or out of use. Check it first."),
        _OFTEN, _FOR_THE_TRY,
    ),
    Status.EXPIRED: Meaning(
        _PHONES_SIDE, gettext_lazy("Yes, later"),
        gettext_lazy("Once the phone is on again. A longer validity helps more than many tries."), _OFTEN, _FOR_THE_TRY,
    ),
    Status.DELIVERED: Meaning(
        _PHONES_SIDE, _NO, gettext_lazy("It arrived at the phone number; a second copy would only be one more."),
        gettext_lazy("Yes"), gettext_lazy("Once for each part of the text."),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ours:
    """One status of ours, explained."""

    status: Status
    sentence: str
    then: str
    bucket: Any
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Line:
    """The words of a provider that mean the same: what we call them, and what else decides."""

    words: list[str]
    status: Status
    sentence: str
    note: str
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Speaker:
    """One provider, its words, and what its documents leave open."""

    provider: Provider
    lines: list[Line]


@roles(*EVERYBODY)
@require_safe
def statuses(request: HttpRequest) -> HttpResponse:
    context = {
        "ours": [_ours(status) for status in sorted(Status, key=RANK.__getitem__)],
        "speakers": speakers(PROVIDERS),
        "buckets": [(one, BUCKET_LABELS[one], BUCKET_ICONS[one], BUCKET_MEANINGS[one]) for one in Bucket],
        "story_words": [*OURS.values()],
        "story_notes": [*NOTES.values()],
        "story_sources": [*SOURCES.values()],
        "retry_words": [*RETRY_WORDS.values()],
    }
    return render(request, "help_statuses.html", context)


def speakers(providers: Mapping[str, Provider]) -> list[Speaker]:
    """The providers by name, each one's words from the first on a message's way to the last."""
    by_name = sorted(providers.values(), key=lambda one: one.label.lower())
    return [Speaker(one, _lines(one)) for one in by_name]


def _lines(provider: Provider) -> list[Line]:
    same: dict[tuple[Status, str], list[str]] = {}
    for word, status in provider.words.items():
        same.setdefault((status, _note(provider, word, status)), []).append(word)
    return [
        Line(words, status, explain(status, provider.label).sentence, note, MEANINGS[status])
        for (status, note), words in sorted(same.items(), key=lambda item: RANK[item[0][0]])
    ]


def _note(provider: Provider, word: str, status: Status) -> str:
    notes = [provider.word_notes.get(word, "")]
    if status is Status.FAILED and provider.reopens_failed_for:
        said = {"provider": provider.label, "span": short(timedelta(seconds=provider.reopens_failed_for))}
        notes.append(_("%(provider)s may still try it again by itself within %(span)s.") % said)
    return " ".join(note for note in notes if note)


def _ours(status: Status) -> Ours:
    words = explain(status, _("the provider"))
    return Ours(status, _capital(words.sentence), _capital(words.next), BUCKET_LABELS[BUCKET[status]], MEANINGS[status])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
