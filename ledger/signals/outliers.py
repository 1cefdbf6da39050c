"""Jobs that took far more or far less compute than others of their kind of work."""

from typing import Final

import numpy as np

from ledger.signals.facts import NONE, Facts
from ledger.signals.numbers import OCTAVE, logarithms, median, robust_z_hundredths, share_permille
from ledger.signals.rows import MOST_ROWS, member_of, row, score, shown_job
from schemas.signals import SignalRow

Z_MARK_HUNDREDTHS: Final = 350
"""3.5 robust standard deviations (Iglewicz and Hoaglin, 1993)."""
FEWEST_ALIKE: Final = 20
"""Jobs of a kind of work that ended, below which there is nothing to compare with."""
LEAST_MAD: Final = OCTAVE // 8
"""An eighth of an octave: where most jobs of a kind are alike, a difference of 9 % is none."""


def evidence(facts: Facts) -> tuple[int, int, list[SignalRow]]:
    """How many jobs were looked at, how many lie outside, and rows for the farthest of them."""
    ended, seconds = facts.numbers("ended_index"), facts.numbers("gpu_seconds")
    looked = np.flatnonzero((ended != NONE) & (seconds > 0))
    kinds = facts.numbers("workload")[looked]
    tested, outside, rows = 0, 0, []
    for code, kind in enumerate(facts.workloads):
        jobs = looked[kinds == code]
        if len(jobs) < FEWEST_ALIKE:
            continue
        tested += len(jobs)
        distances = robust_z_hundredths(logarithms(seconds[jobs]), least_mad=LEAST_MAD)
        far = np.flatnonzero(np.abs(distances) >= Z_MARK_HUNDREDTHS)
        outside += len(far)
        order = np.lexsort((jobs[far], -np.abs(distances[far])))[:MOST_ROWS]
        usual = median(seconds[jobs])
        for place in far[order]:
            z, job = int(distances[place]), int(jobs[place])
            rows.append(_row(facts, job, kind, z=z, usual=usual, alike=len(jobs)))
    return tested, outside, rows


def _row(facts: Facts, job: int, kind: str, *, z: int, usual: int, alike: int) -> SignalRow:
    wall, limit = facts.columns["wall_seconds"][job], facts.columns["wall_limit_seconds"][job]
    cells = (kind, facts.columns["gpu_seconds"][job], usual, z, alike)
    used = share_permille(wall, limit)
    shown = shown_job(facts, job, facts.columns["gpu_count"][job], wall, limit, used)
    return row(member_of(facts, job), score(abs(z), Z_MARK_HUNDREDTHS), cells, [shown], job_count=1)
