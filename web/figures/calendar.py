"""The embargo calendar: a cell for each day."""

from datetime import date, timedelta
from typing import Final

from web.figures import charts
from web.figures.charts import HeatMap
from web.figures.shapes import Figure, Key, Source
from web.i18n import gettext
from web.telling.formats import day, number

WEEKS: Final = 26
"""The picture reaches so far back from the last entry, and no further ahead."""


def calendar(source: Source) -> Figure:
    """What was opened on each day, and what is still to open."""
    days = {date.fromisoformat(row[0]): (row[1], row[2]) for row in source.rows}
    definition = gettext(
        "Sealed parts, plans and results alike, by the day (UTC) on which they were opened or on"
        " which those still sealed reach their deadline. One column is one week, Monday at the top;"
        " the outlined day is that of the last entry. What is sealed on a day before it is overdue."
    )
    table = source.table(
        [gettext("Day (UTC)"), gettext("Opened"), gettext("Still sealed, deadline")],
        [[day(each), number(opened), number(opens)] for each, opened, opens in source.rows],
    )
    heat = None
    keys: tuple[Key, ...] = ()
    if days:
        first = max(min(days), source.today - timedelta(weeks=WEEKS))
        last = max(min(max(days), source.today + timedelta(weeks=WEEKS)), source.today)
        heat = charts.heat_map(
            {each: opened for each, (opened, _) in days.items() if opened},
            {each: opens for each, (_, opens) in days.items() if opens},
            today=source.today,
            first=min(first, source.today),
            last=last,
        )
        keys = _calendar_keys(heat)
    return source.figure(gettext("Sealed parts a day"), definition, table, heat=heat, keys=keys)


def _calendar_keys(heat: HeatMap) -> tuple[Key, ...]:
    drawn = {style.partition(" ")[0] for style, _ in heat.paths}
    kinds = (
        ("published", gettext("opened")),
        ("sealed", gettext("still sealed, opens by then")),
        ("overdue", gettext("overdue")),
    )
    found = [Key(f"{style} shade4", text) for style, text in kinds if style in drawn]
    for at, bound in enumerate(heat.bounds, start=1):
        upper = heat.bounds[at] - 1 if at < len(heat.bounds) else None
        text = number(bound)
        if upper is None:
            text = gettext("%(n)s or more") % {"n": number(bound)}
        elif upper > bound:
            text = f"{number(bound)}–{number(upper)}"  # noqa: RUF001 - the dash of ranges
        found.append(Key(f"plain shade{at}", text))
    return tuple(found)
