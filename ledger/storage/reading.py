"""A connection to read with, all of one moment: the pool's, without SQLAlchemy's transaction.

What proofs, tiles and entries are read by goes straight to the driver, and SQLAlchemy's own
connection costs more than those reads do: 30 of 45 us. It is made where a query asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from sqlite3 import Error as SqliteError
from typing import Any

from psycopg import Error as PostgresqlError
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from ledger.storage.driver import Driver
from ledger.storage.engine import BEGUN_BY_HAND


class Reading:
    """A connection in whose transaction everything is read as of one moment."""

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection) -> None:
        self._engine = engine
        self._pooled = pooled
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.driver = Driver(pooled, dialect=engine.dialect.name)

    @cached_property
    def connection(self) -> Connection:
        """SQLAlchemy's connection over the same transaction; never closed, its owner is."""
        plain = Connection(self._engine, connection=self._pooled)
        return plain.execution_options(ledger_writes=BEGUN_BY_HAND)


@contextmanager
def reading(engine: Engine) -> Iterator[Reading]:
    """A transaction that changes nothing, and is rolled back."""
    pooled = engine.raw_connection()
    try:
        raw: Any = pooled.driver_connection
        if engine.dialect.name == "sqlite":
            raw.execute("BEGIN")
        else:
            raw.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            yield Reading(engine, pooled)
        finally:
            _end(pooled, raw, engine)
    finally:
        pooled.close()


def _end(pooled: PoolProxiedConnection, raw: Any, engine: Engine) -> None:  # noqa: ANN401 - either driver's
    try:
        raw.rollback()
        if engine.dialect.name != "sqlite":
            raw.isolation_level = None
    except (SqliteError, PostgresqlError):
        # What was read is read; nobody else is given a connection that cannot end a transaction.
        # SQLAlchemy may have seen it die, and let go of it, before.
        if pooled.is_valid:
            pooled.invalidate()
