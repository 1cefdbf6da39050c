"""Says on standard error how far a run is, so that standard output holds the table alone."""

import sys
import time
from typing import Final

EVERY_S: Final = 2.0
EVERY_ON_A_TERMINAL_S: Final = 0.2


def say(line: str) -> None:
    """One line."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Counter:
    """A count on its way from ``begin`` to ``end``: now and then a line, on a terminal in place."""

    def __init__(self, what: str, *, begin: int, end: int) -> None:
        self._what, self._begin, self._end = what, begin, end
        self._terminal = sys.stderr.isatty()
        self._since = self._told = time.monotonic()

    def at(self, count: int) -> None:
        """Tell, unless it was told a moment ago; always at the end."""
        now = time.monotonic()
        pause = EVERY_ON_A_TERMINAL_S if self._terminal else EVERY_S
        if now - self._told < pause and count < self._end:
            return
        self._told = now
        rate = (count - self._begin) / max(now - self._since, 1e-9)
        left = f", {(self._end - count) / rate:,.0f} s left" if rate and count < self._end else ""
        line = f"{self._what}: {count:,} of {self._end:,}, {rate:,.0f}/s{left}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if count >= self._end else ""))
            sys.stderr.flush()
        else:
            say(line)
