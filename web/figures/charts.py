"""Where the marks of a chart stand. The drawing is a Jinja macro, the words come from elsewhere.

A picture has no scale of its own: what lies across is in percent of its width, what goes up in CSS
pixels. So bars stretch with the page and the words in it keep the size of text. Bars are drawn
as one path, begin at zero, and share a scale wherever several charts stand together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import floor, log10
from typing import Final

from schemas.answers import Day
from web.telling.formats import number

UNIT: Final = 10
"""The width of one column in the coordinates of a path; the bar takes eight or nine of them."""
TOP: Final = 10
FOOT: Final = 22
"""Pixels above the highest bar, and below the base, for the ticks."""
NARROWEST: Final = 8
ROW: Final = 46
HEAD: Final = 34
BAR: Final = 14
LONG: Final = 10**9
DAYS_A_WEEK: Final = 7
CELL: Final = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A line across, ``y`` pixels from the top, and what is written on it."""

    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label below the axis at ``x`` percent; ``minor`` ones are left out where it is narrow.

    ``text`` is shown as it is, but a day or a month in the form of ISO 8601 in the language in
    use; ``--06`` is a month whose year stands elsewhere.
    """

    x: float
    text: str
    anchor: str = "middle"
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars that stand on a base. ``paths`` are shapes by class, in units of ``span`` across."""

    paths: tuple[tuple[str, str], ...]
    span: int
    height: int
    base: int
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    reference: Line | None = None
    days: tuple[Day, ...] = ()
    """What the bars stand for, where they are days."""

    @property
    def guides(self) -> str:
        """The lines across as one path."""
        return "".join(f"M0 {line.y}h{self.span}" for line in self.lines)

    @property
    def gutter(self) -> int:
        """How many letters the numbers beside the lines need."""
        lines = (*self.lines, self.reference) if self.reference else self.lines
        return max((len(line.text) for line in lines), default=0)

    @property
    def total(self) -> int:
        """All that the days hold together."""
        return sum(day.entries for day in self.days)

    @property
    def peak(self) -> Day:
        """The first of the days that hold the most."""
        return max(self.days, key=lambda day: day.entries)


@dataclass(frozen=True, slots=True)
class Row:
    """One bar that lies, with its name and its value above it; widths in percent."""

    y: int
    name: str
    value: str
    width: float
    track: float = 0.0
    style: str = "bar"
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that lie one below the other; ``reference`` is a line across all of them."""

    rows: tuple[Row, ...]
    height: int
    reference: Tick | None = None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A column a week, a cell a day. ``paths`` by class, ``now`` the cell of the last entry."""

    paths: tuple[tuple[str, str], ...]
    span: int
    height: int
    ticks: tuple[Tick, ...]
    now: str
    bounds: tuple[int, ...] = field(default=())
    """From how many on a cell is of the first shade, of the second, and so on."""


def told(value: float) -> str:
    """A number beside a line: in full where there is room for it."""
    if value >= LONG:
        return f"{value:.0e}".replace("e+", "e")
    return number(round(value)) if value >= 1 else f"{value:g}"


def gridlines(most: float, *, lines: int = 3) -> list[float]:
    """Round numbers above 0 and up to ``most``, at even steps, at most ``lines`` of them."""
    if most <= 0:
        return []
    step = 10.0 ** (floor(log10(most)) - 1)
    while True:
        for factor in (1, 2, 5):
            if most / (step * factor) < lines + 1:
                count = int(most / (step * factor))
                return [step * factor * n for n in range(1, count + 1)]
        step *= 10


def columns(
    values: Sequence[float],
    *,
    height: int,
    most: float | None = None,
    styles: Sequence[str] | None = None,
    ticks: tuple[Tick, ...] = (),
    reference: tuple[float, str] | None = None,
    tell: Callable[[float], str] = told,
    lines: int = 3,
) -> Columns:
    """Bars for ``values``, on a scale from 0 to ``most`` (by default the largest of them).

    ``styles`` is the class of each bar, ``reference`` a value to draw a line at, and its words.
    """
    scale = max(most if most is not None else max(values, default=0), 0) or 1
    base = height - FOOT
    room = base - TOP

    def y_of(value: float) -> int:
        return round(base - value / scale * room)

    tops = [min(y_of(value), base - 1) if value > 0 else base for value in values]
    kinds = list(styles) if styles else ["bar"] * len(values)
    gap = 1 if len(values) > NARROWEST else 2
    return Columns(
        paths=tuple(
            (kind, path)
            for kind in dict.fromkeys(kinds)
            if (path := _skyline(tops, kinds, kind, base=base, gap=gap))
        ),
        span=max(len(values), 1) * UNIT,
        height=height,
        base=base,
        lines=tuple(
            Line(y_of(value), tell(value))
            for value in gridlines(scale, lines=lines)
            if not reference or value != reference[0]
        ),
        ticks=ticks,
        reference=Line(y_of(reference[0]), reference[1]) if reference else None,
    )


def _skyline(tops: Sequence[int], kinds: Sequence[str], kind: str, *, base: int, gap: int) -> str:
    """The bars of one class as one line that goes along the base between them."""
    path, at = "", 0
    for place, top in enumerate(tops):
        if kinds[place] != kind or top >= base:
            continue
        begin = place * UNIT + gap // 2
        path += f"h{begin - at}" if path else f"M{begin} {base}"
        path += f"V{top}h{UNIT - gap}V{base}"
        at = begin + UNIT - gap
    return f"{path}z" if path else ""


