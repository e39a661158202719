"""A stacked bar of the five buckets, drawn by the server as SVG: no style attribute, no script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.domain.lifecycle import Bucket
from dashboard.web.buckets import BUCKET_LABELS

WIDTH = 1000
LEAST = 8  # what is there is seen, however little it is


@dataclass(frozen=True, slots=True)
class Segment:
    """One bucket's part of the bar, in thousandths of its width."""

    bucket: Bucket
    count: int
    x: int
    width: int

    @property
    def label(self) -> Any:
        return BUCKET_LABELS[self.bucket]


def segments(counts: Mapping[Bucket, int], of: int = 0) -> list[Segment]:
    """The buckets that hold anything, side by side; the widths sum to WIDTH, or to their part of it if there are more
    to come (`of`)."""
    present = {bucket: n for bucket, n in counts.items() if n}
    total = sum(present.values())
    whole = max(total, of)
    widths = {bucket: max(n * WIDTH // whole, LEAST) for bucket, n in present.items()}
    gap = WIDTH - sum(widths.values())
    if widths and (gap < 0 or total == whole):
        widest = max(widths, key=lambda bucket: widths[bucket])
        widths[widest] += gap
    drawn, x = [], 0
    for bucket, width in widths.items():
        drawn.append(Segment(bucket, present[bucket], x, width))
        x += width
    return drawn
