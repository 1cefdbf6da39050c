"""What witnesses said, read and written. Whoever writes a line here has verified it.

A policy is named by its digest (``ledger.tlog.standard``): which sizes met it is kept, so that the
newest of them and the smallest that holds an entry are found without weighing every line again.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from sqlalchemy import Connection

from ledger.storage.driver import Driver, columns_of
from ledger.storage.shapes import StoredCosignature, StoredWitness
from ledger.storage.tables import COSIGNATURES, WITNESSES

SIZES_AT_ONCE: Final = 1_000
_LINES: Final = f"SELECT {columns_of(COSIGNATURES)} FROM cosignatures"  # noqa: S608 - names are ours
_STATES: Final = f"SELECT {columns_of(WITNESSES)} FROM witnesses"  # noqa: S608 - the same
_STATE_COLUMNS: Final = tuple(column.name for column in WITNESSES.columns)[1:]
_KEEP_STATE: Final = (
    f"INSERT INTO witnesses ({columns_of(WITNESSES)})"  # noqa: S608 - the same
    f" VALUES ({', '.join('?' * (len(_STATE_COLUMNS) + 1))})"
    f" ON CONFLICT (witness) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _STATE_COLUMNS)
)
# Two processes may bring lines of one size in any order: the earliest is first, the latest newest.
_KEEP_LINE: Final = (
    "INSERT INTO cosignatures (size, witness, first_at, first_line, newest_at, newest_line)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (size, witness) DO UPDATE SET"
    " first_line = CASE WHEN excluded.first_at < cosignatures.first_at"
    " THEN excluded.first_line ELSE cosignatures.first_line END,"
    " first_at = CASE WHEN excluded.first_at < cosignatures.first_at"
    " THEN excluded.first_at ELSE cosignatures.first_at END,"
    " newest_line = CASE WHEN excluded.newest_at > cosignatures.newest_at"
    " THEN excluded.newest_line ELSE cosignatures.newest_line END,"
    " newest_at = CASE WHEN excluded.newest_at > cosignatures.newest_at"
    " THEN excluded.newest_at ELSE cosignatures.newest_at END"
)


class WitnessReads:
    """The part of a snapshot that knows what witnesses said."""

    _driver: Driver

    def cosignatures(self, size: int, witnesses: Collection[str]) -> list[StoredCosignature]:
        """What ``witnesses`` said of the checkpoint of ``size``, in the order of ``witnesses``."""
        rows = self._driver.fetch(f"{_LINES} WHERE size = ?", (size,))
        found = {row[1]: StoredCosignature(*row) for row in rows}
        return [found[each] for each in witnesses if each in found]

    def policy_since(self, policy: str) -> int | None:
        """The newest signed size when the policy of this digest was first read; None: never yet."""
        rows = self._driver.fetch("SELECT size FROM policies WHERE policy = ?", (policy,))
        size: int | None = rows[0][0] if rows else None
        return size

    def newest_quorum(self, policy: str) -> int | None:
        """The greatest size that met the policy of this digest."""
        rows = self._driver.fetch("SELECT max(size) FROM quorums WHERE policy = ?", (policy,))
        size: int | None = rows[0][0]
        return size

    def is_quorum(self, policy: str, size: int) -> bool:
        """Whether the checkpoint of this size met the policy."""
        return self.quorum_covering(policy, index=size - 1) == size

    def quorum_covering(self, policy: str, *, index: int) -> int | None:
        """The smallest size that met the policy and holds the entry at ``index``."""
        rows = self._driver.fetch(
            "SELECT min(size) FROM quorums WHERE policy = ? AND size > ?", (policy, index)
        )
        size: int | None = rows[0][0]
        return size

    def cosigned_sizes(self) -> Iterator[int]:
        """Every size of which a witness has said something, the greatest first."""
        below = 2**62
        while True:
            rows = self._driver.fetch(
                "SELECT DISTINCT size FROM cosignatures WHERE size < ? ORDER BY size DESC LIMIT ?",
                (below, SIZES_AT_ONCE),
            )
            if not rows:
                return
            yield from (row[0] for row in rows)
            below = rows[-1][0]

    def witness_states(self, witnesses: Collection[str]) -> dict[str, StoredWitness]:
        """How each of ``witnesses`` is getting on; one that was never asked is as it begins."""
        known = {row[0]: StoredWitness(*row) for row in self._driver.fetch(_STATES)}
        return {each: known.get(each, StoredWitness(each)) for each in witnesses}


class WitnessWrites:
    """One transaction in which what a witness answered is kept."""

    def __init__(self, connection: Connection) -> None:
        self._driver = Driver(connection)

    def keep_line(self, size: int, witness: str, *, time_s: int, line: str) -> None:
        """Keep a verified line, as the first of its size and witness, the newest, or both."""
        self._driver.run(_KEEP_LINE, (size, witness, time_s, line, time_s, line))

    def keep_state(self, state: StoredWitness) -> None:
        """Keep how a witness is getting on."""
        values = (getattr(state, name) for name in _STATE_COLUMNS)
        self._driver.run(_KEEP_STATE, (state.witness, *values))

    def keep_policy(self, policy: str, *, size: int) -> None:
        """Say that the policy of this digest is read, and at which signed size, the first time."""
        self._driver.run(
            "INSERT INTO policies (policy, size) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (policy, size),
        )

    def keep_quorums(self, policy: str, sizes: Iterable[int], *, met_at: int) -> None:
        """Say that the lines kept for ``sizes`` meet the policy of this digest."""
        self._driver.run_many(
            "INSERT INTO quorums (policy, size, met_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [(policy, size, met_at) for size in sizes],
        )
