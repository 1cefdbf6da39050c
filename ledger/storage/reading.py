"""A connection to read with, all of one moment: the pool's, without SQLAlchemy's transaction.

What proofs, tiles and entries are read by goes straight to the driver, and SQLAlchemy's own
connection costs more than those reads do: 30 of 45 us. It is made where a query asks for it.

On SQLite a few connections are kept between reads, since the pool costs twice what a proof reads.
On PostgreSQL they go back: the pool asks each whether its server is still there.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SqliteError
from typing import Any, Final

from psycopg import Error as PostgresqlError
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import PoolProxiedConnection

from ledger.storage.driver import Driver
from ledger.storage.engine import BEGUN_BY_HAND, is_sqlite

KEPT: Final = 4
"""Connections kept where no more readers than these are at it; the others are the pool's."""


class Reading:
    """A connection in whose transaction everything is read as of one moment."""

    __slots__ = ("_connection", "_engine", "_pooled", "_raw", "driver", "is_sqlite")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pooled: PoolProxiedConnection = engine.raw_connection()
        self._raw: Any = self._pooled.driver_connection
        self._connection: Connection | None = None
        self.is_sqlite = is_sqlite(engine)
        self.driver = Driver(self._pooled, dialect=engine.dialect.name)

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection over the same transaction; never closed, its owner is."""
        if self._connection is None:
            plain = Connection(self._engine, connection=self._pooled)
            self._connection = plain.execution_options(ledger_writes=BEGUN_BY_HAND)
        return self._connection

    def begin(self) -> None:
        """Begin a transaction that changes nothing."""
        if self.is_sqlite:
            self._raw.execute("BEGIN")
        else:
            self._raw.isolation_level = IsolationLevel.REPEATABLE_READ

    def end(self) -> bool:
        """Roll back; whether the connection may be used again."""
        self._connection = None
        try:
            self._raw.rollback()
            if not self.is_sqlite:
                self._raw.isolation_level = None
        except (SqliteError, PostgresqlError):
            # What was read is read; nobody else is given a connection that cannot end a
            # transaction. SQLAlchemy may have seen it die, and let go of it, before.
            if self._pooled.is_valid:
                self._pooled.invalidate()
            return False
        return True

    def close(self, *, for_good: bool = False) -> None:
        """Give the connection back to the pool, or close it where that is ``for_good``."""
        if for_good and self._pooled.is_valid:
            self._pooled.invalidate()
        self._pooled.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Reading]:
    """A transaction that changes nothing, on a connection of the pool's, and is rolled back."""
    found = Reading(engine)
    try:
        found.begin()
        yield found
    finally:
        found.end()
        found.close()


class Readings:
    """Lends connections of one engine to read with. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: list[Reading] = []
        self._lent = 0
        self._generation = 0
        self._keeps = is_sqlite(engine)
        self._lock = threading.Lock()
        event.listen(engine, "engine_disposed", self._drop)

    def take(self) -> tuple[Reading, int]:
        """A connection in whose transaction to read, and what ``give`` wants to know of it."""
        with self._lock:
            self._lent += 1
            generation = self._generation
            found = self._free.pop() if self._free else None
        try:
            if found is None:
                found = Reading(self._engine)
            try:
                found.begin()
            except BaseException:
                found.end()
                found.close()
                raise
        except BaseException:
            with self._lock:
                self._lent -= 1
            raise
        return found, generation

    def give(self, reading: Reading, generation: int) -> None:
        """Take back what ``take`` gave; what was read in its transaction is read."""
        usable = reading.end()
        with self._lock:
            # Counted with those who wait for the pool: they are woken by what goes back to it.
            is_current = generation == self._generation
            keeps = usable and is_current and self._keeps and self._lent <= KEPT
            self._lent -= 1
            if keeps:
                self._free.append(reading)
        if not keeps:
            reading.close(for_good=not is_current)

    def _drop(self, _engine: Engine) -> None:
        with self._lock:
            free, self._free = self._free, []
            self._generation += 1
        for each in free:
            each.close(for_good=True)