def ends(first: str, last: str) -> tuple[Tick, ...]:
    """The labels of an axis that says only where it begins and ends."""
    if first == last:
        return (Tick(50, first),)
    if len(first) == len("2026-11") and first[:4] == last[:4]:
        first = f"-{first[4:]}"
    return (Tick(0, first, "start"), Tick(100, last, "end"))


def along(labels: Sequence[str], *, most: int = 7, narrow: int = 4) -> tuple[Tick, ...]:
    """Labels under the middle of evenly spaced bars: up to ``most``, ``narrow`` on a phone."""
    count = len(labels)
    step = max(-(-count // most), 1)
    shown = list(range(0, count, step))
    keep = max(-(-len(shown) // narrow), 1)
    return tuple(
        Tick(
            round((at + 0.5) / count * 100, 2),
            labels[at],
            _anchor((at + 0.5) / count * 100),
            minor=order % keep != 0,
        )
        for order, at in enumerate(shown)
    )


def calendar(counts: tuple[Day, ...], *, first: str, days: int = 91) -> Columns:
    """What opens on each of the ``days`` days from ``first`` on."""
    by_day = {each.day: each.entries for each in counts}
    start = date.fromisoformat(first)
    dates = [(start + timedelta(days=n)).isoformat() for n in range(days)]
    shown = tuple(Day(day=each, entries=by_day.get(each, 0)) for each in dates)
    chart = columns(
        [each.entries for each in shown],
        height=170,
        styles=["sealed"] * days,
        ticks=along(dates),
    )
    return replace(chart, days=shown)


@dataclass(frozen=True, slots=True)
class Item:
    """What one lying bar stands for; ``whole`` is what the value is a part of, if anything."""

    name: str
    told: str
    value: float = 0.0
    whole: float = 0.0
    style: str = "bar"
    is_heading: bool = False


def bars(items: Sequence[Item], *, reference: tuple[float, str] | None = None) -> Bars:
    """Lying bars on one scale from 0; names and values stand above them."""
    limit = max([item.whole or item.value for item in items], default=0)
    if reference:
        limit = max(limit, reference[0] * 1.25)
    limit = limit or 1
    y = 20 if reference else 0
    rows = []
    for item in items:
        wide = round(min(item.value / limit, 1) * 100, 2)
        rows.append(
            Row(
                y=y,
                name=item.name,
                value=item.told,
                width=max(wide, 0.3) if item.value > 0 else 0,
                track=round(item.whole / limit * 100, 2),
                style=item.style,
                is_heading=item.is_heading,
            )
        )
        y += HEAD if item.is_heading else ROW
    line = None
    if reference:
        x = round(reference[0] / limit * 100, 2)
        line = Tick(x, reference[1], _anchor(x))
    return Bars(rows=tuple(rows), height=max(y, 1), reference=line)


def heat_map(
    opened: dict[date, int], opens: dict[date, int], *, today: date, first: date, last: date
) -> HeatMap:
    """What opened on each day, and what opens; a deadline before ``today`` has been missed.

    Weeks begin on Monday, at the top. Shades are shared by all cells.
    """
    start = first - timedelta(days=first.weekday())
    weeks = (last - start).days // DAYS_A_WEEK + 1
    most = max([*opened.values(), *opens.values(), 1])
    bounds = tuple(sorted({1, most // 8 + 1, most // 4 + 1, most // 2 + 1}))
    paths: dict[str, str] = {}
    ticks = []
    for n in range(weeks * DAYS_A_WEEK):
        day = start + timedelta(days=n)
        week, weekday = divmod(n, DAYS_A_WEEK)
        if day.day == 1:
            ticks.append((week, day))
        if not first <= day <= last:
            continue
        kind, count = _cell(opened.get(day, 0), opens.get(day, 0), is_past=day < today)
        shade = sum(count >= bound for bound in bounds)
        style = f"{kind} shade{shade}" if count else "none"
        mark = f"M{week * UNIT} {weekday * CELL + 1}h9v{CELL - 2}h-9z"
        paths[style] = paths.get(style, "") + mark
    week, weekday = divmod((today - start).days, DAYS_A_WEEK)
    every = max(-(-len(ticks) // 6), 1)
    return HeatMap(
        paths=tuple(sorted(paths.items())),
        span=weeks * UNIT,
        height=DAYS_A_WEEK * CELL + FOOT,
        ticks=tuple(
            Tick(round(at / weeks * 100, 2), f"{day:%Y-%m}", "start", minor=order % every != 0)
            for order, (at, day) in enumerate(ticks)
            if at < weeks - 2
        ),
        now=f"M{week * UNIT} {weekday * CELL + 1}h9v{CELL - 2}h-9z",
        bounds=bounds,
    )


def _cell(opened: int, opens: int, *, is_past: bool) -> tuple[str, int]:
    """What a day is shown as: what is wrong comes first."""
    if opens and is_past:
        return "overdue", opens
    if opens >= opened:
        return "sealed", opens
    return "published", opened


def _anchor(x: float) -> str:
    if x < 12:
        return "start"
    return "end" if x > 88 else "middle"


def share(part: int, whole: int | None) -> float:
    """``part`` of ``whole`` in percent, at most 100; 0 where there is no whole."""
    if not whole:
        return 0.0
    return round(min(100.0, 100 * part / whole), 1)
