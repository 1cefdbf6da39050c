"""The series by name: the columns of each, and what makes its rows.

A name is part of an address and never changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.errors import NotFound
from ledger.reader import statistics
from ledger.reader.seals import Seals
from ledger.reader.statistics import PERIODS, Jobs, Period, Rows
from schemas.series import Series, SeriesColumn


@dataclass(frozen=True, slots=True)
class _Kind:
    columns: tuple[SeriesColumn, ...]
    rows: Callable[[Jobs, Period], Rows] | None
    """None for the one that is about sealed parts."""
    has_periods: bool = False


def _columns(**units: str) -> tuple[SeriesColumn, ...]:
    return tuple(SeriesColumn(name, unit) for name, unit in units.items())


_KINDS: Final = {
    "gpu-hours-by-member": _Kind(
        _columns(member="code", jobs="count", gpu_seconds="seconds"),
        lambda jobs, period: statistics.gpu_hours(jobs, jobs.author, "member", period=period),
        has_periods=True,
    ),
    "gpu-hours-by-workload": _Kind(
        _columns(workload_type="code", jobs="count", gpu_seconds="seconds"),
        lambda jobs, period: statistics.gpu_hours(
            jobs, jobs.workload, "workload_type", period=period
        ),
        has_periods=True,
    ),
    "member-share": _Kind(
        _columns(
            member="code", jobs="count", gpu_seconds="seconds", share_basis_points="basis_points"
        ),
        lambda jobs, _: statistics.member_share(jobs),
    ),
    "member-share-by-month": _Kind(
        _columns(
            month="month", member="code", gpu_seconds="seconds", share_basis_points="basis_points"
        ),
        lambda jobs, _: statistics.member_share_by_month(jobs),
    ),
    "days-to-publication": _Kind(
        _columns(days="days", early="count", at_deadline="count", late="count"),
        lambda jobs, _: statistics.days_to_publication(jobs),
    ),
    "rejections-by-rule": _Kind(
        _columns(
            rule="rule",
            code="code",
            rejected="count",
            submitted="count",
            rate_basis_points="basis_points",
        ),
        lambda jobs, _: statistics.rejections_by_rule(jobs),
    ),
    "rejections-by-month": _Kind(
        _columns(
            month="month", submitted="count", rejected="count", rate_basis_points="basis_points"
        ),
        lambda jobs, _: statistics.rejections_by_month(jobs),
    ),
    "egress-used": _Kind(
        _columns(above_percent="percent", to_percent="percent", jobs="count"),
        lambda jobs, _: statistics.egress_used(jobs),
    ),
    "egress-by-member": _Kind(
        _columns(
            member="code",
            jobs="count",
            egress_bytes="bytes",
            ceiling_bytes="bytes",
            used_basis_points="basis_points",
            jobs_over="count",
        ),
        lambda jobs, _: statistics.egress_by_member(jobs),
    ),
    "embargo-calendar": _Kind(_columns(day="day", opened="count", opens="count"), None),
}

NAMES: Final = tuple(_KINDS)
"""Every series, in the order in which the site shows them."""
BY_PERIOD: Final = frozenset(name for name, kind in _KINDS.items() if kind.has_periods)
"""Those that can be had by the week too."""


def series(name: str, jobs: Callable[[], Jobs], seals: Callable[[], Seals], *, by: str) -> Series:
    """The series called ``name``, by month or, for those in ``BY_PERIOD``, by week.

    Raises NotFound for a name that is none.
    """
    kind = _KINDS.get(name)
    if kind is None:
        raise NotFound(f"there is no series {name[:40]!a}; there are {', '.join(NAMES)}")
    period = PERIODS[by]
    columns = (period.column, *kind.columns) if kind.has_periods else kind.columns
    rows = statistics.embargo_calendar(seals()) if kind.rows is None else kind.rows(jobs(), period)
    return Series(name=name, columns=columns, rows=rows)
