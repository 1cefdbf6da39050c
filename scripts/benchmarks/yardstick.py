"""Plain INSERTs of the same bytes into a table of two columns: what the database alone can do."""

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import psycopg


class Yardstick(Protocol):
    """A table that takes rows, durably."""

    def one_by_one(self, rows: Sequence[bytes]) -> float:
        """The seconds for one transaction a row."""
        ...

    def together(self, rows: Sequence[bytes]) -> float:
        """The seconds for all rows in one transaction."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SQLiteTable:
    """A table in a file, with the durability that the ledger asks of SQLite: WAL, FULL."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "rows.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, data BLOB)")

    def one_by_one(self, rows: Sequence[bytes]) -> float:
        """The seconds for one transaction a row."""
        begun = time.perf_counter()
        for row in rows:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT INTO entries (data) VALUES (?)", (row,))
            self._connection.execute("COMMIT")
        return time.perf_counter() - begun

    def together(self, rows: Sequence[bytes]) -> float:
        """The seconds for all rows in one transaction."""
        begun = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO entries (data) VALUES (?)", [(row,) for row in rows]
        )
        self._connection.execute("COMMIT")
        return time.perf_counter() - begun

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class PostgreSQLTable:
    """A table on the server, with the server's own settings."""

    def __init__(self, url: str) -> None:
        self._stack = contextlib.ExitStack()
        self._connection = self._stack.enter_context(psycopg.connect(url))
        self._connection.execute(
            "CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea)"
        )
        self._connection.commit()

    def one_by_one(self, rows: Sequence[bytes]) -> float:
        """The seconds for one transaction a row."""
        begun = time.perf_counter()
        for row in rows:
            self._connection.execute("INSERT INTO entries (data) VALUES (%s)", (row,))
            self._connection.commit()
        return time.perf_counter() - begun

    def together(self, rows: Sequence[bytes]) -> float:
        """The seconds for all rows in one transaction."""
        begun = time.perf_counter()
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO entries (data) VALUES (%s)", [(row,) for row in rows])
        self._connection.commit()
        return time.perf_counter() - begun

    def close(self) -> None:
        """Let go of it."""
        self._stack.close()
