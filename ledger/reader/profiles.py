"""What one author ran, from the arrays of all jobs; pure, and as of their tree size."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ledger.reader.seals import NONE, Integers
from ledger.reader.slices import total
from ledger.reader.statistics import Coded, Jobs
from schemas.answers import Tally

_HALF: Final = 26


@dataclass(frozen=True, slots=True)
class Profile:
    """The jobs of one author: of what kind, why rejected, and what of their plans is sealed.

    ``rejections`` counts jobs by code. ``sealed`` counts the ``overdue`` ones too. Times are Unix
    seconds, None where there is no job.
    """

    jobs: int
    gpu_seconds: int
    first_at: int | None
    latest_at: int | None
    workloads: tuple[Tally, ...]
    rejections: tuple[Tally, ...]
    sealed: int
    opened: int
    overdue: int


def profile(jobs: Jobs, author: str, *, now: int) -> Profile:
    """The profile of ``author`` at ``now``, in Unix seconds; all zeros for one without jobs."""
    names = list(jobs.author.names)
    code = names.index(author) if author in names else NONE
    own = np.flatnonzero(jobs.author.codes == code) if code != NONE else np.zeros(0, np.int64)
    seconds, submitted = jobs.gpu_seconds[own], jobs.submitted_at[own]
    sealed = jobs.disclosed_at[own] == NONE
    return Profile(
        jobs=len(own),
        gpu_seconds=total(seconds),
        first_at=int(submitted.min()) if len(own) else None,
        latest_at=int(submitted.max()) if len(own) else None,
        workloads=_tallies(jobs.workload, own, seconds),
        rejections=_tallies(jobs.rejection, own, seconds),
        sealed=int(sealed.sum()),
        opened=len(own) - int(sealed.sum()),
        overdue=int((sealed & (jobs.publish_by[own] <= now)).sum()),
    )


def _tallies(coded: Coded, own: Integers, seconds: Integers) -> tuple[Tally, ...]:
    """Jobs and GPU-seconds by value, the most GPU-seconds first; what has no value is left out."""
    codes = coded.codes[own]
    has_value = codes != NONE
    codes, given = codes[has_value], np.maximum(seconds[has_value], 0)
    jobs = np.bincount(codes)
    # In two halves: floating point is exact up to 2^53, and a sum of either stays below.
    high = np.bincount(codes, weights=given >> _HALF)
    low = np.bincount(codes, weights=given & (2**_HALF - 1))
    counted = [
        Tally(
            value=coded.names[code],
            jobs=int(jobs[code]),
            gpu_seconds=(int(high[code]) << _HALF) + int(low[code]),
        )
        for code in map(int, np.flatnonzero(jobs))
    ]
    return tuple(sorted(counted, key=lambda each: (-each.gpu_seconds, -each.jobs, each.value)))
