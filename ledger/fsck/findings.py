"""What a check has found: counted without end, shown up to a limit of each sort."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

SHOWN_OF_EACH: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    ``sort`` is a short fixed word for it, ``index`` the entry that it is about, if one, ``remedy``
    what to do. No message holds a key, a seed or a sealed value.
    """

    sort: str
    message: str
    remedy: str
    index: int | None = None

    def __str__(self) -> str:
        where = "" if self.index is None else f"entry {self.index}: "
        return f"{self.sort}: {where}{self.message}; {self.remedy}"


class Findings:
    """Collects findings; hands the first of each sort to ``show`` as they come."""

    def __init__(self, show: Callable[[Finding], None]) -> None:
        self._show = show
        self.counts: Counter[str] = Counter()

    def add(self, sort: str, message: str, remedy: str, *, index: int | None = None) -> None:
        """Record one finding."""
        self.counts[sort] += 1
        if self.counts[sort] <= SHOWN_OF_EACH:
            self._show(Finding(sort, message, remedy, index))

    @property
    def total(self) -> int:
        """How many there are, shown or not."""
        return self.counts.total()

    def hidden(self) -> dict[str, int]:
        """How many of each sort were not shown."""
        return {
            sort: count - SHOWN_OF_EACH
            for sort, count in self.counts.items()
            if count > SHOWN_OF_EACH
        }
