"""The jobs that hold a word, kept for the words last looked for and extended as the log grows."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.uint32]

WORDS_KEPT: Final = 16
"""Of at most 4 bytes a job each: a megabyte a word at 250,000 jobs."""


class LookUp(Protocol):
    """Asks the store for the ``submitted_index`` of jobs with a word in what is open of them."""

    def __call__(self, word: str, *, start: int = 0, size: int) -> Iterable[int]:
        """Of texts that an entry ``start`` <= index < ``size`` opened; a job may come twice."""
        ...


class Words:
    """What was looked up for each of the last words, up to a tree size. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, Indices]] = OrderedDict()

    def jobs_with(self, word: str, size: int, look_up: LookUp) -> Indices:
        """The ``submitted_index`` of each job, once, in log order, as of ``size``."""
        with self._lock:
            known, found = self._kept.get(word, (0, np.zeros(0, np.uint32)))
        if size < known:
            # What was opened later cannot be told from the rest: it is asked for anew.
            return _sorted(look_up(word, size=size))
        if size > known:
            found = np.union1d(found, _sorted(look_up(word, start=known, size=size)))
        self._keep(word, size, found)
        return found

    def _keep(self, word: str, size: int, found: Indices) -> None:
        with self._lock:
            if self._kept.get(word, (0,))[0] <= size:
                self._kept[word] = (size, found)
                self._kept.move_to_end(word)
            while len(self._kept) > WORDS_KEPT:
                self._kept.popitem(last=False)


def _sorted(indices: Iterable[int]) -> NDArray[Any]:
    return np.unique(np.fromiter(indices, np.uint32))
