"""Everything that was sent for one message, as lines of its page: who, when, why, at what price, what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard.models import Message, Retry
from dashboard.web.tags import money, retry_word
from providers.base import Status

NOTHING_WENT_OUT = (Retry.State.CANCELLED, Retry.State.NOT_SENT)


@dataclass(frozen=True, slots=True)
class Line:
    """One wish to send again."""

    retry: Retry

    @property
    def who(self) -> str:
        retry = self.retry
        if retry.user:
            return retry.user.get_username()
        return _("token %(name)s") % {"name": retry.token.name} if retry.token else ""

    @property
    def state(self) -> str:
        return state_of(self.retry)

    @property
    def made(self) -> Message | None:
        """The new message it made: none where the provider tried the same one again."""
        return self.retry.message if self.retry.message_id != self.retry.original_id else None

    @property
    def price(self) -> str:
        """What it really cost, as far as anybody has said."""
        if self.made is not None and self.made.cost is not None:
            return money(self.made.cost, self.made.currency)
        if self.retry.state in NOTHING_WENT_OUT:
            return _("nothing")
        return _("not told yet") if self.retry.state in Retry.HOLDING else _("not told")

    @property
    def quoted(self) -> str:
        retry = self.retry
        return money(retry.quoted_cost, retry.quoted_currency) if retry.quoted_cost is not None else ""


def state_of(retry: Retry) -> str:
    """What became of the wish, in words. Before a test text there is nothing to look at."""
    waits = retry.is_first and retry.state == Retry.State.OPEN
    return _("waiting for the worker") if waits else retry_word(retry.state)


def lines(retries: Sequence[Retry]) -> list[Line]:
    """The wishes to send again, oldest first. A test text's own first send is none."""
    return [Line(retry) for retry in retries if not retry.is_first]


def first(retries: Sequence[Retry]) -> Line | None:
    """The wish that made the root itself: of a test text."""
    return next((Line(retry) for retry in retries if retry.is_first), None)


def arrivals(tries: Sequence[Message]) -> list[Message]:
    """The texts that arrived, where that is more than one: the person got it more than once."""
    arrived = [one for one in tries if one.status == Status.DELIVERED.value]
    return arrived if len(arrived) > 1 else []


def context(tries: Sequence[Message], retries: Sequence[Retry]) -> dict[str, Any]:
    """What the page's part about it needs."""
    return {"again": lines(retries), "first": first(retries), "arrivals": arrivals(tries)}
