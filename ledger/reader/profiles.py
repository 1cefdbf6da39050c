"""What one author ran, from the arrays of all jobs; pure, and as of their tree size."""

from dataclasses import dataclass

import numpy as np

from ledger.reader.seals import NONE, Integers
from ledger.reader.slices import summed, total
from ledger.reader.statistics import Coded, Jobs
from schemas.answers import Tally


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
    gpu_seconds = summed(codes, given, len(jobs))
    counted = [
        Tally(
            value=coded.names[code],
            jobs=int(jobs[code]),
            gpu_seconds=gpu_seconds[code],
        )
        for code in map(int, np.flatnonzero(jobs))
    ]
    return tuple(sorted(counted, key=lambda each: (-each.gpu_seconds, -each.jobs, each.value)))
