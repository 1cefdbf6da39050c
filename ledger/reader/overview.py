"""The ledger in a few numbers, as of one tree size."""

import numpy as np

from ledger.reader.seals import NONE, Seals
from ledger.reader.slices import Slice, summed, total
from schemas.answers import Overview, Tally


def overview(found: Slice, seals: Seals) -> Overview:
    """The counts over all jobs and all sealed parts, both as of the same size."""
    opened = int(np.count_nonzero(seals.opened_at != NONE))
    return Overview(
        jobs=found.jobs,
        gpu_seconds=total(found.numbers("gpu_seconds")),
        sealed=len(seals.index) - opened,
        disclosed=opened,
        states=tallies(found, "state"),
        members=tallies(found, "author"),
        workloads=tallies(found, "workload_type"),
    )


def tallies(found: Slice, column: str) -> tuple[Tally, ...]:
    """Jobs and GPU-seconds by a column of codes, the most jobs first."""
    codes, names = found.codes(column), found.names[column]
    seconds = np.maximum(found.numbers("gpu_seconds"), 0)
    jobs = np.bincount(codes, minlength=len(names))
    given = summed(codes, seconds, len(names))
    made = (Tally(names[code], int(jobs[code]), given[code]) for code in np.flatnonzero(jobs))
    return tuple(sorted(made, key=lambda tally: (-tally.jobs, tally.value)))
