"""Where the bars of a chart stand. The drawing is a Jinja macro, the numbers a table beside it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from schemas.answers import Day

WIDTH: Final = 920
HEIGHT: Final = 150
BASE: Final = 126
GAP: Final = 1.5
"""Units of the picture's own scale; it grows and shrinks with the page."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the day and the number it stands for."""

    x: float
    y: float
    width: float
    height: float
    day: str
    value: int


@dataclass(frozen=True, slots=True)
class Tick:
    """One label under the axis."""

    x: float
    day: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars by day, from ``first`` on, without a gap."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    most: int
    total: int
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    base: int = BASE


def calendar(counts: tuple[Day, ...], *, first: str, days: int = 91) -> BarChart:
    """What opens on each of the ``days`` days from ``first`` on."""
    by_day = {each.day: each.entries for each in counts}
    start = date.fromisoformat(first)
    dates = [(start + timedelta(days=n)).isoformat() for n in range(days)]
    values = [by_day.get(each, 0) for each in dates]
    most = max([*values, 1])
    step = WIDTH / days
    bars = []
    for at, (day, value) in enumerate(zip(dates, values, strict=True)):
        height = round(value / most * (BASE - 22), 1)
        if value:
            height = max(height, 2.0)
        bars.append(
            Bar(
                round(at * step, 1),
                round(BASE - height, 1),
                round(step - GAP, 1),
                height,
                day,
                value,
            )
        )
    ticks = tuple(Tick(round((at + 0.5) * step, 1), dates[at]) for at in range(0, days - 7, 14))
    return BarChart(
        bars=tuple(bars),
        ticks=ticks,
        most=most,
        total=sum(values),
        first=dates[0],
        last=dates[-1],
    )


def share(part: int, whole: int | None) -> float:
    """``part`` of ``whole`` in percent, at most 100; 0 where there is no whole."""
    if not whole:
        return 0.0
    return round(min(100.0, 100 * part / whole), 1)
