"""What all jobs come to, as series: who used how much, what was rejected, when things opened.

Works on plain arrays, one element a job or a sealed part, and reads no store and no clock: a series
is a function of the arrays, and they of the tree size. Sums are exact whole numbers. GPU-seconds
belong to the month in which the job ended, since that is when they are reported.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.reader.seals import NONE, Integers, Seals
from ledger.reader.slices import Slice, month_text, months_of, summed
from ledger.records.charter import Code, rule_of
from ledger.records.deadline import DAY_S
from schemas.charter import MAX_EMBARGO_DAYS
from schemas.series import SeriesColumn

Cell = str | int | None
Rows = tuple[tuple[Cell, ...], ...]

GRACE_S: Final = 300
"""An opening counts as late when it comes later than this after its deadline."""
MEMBER_SHARE_PERCENT: Final = 20
"""The consortium's mark for one member's share of all GPU-hours."""
GAPS_FILLED: Final = 600
"""Periods without a job are listed too, unless the first and the last lie further apart."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A text for each job: ``names[codes[i]]``, or none where the code is NONE."""

    codes: Integers
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Every job as of one tree size, in any order. Times are Unix seconds; NONE where absent."""

    author: Coded
    workload: Coded
    rejection: Coded
    submitted_at: Integers
    publish_by: Integers
    disclosed_at: Integers
    ended_at: Integers
    gpu_seconds: Integers
    egress_bytes: Integers
    ceiling_bytes: Integers


def jobs_of(found: Slice, seals: Seals) -> Jobs:
    """The arrays that the series need, of jobs and sealed parts as of the same tree size."""
    plan = np.searchsorted(seals.index, found.numbers("submitted_index"))

    def coded(name: str) -> Coded:
        # There, 0 stands for null; here, NONE.
        return Coded(found.codes(name).astype(np.int64) - 1, found.names[name][1:])

    return Jobs(
        author=coded("author"),
        workload=coded("workload_type"),
        rejection=coded("rejection_code"),
        submitted_at=found.numbers("submitted_at"),
        publish_by=seals.publish_by[plan],
        disclosed_at=seals.opened_at[plan],
        ended_at=found.numbers("ended_at"),
        gpu_seconds=found.numbers("gpu_seconds"),
        egress_bytes=found.numbers("egress_bytes"),
        ceiling_bytes=found.numbers("egress_ceiling_bytes"),
    )


@dataclass(frozen=True, slots=True)
class Period:
    """A way to cut time. ``of`` gives the number of the period that a day since 1970 lies in."""

    column: SeriesColumn
    of: Callable[[Integers], Integers]
    text: Callable[[int], str]


def _day_text(number: int) -> str:
    return str(np.datetime64(number, "D"))


PERIODS: Final = {
    "month": Period(
        SeriesColumn("month", "month"), lambda days: months_of(days * DAY_S), month_text
    ),
    # 1970 began on a Thursday; a week is named by its Monday.
    "week": Period(
        SeriesColumn("week_of", "day"),
        lambda days: (days + 3) // 7,
        lambda number: _day_text(number * 7 - 3),
    ),
}


# --- GPU-hours ----------------------------------------------------------------------------------


def gpu_hours(jobs: Jobs, kept: Coded, name: str, *, period: Period) -> Rows:
    """Jobs that ended and their GPU-seconds, by period and by ``kept``, without gaps."""
    ended = (jobs.ended_at != NONE) & (jobs.gpu_seconds != NONE)
    codes = kept.codes if name == "member" else kept.codes[ended]
    present = _present(codes, len(kept.names))
    return tuple(
        (period.text(at), kept.names[code], count, seconds)
        for at, counts, sums in _by_period(jobs, kept, ended, period)
        for code, count, seconds in _named(kept, present, counts, sums)
    )


def member_share(jobs: Jobs) -> Rows:
    """Each member's GPU-seconds and its share of all of them, largest first."""
    ended = (jobs.ended_at != NONE) & (jobs.gpu_seconds != NONE)
    width = len(jobs.author.names)
    codes = jobs.author.codes[ended]
    counts, sums = _counts(codes, width), summed(codes, jobs.gpu_seconds[ended], width)
    total = sum(sums)
    present = _present(jobs.author.codes, len(jobs.author.names))
    rows = [
        (jobs.author.names[code], count, seconds, basis_points(seconds, total))
        for code, count, seconds in _named(jobs.author, present, counts, sums)
    ]
    return tuple(sorted(rows, key=lambda row: (-row[2], row[0])))


