"""The jobs as of one tree size, column by column, in the order of their submission."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

LATER: Final = 2**32 - 1
"""The index of what no loaded entry has brought yet."""
NOTHING: Final = 0
"""The code of a string that is null, and the time that is."""
_LOW_BITS: Final = 26
_LOW: Final = 2**_LOW_BITS - 1
_EXACT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that one entry of a job fills in, once: the first with a ``marker``."""

    name: str
    marker: str
    columns: Mapping[str, DTypeLike]

    @property
    def index(self) -> str:
        """The column that says which entry it was."""
        return f"{self.name}_index"


@dataclass(frozen=True, slots=True)
class Slice:
    """The ``jobs`` jobs of the tree of ``size`` entries; every array has one place for each.

    Arrays are views of what all threads read: never write into one.
    """

    size: int
    jobs: int
    versions: int
    row: NDArray[np.uint32]
    by_job: Mapping[str, NDArray[Any]]
    by_version: Mapping[str, NDArray[Any]]
    names: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, Group]

    def codes(self, name: str) -> NDArray[Any]:
        """Where each job's value stands in ``names[name]``; 0 is null.

        ``name``: author, workload_type, accelerator, rejection_code, model_digest, state or
        finding_code. The names may hold some that only a larger size has.
        """
        column = self._column(name)
        group = self.groups.get(name)
        if group is None:
            return column
        known = self.by_job[group.index][: self.jobs] < self.size
        return np.where(known, column, column.dtype.type(NOTHING))

    def numbers(self, name: str) -> NDArray[np.int64]:
        """The values of a number or a time (Unix seconds); -1 is null.

        ``name``: submitted_index, submitted_at, egress_ceiling_bytes, ended_at, gpu_seconds or
        egress_bytes.
        """
        column = self._column(name)
        group = self.groups.get(name)
        if group is None:
            return column.astype(np.int64, copy=False)
        return np.where(self.by_job[group.index][: self.jobs] < self.size, column, np.int64(-1))

    @property
    def month(self) -> NDArray[np.uint16]:
        """The UTC month of each job's submission, in months since January 1970."""
        return self.by_job["month"][: self.jobs]

    def code_of(self, name: str, value: str) -> int | None:
        """The code of ``value``, or None where no job has it."""
        names = self.names[name]
        return names.index(value) if value in names else None

    def submitted_by(self, entries: NDArray[Any]) -> NDArray[Any]:
        """The ``submitted_index`` of the jobs of which ``entries`` are submissions or ends.

        Those are the entries with a sealed part, and each makes a version of its job.
        """
        made = np.searchsorted(self.by_version["since"][: self.versions], entries)
        found: NDArray[Any] = self.by_job["submitted_index"][self.by_version["job"][made]]
        return found

    def _column(self, name: str) -> NDArray[Any]:
        if name in self.by_version:
            found: NDArray[Any] = self.by_version[name][self.row]
            return found
        return self.by_job[name][: self.jobs]


def total(values: NDArray[np.int64]) -> int:
    """The sum of what is not null, exact however large it is."""
    given = values[values > 0]
    return (int((given >> _LOW_BITS).sum()) << _LOW_BITS) + int((given & _LOW).sum())


def summed(keys: NDArray[Any], values: NDArray[np.int64], width: int) -> list[int]:
    """The exact sum of ``values`` at each key, for values below 2**53 and fewer than 2**26 of them.

    ``bincount`` adds in floating point. Where a sum could pass what that holds exactly, each half
    of the bits is added by itself.
    """
    if int(values.max(initial=0)) * len(values) < _EXACT:
        return [int(found) for found in np.bincount(keys, weights=values, minlength=width)]
    low = np.bincount(keys, weights=values & _LOW, minlength=width)
    high = np.bincount(keys, weights=values >> _LOW_BITS, minlength=width)
    return [
        (int(above) << _LOW_BITS) + int(below)
        for above, below in zip(high.tolist(), low.tolist(), strict=True)
    ]


def months_of(seconds: NDArray[Any]) -> NDArray[np.int64]:
    """The UTC months of Unix seconds, in months since January 1970."""
    return seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def month_text(month: int) -> str:
    """``2026-11``, from months since January 1970."""
    return f"{1970 + month // 12:04}-{month % 12 + 1:02}"
