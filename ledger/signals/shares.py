"""A member that has more than a fifth of a month's compute."""

from typing import Final

import numpy as np

from ledger.signals.facts import NONE, Facts
from ledger.signals.numbers import Integers, share_permille
from ledger.signals.rows import MOST_JOBS, row, score, shown_job
from schemas.signals import SignalRow

SHARE_MARK_PERMILLE: Final = 200
"""The consortium's mark for one member's share."""
FEWEST_JOBS: Final = 20
"""Jobs that ended in a month, below which a share says nothing."""


def evidence(facts: Facts) -> tuple[int, list[SignalRow]]:
    """How many shares were looked at, and a row for each that is above the mark.

    A job counts in the month, in UTC, in which the log took in its end.
    """
    ended = np.flatnonzero(facts.numbers("ended_index") != NONE)
    at = facts.numbers("ended_at")[ended].astype("datetime64[s]")
    months = at.astype("datetime64[M]")
    tested, rows = 0, []
    for month in np.unique(months):
        jobs = ended[months == month]
        if len(jobs) < FEWEST_JOBS:
            continue
        owners = facts.numbers("member")[jobs]
        tested += len(np.unique(owners))
        for code in np.unique(owners):
            found = _row(facts, str(month), jobs, jobs[owners == code], int(code))
            rows += [] if found is None else [found]
    return tested, rows


def _row(facts: Facts, month: str, jobs: Integers, own: Integers, code: int) -> SignalRow | None:
    hours = facts.numbers("gpu_seconds")
    h200e = facts.numbers("h200e_seconds")
    used, used_h200e = _sum(hours[own]), _sum(h200e[own])
    whole, whole_h200e = _sum(hours[jobs]), _sum(h200e[jobs])
    shares = share_permille(used, whole), share_permille(used_h200e, whole_h200e)
    if max(shares) <= SHARE_MARK_PERMILLE:
        return None
    members = len(np.unique(facts.numbers("member")[jobs]))
    cells = (month, shares[0], shares[1], used, used_h200e, members)
    order = np.lexsort((own, -hours[own]))[:MOST_JOBS]
    shown = [shown_job(facts, int(job), int(hours[job]), int(h200e[job])) for job in own[order]]
    found = score(max(shares), SHARE_MARK_PERMILLE)
    return row(facts.members[code], found, cells, shown, job_count=len(own))


def _sum(values: Integers) -> int:
    """The exact sum: of many large numbers it may pass 2^63."""
    low, high = values & 0xFFFF_FFFF, values >> 32
    return int(low.sum()) + (int(high.sum()) << 32)
