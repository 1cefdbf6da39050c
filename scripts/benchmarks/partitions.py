"""Partitioned entries beside one table, on PostgreSQL: what a row costs to write and to find.

    PYTHONPATH=scripts .venv/bin/python -m benchmarks.partitions --database-url URL --rows 2000000

Two copies of the table of entries are filled in turns, a batch at a time, and then asked in turns:
``one`` is the table as it is, ``parts`` is cut into ranges of ``leaf_index``. A unique index of a
partitioned table must hold what it is cut by, so the digests that keep a statement from being
logged twice stand in a table of their own there, cut by their hash.

Everything counts as processor time of PostgreSQL's own process (user and system, from /proc, so it
must be a server on this machine), as bytes of WAL and as bytes on disk: none of it depends on what
else the machine does. The database that the URL names gets a schema ``partition_bench``, which is
gone afterwards.
"""

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from benchmarks import machine

SCHEMA: Final = "partition_bench"
BATCH: Final = 1_000
DIGEST_PARTS: Final = 16
ENTRY_BYTES: Final = 1_100
LOOKUPS: Final = 2_000
"""In one round of one kind; the rounds of both tables take turns."""
ROUNDS: Final = 5
PLANS: Final = {"": "auto", "_planned_once": "force_generic_plan"}

_COLUMNS: Final = """
    leaf_index bigint NOT NULL, kind text NOT NULL, job_id text, logged_at bigint NOT NULL,
    publish_by bigint, leaf_hash bytea NOT NULL, statement_digest bytea, data bytea NOT NULL
"""
_TYPES: Final = ("int8", "text", "text", "int8", "int8", "bytea", "bytea", "bytea")


