"""Answers in memory, bounded by their bytes; what has not been asked for longest goes first."""

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

OVERHEAD_BYTES = 512
"""What a key and its place take, roughly."""


class ByteCache(Generic[K]):
    """Bytes by key, at most ``capacity`` bytes in all. For one event loop: it takes no lock.

    Other threads may get what is there; only the loop's puts anything in.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held: OrderedDict[K, tuple[object, int]] = OrderedDict()
        self.size = 0

    def get(self, key: K) -> object | None:
        """What is kept at ``key``, or None."""
        found = self._held.get(key)
        if found is None:
            return None
        try:  # noqa: SIM105 - suppress() costs a fifth of what a tile does
            self._held.move_to_end(key)
        except KeyError:
            # The loop has let it go, between the two lines of another thread.
            pass
        return found[0]

    def put(self, key: K, value: object, *, size: int) -> None:
        """Keep ``value``, which takes ``size`` bytes; one above an eighth of the whole is not."""
        parts = key if isinstance(key, tuple) else (key,)
        size += OVERHEAD_BYTES + sum(map(sys.getsizeof, parts))
        if size > self._capacity // 8:
            return
        known = self._held.pop(key, None)
        if known is not None:
            self.size -= known[1]
        self._held[key] = (value, size)
        self.size += size
        while self.size > self._capacity:
            _, (_, freed) = self._held.popitem(last=False)
            self.size -= freed
