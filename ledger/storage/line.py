"""The connection that writes: kept open between transactions, spoken to through the driver alone.

A transaction through SQLAlchemy and its pool costs some 150 µs before the database sees anything,
and an append is two of them. It is never given back to the pool, so that readers who take every
connection there keep no writer waiting. What has failed once on it is never used again: it is
closed, and the next transaction opens another.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from sqlite3 import Error as SqliteError
from typing import Any, Final, Generic, TypeVar

from psycopg import Error as PostgresqlError
from sqlalchemy import Connection, Engine, event

from ledger.errors import LedgerError
from ledger.storage.backfill import LONGEST_PAGES, Backfill
from ledger.storage.driver import Driver
from ledger.storage.engine import BEGUN_BY_HAND, is_sqlite

T = TypeVar("T")

WRITER_CACHE_KIB: Final = 65_536
"""Of a large log's index of digests every new entry touches another page, anywhere in it."""

_BEGIN: Final = "BEGIN IMMEDIATE"


class Line:
    """An open connection and the state of its one transaction."""

    def __init__(self, engine: Engine, backfill: Backfill | None) -> None:
        self._engine = engine
        self._backfill = backfill
        self._is_sqlite = is_sqlite(engine)
        self.connection: Connection = engine.connect().execution_options(
            ledger_writes=BEGUN_BY_HAND
        )
        """For what is written in SQLAlchemy's terms; its transaction is the driver's."""
        self.driver = Driver(self.connection)
        self._raw: Any = self.connection.connection.driver_connection
        if self._is_sqlite:
            self.driver.run(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
            self.driver.run(f"PRAGMA wal_autocheckpoint={LONGEST_PAGES}")
        self._rows = 0
        self._is_durable = True
        self.is_broken = False
        """Whether it is to be closed instead of used again."""

    def begin(self, *, durable: bool) -> None:
        """Begin to write; the commit waits for the disk where it is to be ``durable``."""
        if self._backfill is not None:
            rows, self._rows = self._rows, self._raw.total_changes
            self._backfill.between(self.driver, rows=self._rows - rows)
            if durable != self._is_durable:
                self.driver.run(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            self.driver.run(_BEGIN)
        elif not durable:
            # psycopg begins by itself.
            self.driver.run("SET LOCAL synchronous_commit = off")

    def commit(self) -> None:
        """Commit."""
        self._engine.dialect.do_commit(self._raw)
        self._forget()

    def rollback(self) -> None:
        """Undo everything since ``begin``."""
        self._raw.rollback()
        self._forget()

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        # Given back to the pool, it would be used again.
        self.connection.invalidate()
        self.connection.close()

    def _forget(self) -> None:
        # A SELECT of SQLAlchemy's makes it believe that it has begun something.
        if self.connection.in_transaction():
            self.connection.rollback()


class Lines:
    """Lends the line of one engine, and opens a second where two threads write at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._backfill = Backfill(engine) if is_sqlite(engine) else None
        self._free: Line | None = None
        self.generation = 0
        self._lock = threading.Lock()
        event.listen(engine, "engine_disposed", self._drop)

    def lent(self, *, durable: bool, first: Callable[[Driver], T]) -> "Lent[T]":
        """A line in a transaction, and what ``first`` read in it. The body commits.

        What the body raises rolls back.
        """
        return Lent(self, durable, first)

    def keep(self, line: Line, generation: int) -> None:
        """Take a line back that is in no transaction; it is closed where another is there."""
        with self._lock:
            if self._free is None and generation == self.generation:
                self._free = line
                return
        line.close()

    def begun(self, durable: bool, first: Callable[[Driver], T]) -> tuple[Line, T]:
        """A line on which a transaction has begun."""
        with self._lock:
            line, self._free = self._free, None
        if line is not None:
            try:
                return line, _first(line, durable, first)
            except PostgresqlError:
                # The server went away while the line was idle; nothing was asked of it yet.
                pass
        line = Line(self._engine, self._backfill)
        return line, _first(line, durable, first)

    def _drop(self, _engine: Engine) -> None:
        with self._lock:
            line, self._free = self._free, None
            self.generation += 1
        if line is not None:
            line.close()
        if self._backfill is not None:
            self._backfill.close()


class Lent(Generic[T]):
    """The time in which a line is lent: a context manager."""

    __slots__ = ("_durable", "_first", "_generation", "_line", "_lines")

    def __init__(self, lines: Lines, durable: bool, first: Callable[[Driver], T]) -> None:
        self._lines = lines
        self._durable = durable
        self._first = first

    def __enter__(self) -> tuple[Line, T]:
        self._generation = self._lines.generation
        self._line, found = self._lines.begun(self._durable, self._first)
        return self._line, found

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        line, keeps = self._line, kind is None
        if kind is not None and issubclass(kind, LedgerError) and not line.is_broken:
            with suppress(SqliteError, PostgresqlError):
                line.rollback()
                keeps = True
        if keeps:
            self._lines.keep(line, self._generation)
        else:
            line.close()


def _first(line: Line, durable: bool, first: Callable[[Driver], T]) -> T:
    try:
        line.begin(durable=durable)
        return first(line.driver)
    except BaseException:
        line.close()
        raise
