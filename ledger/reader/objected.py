"""Where refused starts and findings about runs stand, and by which code: kept for one process.

Read from the store once and extended as the log grows. The entries only ever grow, in the order of
the log, so whatever is as of a tree size lies in front.
"""

import threading
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.reader import shapes
from ledger.records.charter import Code
from ledger.storage.shapes import StoredEntry
from ledger.storage.snapshot import Snapshot
from schemas.statements import StartRefused

Integers = NDArray[np.int64]
FINDING: Final = "finding"
REFUSED: Final = "refused"
_KINDS: Final = (FINDING, REFUSED)
_CODES: Final = tuple(Code)
ENTRIES_AT_ONCE: Final = 4_096


class Objected:
    """The places of one ledger's objections. Thread-safe; one instance a process."""

    def __init__(self) -> None:
        self._growing = threading.Lock()
        self._size = 0
        # Rows: the entry's index, its kind's and its first code's place in the lists above.
        self._rows = np.zeros((3, 0), np.int64)

    def places(self, size: int, snapshot: Snapshot) -> Integers:
        """The entries below ``size`` that object to something, in log order."""
        found: Integers = self._below(size, snapshot)[0]
        return found

    def by_code(self, kind: str, size: int, snapshot: Snapshot) -> dict[str, int]:
        """How many entries of ``kind`` have each code first, as of ``size``."""
        rows = self._below(size, snapshot)
        chosen = rows[2][rows[1] == _KINDS.index(kind)]
        return {str(_CODES[code]): count for code, count in Counter(chosen.tolist()).items()}

    def _below(self, size: int, snapshot: Snapshot) -> Integers:
        if self._size < size:
            with self._growing:
                if self._size < size:
                    self._grow(size, snapshot)
        rows = self._rows
        return rows[:, : np.searchsorted(rows[0], size)]

    def _grow(self, size: int, snapshot: Snapshot) -> None:
        new: list[tuple[int, int, int]] = []
        start = self._size
        while some := snapshot.objections_from(start, size, limit=ENTRIES_AT_ONCE):
            new += map(_row, some)
            start = some[-1].index + 1
        # A new array: a thread that reads the old one goes on with it. The size comes last.
        self._rows = np.concatenate([self._rows, np.array(new, np.int64).reshape(-1, 3).T], axis=1)
        self._size = size


def _row(stored: StoredEntry) -> tuple[int, int, int]:
    entry = shapes.decode_entry(stored)
    if entry.found is not None:
        code = entry.found.findings[0].code
    else:
        assert entry.signed is not None
        assert isinstance(entry.signed.public, StartRefused)
        code = entry.signed.public.code
    return stored.index, _KINDS.index(stored.kind), _CODES.index(code)
