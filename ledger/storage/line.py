"""The connection that writes: kept open between transactions, spoken to through the driver alone.

A transaction through SQLAlchemy and its pool costs some 150 µs before the database sees anything,
and an append is two of them. It is never given back to the pool, so that readers who take every
connection there keep no writer waiting. What has failed once on it is never used again: it is
closed, and the next transaction opens another.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from sqlite3 import Error as SqliteError
from typing import Any, Final, TypeVar

from psycopg import Error as PostgresqlError
from sqlalchemy import Connection, Engine, event

from ledger.errors import LedgerError
from ledger.storage.driver import Driver
from ledger.storage.engine import BEGUN_BY_HAND, is_sqlite

T = TypeVar("T")

_BEGIN: Final = "BEGIN IMMEDIATE"


class Line:
    """An open connection and the state of its one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = is_sqlite(engine)
        self.connection: Connection = engine.connect().execution_options(
            ledger_writes=BEGUN_BY_HAND
        )
        """For what is written in SQLAlchemy's terms; its transaction is the driver's."""
        self.driver = Driver(self.connection)
        self._raw: Any = self.connection.connection.driver_connection
        self._is_durable = True
        self.is_broken = False
        """Whether it is to be closed instead of used again."""

    def begin(self, *, durable: bool) -> None:
        """Begin to write; the commit waits for the disk where it is to be ``durable``."""
        if self._is_sqlite:
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
        self._free: Line | None = None
        self._generation = 0
        self._lock = threading.Lock()
        event.listen(engine, "engine_disposed", self._drop)

    @contextmanager
    def lent(self, *, durable: bool, first: Callable[[Driver], T]) -> Iterator[tuple[Line, T]]:
        """A line in a transaction, and what ``first`` read in it. The body commits.

        What the body raises rolls back.
        """
        generation = self._generation
        line, found = self._begun(durable, first)
        keeps = False
        try:
            yield line, found
            keeps = True
        except LedgerError:
            if not line.is_broken:
                with suppress(SqliteError, PostgresqlError):
                    line.rollback()
                    keeps = True
            raise
        finally:
            if not (keeps and self._keep(line, generation)):
                line.close()

    def _begun(self, durable: bool, first: Callable[[Driver], T]) -> tuple[Line, T]:
        with self._lock:
            line, self._free = self._free, None
        if line is not None:
            try:
                return line, _first(line, durable, first)
            except PostgresqlError:
                # The server went away while the line was idle; nothing was asked of it yet.
                pass
        line = Line(self._engine)
        return line, _first(line, durable, first)

    def _keep(self, line: Line, generation: int) -> bool:
        with self._lock:
            if self._free is not None or generation != self._generation:
                return False
            self._free = line
            return True

    def _drop(self, _engine: Engine) -> None:
        with self._lock:
            line, self._free = self._free, None
            self._generation += 1
        if line is not None:
            line.close()


def _first(line: Line, durable: bool, first: Callable[[Driver], T]) -> T:
    try:
        line.begin(durable=durable)
        return first(line.driver)
    except BaseException:
        line.close()
        raise
