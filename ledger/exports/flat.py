"""The log as lines and the tables as CSV and Parquet: streamed, so that memory stays flat."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from ledger.exports.columns import INTEGER, LIST, OBJECT, TEXT, TIME, TRUTH, Table, plain_row
from ledger.exports.csv_cells import lines
from ledger.exports.tables import Row
from ledger.storage.snapshot import Snapshot

Progress = Callable[[int], None]
"""Is told how many rows are behind."""

ROWS_AT_ONCE: Final = 1_000
LEVEL: Final = 6
MEMORY: Final = "256MB"
ROWS_IN_GROUP: Final = 61_440
_TYPES: Final = {
    INTEGER: "BIGINT",
    TEXT: "VARCHAR",
    TRUTH: "BOOLEAN",
    TIME: "TIMESTAMPTZ",
    LIST: "VARCHAR[]",
    OBJECT: "JSON",
}


def write_entries(path: Path, snapshot: Snapshot, size: int, progress: Progress) -> int:
    """Write every entry, a line each: its number, its leaf hash, its canonical bytes."""
    rows = 0
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with path.open("wb") as file, compressor.stream_writer(file, closefd=False) as out:
        for each in snapshot.iterate_entries(0, size):
            # Around the canonical bytes as they are, keys in order: the line is canonical too.
            head = b'{"entry":%b,"index":%d,"leaf_hash":"%b"}\n'
            out.write(head % (each.data, each.index, each.leaf_hash.hex().encode()))
            rows += 1
            if rows % ROWS_AT_ONCE == 0:
                progress(rows)
    return rows


def write_table(
    table: Table,
    rows: Iterator[Row],
    *,
    csv: Path,
    parquet: Path,
    scratch: Path,
    progress: Progress,
) -> int:
    """Write a table as CSV and as Parquet; how many rows it has."""
    raw = scratch / f"{table.name}.ndjson"
    count = 0
    encode = msgspec.json.Encoder().encode
    with csv.open("wb") as text, raw.open("wb") as typed:
        text.write(lines([table.names]))
        while some := list(islice(rows, ROWS_AT_ONCE)):
            text.write(lines(map(plain_row, some)))
            typed.writelines(
                encode(dict(zip(table.names, row, strict=True))) + b"\n" for row in some
            )
            count += len(some)
            progress(count)
    _to_parquet(table, raw, parquet, scratch)
    raw.unlink()
    return count


def _to_parquet(table: Table, raw: Path, parquet: Path, scratch: Path) -> None:
    import duckdb  # noqa: PLC0415 - only who writes files needs it, and every server knows this module

    columns = {column.name: _TYPES[column.type] for column in table.columns}
    with duckdb.connect(
        config={
            # Nothing is fetched, and one thread writes the same bytes each time.
            "autoinstall_known_extensions": "false",
            "memory_limit": MEMORY,
            "temp_directory": str(scratch / "spill"),
            "threads": "1",
        }
    ) as database:
        rows = "SELECT * FROM read_json($raw, format = 'newline_delimited', columns = $columns)"
        form = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_IN_GROUP}"
        # A COPY takes no parameter for the name of its file.
        copy = f"COPY ({rows}) TO '{_quoted(parquet)}' ({form})"
        database.execute(copy, {"raw": str(raw), "columns": columns})


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
