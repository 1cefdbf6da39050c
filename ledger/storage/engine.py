"""The database: SQLite or PostgreSQL behind one URL, and the lock that keeps SQLite to one writer.

Opens connections, sets what durability needs, and nothing else: it knows no table.
"""

import fcntl
import os
import time
from pathlib import Path
from sqlite3 import SQLITE_BUSY, OperationalError
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ledger.errors import LogUnavailable, SettingsError, WriterLocked

BUSY_TIMEOUT_MS: Final = 10_000
BEGUN_BY_HAND: Final = "by hand"
"""``ledger_writes`` of a connection whose transactions its user begins through the driver."""
POOL_SIZE: Final = 8

# recursive_triggers: without it INSERT OR REPLACE deletes a row without asking the DELETE trigger.
SQLITE_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA cache_size=-8192",
    "PRAGMA wal_autocheckpoint=8192",
)


def open_engine(url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql://…``; connects on first use.

    Raises SettingsError for any other URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError("LEDGER_DATABASE_URL is not a database URL") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(parsed, pool_size=POOL_SIZE, max_overflow=POOL_SIZE)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_pre_ping=True,
        )
    raise SettingsError(
        f"LEDGER_DATABASE_URL has the scheme {backend}; sqlite and postgresql are allowed"
    )


def is_sqlite(engine: Engine) -> bool:
    """Whether this is the embedded engine, which has one writing process."""
    return engine.dialect.name == "sqlite"


def _prepare_sqlite(dbapi_connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's own type is not SQLAlchemy's
    # Python's driver would open transactions by itself, and not the kind that the writer needs.
    dbapi_connection.isolation_level = None
    for pragma in SQLITE_PRAGMAS:
        _patiently(dbapi_connection, pragma)


def _patiently(dbapi_connection: Any, pragma: str) -> None:  # noqa: ANN401 - the same
    # Of several processes that find a new file, one makes it a WAL file, and SQLite tells the
    # others at once that it is locked: its busy timeout does not hold for that.
    give_up = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            dbapi_connection.execute(pragma)
        except OperationalError as error:
            if error.sqlite_errorcode & 0xFF != SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("ledger_writes", False)
    if writes == BEGUN_BY_HAND:
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class WriterLock:
    """The exclusive right to write a SQLite ledger, held by a lock on a file beside it.

    The kernel drops it when the process ends, however it ends.
    """

    def __init__(self, database: Path) -> None:
        # By its own name, whatever link it was reached by: SQLite follows links, and so would a
        # second writer.
        file = database.resolve()
        self._path = file.with_name(file.name + ".writer")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises WriterLocked where another process has it.

        Raises LogUnavailable where the database's folder takes no lock file.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogUnavailable(
                f"the writer's lock {self._path} cannot be opened: {error.strerror}"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise WriterLocked(
                f"another process (pid {holder}) is writing this SQLite ledger, and SQLite takes "
                f"one writer: stop it first, or move the ledger to PostgreSQL"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def sqlite_path(engine: Engine) -> Path | None:
    """The database file of a SQLite engine, or None."""
    database = engine.url.database
    return Path(database) if is_sqlite(engine) and database else None
