"""Where the lines of a chart run, in a box of WIDTH by HEIGHT that the page stretches. Nothing but geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

WIDTH, HEIGHT = 1000, 100
_FLOORS = (90, 80, 50)  # percent at which the axis may begin
_TICKS = (1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000)  # seconds


@dataclass(frozen=True, slots=True)
class Axis:
    """`ticks` are the values to name, topmost first and evenly apart; between two of them it runs evenly, or by powers
    where the axis is `logarithmic`."""

    ticks: tuple[float, ...]
    logarithmic: bool = False

    def y(self, value: float) -> float:
        """How far down a value is. What is beyond the axis is at its end."""
        at = min(max(value, self.ticks[-1]), self.ticks[0])
        place = next(place for place, tick in enumerate(self.ticks[1:]) if at >= tick)
        high, low = self.ticks[place], self.ticks[place + 1]
        if self.logarithmic:
            high, low, at = log(high), log(low), log(at)
        return round(HEIGHT * (place + (high - at) / (high - low)) / (len(self.ticks) - 1), 1)


def share_axis(shares: Sequence[float]) -> Axis:
    """Of percents. It begins at 0 unless all of them are well above."""
    least = min(shares, default=0.0)
    low = next((floor for floor in _FLOORS if least >= floor + 2), 0)
    return Axis((100, (100 + low) / 2, low))


def delay_axis(seconds: Sequence[float]) -> Axis:
    """Of seconds, by powers: from the tick below the least to the one above the most."""
    least, most = min(seconds, default=1.0), max(seconds, default=60.0)
    first = max((i for i, tick in enumerate(_TICKS[:-1]) if tick <= least), default=0)
    last = min((i for i, tick in enumerate(_TICKS) if tick >= most), default=len(_TICKS) - 1)
    ticks = _TICKS[first : max(last, first + 1) + 1]
    return Axis(tuple(reversed(ticks)), logarithmic=True)


def x(place: int, count: int) -> float:
    """The middle of one of `count` equal places."""
    return round(WIDTH * (place + 0.5) / count, 1)


def line(values: Sequence[float | None], axis: Axis) -> str:
    """An SVG path through the values; it breaks where there is none. A point alone is a stroke of no length: a dot."""
    path, drawing = [], False
    for place, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        path.append(f"{'L' if drawing else 'M'}{x(place, len(values)):g} {axis.y(value):g}")
        alone = not drawing and (place + 1 == len(values) or values[place + 1] is None)
        path += ["h0"] if alone else []
        drawing = True
    return "".join(path)


def dots(values: Sequence[float | None], axis: Axis) -> str:
    """An SVG path of strokes of no length: with round caps, a dot at each value."""
    return "".join(
        f"M{x(place, len(values)):g} {axis.y(value):g}h0" for place, value in enumerate(values) if value is not None
    )
