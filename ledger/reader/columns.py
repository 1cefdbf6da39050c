"""Every version of every job as numpy columns: what lists, counts and statistics are made from.

Read from the store once a process and extended as the log grows; exact for any tree size up to the
one that it was extended to. Holds no text that was ever sealed but the digests of opened models,
and nothing per request.

Three kinds of columns keep a version at about 40 bytes. What a submission says holds for the job
for ever (``_FIXED``, by job). What comes once, with one entry, is kept by job with that entry's
index (``_GROUPS``): as of a smaller size it is not known yet. Only what goes on changing is kept by
version (``_CHANGING``). Jobs are numbered from 0 in the order of submission, versions in log order,
so whatever is as of a tree size lies in front.

Columns only grow: a reader that took a ``_State`` may go on with it while another thread appends
behind its end. What is changed in front, the end of a version and the index of what comes once,
changes from "later" to an index at or above the size that the reader's state reaches.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ledger.reader.memory import Memory
from ledger.reader.slices import LATER, NOTHING, Group, Slice, months_of
from ledger.storage.versions import VERSION_FIELDS

Array = NDArray[Any]
Rows = Sequence[tuple[Any, ...]]
ReadVersions = Callable[[int, int], Iterator[Rows]]
"""The versions made by the entries ``start`` <= index < ``stop`` in that order, in portions.

