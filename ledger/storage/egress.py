"""The counters of what has left, read and written in the transaction that logs the debit.

Whoever appends asks first what is left (``ledger.records.egress``). What is written here is by how
much a counter grows, never what it is to be: so a CHECK in the database decides in the end, also
where somebody asked too early, or did not ask.
"""

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import SQLITE_CONSTRAINT_CHECK, IntegrityError
from typing import Final

from psycopg.errors import CheckViolation
from sqlalchemy import Connection

from ledger.errors import LogUnavailable
from ledger.records.egress import Book, Counter, Debit, Key, Scope
from ledger.storage.driver import Driver, Row, columns_of
from ledger.storage.tables import EGRESS_COUNTERS, STORED_ARTIFACTS

UPLOAD_S: Final = 6 * 3_600
"""How long after its debit an artifact may still arrive."""
OPEN: Final = "open"
STORED: Final = "stored"
FAILED: Final = "failed"

_GROW: Final = (
    "UPDATE egress_counters SET used_bytes = used_bytes + ?, ceiling_bytes = ? "
    "WHERE scope = ? AND key = ?"
)
_ADD_DAY: Final = (
    "INSERT INTO egress_days (member, day, used_bytes) VALUES (?, ?, ?) "
    "ON CONFLICT (member, day) DO UPDATE SET used_bytes = egress_days.used_bytes + "
    "excluded.used_bytes"
)


class CeilingHeld(LogUnavailable):
    """The database refused a debit that was said to fit: nothing of the batch is stored."""


def read_book(driver: Driver, keys: Mapping[Scope, Collection[str]]) -> Book:
    """The counters with these keys, and the days of the members among them."""
    book = Book()
    for scope, wanted in keys.items():
        rows = driver.fetch_in(
            "SELECT key, used_bytes, ceiling_bytes FROM egress_counters "  # noqa: S608 - a name of ours
            f"WHERE scope = '{scope.value}' AND key IN",
            wanted,
        )
        for key, used, ceiling in rows:
            book.counters[scope, key] = Counter(used, ceiling)
    book.known.update(book.counters)
    days = driver.fetch_in(
        "SELECT member, day, used_bytes FROM egress_days WHERE member IN",
        keys.get(Scope.MEMBER_30D, ()),
    )
    for member, day, used in days:
        book.days.setdefault(member, {})[day] = used
    return book


def write_book(driver: Driver, book: Book) -> None:
    """Write what was taken since the book was read, in the caller's transaction. Once.

    Raises CeilingHeld where a counter would pass its ceiling after all: roll back.
    """
    try:
        driver.insert(
            EGRESS_COUNTERS,
            [
                (*key, amount, book.counters[key].ceiling)
                for key, amount in book.added.items()
                if key not in book.known
            ],
        )
        grow(
            driver,
            [
                (key, amount, book.counters[key].ceiling)
                for key, amount in book.added.items()
                if key in book.known
            ],
        )
    except (IntegrityError, CheckViolation) as error:
        raise _held(error) from None
    driver.run_many("DELETE FROM egress_days WHERE member = ? AND day < ?", list(book.aged.items()))
    driver.run_many(_ADD_DAY, [(*key, amount) for key, amount in book.left.items()])


def grow(driver: Driver, amounts: Sequence[tuple[Key, int, int]]) -> None:
    """Add to counters: (counter, bytes, ceiling). Raises CeilingHeld; then roll back."""
    rows: list[Row] = [(amount, ceiling, *key) for key, amount, ceiling in amounts]
    try:
        driver.run_many(_GROW, rows)
    except (IntegrityError, CheckViolation) as error:
        raise _held(error) from None


def open_artifacts(driver: Driver, debits: Sequence[Debit]) -> None:
    """Note the artifacts that may arrive from now on, one for each debit of a write."""
    driver.insert(STORED_ARTIFACTS, _rows(debits, OPEN))


def note_lost(connection: Connection, debits: Sequence[Debit]) -> None:
    """Note the artifacts of which this database has no row: where they lie, nobody can tell."""
    marks = ", ".join("?" * len(STORED_ARTIFACTS.columns))
    Driver(connection).run_many(
        f"INSERT INTO stored_artifacts ({columns_of(STORED_ARTIFACTS)}) VALUES ({marks}) "  # noqa: S608 - names are ours
        "ON CONFLICT DO NOTHING",
        _rows(debits, FAILED),
    )


def _rows(debits: Sequence[Debit], state: str) -> list[Row]:
    return [
        (
            debit.artifact_id,
            debit.job_id,
            debit.index,
            str(debit.artifact_class),
            debit.egress_bytes,
            debit.logged_at + UPLOAD_S,
            state,
            None,
            None,
            None,
        )
        for debit in debits
        if debit.artifact_id is not None
    ]


def _held(error: Exception) -> Exception:
    if isinstance(error, IntegrityError) and error.sqlite_errorcode != SQLITE_CONSTRAINT_CHECK:
        return error
    return CeilingHeld("a ceiling holds that was thought to have room: nothing was stored")
