"""A copy of a SQLite database as it is at one moment, made while others read and write it.

PostgreSQL brings tools of its own for that; nothing here touches it.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ledger.errors import LogUnavailable
from ledger.storage.engine import is_sqlite
from ledger.storage.store import StorageFailed, Store


def copy_sqlite(store: Store, target: Path) -> None:
    """Copy the whole database into the new file ``target``, in one step of SQLite's backup API.

    One step is one snapshot: no writer is kept waiting, and no batch is half in it. Raises
    LogUnavailable on PostgreSQL, StorageFailed where the database or the disk refuses.
    """
    if not is_sqlite(store.engine):
        raise LogUnavailable("this is done by PostgreSQL's own tools there")
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        pooled = store.engine.raw_connection()
        source = pooled.driver_connection
        assert isinstance(source, sqlite3.Connection)
        try:
            with closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        finally:
            pooled.close()
        os.fsync(descriptor)
    except sqlite3.Error as error:
        raise StorageFailed(f"the database cannot be copied: {error}") from None
    finally:
        os.close(descriptor)
