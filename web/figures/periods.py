"""Figures by month or week: a small chart for each member or kind of work, all on one scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from ledger.reader.statistics import MEMBER_SHARE_PERCENT as MARK_PERCENT
from web.figures import charts
from web.figures.charts import Columns
from web.figures.shapes import Figure, Key, Panel, Source, Table
from web.i18n import gettext
from web.telling.formats import HOUR_S, day, hours, month, percent
from web.telling.sentences import called

PANEL: Final = 132
NEWEST: Final = 36
"""A picture shows this many periods at most, the newest."""


def gpu_hours(source: Source, name_of: Callable[[str], str]) -> Figure:
    """GPU-hours by member or by kind of work; ``name_of`` says what one is called."""
    grid = _grid(source, value=3)
    unit = gettext("GPU-hours a week") if source.by_week else gettext("GPU-hours a month")
    most = max((value / HOUR_S for line in grid.values.values() for value in line), default=0)
    panels = [
        Panel(
            name=name_of(name),
            note=gettext("%(hours)s in all") % {"hours": hours(sum(line))},
            columns=_period_columns(
                source, grid, [value / HOUR_S for value in line], most, number_of=charts.told
            ),
            told=_told(source, grid, line, hours),
        )
        for name, line in grid.largest_first()
    ]
    definition = gettext(
        "GPU-hours of jobs that ended, by the time of their end: a job that ran from one month into"
        " the next counts whole in the second. Jobs that still run are not in it. All panels have"
        " the same scale."
    )
    return source.figure(
        unit,
        definition,
        _pivot(source, grid, name_of, hours),
        panels=_unless_all_zero(panels, most),
        keys=not_over(source, grid.periods),
    )


def share_by_month(source: Source) -> Figure:
    """Each member against the line, month by month."""
    grid = _grid(source, value=3)
    most = max((value / 100 for line in grid.values.values() for value in line), default=0)
    panels = [
        Panel(
            name=called(name),
            note=gettext("above the line in %(n)s of %(all)s months")
            % {"n": sum(value > MARK_PERCENT * 100 for value in line), "all": len(line)},
            columns=_period_columns(
                source,
                grid,
                [value / 100 for value in line],
                max(most, MARK_PERCENT * 1.25),
                reference=(MARK_PERCENT, f"{MARK_PERCENT}%"),
                number_of=points,
            ),
            told=_told(source, grid, line, percent),
        )
        for name, line in grid.largest_first()
    ]
    definition = gettext(
        "Each member's part of the GPU-hours of all jobs that ended in a month. The line is the"
        " consortium's mark for one member, 20%. It is drawn here and does not decide on admission."
    )
    return source.figure(
        gettext("Percent of the GPU-hours of the month"),
        definition,
        _pivot(source, grid, called, percent),
        panels=_unless_all_zero(panels, most),
        keys=not_over(source, grid.periods),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    periods: tuple[str, ...]
    values: Mapping[str, tuple[int, ...]]

    def largest_first(self) -> list[tuple[str, tuple[int, ...]]]:
        return sorted(self.values.items(), key=lambda each: (-sum(each[1]), each[0]))


def _grid(source: Source, *, value: int) -> _Grid:
    periods = tuple(period for period, _ in groupby(row[0] for row in source.rows))
    values: dict[str, list[int]] = {}
    for row in source.rows:
        values.setdefault(row[1], []).append(row[value])
    return _Grid(periods, {name: tuple(line) for name, line in values.items()})


def _period_columns(
    source: Source,
    grid: _Grid,
    line: Sequence[float],
    most: float,
    *,
    number_of: Callable[[float], str],
    reference: tuple[float, str] | None = None,
) -> Columns:
    periods, shown = grid.periods[-NEWEST:], line[-NEWEST:]
    return charts.columns(
        shown,
        height=PANEL,
        most=max(most, 0),
        styles=_styles(source, periods),
        ticks=charts.ends(periods[0], periods[-1]),
        reference=reference,
        tell=number_of,
        lines=2,
    )


def _styles(source: Source, periods: Sequence[str]) -> list[str]:
    """The last period is drawn otherwise: more will come."""
    return ["part" if goes_on(source, period) else "bar" for period in periods]


def not_over(source: Source, periods: Sequence[str], style: str = "part") -> tuple[Key, ...]:
    """The legend of a hollow bar, where there is one."""
    if any(goes_on(source, period) for period in periods[-1:]):
        return (Key(style, gettext("not over yet")),)
    return ()


def goes_on(source: Source, period: str) -> bool:
    """Whether the last entry of the log lies in a period, so that more may come."""
    if source.by_week:
        return source.today < date.fromisoformat(period) + timedelta(days=7)
    return f"{source.today:%Y-%m}" <= period


def _told(source: Source, grid: _Grid, line: Sequence[int], tell: Callable[[int], str]) -> str:
    """One panel in a sentence."""
    if not any(line):
        return gettext("Nothing yet.")
    most = max(line)
    when = _period_name(source, grid.periods[line.index(most)])
    return gettext("Most in %(period)s: %(value)s.") % {"period": when, "value": tell(most)}


def _period_name(source: Source, period: str) -> str:
    return day(period) if source.by_week else month(period)


def _pivot(
    source: Source, grid: _Grid, name_of: Callable[[str], str], tell: Callable[[int], str]
) -> Table:
    lines = grid.largest_first()
    first = gettext("Week from") if source.by_week else gettext("Month")
    rows = [
        [_period_name(source, period), *(tell(line[at]) for _, line in lines)]
        for at, period in enumerate(grid.periods)
    ]
    return source.table([first, *(name_of(name) for name, _ in lines)], rows)


def _unless_all_zero(panels: Sequence[Panel], most: float) -> tuple[Panel, ...]:
    return tuple(panels) if most else ()


def points(value: float) -> str:
    """``20%``."""
    return f"{value:g}%"