def create(connection: psycopg.Connection[Any], *, rows: int, part_rows: int) -> None:
    """Both tables, empty, with the indexes that the ledger has."""
    _run(connection, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    _run(connection, f"CREATE SCHEMA {SCHEMA}")
    _run(connection, f"SET search_path = {SCHEMA}")
    _run(connection, "SET synchronous_commit = off")
    _run(connection, f"CREATE TABLE one ({_COLUMNS}, PRIMARY KEY (leaf_index))")
    _run(connection, "CREATE INDEX ON one (job_id, leaf_index)")
    _run(connection, "CREATE UNIQUE INDEX ON one (statement_digest)")
    _run(
        connection,
        f"CREATE TABLE parts ({_COLUMNS}, PRIMARY KEY (leaf_index))"
        " PARTITION BY RANGE (leaf_index)",
    )
    _run(connection, "CREATE INDEX ON parts (job_id, leaf_index)")
    for first in range(0, rows, part_rows):
        _run(
            connection,
            f"CREATE TABLE parts_{first // part_rows} PARTITION OF parts"
            f" FOR VALUES FROM ({first}) TO ({first + part_rows})",
        )
    _run(
        connection,
        "CREATE TABLE digests (statement_digest bytea PRIMARY KEY, leaf_index bigint NOT NULL)"
        " PARTITION BY HASH (statement_digest)",
    )
    for number in range(DIGEST_PARTS):
        _run(
            connection,
            f"CREATE TABLE digests_{number} PARTITION OF digests"
            f" FOR VALUES WITH (MODULUS {DIGEST_PARTS}, REMAINDER {number})",
        )


def batches(rows: int, seed: int) -> Iterator[list[tuple[Any, ...]]]:
    """Rows as a ledger makes them: a submission with its digest, then the decision about it."""
    source = random.Random(seed)  # noqa: S311 - filler
    for first in range(0, rows, BATCH):
        made: list[tuple[Any, ...]] = []
        for index in range(first, min(first + BATCH, rows)):
            is_decision = index % 2 == 1
            job = job_of(index)
            made.append(
                (
                    index,
                    "admitted" if is_decision else "submitted",
                    job,
                    1_790_000_000 + index,
                    None if is_decision else 1_797_776_000 + index,
                    source.randbytes(32),
                    None if is_decision else digest_of(index),
                    source.randbytes(ENTRY_BYTES // 4 if is_decision else ENTRY_BYTES),
                )
            )
        yield made


def job_of(index: int) -> str:
    """The job of an entry, as random as a real one."""
    return random.Random(index // 2).randbytes(13).hex().upper()  # noqa: S311 - the same


def digest_of(index: int) -> bytes:
    """The digest of the statement at an index."""
    return random.Random(-1 - index).randbytes(32)  # noqa: S311 - the same


def fill(connection: psycopg.Connection[Any], *, rows: int) -> dict[str, list[dict[str, float]]]:
    """Write every batch into both; the costs of each tenth of the rows, by table."""
    spent: dict[str, list[dict[str, float]]] = {"one": [], "parts": []}
    at_once = max(rows // 10, BATCH)
    sums = {name: {"cpu_us": 0.0, "wal_bytes": 0.0} for name in spent}
    for number, batch in enumerate(batches(rows, 7), start=1):
        order = ("one", "parts") if number % 2 else ("parts", "one")
        for name in order:
            cpu, wal = cpu_s(connection), wal_bytes(connection)
            with connection.transaction(), connection.cursor() as cursor:
                copy_rows(cursor, name, batch)
            sums[name]["cpu_us"] += 1e6 * (cpu_s(connection) - cpu)
            sums[name]["wal_bytes"] += wal_bytes(connection) - wal
        if number * BATCH % at_once == 0:
            for name, each in sums.items():
                spent[name].append({key: value / at_once for key, value in each.items()})
                sums[name] = dict.fromkeys(each, 0.0)
            print(f"{number * BATCH:,} rows: {spent['one'][-1]} {spent['parts'][-1]}", flush=True)
    return spent


def copy_rows(cursor: psycopg.Cursor[Any], name: str, batch: list[tuple[Any, ...]]) -> None:
    """One batch into one of the two, in the caller's transaction."""
    columns = "leaf_index, kind, job_id, logged_at, publish_by, leaf_hash, statement_digest, data"
    with cursor.copy(_sql(f"COPY {name} ({columns}) FROM STDIN (FORMAT BINARY)")) as copy:
        copy.set_types(_TYPES)
        for row in batch:
            copy.write_row(row)
    if name == "parts":
        with cursor.copy(_sql("COPY digests FROM STDIN (FORMAT BINARY)")) as copy:
            copy.set_types(("bytea", "int8"))
            for row in batch:
                if row[6] is not None:
                    copy.write_row((row[6], row[0]))


def find(
    connection: psycopg.Connection[Any], *, rows: int, plans: str
) -> dict[str, dict[str, float]]:
    """Microseconds of PostgreSQL's processor time for a question, by table and question.

    ``plans`` is PostgreSQL's ``plan_cache_mode``: with ``force_generic_plan`` a prepared question
    is planned once, else PostgreSQL decides, which for many partitions means each time.
    """
    _run(connection, f"SET plan_cache_mode = {plans}")
    every = {name: name for name in ("one", "parts")}
    with_digests = {"one": "one", "parts": "digests"}
    questions: list[tuple[str, str, dict[str, str], Callable[[int], tuple[Any, ...]]]] = [
        ("by index", "data FROM {} WHERE leaf_index = %s", every, lambda i: (i,)),
        (
            "256 in order",
            "leaf_hash FROM {} WHERE leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index",
            every,
            lambda i: (i // 256 * 256, i // 256 * 256 + 256),
        ),
        (
            "by job",
            "leaf_index FROM {} WHERE job_id = %s ORDER BY leaf_index",
            every,
            lambda i: (job_of(i),),
        ),
        (
            "by digest",
            "leaf_index FROM {} WHERE statement_digest = %s",
            with_digests,
            lambda i: (digest_of(i // 2 * 2),),
        ),
    ]
    connection.prepare_threshold = 0
    source = random.Random(11)  # noqa: S311 - the same
    found: dict[str, dict[str, float]] = {}
    for question, text, tables, values in questions:
        costs: dict[str, list[float]] = {name: [] for name in tables}
        for _ in range(ROUNDS + 1):
            places = [source.randrange(rows) for _ in range(LOOKUPS)]
            for name, table in tables.items():
                asked = sql.SQL("SELECT ") + _sql(text.format(table))
                before = cpu_s(connection)
                for index in places:
                    assert connection.execute(asked, values(index)).fetchone() is not None
                costs[name].append(1e6 * (cpu_s(connection) - before) / LOOKUPS)
        # The first round brings the pages in.
        found[question] = {name: statistics.median(all_[1:]) for name, all_ in costs.items()}
        print(f"{plans} {question}: {found[question]}", flush=True)
    return found


def on_disk(connection: psycopg.Connection[Any]) -> dict[str, dict[str, int]]:
    """Bytes of rows and of indexes, by table."""
    found: dict[str, dict[str, int]] = {}
    for name, tables in (("one", ("one",)), ("parts", ("parts", "digests"))):
        rows = connection.execute(
            "SELECT sum(pg_table_size(leaf)), sum(pg_indexes_size(leaf)) FROM ("
            " SELECT root AS leaf FROM unnest(%s::regclass[]) AS root UNION"
            " SELECT relid FROM unnest(%s::regclass[]) AS root, pg_partition_tree(root))",
            ([f"{SCHEMA}.{each}" for each in tables],) * 2,
        ).fetchone()
        assert rows is not None
        found[name] = {"rows": int(rows[0]), "indexes": int(rows[1])}
    return found


def cpu_s(connection: psycopg.Connection[Any]) -> float:
    """Processor seconds of the server process of a connection: to the nanosecond."""
    spent = Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text("ascii").split()
    return int(spent[0]) / 1e9


def wal_bytes(connection: psycopg.Connection[Any]) -> int:
    """Where the WAL ends."""
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def _sql(text: str) -> sql.SQL:
    return sql.SQL(text)


def _run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(_sql(text))


def measure(url: str, *, rows: int, part_rows: int) -> dict[str, Any]:
    """Fill and ask both; the figures."""
    with psycopg.connect(url, autocommit=True) as connection:
        create(connection, rows=rows, part_rows=part_rows)
        try:
            spent = fill(connection, rows=rows)
            _run(connection, f"ANALYZE {SCHEMA}.one, {SCHEMA}.parts, {SCHEMA}.digests")
            found = {
                name: find(connection, rows=rows, plans=plans) for name, plans in PLANS.items()
            }
            sizes = on_disk(connection)
        finally:
            _run(connection, f"DROP SCHEMA {SCHEMA} CASCADE")
    return {"rows": rows, "part_rows": part_rows, "write": spent, "find": found, "disk": sizes}


def figures_of(measured: dict[str, Any]) -> dict[str, float]:
    """The figures as a run's file has them: one name, one number."""
    flat: dict[str, float] = {"rows": measured["rows"], "part_rows": measured["part_rows"]}
    for name in ("one", "parts"):
        tenths = measured["write"][name]
        for unit in ("cpu_us", "wal_bytes"):
            flat[f"{name}_first_tenth_{unit}"] = round(tenths[0][unit], 2)
            flat[f"{name}_last_tenth_{unit}"] = round(tenths[-1][unit], 2)
        for plans, questions in measured["find"].items():
            for question, both in questions.items():
                flat[f"{name}_{question.replace(' ', '_')}{plans}_us"] = round(both[name], 2)
        for part, size in measured["disk"][name].items():
            flat[f"{name}_{part}_a_row_bytes"] = round(size / measured["rows"], 1)
    return flat


def main() -> int:
    """Measure, print, and keep what was asked to be kept."""
    parser = argparse.ArgumentParser(prog="benchmarks.partitions")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--part-rows", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    measured = measure(options.database_url, rows=options.rows, part_rows=options.part_rows)
    facts = machine.facts(engine="postgresql")
    report = {
        "run": "partitions",
        "engine": "postgresql",
        "made_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {key: facts[key] for key in ("cpus", "python", "memory_bytes")},
        "figures": figures_of(measured),
    }
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if options.json is not None:
        options.json.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
