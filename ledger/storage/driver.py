"""The hot path's way to the database: SQL straight to the driver, many rows at once.

A statement through SQLAlchemy costs about 100 µs before the database sees it, through the driver
5 µs; a batch makes a dozen. SQL is written once, with ``?`` for a parameter, and only here is it
told apart which engine it goes to. The transaction is the caller's.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, LargeBinary, Table, Text
from sqlalchemy.pool import PoolProxiedConnection

T = TypeVar("T")
Row = tuple[Any, ...]

ROWS_STREAMED: Final = 256
COPY_FROM: Final = 16
"""Fewer rows than this travel faster as INSERTs than as PostgreSQL's binary COPY."""
VALUES_AT_ONCE: Final = 500
"""How many values one IN list takes; every engine allows more."""


class Driver:
    """The driver's connection below a SQLAlchemy connection whose transaction is open.

    Below one of its pool's where ``dialect`` says which engine it is.
    """

    def __init__(
        self, connection: Connection | PoolProxiedConnection, *, dialect: str | None = None
    ) -> None:
        if isinstance(connection, Connection):
            connection, dialect = connection.connection, connection.dialect.name
        self._raw: Any = connection.driver_connection
        self.is_sqlite = dialect == "sqlite"

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a SELECT."""
        rows: list[Row] = self._raw.execute(self._spelt(sql), parameters).fetchall()
        return rows

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        """The rows of a SELECT, some at a time; on PostgreSQL the driver holds them all."""
        cursor = self._raw.execute(self._spelt(sql), parameters)
        while rows := cursor.fetchmany(ROWS_STREAMED):
            yield rows

    def fetch_in(self, sql: str, values: Iterable[Any]) -> Iterator[Row]:
        """All rows of a SELECT that ends in ``IN``, for any number of values."""
        for some in batched(values, VALUES_AT_ONCE):
            yield from self.fetch(f"{sql} ({', '.join('?' * len(some))})", some)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """One statement without an answer."""
        self._raw.execute(self._spelt(sql), parameters)

    def run_many(self, sql: str, rows: Sequence[Row]) -> None:
        """The same statement for every row."""
        if rows:
            self._raw.cursor().executemany(self._spelt(sql), rows)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows that have one value for every column of ``table``, in the table's order."""
        if not rows:
            return
        if self.is_sqlite or len(rows) < COPY_FROM:
            self.run_many(_insert(table), rows)
            return
        with self._raw.cursor() as cursor, cursor.copy(_copy(table)) as copy:
            copy.set_types(_types(table))
            for row in rows:
                copy.write_row(row)

    def _spelt(self, sql: str) -> str:
        return sql if self.is_sqlite else _for_postgresql(sql)


def storable(text: str | None) -> str | None:
    """``text`` as a TEXT column takes it: PostgreSQL has no NUL, which JSON has.

    The entry keeps it; a title that could not be shown would keep the record from being opened.
    What is no text in a damaged entry counts as absent.
    """
    return text.replace("\0", "\ufffd") if isinstance(text, str) else None


def batched(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Tuples of up to ``size`` values (``itertools.batched`` is Python 3.12's)."""
    rest = iter(values)
    while some := tuple(islice(rest, size)):
        yield some


@cache
def columns_of(table: Table) -> str:
    """The columns of a table, in order, as SQL lists them."""
    return ", ".join(column.name for column in table.columns)


@cache
def _for_postgresql(sql: str) -> str:
    assert "%" not in sql
    return sql.replace("?", "%s")


@cache
def _insert(table: Table) -> str:
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({columns_of(table)}) VALUES ({marks})"  # noqa: S608 - names are ours


@cache
def _copy(table: Table) -> str:
    return f"COPY {table.name} ({columns_of(table)}) FROM STDIN (FORMAT BINARY)"


@cache
def _types(table: Table) -> tuple[str, ...]:
    names: dict[type, str] = {Text: "text", LargeBinary: "bytea"}
    return tuple(names.get(type(column.type), "int8") for column in table.columns)
