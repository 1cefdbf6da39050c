"""The part of a view that knows the rules, and what was objected to: by the charter, at the door.

Every answer is as of the view's tree size.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger.reader import charters, objections
from ledger.reader.objected import Objected
from ledger.reader.streams import Listed, Stream
from ledger.storage.snapshot import Snapshot
from schemas.council import CharterShown
from schemas.objections import RefusedStart, RunFinding

T = TypeVar("T")


class Rulings(ABC):
    """Versions of the charter, refused starts, findings about runs."""

    size: int
    _snapshot: Snapshot

    @abstractmethod
    def _once(self, what: tuple[object, ...], count: Callable[[], T]) -> T:
        """What ``count`` returns, kept for this size."""

    @property
    @abstractmethod
    def _objected(self) -> Objected:
        """Where objections stand."""

    def charters(self) -> tuple[CharterShown, ...]:
        """Every version of the charter, in log order."""
        return self._once(("charters",), lambda: charters.charters(self._snapshot, size=self.size))

    def refused_starts(self, *, below: int | None = None, limit: int) -> tuple[RefusedStart, ...]:
        """Starts that the orchestrator refused, by entries below ``below``, newest first."""
        stop = self.size if below is None else min(below, self.size)
        return objections.refused_starts(self._snapshot, below=stop, limit=limit)

    def run_findings(self, *, below: int | None = None, limit: int) -> tuple[RunFinding, ...]:
        """What was found about runs, by entries below ``below``, newest first."""
        stop = self.size if below is None else min(below, self.size)
        return objections.run_findings(self._snapshot, size=self.size, below=stop, limit=limit)

    def stream_findings(self) -> Stream:
        """Every refused start and every finding about a run."""
        return Listed(self._objected.places(self.size, self._snapshot))

    def objections_at(self, places: Sequence[int]) -> tuple[RefusedStart | RunFinding, ...]:
        """What is objected to at ``places``, in that order, jobs as they were at each."""
        return objections.objections_at(self._snapshot, places)

    def objections_by_code(self, kind: str) -> dict[str, int]:
        """How many entries of the kind ``refused`` or ``finding`` have each code first."""
        return self._objected.by_code(kind, self.size, self._snapshot)

    def count_objections(self, kind: str) -> int:
        """How many entries of the kind ``refused`` or ``finding`` there are."""
        return self._once(
            ("objections", kind), lambda: self._snapshot.count_objections(kind, size=self.size)
        )
