"""The ledger in a few numbers, as of one tree size."""

from typing import Final

import numpy as np

from ledger.reader.seals import NONE, Seals
from ledger.reader.slices import Slice, total
from schemas.answers import Overview, Tally

_LOW_BITS: Final = 26


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
    # Weighted counts are made in floating point: in two halves, each is exact.
    low = np.bincount(codes, seconds & (2**_LOW_BITS - 1), len(names))
    high = np.bincount(codes, seconds >> _LOW_BITS, len(names))
    made = (
        Tally(names[code], int(jobs[code]), (int(high[code]) << _LOW_BITS) + int(low[code]))
        for code in np.flatnonzero(jobs)
    )
    return tuple(sorted(made, key=lambda tally: (-tally.jobs, tally.value)))
