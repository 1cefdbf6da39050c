"""A series as a figure: what it shows in one sentence, the picture, the table, what it counts.

Made while a page is rendered, in the language in use and with the names of the registry: whatever
members wrote goes through ``called``. All numbers are of the series, none is worked out elsewhere.
"""

from collections.abc import Callable, Mapping
from typing import Final

from schemas.answers import LedgerState
from schemas.series import Series
from web.figures import calendar, histograms, lying, periods
from web.figures.shapes import TITLES, Figure, Source
from web.telling.labels import label
from web.telling.sentences import called

__all__ = ["TITLES", "Figure", "figure_of"]

_MAKERS: Final[Mapping[str, Callable[[Source], Figure]]] = {
    "gpu-hours-by-member": lambda source: periods.gpu_hours(source, called),
    "gpu-hours-by-workload": lambda source: periods.gpu_hours(source, label),
    "member-share": lying.member_share,
    "member-share-by-month": periods.share_by_month,
    "days-to-publication": histograms.days_to_publication,
    "rejections-by-rule": lying.rejections_by_rule,
    "rejections-by-month": histograms.rejections_by_month,
    "egress-used": histograms.egress_used,
    "egress-by-member": lying.egress_by_member,
    "embargo-calendar": calendar.calendar,
}


def figure_of(series: Series, ledger: LedgerState, *, rows: int) -> Figure:
    """The figure of ``series``, whose table shows the newest ``rows`` rows at most."""
    return _MAKERS[series.name](Source(series, ledger, rows))
