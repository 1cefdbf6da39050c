"""Figures of bars that lie one below the other, each with its name and its value."""

from itertools import groupby
from typing import Final

from ledger.reader.statistics import MEMBER_SHARE_PERCENT as MARK_PERCENT
from web.figures import charts
from web.figures.charts import Item
from web.figures.shapes import Figure, Source
from web.i18n import gettext
from web.telling.formats import hours, number, percent, size
from web.telling.labels import label, rule
from web.telling.plain import clipped
from web.telling.sentences import called

NAME_WIDTH: Final = 30
LABEL_WIDTH: Final = 40
"""Letters of a name that stand before its value on a phone, and where the value is short."""


def member_share(source: Source) -> Figure:
    """Each member's share of all GPU-hours, against the line."""
    items = [
        Item(
            name=_short(called(name)),
            told=f"{percent(points)} · {hours(seconds)}",
            value=points,
            style="bar" if points > MARK_PERCENT * 100 else "bar below",
        )
        for name, _, seconds, points in source.rows
    ]
    mark = gettext("%(n)s line") % {"n": f"{MARK_PERCENT}%"}
    definition = gettext(
        "Each member's part of the GPU-hours of all jobs that have ended since the log began. The"
        " line is the consortium's mark for one member, 20%. It is drawn here and does not decide"
        " on admission."
    )
    return source.figure(
        gettext("Percent of all GPU-hours, and GPU-hours"),
        definition,
        source.table(
            [gettext("Member"), gettext("Jobs"), gettext("GPU-hours"), gettext("Share")],
            [
                [called(name), number(jobs), hours(seconds), percent(points)]
                for name, jobs, seconds, points in source.rows
            ],
        ),
        bars=charts.bars(items, reference=(MARK_PERCENT * 100, mark))
        if any(row[2] for row in source.rows)
        else None,
    )


def rejections_by_rule(source: Source) -> Figure:
    """What was rejected, under the rule that it was rejected by."""
    items: list[Item] = []
    for number_of_rule, rows in groupby(source.rows, key=lambda row: row[0]):
        items.append(Item(name=rule(number_of_rule), told="", is_heading=True))
        items += [
            Item(
                name=clipped(label(code), LABEL_WIDTH),
                told=f"{number(rejected)} · {percent(points)}" if rejected else "0",
                value=rejected,
                style="bar rejected",
            )
            for _, code, rejected, _, points in rows
        ]
    definition = gettext(
        "Submissions that the ledger rejected, and their part of all submissions. One with several"
        " findings counts once, under the first. Codes that no submission has met are listed too."
    )
    return source.figure(
        gettext("Rejected submissions, and percent of all submissions"),
        definition,
        source.table(
            [
                gettext("Finding"),
                gettext("Code"),
                gettext("Rejected"),
                gettext("Submissions"),
                gettext("Rate"),
            ],
            [
                [label(code), code, number(rejected), number(submitted), percent(points)]
                for _, code, rejected, submitted, points in source.rows
            ],
            texts=2,
            codes=1,
        ),
        bars=charts.bars(items) if any(row[2] for row in source.rows) else None,
    )


def egress_by_member(source: Source) -> Figure:
    """What each member's jobs carried out, in front of what they were allowed."""
    items = [
        Item(
            name=_short(called(name)),
            told=gettext("%(used)s of %(allowed)s") % {"used": size(out), "allowed": size(allowed)},
            value=out,
            whole=max(allowed, out),
            style="bar overdue" if over else "bar",
        )
        for name, _, out, allowed, _, over in source.rows
    ]
    definition = gettext(
        "What the jobs of each member that have ended carried out of the cluster, against the sum"
        " of the ceilings that they were admitted with. The pale bar is the ceiling."
    )
    return source.figure(
        gettext("Bytes out, and the sum of the ceilings"),
        definition,
        source.table(
            [
                gettext("Member"),
                gettext("Jobs"),
                gettext("Egress"),
                gettext("Ceilings"),
                gettext("Used"),
                gettext("Jobs above"),
            ],
            [
                [
                    called(name),
                    number(jobs),
                    size(out),
                    size(allowed),
                    percent(points),
                    number(over),
                ]
                for name, jobs, out, allowed, points, over in source.rows
            ],
        ),
        bars=charts.bars(items) if any(row[1] for row in source.rows) else None,
    )


def _short(name: str) -> str:
    return clipped(name, NAME_WIDTH)
