"""How often: buckets that fill with time, for authors, for logs, and for addresses that ask.

In memory only; a restart fills every bucket. The clock is an argument, in seconds that never go
back.
"""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

MAX_KEYS: Final = 10_000
"""Buckets that are remembered; the one that was asked for longest ago is forgotten first."""


class Quota:
    """At most ``per_minute`` for each key, of which as many at once; 0 for no limit."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float]) -> None:
        self._size = per_minute
        self._clock = clock
        self._lock = Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int | None:
        """Take one: None if there was one, else the seconds until there is."""
        if not self._size:
            return None
        now, rate = self._clock(), self._size / 60
        with self._lock:
            level, since = self._levels.pop(key, (float(self._size), now))
            level = min(float(self._size), level + (now - since) * rate)
            wait = None if level >= 1 else max(1, int((1 - level) / rate + 0.999))
            self._levels[key] = (level - 1 if wait is None else level, now)
            if len(self._levels) > MAX_KEYS:
                self._levels.popitem(last=False)
        return wait

    def give_back(self, key: str) -> None:
        """Undo one ``take`` that got one: nothing came of it."""
        with self._lock:
            if key in self._levels:
                level, since = self._levels[key]
                self._levels[key] = (min(float(self._size), level + 1), since)
