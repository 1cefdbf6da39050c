"""Every sealed part as numpy columns: its deadline, and when it was opened.

Read from the store once a process and extended as the log grows. Both tables only ever grow, in
the order of the log, so whatever is as of a tree size lies in front.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.storage.snapshot import Snapshot

Integers = NDArray[np.int64]
NONE: Final = -1
ENTRIES_AT_ONCE: Final = 32_768


@dataclass(frozen=True, slots=True)
class Seals:
    """Every sealed part as of one tree size: its entry, its deadline, when it opened (or NONE).

    Times are Unix seconds; ``index`` is sorted.
    """

    index: Integers
    publish_by: Integers
    opened_at: Integers


class SealColumns:
    """The sealed parts of one ledger. Thread-safe; one instance a process."""

    def __init__(self) -> None:
        self._growing = threading.Lock()
        self._size = 0
        self._sealed = np.zeros((2, 0), np.int64)
        self._opened = np.zeros((3, 0), np.int64)

    def at(self, size: int, snapshot: Snapshot) -> Seals:
        """The sealed parts as of ``size``; what is not loaded yet is read from ``snapshot``.

        Waits for a thread that is reading already.
        """
        self._reach(size, snapshot)
        index, publish_by = self._sealed[:, : np.searchsorted(self._sealed[0], size)]
        opened = self._opened
        discloses, _, logged_at = opened[:, : np.searchsorted(opened[1], size)]
        opened_at = np.full(len(index), NONE, np.int64)
        opened_at[np.searchsorted(index, discloses)] = logged_at
        return Seals(index=index, publish_by=publish_by, opened_at=opened_at)

    def opened_by(
        self, disclosures: NDArray[np.uint32], *, size: int, snapshot: Snapshot
    ) -> Integers:
        """The sealed entries that the entries ``disclosures``, all below ``size``, have opened."""
        self._reach(size, snapshot)
        discloses, disclosed, _ = self._opened
        return discloses[np.searchsorted(disclosed, disclosures)]

    def disclosures(self, size: int, snapshot: Snapshot) -> tuple[Integers, Integers]:
        """What the disclosures below ``size`` opened, and their own indices, in log order."""
        self._reach(size, snapshot)
        discloses, disclosed, _ = self._opened
        end = np.searchsorted(disclosed, size)
        return discloses[:end], disclosed[:end]

    def _reach(self, size: int, snapshot: Snapshot) -> None:
        if self._size < size:
            with self._growing:
                if self._size < size:
                    self._grow(size, snapshot)

    def _grow(self, size: int, snapshot: Snapshot) -> None:
        sealed, opened = [self._sealed], [self._opened]
        # In portions: rows of the database take ten times the memory of what is made from them.
        for start in range(self._size, size, ENTRIES_AT_ONCE):
            stop = min(start + ENTRIES_AT_ONCE, size)
            sealed.append(_columns(snapshot.sealings(start, stop), 2))
            opened.append(_columns(snapshot.openings_made(start, stop), 3))
        # New arrays: a thread that reads the old ones goes on with them. The size comes last, so
        # that nobody who sees it finds less.
        self._sealed = np.concatenate(sealed, axis=1)
        self._opened = np.concatenate(opened, axis=1)
        self._size = size


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> Integers:
    return np.array(rows, np.int64).reshape(-1, width).T
