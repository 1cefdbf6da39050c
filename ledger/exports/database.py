"""``ledger.sqlite``: the tables, and a search in what was opened.

A product: it is written once, in a folder of its own, and is never the ledger's database. What
Datasette says of it stands in ``ledger.exports.datasette``.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.exports.columns import INTEGER, TRUTH, Table, plain_row
from ledger.exports.flat import Progress
from ledger.exports.tables import TABLES, Row
from ledger.exports.words import OPENED_WORDS
from ledger.records.words import index_words
from ledger.storage.snapshot import Snapshot

ROWS_AT_ONCE: Final = 1_000
OPENED: Final = "opened_texts"
_TEXTS: Final = ("title", "purpose", "protocol", "model.name")
_INDEXES: Final = (
    ("jobs", "member"),
    ("jobs", "workload_type"),
    ("jobs", "state"),
    ("jobs", "submitted_index"),
    ("events", "job_id"),
    ("events", "kind"),
    ("artifacts", "job_id"),
    ("artifacts", "digest"),
    (OPENED, "job_id"),
)


def write_database(
    path: Path, snapshot: Snapshot, size: int, about: dict[str, str], progress: Progress
) -> int:
    """Write the whole database; how many rows its three tables have."""
    path.unlink(missing_ok=True)
    count = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # Who reads it finds it whole or not at all, so no journal has to.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        for table, rows in TABLES:
            database.execute(_create(table))
            insert = f'INSERT INTO "{table.name}" VALUES ({_marks(len(table.columns))})'  # noqa: S608 - names are ours
            for some in _portions(map(plain_row, rows(snapshot, size))):
                database.executemany(insert, some)
                count += len(some)
                progress(count)
        _write_texts(database, snapshot, size)
        database.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        for table_name, column in _INDEXES:
            name = f"{table_name}_by_{column}"
            database.execute(f'CREATE INDEX {name} ON "{table_name}" ("{column}")')
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode=DELETE")
    return count


def _create(table: Table) -> str:
    columns = []
    for column in table.columns:
        kind = "INTEGER" if column.type in {INTEGER, TRUTH} else "TEXT"
        rule = " PRIMARY KEY" if column.name == table.key else " NOT NULL" * column.required
        columns.append(f'"{column.name}" {kind}{rule}')
    refers = [
        f'FOREIGN KEY ("{name}") REFERENCES "{other}" ("{there}")'
        for name, (other, there) in table.refers.items()
    ]
    return f'CREATE TABLE "{table.name}" ({", ".join(chain(columns, refers))})'


def _write_texts(database: sqlite3.Connection, snapshot: Snapshot, size: int) -> None:
    database.execute(
        f"CREATE TABLE {OPENED} (disclosed_index INTEGER PRIMARY KEY,"
        " job_id TEXT NOT NULL REFERENCES jobs (job_id),"
        " title TEXT, purpose TEXT, protocol TEXT, model_name TEXT, words TEXT)"
    )
    insert = f"INSERT INTO {OPENED} VALUES ({_marks(len(OPENED_WORDS))})"  # noqa: S608 - names are ours
    for some in _portions(_texts(snapshot, size)):
        database.executemany(insert, some)
    searched = "title, purpose, protocol, model_name, words"
    database.execute(
        f"CREATE VIRTUAL TABLE {OPENED}_fts USING fts5"
        f" ({searched}, content='{OPENED}', content_rowid='disclosed_index')"
    )
    database.execute(f"INSERT INTO {OPENED}_fts ({OPENED}_fts) VALUES ('rebuild')")  # noqa: S608 - names are ours


class _Opened(msgspec.Struct):
    fields: dict[str, Any]


_opened: Final = msgspec.json.Decoder(_Opened)


def _texts(snapshot: Snapshot, size: int) -> Iterator[Row]:
    for stored in snapshot.iterate_entries(0, size):
        if stored.kind != "disclosed":
            continue
        fields = _opened.decode(stored.data).fields
        said = [fields.get(path) for path in _TEXTS]
        texts = [text if isinstance(text, str) else None for text in said]
        if any(texts):
            # The search of SQLite takes a run of Chinese for one word: its pairs are indexed too.
            pairs = [word for word in index_words(filter(None, texts)) if not word.isascii()]
            yield (stored.index, stored.job_id, *texts, " ".join(pairs) or None)


def _portions(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield some


def _marks(count: int) -> str:
    return ", ".join("?" * count)