def member_share_by_month(jobs: Jobs) -> Rows:
    """Each member's share of the GPU-seconds of a month."""
    ended = (jobs.ended_at != NONE) & (jobs.gpu_seconds != NONE)
    period = PERIODS["month"]
    present = _present(jobs.author.codes, len(jobs.author.names))
    return tuple(
        (period.text(at), jobs.author.names[code], seconds, basis_points(seconds, sum(sums)))
        for at, counts, sums in _by_period(jobs, jobs.author, ended, period)
        for code, _, seconds in _named(jobs.author, present, counts, sums)
    )


def _by_period(
    jobs: Jobs, kept: Coded, ended: NDArray[np.bool_], period: Period
) -> Iterator[tuple[int, list[int], list[int]]]:
    """Each period, with the number of jobs and the GPU-seconds of each code in it."""
    listed, rows = _periods(jobs.ended_at[ended], period)
    codes, seconds = kept.codes[ended], jobs.gpu_seconds[ended]
    width = len(kept.names)
    keys = rows * width + codes
    counts = _counts(keys, len(listed) * width)
    sums = summed(keys, seconds, len(listed) * width)
    for row, number in enumerate(listed):
        cut = slice(row * width, (row + 1) * width)
        yield number, counts[cut], sums[cut]


def _periods(seconds: Integers, period: Period) -> tuple[list[int], Integers]:
    """The periods to list, and the place in that list for each of ``seconds``.

    All from the first to the last are listed, unless that is absurdly many. What a calendar says
    is worked out once for each day that there is, not for each job.
    """
    if not seconds.size:
        return [], np.zeros(0, np.int64)
    days = seconds // DAY_S
    first = int(days.min())
    days -= first
    there = np.bincount(days)
    of_day = period.of(np.arange(first, first + len(there)))
    listed = np.unique(of_day[there > 0])
    if listed[-1] - listed[0] < GAPS_FILLED:
        listed = np.arange(listed[0], listed[-1] + 1)
    return listed.tolist(), np.searchsorted(listed, of_day)[days]


def _present(codes: Integers, width: int) -> list[int]:
    found: list[int] = np.flatnonzero(np.bincount(codes, minlength=width)).tolist()
    return found


def _named(
    kept: Coded, present: Sequence[int], counts: Sequence[int], sums: Sequence[int]
) -> list[tuple[int, int, int]]:
    """(code, count, sum) of the codes that occur, in the order of their names."""
    codes = sorted(present, key=lambda code: kept.names[code])
    return [(code, counts[code], sums[code]) for code in codes]


# --- publication and rejection ------------------------------------------------------------------


def days_to_publication(jobs: Jobs) -> Rows:
    """On which day after the submission its sealed part opened: early, at its deadline, or late.

    A day is 86,400 s and the first is 0. Days up to 90 are all listed, later ones that occur.
    """
    opened = jobs.disclosed_at != NONE
    at, due = jobs.disclosed_at[opened], jobs.publish_by[opened]
    days = (at - jobs.submitted_at[opened]) // DAY_S
    early, late = at < due, at > due + GRACE_S
    width = max(int(days.max(initial=0)), MAX_EMBARGO_DAYS) + 1
    columns = [_counts(days[chosen], width) for chosen in (early, ~early & ~late, late)]
    return tuple(
        (day, *found)
        for day, found in enumerate(zip(*columns, strict=True))
        if day <= MAX_EMBARGO_DAYS or any(found)
    )


