"""The texts that hold a word, kept for the words last looked for and extended as the log grows.

A text is known by the index of the entry that opened it, so what is kept for a size answers for
every smaller one.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.uint32]

WORDS_KEPT: Final = 16
"""Of 4 bytes a text each: 2 MB a word that is in 500,000 texts."""


class LookUp(Protocol):
    """Asks the store for the texts with a word that begins so."""

    def __call__(self, word: str, *, start: int, size: int) -> Sequence[int]:
        """The entries ``start`` <= index < ``size`` that opened them, in no order."""
        ...


class Words:
    """What was looked up for each of the last words, up to a tree size. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, Indices]] = OrderedDict()

    def texts_with(self, word: str, size: int, look_up: LookUp) -> Indices:
        """The entries below ``size`` that opened a text with a word that begins so, in order."""
        with self._lock:
            known, found = self._kept.get(word, (0, np.zeros(0, np.uint32)))
        if size > known:
            new = np.array(look_up(word, start=known, size=size), np.uint32)
            new.sort()
            found = np.concatenate([found, new])
        self._keep(word, max(size, known), found)
        return found[: np.searchsorted(found, size)]

    def _keep(self, word: str, size: int, found: Indices) -> None:
        with self._lock:
            if self._kept.get(word, (0,))[0] <= size:
                self._kept[word] = (size, found)
            self._kept.move_to_end(word)
            while len(self._kept) > WORDS_KEPT:
                self._kept.popitem(last=False)
