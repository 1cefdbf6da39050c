"""What one process found damaged in its database: each place once in the log, all of it counted.

It knows where, and never what: what stands in a damaged row may be anything.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from ledger.errors import Damaged

log = logging.getLogger(__name__)

PLACES: Final = 100
"""Places that are remembered; beyond them it is counted and no longer said which."""


def ignored() -> None:
    """Nobody counts."""


class Damage:
    """The places that were found. Thread-safe; ``told`` hears of every time one was met."""

    def __init__(self) -> None:
        self.told: Callable[[], None] = ignored
        self._places: dict[str, None] = {}
        self._lock = threading.Lock()

    @property
    def places(self) -> list[str]:
        """Where damage was found, the first place first."""
        with self._lock:
            return list(self._places)

    def refused(self, error: Damaged) -> None:
        """Something is not answered for it; once, however many rooms the error passes."""
        if not error.is_noted:
            error.is_noted = True
            self._met(error.where, "it is not handed out")

    def avoided(self, where: str) -> None:
        """Something was read twice, and is answered rightly."""
        self._met(where, "it was made from what is stored beside it")

    def _met(self, where: str, outcome: str) -> None:
        with self._lock:
            is_news = where not in self._places and len(self._places) < PLACES
            if is_news:
                self._places[where] = None
        if is_news:
            log.error("damage: %s; %s: run `ledger fsck`", where, outcome)
        self.told()
