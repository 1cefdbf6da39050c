"""What was refused at the start of a run, and what was found about one, newest first.

Such entries are few among many, so they have an index of their own, which each statement here names
by the same condition.
"""

from typing import Final

from ledger.storage.driver import Driver, columns_of
from ledger.storage.shapes import StoredEntry
from ledger.storage.tables import ENTRIES, OBJECTIONS

_NEWEST: Final = (
    f"SELECT {columns_of(ENTRIES)} FROM entries WHERE {OBJECTIONS}"  # noqa: S608 - names are ours
    " AND kind = ? AND leaf_index < ? ORDER BY leaf_index DESC LIMIT ?"
)
_COUNT: Final = f"SELECT count(*) FROM entries WHERE {OBJECTIONS} AND kind = ? AND leaf_index < ?"  # noqa: S608 - the same
_FROM: Final = (
    f"SELECT {columns_of(ENTRIES)} FROM entries WHERE {OBJECTIONS}"  # noqa: S608 - the same
    " AND leaf_index >= ? AND leaf_index < ?"
    " ORDER BY leaf_index LIMIT ?"
)


class ObjectionReads:
    """The part of a snapshot that knows refused starts and findings about runs."""

    _driver: Driver

    def objections(self, kind: str, *, below: int, limit: int) -> list[StoredEntry]:
        """Entries of ``kind``, ``refused`` or ``finding``, before ``below``, the newest first."""
        rows = self._driver.fetch(_NEWEST, (kind, below, limit))
        return [StoredEntry(*row) for row in rows]

    def objections_from(self, start: int, stop: int, *, limit: int) -> list[StoredEntry]:
        """The first ``limit`` of both kinds with ``start`` <= index < ``stop``, in log order."""
        rows = self._driver.fetch(_FROM, (start, stop, limit))
        return [StoredEntry(*row) for row in rows]

    def count_objections(self, kind: str, *, size: int) -> int:
        """How many entries of ``kind`` a tree of ``size`` entries has."""
        rows = self._driver.fetch(_COUNT, (kind, size))
        return int(rows[0][0])
