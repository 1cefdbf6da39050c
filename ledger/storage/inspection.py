"""Reads that only a check of everything needs: what is there by range, and what is too much.

Damaged rows are its daily bread: nothing here assumes that what belongs together is together.
"""

from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import Connection

from ledger.errors import NotFound
from ledger.storage.driver import Driver
from ledger.storage.egress_fold import stored_tags
from ledger.storage.shadow import Difference, Shadow
from ledger.storage.shapes import Head, StoredCheckpoint, StoredEntry
from ledger.storage.tables import APPEND_ONLY, LOG_ROLE
from ledger.tlog.subtrees import SUBTREE_HEIGHT

_ENTRY: Final = "leaf_index, kind, job_id, logged_at, publish_by, leaf_hash, statement_digest, data"
_VERBS: Final = ("update", "delete", "replace")


class Inspection:
    """Everything that is stored, read within one snapshot."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = Driver(connection)

    def heads(self) -> list[Head]:
        """Every row of the head; a sound ledger has one. Raises NotFound where there is none."""
        rows = self._driver.fetch("SELECT size, root, edge, logged_at FROM log_head ORDER BY id")
        if not rows:
            raise NotFound("the head of the log is gone")
        return [Head(*row) for row in rows]

    def held_gpus(self) -> dict[str, int] | None:
        """GPUs that each author's jobs hold, by the writer's sums; None where nobody keeps them."""
        if not self._driver.fetch("SELECT 1 FROM log_head WHERE held_at = size"):
            return None
        rows = self._driver.fetch("SELECT author, gpus FROM held_gpus WHERE gpus <> 0")
        return {author: int(gpus) for author, gpus in rows}

    def entries(self, start: int, stop: int) -> list[StoredEntry]:
        """The entries ``start`` <= index < ``stop`` that are there, in order."""
        rows = self._driver.fetch(
            f"SELECT {_ENTRY} FROM entries WHERE leaf_index >= ? AND leaf_index < ? "  # noqa: S608 - no input in it
            "ORDER BY leaf_index",
            (start, stop),
        )
        return [StoredEntry(*row) for row in rows]

    def entries_at(self, indices: Collection[int]) -> dict[int, bytes]:
        """The bytes of the entries at ``indices`` that are there, by index."""
        return dict(
            self._driver.fetch_in(
                "SELECT leaf_index, data FROM entries WHERE leaf_index IN", indices
            )
        )

    def log_key_entries(self) -> list[int]:
        """Where the projection of keys says that another key follows the log's, in order."""
        rows = self._driver.fetch(
            "SELECT since FROM author_keys WHERE role = ? ORDER BY since", (LOG_ROLE,)
        )
        return [index for (index,) in rows]

    def entries_beyond(self, size: int) -> int:
        """How many entries have an index that the tree of ``size`` does not have."""
        return self._count("entries WHERE leaf_index >= ? OR leaf_index < 0", size)

    def openings(self, start: int, stop: int) -> dict[int, bytes]:
        """The encrypted openings of the entries ``start`` <= index < ``stop``, by index."""
        return {
            row[0]: row[1]
            for row in self._driver.fetch(
                "SELECT leaf_index, ciphertext FROM openings "
                "WHERE leaf_index >= ? AND leaf_index < ?",
                (start, stop),
            )
        }

    def model_tags(self, indices: Collection[int]) -> dict[int, bytes | None]:
        """The model tags beside the openings of submissions, by leaf index."""
        return dict(stored_tags(self._connection)(indices))

    def disclosures(self, start: int, stop: int) -> dict[int, int]:
        """What each entry ``start`` <= index < ``stop`` opens, as the table of disclosures says."""
        return {
            row[0]: row[1]
            for row in self._driver.fetch(
                "SELECT disclosed_index, discloses FROM disclosures "
                "WHERE disclosed_index >= ? AND disclosed_index < ?",
                (start, stop),
            )
        }

    def rows_beyond(self, size: int) -> dict[str, int]:
        """How many openings and disclosures speak of entries outside of a tree of ``size``."""
        return {
            "openings": self._count("openings WHERE leaf_index >= ? OR leaf_index < 0", size),
            "disclosures": self._count(
                "disclosures WHERE disclosed_index >= ? OR discloses < 0", size
            ),
        }

    def tile(self, level: int, n: int) -> tuple[bytes, bytes] | None:
        """The hashes and the root of a full tile, as stored."""
        rows = self._driver.fetch(
            "SELECT hashes, root FROM tiles WHERE level = ? AND n = ?", (level, n)
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def tiles_beyond(self, level: int, count: int) -> int:
        """How many stored tiles of a level have a number that is not below ``count``."""
        rows = self._driver.fetch(
            "SELECT count(*) FROM tiles WHERE level = ? AND (n >= ? OR n < 0)", (level, count)
        )
        return int(rows[0][0])

    def tile_levels(self) -> list[int]:
        """The levels that stored tiles have."""
        return [row[0] for row in self._driver.fetch("SELECT DISTINCT level FROM tiles")]

    def nodes(self, level: int, start: int, stop: int) -> dict[int, bytes]:
        """The nodes ``start`` <= n < ``stop`` of a level that are stored, by number."""
        return dict(
            self._driver.fetch(
                "SELECT n, hash FROM nodes WHERE level = ? AND n >= ? AND n < ?",
                (level, start, stop),
            )
        )

    def nodes_beyond(self, size: int) -> int:
        """How many stored nodes are none of a fourth level of a tree of ``size`` entries."""
        levels = range(SUBTREE_HEIGHT, size.bit_length(), SUBTREE_HEIGHT)
        held = sum(self._count_nodes(level, 0, size >> level) for level in levels)
        return int(self._driver.fetch("SELECT count(*) FROM nodes")[0][0]) - held

    def _count_nodes(self, level: int, start: int, stop: int) -> int:
        rows = self._driver.fetch(
            "SELECT count(*) FROM nodes WHERE level = ? AND n >= ? AND n < ?", (level, start, stop)
        )
        return int(rows[0][0])

    def checkpoints(self, above: int, limit: int) -> list[StoredCheckpoint]:
        """Published checkpoints of a size above ``above``, smallest first."""
        rows = self._driver.fetch(
            "SELECT size, root, logged_at, note FROM checkpoints WHERE size > ? "
            "ORDER BY size LIMIT ?",
            (above, limit),
        )
        return [StoredCheckpoint(*row) for row in rows]

    def overdue(self, now: int, limit: int) -> list[tuple[int, int]]:
        """(index, publish_by) of entries that are due at ``now`` and not opened, in log order."""
        rows = self._driver.fetch(
            "SELECT e.leaf_index, e.publish_by FROM entries e "
            "LEFT JOIN disclosures d ON d.discloses = e.leaf_index "
            "WHERE e.publish_by <= ? AND d.discloses IS NULL ORDER BY e.leaf_index LIMIT ?",
            (now, limit),
        )
        return [(row[0], row[1]) for row in rows]

    def differences(self, folded: Shadow) -> Iterator[Difference]:
        """Where the stored projections are not what ``folded`` holds."""
        return folded.differences(self._connection)

    def word_index_agrees(self, folded: Shadow) -> bool:
        """Whether the index of words is that of the texts which ``folded`` holds; asked once."""
        return folded.word_index_agrees(self._connection)

    def missing_guards(self) -> list[str]:
        """The triggers that keep the log append-only, and its words indexed, and are not there."""
        if self._connection.dialect.name == "sqlite":
            wanted = [f"{table.name}_no_{verb}" for table in APPEND_ONLY for verb in _VERBS]
            wanted += [f"job_texts_after_{verb}" for verb in ("insert", "delete", "update")]
            found = self._driver.fetch("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            wanted = [f"{table.name}_append_only" for table in APPEND_ONLY]
            found = self._driver.fetch(
                "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
            )
        names = {row[0] for row in found}
        return [name for name in (*wanted, "embargoes_no_delay") if name not in names]

    def structural_faults(self) -> list[str]:
        """What SQLite's own check finds in its file; PostgreSQL has none that is asked here."""
        if self._connection.dialect.name != "sqlite":
            return []
        rows = self._driver.fetch("PRAGMA integrity_check(20)")
        return [] if rows == [("ok",)] else [" ".join(str(row[0]).split()) for row in rows]

    def _count(self, what: str, size: int) -> int:
        return int(self._driver.fetch(f"SELECT count(*) FROM {what}", (size,))[0][0])  # noqa: S608 - no input in it
