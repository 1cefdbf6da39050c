"""The projections folded a second time, beside the ledger, and held against the stored ones.

The second ones lie in a temporary SQLite file that is gone in the end: nothing is written to the
ledger's own database, and memory stays flat however long the log is.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, Text, collate, create_engine, select

from ledger.errors import EgressRefused
from ledger.records.egress import Debit
from ledger.storage.driver import Driver
from ledger.storage.egress_fold import ModelTags, fold_egress
from ledger.storage.projections import Fact, current_jobs, fold_batch
from ledger.storage.tables import EGRESS_COUNTERS, EGRESS_DAYS, PROJECTIONS
from ledger.storage.word_index import word_index_agrees

ROWS_AT_ONCE: Final = 2_048

Row = tuple[Any, ...]
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that the stored projections and the folded ones do not share.

    ``columns`` are those that differ; empty where the row is missing from one of the two.
    """

    table: str
    key: Key
    stored: Row | None
    folded: Row | None
    columns: tuple[str, ...] = ()


class Shadow:
    """A second set of projections, empty when it is made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for table in (*PROJECTIONS, EGRESS_COUNTERS, EGRESS_DAYS):
            table.create(connection)

    def states(self, job_ids: Collection[str]) -> dict[str, str]:
        """The state that each of ``job_ids`` is in by what was folded; unknown ones are absent."""
        jobs = current_jobs(Driver(self._connection), job_ids)
        return {job_id: row["state"] for job_id, row in jobs.items()}

    def fold(self, facts: Sequence[Fact]) -> None:
        """Fold consecutive facts; a submission and its decision belong in one call."""
        fold_batch(self._connection, facts)

    def fold_egress(
        self,
        facts: Sequence[Fact],
        *,
        tags: ModelTags,
        passed: Callable[[Debit, EgressRefused], None],
    ) -> None:
        """Take from the counters what facts that are folded let out; see ``egress_fold``."""
        fold_egress(self._connection, facts, tags=tags, passed=passed)

    def differences(self, stored: Connection) -> Iterator[Difference]:
        """Where the projections behind ``stored`` are not what was folded, in the order of keys."""
        for table in (*PROJECTIONS, EGRESS_COUNTERS, EGRESS_DAYS):
            yield from _differences(table, _rows(stored, table), _rows(self._connection, table))

    def word_index_agrees(self, stored: Connection) -> bool:
        """Whether the index of words behind ``stored`` is that of the folded texts; asked once."""
        return word_index_agrees(stored, self._connection)


@contextmanager
def shadow() -> Iterator[Shadow]:
    """An empty second set of projections, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="ledger-fsck-") as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'shadow.db'}")
        try:
            with engine.connect() as connection:
                # Nothing here outlives the process: speed is all that counts.
                raw: Any = connection.connection.driver_connection
                raw.isolation_level = None
                Driver(connection).run("PRAGMA journal_mode=OFF")
                Driver(connection).run("PRAGMA synchronous=OFF")
                yield Shadow(connection)
        finally:
            engine.dispose()


def _differences(
    table: Table, stored_rows: Iterator[Row], folded_rows: Iterator[Row]
) -> Iterator[Difference]:
    """Walk two lists that are sorted by the table's key beside each other."""
    names = tuple(column.name for column in table.columns)
    places = [names.index(column.name) for column in table.primary_key]
    stored, folded = next(stored_rows, None), next(folded_rows, None)
    while stored is not None or folded is not None:
        stored_key = None if stored is None else tuple(stored[place] for place in places)
        folded_key = None if folded is None else tuple(folded[place] for place in places)
        if stored_key is not None and stored_key == folded_key:
            if stored != folded:
                assert stored is not None
                assert folded is not None
                pairs = zip(names, stored, folded, strict=True)
                odd = tuple(name for name, one, other in pairs if one != other)
                yield Difference(table.name, stored_key, stored, folded, odd)
            stored, folded = next(stored_rows, None), next(folded_rows, None)
        elif folded_key is None or (stored_key is not None and stored_key < folded_key):
            assert stored_key is not None
            yield Difference(table.name, stored_key, stored, None)
            stored = next(stored_rows, None)
        else:
            yield Difference(table.name, folded_key, None, folded)
            folded = next(folded_rows, None)


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    """Every row in the order of the key's bytes, whatever the database's own collation is."""
    query: Select[Any] = select(table)
    binary = connection.dialect.name == "postgresql"
    for column in table.primary_key:
        by_bytes = binary and isinstance(column.type, Text)
        query = query.order_by(collate(column, "C") if by_bytes else column)
    streamed = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for row in streamed:
        yield tuple(row)
