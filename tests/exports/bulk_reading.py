"""Reads each of the bulk files with the tool that people have for it."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import zstandard

PUBLIC_URL = "https://ledger.example"
TABLES = ("jobs", "events", "artifacts")
FILES = {
    "SHA256SUMS",
    "checkpoint",
    "croissant.json",
    "datapackage.json",
    "dataset.jsonld",
    "entries.ndjson.zst",
    "ledger.sqlite",
    "metadata.json",
    "proofs.tar",
    *(f"{table}.{end}" for table in TABLES for end in ("csv", "parquet")),
}


def entry_lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of the entries' file."""
    with folder.joinpath("entries.ndjson.zst").open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file).read()
    return [json.loads(line) for line in data.splitlines()]


def csv_rows(folder: Path, table: str) -> list[dict[str, str]]:
    """A table as a spreadsheet reads it."""
    text = folder.joinpath(f"{table}.csv").read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def parquet(folder: Path, query: str, table: str) -> list[tuple[Any, ...]]:
    """What ``query`` finds in a table as Parquet, which stands where it says {table}."""
    with duckdb.connect() as database:
        return database.execute(query.format(table=f"'{folder}/{table}.parquet'")).fetchall()


def sqlite(folder: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What ``query`` finds in the database, which nobody may write."""
    address = f"file:{folder / 'ledger.sqlite'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        return database.execute(query, values).fetchall()


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Everything that stands in the files, packed or not."""
    for path in sorted(folder.iterdir()):
        yield path.name, path.read_bytes()
    yield "entries", json.dumps(entry_lines(folder), ensure_ascii=False).encode()
    for table in TABLES:
        rows = parquet(folder, "SELECT COLUMNS(*)::VARCHAR FROM {table}", table)
        yield f"{table} as Parquet", repr(rows).encode()
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as database:
        yield "database", "\n".join(database.iterdump()).encode()