A row has the values of ``VERSION_FIELDS``.
"""

SLICES_KEPT: Final = 6
SPARE: Final = 16
"""One part in so many is allocated ahead when a column has to grow."""

_FIXED: Final[Mapping[str, DTypeLike]] = {
    "submitted_index": np.uint32,
    "submitted_at": np.uint32,
    "author": np.uint32,
    "workload_type": np.uint8,
    "accelerator": np.uint32,
    "rejection_code": np.uint8,
    "egress_ceiling_bytes": np.int64,
}
_GROUPS: Final = (
    Group("ended", marker="ended_at", columns={"ended_at": np.uint32, "gpu_seconds": np.int64}),
    Group("disclosed", marker="disclosed_index", columns={"model_digest": np.uint32}),
)
_CHANGING: Final[Mapping[str, DTypeLike]] = {
    "state": np.uint8,
    "egress_bytes": np.int64,
    "finding_code": np.uint8,
}
_CODED: Final = (
    "author",
    "workload_type",
    "accelerator",
    "rejection_code",
    "model_digest",
    "state",
    "finding_code",
)
_ONCE: Final = {name: group for group in _GROUPS for name in group.columns}
_ONCE_TYPES: Final = {name: group.columns[name] for name, group in _ONCE.items()}
_INDICES: Final = tuple(group.index for group in _GROUPS)
_BY_JOB: Final[Mapping[str, DTypeLike]] = {
    **_FIXED,
    **_ONCE_TYPES,
    **dict.fromkeys(_INDICES, np.uint32),
    "month": np.uint16,
    "last": np.uint32,
}
_BY_VERSION: Final[Mapping[str, DTypeLike]] = {
    "since": np.uint32,
    "until": np.uint32,
    "job": np.uint32,
    **_CHANGING,
}
_TYPES: Final[Mapping[str, DTypeLike]] = {**_BY_JOB, **_BY_VERSION}
"""Of all columns; ``since`` and the like have those of the rows too."""
_BLANK: Final = dict.fromkeys((*_INDICES, "last", "until"), LATER)


@dataclass(frozen=True, slots=True)
class _State:
    """What is loaded: all that the entries below ``size`` say, of ``jobs`` jobs."""

    size: int
    jobs: int
    versions: int
    by_job: Mapping[str, Array]
    by_version: Mapping[str, Array]
    names: Mapping[str, tuple[str, ...]]


class Columns:
    """Columns of all jobs of one ledger. Thread-safe; one instance a process."""

    def __init__(self) -> None:
        self._growing = threading.Lock()
        self._codes: dict[str, dict[str | None, int]] = {name: {None: NOTHING} for name in _CODED}
        self._state = _State(
            size=0,
            jobs=0,
            versions=0,
            by_job={name: np.zeros(0, dtype) for name, dtype in _BY_JOB.items()},
            by_version={name: np.zeros(0, dtype) for name, dtype in _BY_VERSION.items()},
            names=dict.fromkeys(_CODED, ("",)),
        )
        self._slices: Memory[int, Slice] = Memory(SLICES_KEPT)

    @property
    def size(self) -> int:
        """The tree size up to which versions are loaded."""
        return self._state.size

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        state = self._state
        return sum(
            each.nbytes for part in (state.by_job, state.by_version) for each in part.values()
        )

    def at(self, size: int, read: ReadVersions) -> Slice:
        """The jobs as of ``size``; ``read`` is asked for the versions that are missing.

        Waits for a thread that is reading them already.
        """
        if self._state.size < size:
            with self._growing:
                if self._state.size < size:
                    self._grow(size, read)
        return self._slices.get(size, lambda: _slice(self._state, size))

    # --- growing, under the lock ---

    def _grow(self, size: int, read: ReadVersions) -> None:
        state = self._state
        chunks = read(state.size, size)
        if state.size:
            # What readers share is written into: not before everything has been read.
            chunks = iter(list(chunks))
        for rows in chunks:
            state = _appended(state, self._decoded(rows))
        names = {
            name: state.names[name]
            if len(codes) == len(state.names[name])
            else tuple(code or "" for code in codes)
            for name, codes in self._codes.items()
        }
        self._state = replace(state, size=size, names=names)

    def _decoded(self, rows: Rows) -> dict[str, Array]:
        """The columns of ``rows`` in their own types; what is null is ``NOTHING``, or -1."""
        columns = zip(VERSION_FIELDS, zip(*rows, strict=True), strict=True)
        return {name: self._column(name, values, _TYPES[name]) for name, values in columns}

    def _column(self, name: str, values: Sequence[Any], dtype: DTypeLike) -> Array:
        codes = self._codes.get(name)
        if codes is not None:
            for value in set(values) - codes.keys():
                codes[value] = len(codes)
            return np.array([codes[value] for value in values], dtype)
        if None in values:
            blank = -1 if np.issubdtype(dtype, np.signedinteger) else NOTHING
            return np.array([blank if value is None else value for value in values], dtype)
        return np.array(values, dtype)


def _appended(old: _State, new: Mapping[str, Array]) -> _State:
    """``old`` and the versions ``new``, all of which were made later, in log order."""
    first = new["since"] == new["submitted_index"]
    versions = old.versions + len(first)
    jobs = old.jobs + int(first.sum())
    by_job = {
        name: _extended(column, old.jobs, jobs, blank=_BLANK.get(name, 0))
        for name, column in old.by_job.items()
    }
    for name in _FIXED:
        by_job[name][old.jobs : jobs] = new[name][first]
    by_job["month"][old.jobs : jobs] = months_of(new["submitted_at"][first])
    job = np.searchsorted(by_job["submitted_index"][:jobs], new["submitted_index"])
    for group in _GROUPS:
        _note_once(by_job, group, job, new)
    by_version = {
        name: _extended(column, old.versions, versions, blank=_BLANK.get(name, 0))
        for name, column in old.by_version.items()
    }
    for name in ("since", *_CHANGING):
        by_version[name][old.versions : versions] = new[name]
    by_version["job"][old.versions : versions] = job
    _close(by_version, by_job["last"], job, first_new=old.versions)
    return replace(old, jobs=jobs, versions=versions, by_job=by_job, by_version=by_version)


def _extended(column: Array, used: int, needed: int, *, blank: int) -> Array:
    """``column`` itself where ``needed`` rows fit in, else a larger copy of its ``used`` rows."""
    if needed > len(column):
        larger = np.empty(needed + needed // SPARE, column.dtype)
        larger[:used] = column[:used]
        column = larger
    column[used:needed] = blank
    return column


def _note_once(
    by_job: Mapping[str, Array], group: Group, job: Array, new: Mapping[str, Array]
) -> None:
    """Put down what came for the first time for a job, and with which entry."""
    coming = np.flatnonzero(new[group.marker] != NOTHING)
    jobs, first = np.unique(job[coming], return_index=True)
    unknown = by_job[group.index][jobs] == LATER
    jobs, rows = jobs[unknown], coming[first[unknown]]
    for name in group.columns:
        by_job[name][jobs] = new[name][rows]
    by_job[group.index][jobs] = new["since"][rows]


def _close(by_version: Mapping[str, Array], last: Array, job: Array, *, first_new: int) -> None:
    """End each version where the next one of its job begins; ``last`` is each job's newest."""
    since, until = by_version["since"], by_version["until"]
    order = np.argsort(job, kind="stable")
    ordered, version = job[order], (order + first_new).astype(np.uint32)
    begins = np.ones(len(ordered), bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    before = np.empty(len(ordered), np.uint32)
    before[1:] = version[:-1]
    before[begins] = last[ordered[begins]]
    has_before = before != LATER
    until[before[has_before]] = since[version[has_before]]
    ends = np.ones(len(ordered), bool)
    ends[:-1] = begins[1:]
    last[ordered[ends]] = version[ends]


def _slice(state: _State, size: int) -> Slice:
    jobs = int(np.searchsorted(state.by_job["submitted_index"][: state.jobs], size))
    reach = int(np.searchsorted(state.by_version["since"][: state.versions], size))
    standing = np.flatnonzero(state.by_version["until"][:reach] >= size)
    row = np.empty(jobs, np.uint32)
    row[state.by_version["job"][standing]] = standing
    return Slice(
        size=size,
        jobs=jobs,
        versions=reach,
        row=row,
        by_job=state.by_job,
        by_version=state.by_version,
        names=state.names,
        groups=_ONCE,
    )
