"""Figures of bars that stand side by side: over days, over months, over parts of a ceiling."""

from typing import Final

from web.figures import charts, findings
from web.figures.periods import NEWEST, PANEL, goes_on, not_over, points
from web.figures.shapes import Figure, Panel, Source
from web.i18n import gettext
from web.telling.formats import month, number, percent

TALL: Final = 190
MOST_DAYS: Final = 200
"""The last day of a histogram; what came later stands in its last bar."""


def days_to_publication(source: Source) -> Figure:
    """When plans were opened: early, at their deadline, late."""
    last = max((row[0] for row in source.rows), default=0)
    reach = min(max(last, 99), MOST_DAYS)
    kinds = (
        (1, gettext("Early, by their author"), "published"),
        (2, gettext("At their deadline"), "sealed"),
        (3, gettext("Late"), "overdue"),
    )
    panels = []
    for column, name, style in kinds:
        values = [0] * (reach + 1)
        for row in source.rows:
            values[min(row[0], reach)] += row[column]
        total = sum(values)
        panels.append(
            Panel(
                name=name,
                note=number(total),
                columns=charts.columns(
                    values,
                    height=PANEL,
                    styles=[style] * len(values),
                    ticks=_day_ticks(reach, is_open=last > reach),
                    lines=2,
                )
                if total
                else None,
                told=findings.half_by_day([(row[0], row[column]) for row in source.rows]),
            )
        )
    definition = gettext(
        "Days from the submission of a job to the opening of its sealed plan. The charter allows at"
        " most 90. Late is what opened more than five minutes after its deadline. What is still"
        " sealed is not in it. Each panel has a scale of its own."
    )
    return source.figure(
        gettext("Plans opened, by days since their submission"),
        definition,
        source.table(
            [
                gettext("Days"),
                gettext("Early, by their author"),
                gettext("At their deadline"),
                gettext("Late"),
            ],
            [list(map(number, row)) for row in source.rows if any(row[1:])],
        ),
        panels=tuple(panels) if any(panel.columns for panel in panels) else (),
    )


def _day_ticks(reach: int, *, is_open: bool) -> tuple[charts.Tick, ...]:
    ticks = [charts.Tick(0, "0", "start")]
    ticks += [
        charts.Tick(round((at + 0.5) / (reach + 1) * 100, 2), str(at), minor=at % 90 != 0)
        for at in range(30, reach - 4, 30)
    ]
    if is_open:
        ticks.append(charts.Tick(100, f"{reach}+", "end"))
    return tuple(ticks)


def rejections_by_month(source: Source) -> Figure:
    """The part of each month's submissions that was rejected."""
    rows = source.rows[-NEWEST:]
    periods = [row[0] for row in rows]
    definition = gettext(
        "Rejected submissions as a part of all submissions of a month, by the time at which they"
        " were logged. In a month with few submissions one more or less moves the rate a lot."
    )
    chart = charts.columns(
        [row[3] / 100 for row in rows],
        height=TALL,
        styles=[
            "part rejected" if goes_on(source, period) else "bar rejected" for period in periods
        ],
        ticks=charts.along(periods),
        tell=points,
    )
    return source.figure(
        gettext("Percent of the submissions of the month"),
        definition,
        source.table(
            [gettext("Month"), gettext("Submissions"), gettext("Rejected"), gettext("Rate")],
            [
                [month(period), number(submitted), number(rejected), percent(points)]
                for period, submitted, rejected, points in source.rows
            ],
        ),
        columns=chart if any(row[2] for row in rows) else None,
        keys=not_over(source, periods, "part rejected"),
    )


def egress_used(source: Source) -> Figure:
    """How many jobs used how much of their egress ceiling."""
    counts = [row[2] for row in source.rows]
    bars = len(counts)
    ticks = (
        charts.Tick(round(50 / bars, 2), "0"),
        *(
            charts.Tick(
                round((1 + tenth) / bars * 100, 2), f"{tenth * 10}%", minor=tenth not in {2, 5, 8}
            )
            for tenth in range(1, 10)
        ),
        charts.Tick(100, ">100%", "end"),
    )
    definition = gettext(
        "Jobs that have ended, by the part of their own egress ceiling that they used. The first"
        " bar carried out nothing; each of the next ten reaches up to the percentage at its right"
        " edge; the last is above the ceiling."
    )
    return source.figure(
        gettext("Jobs, by percent of their ceiling used"),
        definition,
        source.table(
            [gettext("Part of the ceiling used"), gettext("Jobs")],
            [[_tenth(low, high), number(count)] for low, high, count in source.rows],
        ),
        columns=charts.columns(
            counts, height=TALL, styles=[*["bar"] * (bars - 1), "overdue"], ticks=ticks
        )
        if any(counts)
        else None,
    )


def _tenth(low: int, high: int | None) -> str:
    if high is None:
        return gettext("more than the ceiling")
    if not high:
        return gettext("nothing")
    return gettext("above %(low)s%% to %(high)s%%") % {"low": low, "high": high}
