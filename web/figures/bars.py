"""How long the bars in the rows of a table are, all on one scale, with a line to hold them against.

The drawing is a Jinja macro; the figure stands beside each bar as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final, Self

ROOM: Final = 1.25
"""A line stands at most at this part of the width, so that what passes it can be seen to."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of a whole, in percent of it to one decimal; ``scale`` is the percent at full width."""

    percents: Mapping[str, float]
    scale: float
    line: int | None

    @classmethod
    def of(cls, parts: Mapping[str, int], *, whole: int, line: int | None = None) -> Self:
        """The shares of ``parts`` in ``whole``; all are 0 where the whole is."""
        percents = {
            name: round(100 * part / whole, 1) if whole else 0.0 for name, part in parts.items()
        }
        most = max([*percents.values(), (line or 0) * ROOM, 1])
        return cls(percents, scale=min(100.0, ceil(most / 5) * 5.0), line=line)

    def percent(self, name: str) -> float:
        """The share of ``name``, in percent."""
        return self.percents.get(name, 0.0)

    def width(self, name: str) -> float:
        """The length of its bar, in hundredths of the full width."""
        return self._place(self.percent(name))

    @property
    def mark(self) -> float | None:
        """Where the line stands, in hundredths of the full width."""
        return None if self.line is None else self._place(self.line)

    def is_above(self, name: str) -> bool:
        """Whether a share passes the line."""
        return self.line is not None and self.percent(name) > self.line

    def _place(self, percent: float) -> float:
        return round(min(100.0, 100 * percent / self.scale), 1)
