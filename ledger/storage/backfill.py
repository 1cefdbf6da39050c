"""Moves what was committed out of SQLite's write-ahead log into the database, beside the writer.

Left to itself SQLite does so within the commit that makes its log long, and all callers of that
batch wait for it: 30 ms and more, two or three times a second under load, and the more often the
larger the ledger, since ever more pages of the indexes are touched once each. A thread with a
connection of its own does it here; it keeps neither writers nor readers waiting
(https://sqlite.org/c3ref/wal_checkpoint_v2.html, PASSIVE), and the longest commit takes 2 to 3 ms.

What is durable, and when, is not settled here: a commit waits for the log on the disk as ever, and
a crash at any point leaves a log from which SQLite recovers.
"""

import logging
import threading
from contextlib import suppress
from sqlite3 import Error as SqliteError
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ledger.storage.driver import Driver

log = logging.getLogger(__name__)

ROWS: Final = 4_096
"""Rows written until they are moved: each touches about a page."""
PAGES: Final = 8_192
"""The length of the log, in pages, from which it is to begin anew: 32 MiB."""
LONGEST_PAGES: Final = 4 * PAGES
"""The length from which a commit moves pages after all, should the thread not get on."""

_MOVE: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Backfill:
    """The thread of one engine; it begins with the first rows that are to be moved."""

    def __init__(self, engine: Engine, *, rows: int = ROWS, pages: int = PAGES) -> None:
        self._engine = engine
        self._most_rows = rows
        self._pages = pages
        self._rows = 0
        self._is_nearly_done = False
        self._mover: _Mover | None = None
        self._lock = threading.Lock()

    def between(self, driver: Driver, *, rows: int) -> None:
        """Note that a writer wrote ``rows``, before its next transaction begins. Never waits long.

        The few pages that are left of a long log are moved here: it begins anew only where nothing
        is left in it, and the thread alone would never catch up with a writer that goes on.
        """
        self._rows += rows
        if self._rows >= self._most_rows:
            self._rows = 0
            self._wake()
        if self._is_nearly_done:
            self._is_nearly_done = False
            # The transaction that is to begin will tell what is wrong with the disk.
            with suppress(SqliteError):
                driver.fetch(_MOVE)

    def close(self) -> None:
        """End the thread, and its connection with it; another begins where more is written."""
        with self._lock:
            mover, self._mover = self._mover, None
        if mover is not None:
            mover.ends = True
            mover.due.set()
            mover.join()

    def _wake(self) -> None:
        with self._lock:
            if self._mover is None:
                mover = _Mover(self)
                try:
                    mover.start()
                except RuntimeError:
                    log.warning("the write-ahead log grows: no thread could be started")
                    return
                self._mover = mover
            self._mover.due.set()

    def move(self, raw: Any) -> None:  # noqa: ANN401 - sqlite3's own type is not SQLAlchemy's
        """Move what no reader still needs where it is."""
        if _moved(raw) >= self._pages:
            # What was committed meanwhile; then what is committed from now on is little.
            _moved(raw)
            self._is_nearly_done = True

    def connect(self) -> Any:  # noqa: ANN401 - as above
        """A connection that is not the pool's: readers who take all of those do not matter here."""
        pooled = self._engine.raw_connection()
        raw = pooled.driver_connection
        pooled.detach()
        return raw


class _Mover(threading.Thread):
    """Moves pages whenever it is due, until it ends."""

    def __init__(self, backfill: Backfill) -> None:
        super().__init__(name="backfill", daemon=True)
        self._backfill = backfill
        self.due = threading.Event()
        self.ends = False

    def run(self) -> None:
        raw: Any = None
        while True:
            self.due.wait()
            self.due.clear()
            if self.ends:
                break
            try:
                if raw is None:
                    raw = self._backfill.connect()
                self._backfill.move(raw)
            except (SqliteError, SQLAlchemyError) as error:
                log.warning("the write-ahead log grows: %s", type(error).__name__)
        if raw is not None:
            with suppress(SqliteError):
                raw.close()


def _moved(raw: Any) -> int:  # noqa: ANN401 - as above
    """Move what can be moved; how many pages the log has."""
    _, pages, _ = raw.execute(_MOVE).fetchone()
    return int(pages)
