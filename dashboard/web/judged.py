"""A verdict as a card: its reasons as links, its side and sureness as words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.domain.verdict import Verdict
from dashboard.domain.verdict_kinds import Kind, Side, Sure
from dashboard.web.chips import CHIPS
from providers.base import Status

SIDES: dict[Side, tuple[str, Any]] = {
    Side.OURS: ("home", gettext_lazy("Ours")),
    Side.PROVIDER: ("building", gettext_lazy("The provider’s")),
    Side.NETWORK: ("world", gettext_lazy("The network’s")),
    Side.HANDSET: ("phone", gettext_lazy("The phone’s")),
    Side.CANNOT_KNOW: ("question-mark", gettext_lazy("We cannot know")),
}
SURE: dict[Sure, Any] = {
    Sure.CERTAIN: gettext_lazy("Certain"),
    Sure.LIKELY: gettext_lazy("Likely"),
    Sure.GUESS: gettext_lazy("A guess"),
}
_DOUBTFUL = {Kind.DELIVERED_DOUBTED, Kind.DELIVERED_PARTLY, Kind.NOT_SENT_BUT_HEARD_OF}


@dataclass(frozen=True, slots=True)
class Reason:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """`tone` is the colour's class, as on chips."""

    verdict: Verdict
    tone: str
    reasons: list[Reason]

    @property
    def side(self) -> Any:
        return SIDES[self.verdict.side][1]

    @property
    def side_icon(self) -> str:
        return SIDES[self.verdict.side][0]

    @property
    def sure(self) -> Any:
        return SURE[self.verdict.sure]


def card(found: Verdict, status: Status, recipient_pk: str) -> Card:
    """`status` is what the verdict is about, for its colour."""
    tone = CHIPS[status].kind
    if found.kind in _DOUBTFUL:
        tone = "unknown"
    elif found.kind == Kind.DELIVERED_BY_ANOTHER:
        tone = "delivered"
    return Card(found, tone, [Reason(clause.text, _url(clause.on, recipient_pk)) for clause in found.because])


def _url(on: str, recipient_pk: str) -> str:
    """Where a clause leads: another message, the number's page, or a place on this page."""
    kind, _, pk = on.partition("-")
    if kind == "message":
        return reverse("message", args=[int(pk)])
    return reverse("recipient", args=[recipient_pk]) if on == "recipient" else f"#{on}"
