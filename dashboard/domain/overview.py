"""What became of the texts of an hour, and whether that differs from other days. No clock and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import sqrt

from dashboard.domain.lifecycle import PENDING
from dashboard.domain.verdict_facts import Usual
from providers.base import Status

FEWEST = 30  # of which a share says anything
FEWEST_DAYS = 3  # to say how many texts are usual
_Z = 2.58  # a share this far below by chance: once in two hundred hours
_GAP, _FAR = 0.05, 0.2  # of shares: what is worth a word, and what is wrong
_SLOWER, _FAR_SLOWER = 2, 10  # times as long
_SLOWER_BY = timedelta(minutes=1)
SILENT_AFTER = timedelta(hours=1)  # without a report, while texts go out


@dataclass(frozen=True, slots=True)
class Sums:
    """Texts, each by its own status. `ended` holds all that are no longer pending, the unknown ones too."""

    sent: int = 0
    ended: int = 0
    delivered: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Sums:
        """Counts by status, or changes of them."""
        found = {Status(status): n for status, n in counts.items()}
        return cls(
            sent=sum(found.values()),
            ended=sum(n for status, n in found.items() if status not in PENDING),
            delivered=found.get(Status.DELIVERED, 0),
            unknown=found.get(Status.UNKNOWN, 0),
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.sent + other.sent,
            self.ended + other.ended,
            self.delivered + other.delivered,
            self.unknown + other.unknown,
        )

    @property
    def missed(self) -> int:
        return self.ended - self.delivered

    @property
    def few(self) -> bool:
        return self.ended < FEWEST

    @property
    def share(self) -> float:
        return self.delivered / self.ended if self.ended else 0.0

    @property
    def percent(self) -> str:
        return percent(self.delivered, self.ended)


def percent(part: int, whole: int) -> str:
    """Never "0 %" of something, nor "100 %" of not all."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1:
        return "< 1 %"
    return "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


class Change(StrEnum):
    """How a figure stands to what is usual."""

    FEW = "few"  # too few to say
    NEW = "new"  # nothing to compare it with
    USUAL = "usual"
    MORE = "more"
    WORSE = "worse"
    FAR_WORSE = "far_worse"


def delivered_change(now: Sums, usual: Sums) -> Change:
    """Fewer of those that ended were delivered: by more than chance does, and by enough to matter."""
    if now.few:
        return Change.FEW
    if usual.few:
        return Change.FAR_WORSE if _highest(now) < 0.5 else Change.NEW
    gap = usual.share - now.share
    if gap < _GAP or _highest(now) >= usual.share:
        return Change.USUAL
    return Change.FAR_WORSE if gap >= _FAR else Change.WORSE


def _highest(sums: Sums) -> float:
    """The highest share that may well have given this one (Wilson's interval)."""
    n, p, z = sums.ended, sums.share, _Z
    return (p + z * z / (2 * n) + z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def sent_change(now: int, before: Sequence[int]) -> Change:
    """Beside the same hour of the days on which anything was sent in it."""
    if len(before) < FEWEST_DAYS:
        return Change.NEW
    least, most = min(before), max(before)
    if least < FEWEST:
        return Change.MORE if now > 3 * max(most, FEWEST) else Change.FEW
    if 2 * now < least:
        return Change.WORSE if now else Change.FAR_WORSE
    return Change.MORE if now > 3 * most else Change.USUAL


def delay_change(now: Usual | None, usual: Usual | None) -> Change:
    """Nine of ten take twice as long as usual, and at least a minute longer."""
    if now is None or now.count < FEWEST:
        return Change.FEW
    if usual is None or usual.count < FEWEST:
        return Change.NEW
    if now.most < usual.most * _SLOWER or now.most - usual.most < _SLOWER_BY:
        return Change.USUAL
    return Change.FAR_WORSE if now.most >= usual.most * _FAR_SLOWER else Change.WORSE


def is_silent(last_report: timedelta | None, sent: int) -> bool:
    """Whether reports that used to come have stopped although texts go out. `last_report`: how long ago it came."""
    return last_report is not None and last_report > SILENT_AFTER and sent >= FEWEST