def rejections_by_rule(jobs: Jobs) -> Rows:
    """How many submissions each code rejected, of all; a job counts under its first finding."""
    total = len(jobs.rejection.codes)
    codes = jobs.rejection.codes[jobs.rejection.codes != NONE]
    counts = dict(zip(jobs.rejection.names, _counts(codes, len(jobs.rejection.names)), strict=True))
    known = [str(code) for code in Code]
    others = sorted(code for code, count in counts.items() if count and code not in known)
    return tuple(
        (rule_of(code), code, counts.get(code, 0), total, basis_points(found, total))
        for code in (*known, *others)
        for found in (counts.get(code, 0),)
    )


def rejections_by_month(jobs: Jobs) -> Rows:
    """Submissions of each month, and how many of them were rejected."""
    period = PERIODS["month"]
    listed, where = _periods(jobs.submitted_at, period)
    submitted = _counts(where, len(listed))
    rejected = _counts(where[jobs.rejection.codes != NONE], len(listed))
    return tuple(
        (period.text(number), of, found, basis_points(found, of))
        for number, of, found in zip(listed, submitted, rejected, strict=True)
    )


# --- egress -------------------------------------------------------------------------------------


def egress_used(jobs: Jobs) -> Rows:
    """How much of their egress ceiling ended jobs used: nothing, each tenth, or more than all.

    A job stands in the tenth whose upper end it reaches: 10 % is in the first, above 0 to 10 %.
    """
    chosen = _metered(jobs)
    used, ceiling = jobs.egress_bytes[chosen], jobs.ceiling_bytes[chosen]
    # Below 2**53 each (canonical values), so ten times that fits in 64 bits.
    tenth = np.where(used == 0, 0, -(-10 * used // np.maximum(ceiling, 1)))
    counts = _counts(np.where(used > ceiling, 11, np.minimum(tenth, 10)), 12)
    ends: list[tuple[int, int | None]] = [(0, 0), *((at, at + 10) for at in range(0, 100, 10))]
    ends.append((100, None))
    return tuple((low, high, count) for (low, high), count in zip(ends, counts, strict=True))


def egress_by_member(jobs: Jobs) -> Rows:
    """What each member's ended jobs carried out, against the sum of their ceilings."""
    chosen = _metered(jobs)
    codes, width = jobs.author.codes[chosen], len(jobs.author.names)
    used, ceiling = jobs.egress_bytes[chosen], jobs.ceiling_bytes[chosen]
    counts = _counts(codes, width)
    out, allowed = summed(codes, used, width), summed(codes, ceiling, width)
    over = _counts(codes[used > ceiling], width)
    present = _present(jobs.author.codes, len(jobs.author.names))
    rows = [
        (
            jobs.author.names[code],
            count,
            carried,
            allowed[code],
            basis_points(carried, allowed[code]),
            over[code],
        )
        for code, count, carried in _named(jobs.author, present, counts, out)
    ]
    return tuple(sorted(rows, key=lambda row: (-row[2], row[0])))


def _metered(jobs: Jobs) -> NDArray[np.bool_]:
    metered: NDArray[np.bool_] = (jobs.ended_at != NONE) & (jobs.ceiling_bytes != NONE)
    return metered


# --- the embargo --------------------------------------------------------------------------------


def embargo_calendar(seals: Seals) -> Rows:
    """For each day on which there is something: sealed parts opened, and deadlines of sealed ones.

    A deadline that has passed stands on its day for as long as its part is not open.
    """
    opened = seals.opened_at[seals.opened_at != NONE] // DAY_S
    due = seals.publish_by[seals.opened_at == NONE] // DAY_S
    if not seals.index.size:
        return ()
    first = int(min(each.min() for each in (opened, due) if each.size))
    width = int(max(each.max() for each in (opened, due) if each.size)) - first + 1
    columns = [_counts(each - first, width) for each in (opened, due)]
    return tuple(
        (_day_text(first + day), *found)
        for day, found in enumerate(zip(*columns, strict=True))
        if any(found)
    )


def basis_points(part: int, whole: int) -> int:
    """``part`` of ``whole`` in hundredths of a percent, halves up; 0 where there is no whole."""
    return (20_000 * part + whole) // (2 * whole) if whole else 0


def _counts(keys: Integers, width: int) -> list[int]:
    found: list[int] = np.bincount(keys, minlength=width).tolist()
    return found
