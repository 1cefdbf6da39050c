"""Rows in and out: the same by every way in, as of every size, and for one moment at a time."""

import itertools
import os
import sqlite3
from pathlib import Path
from typing import Any

import kit
import pytest
from processes import running
from schema_children import open_and_hold
from sqlalchemy import LargeBinary, Table, Text, select

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable, NotFound, WriterLocked
from ledger.storage import driver, tables
from ledger.storage.driver import Driver
from ledger.storage.projections import Fact, drop_projections, fold_batch
from ledger.storage.shapes import StoredCheckpoint
from ledger.storage.store import StorageFailed, Store

TABLES = (*tables.APPEND_ONLY, *kit.PROJECTIONS)
TEXTS = ["", "a", "\u00e9\u4e2d\U0001f600\u2028", "\\N\t\n\r", "'\"; --", "x" * 70_000]
BLOBS = [b"", b"\0", b"\xff\xfe\\x00", bytes(range(256)) * 40]
NUMBERS = [0, 1, -1, 2**53 - 1, 2**62, 2**63 - 1, -(2**63)]


def row_of(table: Table, number: int, *, key: int) -> tuple[Any, ...]:
    """A row of ordinary and extreme values; ``key`` makes it one of its own."""
    row: list[Any] = []
    for at, column in enumerate(table.columns):
        pick = number * 7 + at
        unique = column.primary_key or column.name in {"disclosed_index", "statement_digest"}
        if isinstance(column.type, Text):
            row.append(f"{key}" if unique else TEXTS[pick % len(TEXTS)])
        elif isinstance(column.type, LargeBinary):
            row.append(b"%d" % key if unique else BLOBS[pick % len(BLOBS)])
        else:
            row.append(key if unique else NUMBERS[pick % len(NUMBERS)])
        if column.nullable and pick % 3 == 0:
            row[-1] = None
    return tuple(row)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_few_rows_and_many_rows_are_stored_the_same(database_url: str, table: Table) -> None:
    store = Store(database_url)
    store.migrate()
    many = [row_of(table, n, key=n) for n in range(3 * driver.COPY_FROM)]
    few = [row_of(table, n, key=1000 + n) for n in range(3 * driver.COPY_FROM)]
    with store.engine.connect().execution_options(ledger_writes=True) as connection:
        with connection.begin():
            Driver(connection).insert(table, many)
            for start in range(0, len(few), driver.COPY_FROM - 1):
                Driver(connection).insert(table, few[start : start + driver.COPY_FROM - 1])
            Driver(connection).insert(table, [])
        found = {tuple(row) for row in connection.execute(select(table))}
    store.close()
    assert found == {*many, *few}


def test_every_job_can_be_had_as_of_every_size(database_url: str, tmp_path: Path) -> None:
    clock = kit.Clock()
    settings = kit.make_ledger(database_url, tmp_path, clock=clock)
    ledger = Ledger(settings, clock=clock)
    jobs = [kit.ulid(n) for n in range(1, 6)]
    # One statement a batch, then all in one batch: versions are closed across and within batches.
    for job in jobs[:2]:
        for body in _lifetime(job):
            kit.log(ledger, body)
    kit.log(ledger, *(body for job in jobs[2:4] for body in _lifetime(job)))
    kit.log(ledger, kit.submitted(jobs[4], egress_ceiling_bytes=None))
    kit.log(ledger, kit.opened(jobs[0], 1))
    clock.advance(days=91)
    assert ledger.embargo.open_due().opened == 8
    ledger.close()
    checked = kit.check_whole_log(settings)
    store = Store(database_url)
    with store.snapshot() as reads:
        for size in range(1, checked.size + 1):
            if checked.entries[size - 1].kind == "submitted":
                continue  # its decision is in the same batch: this size is never published
            expected = {job: _folded(checked, job, size) for job in jobs}
            for job in jobs:
                found = reads.job(job, size=size)
                assert _public(found) == _public(expected[job]), f"{job} at {size}"
            at = {i: e.job_id for i, e in enumerate(checked.entries) if e.kind == "submitted"}
            listed = reads.jobs_at(list(at), size=size)
            assert {at[index] for index in listed} == {job for job in jobs if expected[job]}
            assert [at[index] for index in listed] == [job.job_id for job in listed.values()]
            sealed = {i for i in checked.deadlines if i < size}
            open_by_now = {i for i, by in checked.disclosed.items() if by < size}
            assert reads.count_sealed(size=size) == len(sealed - open_by_now)
            assert reads.count_disclosures(size=size) == len(open_by_now)
            for index, by in checked.disclosed.items():
                assert reads.disclosure_of(index, size=size) == (by if by < size else None)
    store.close()


def _lifetime(job: str) -> list[bytes]:
    return [
        kit.submitted(job),
        kit.started(job),
        kit.egress(job, 5),
        kit.interrupted(job),
        kit.started(job, at="2026-11-21T12:40:00Z"),
        kit.ended(job),
        kit.egress(job, 7),
    ]


def _folded(checked: kit.Checked, job: str, size: int) -> dict[str, Any] | None:
    row: dict[str, Any] | None = None
    for index in range(size):
        entry = checked.entries[index]
        if entry.job_id == job and entry.decision is None:
            row = kit.job_after(row, checked, index) or row
    return row


def _public(job: Any) -> dict[str, Any] | None:
    if job is None:
        return None
    names = [column.name for column in tables.JOBS.columns if column.name != "until"]
    if isinstance(job, dict):
        return {name: job[name] for name in names}
    return {name: getattr(job, name) for name in names}


def test_a_snapshot_sees_one_moment(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.log(ledger, kit.submitted(kit.ulid(1)))
    with ledger.store.snapshot() as before:
        assert before.head().size == 3
        kit.log(ledger, kit.started(kit.ulid(1)), kit.submitted(kit.ulid(2)))
        assert before.head().size == 3
        assert len(before.entries(0, 10)) == 3
        newest = before.newest_checkpoint()
        assert newest is not None
        assert newest.size == 3
        assert before.author_keys(size=10) != []
        with ledger.store.snapshot() as after:
            assert after.head().size == 6
    ledger.close()


def test_a_batch_that_fails_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    store = Store(settings.database_url)
    before = kit.counts(store)
    with pytest.raises(ZeroDivisionError), store.append() as appending:  # noqa: PT012 - the order is the point
        appending._driver.insert(tables.OPENINGS, [(7, b"x", None, None)])
        raise ZeroDivisionError
    with pytest.raises(StorageFailed) as caught, store.append() as appending:
        appending._driver.insert(tables.OPENINGS, [(7, b"canary", None, None)] * 2)
    assert "canary" not in str(caught.value)
    assert kit.counts(store) == before
    store.close()


def _no_way_back(real: Any) -> Any:
    def run(driver: Driver, sql: str) -> None:
        if sql == "PRAGMA synchronous=FULL":
            raise sqlite3.OperationalError(sql)
        real(driver, sql)

    return run


def test_what_sqlite_promises_is_in_force_on_every_connection(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.log(ledger, kit.submitted(kit.ulid(1)))
    with pytest.raises(ZeroDivisionError), ledger.store.publishing():
        raise ZeroDivisionError
    with pytest.raises(StorageFailed), ledger.store.publishing() as publishing:
        publishing._driver.run("SELECT nothing")
    with ledger.store.publishing() as publishing:
        assert publishing._driver.fetch("PRAGMA synchronous") == [(1,)]
    with monkeypatch.context() as patch:
        patch.setattr(Driver, "run", _no_way_back(Driver.run))
        # What publishes waits for no disk; nothing is appended on what stayed so.
        with pytest.raises(StorageFailed), ledger.store.append():
            pass
    for _ in range(2):
        with ledger.store.append() as appending:
            assert appending._driver.fetch("PRAGMA synchronous") == [(2,)]
        with ledger.store.publishing() as publishing:
            assert publishing._driver.fetch("PRAGMA synchronous") == [(1,)]
    connections = [ledger.store.engine.connect() for _ in range(4)]
    for connection in connections:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "recursive_triggers", "foreign_keys")
        }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "recursive_triggers": 1,
            "foreign_keys": 1,
        }
        connection.close()
    ledger.close()


def test_only_the_checkpoint_of_a_batch_is_not_waited_for_on_postgresql(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    store = Store(settings.database_url)
    with store.append() as appending:
        assert appending._driver.fetch("SHOW synchronous_commit") == [("on",)]
    with store.publishing() as publishing:
        assert publishing._driver.fetch("SHOW synchronous_commit") == [("off",)]
    with store.append() as appending:
        assert appending._driver.fetch("SHOW synchronous_commit") == [("on",)]
    store.close()


def test_a_second_process_on_sqlite_is_told_who_writes(sqlite_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    with running(open_and_hold, sqlite_url, tmp_path) as (process, pipe):
        assert pipe.recv() == "open"
        with pytest.raises(WriterLocked, match=f"pid {process.pid}"):
            Ledger(settings)
        reading = Ledger(settings, writer=False)
        with pytest.raises(LogUnavailable, match="for reading only"):
            reading.submit(b"")
        reading.close()
        process.kill()
        process.join()
        Ledger(settings).close()


def test_the_second_of_two_processes_on_sqlite_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings)
    with running(open_and_hold, sqlite_url, tmp_path) as (_, pipe):
        name, message = pipe.recv()
    assert name == "WriterLocked"
    assert f"pid {os.getpid()}" in message
    ledger.close()


def test_a_link_to_the_database_is_no_way_around_the_first_writer(
    sqlite_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings)
    assert settings.sqlite_file is not None
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(settings.sqlite_file)
    with pytest.raises(WriterLocked, match=f"pid {os.getpid()}"):
        Ledger(settings.model_copy(update={"database_url": f"sqlite:///{link}"}))
    ledger.close()


def test_a_folder_that_takes_no_lock_is_named(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/nowhere/ledger.db")
    with pytest.raises(LogUnavailable, match="No such file"):
        store.acquire_writer()
    store.close()


def test_a_database_without_a_ledger_says_what_to_run(database_url: str, tmp_path: Path) -> None:
    store = Store(database_url)
    store.migrate()
    with pytest.raises(NotFound, match="ledger init"), store.append():
        pass
    with pytest.raises(NotFound, match="ledger init"), store.snapshot() as reads:
        reads.head()
    store.close()


def test_a_published_size_keeps_its_root(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    store = Store(settings.database_url)
    with store.snapshot() as reads:
        published = reads.newest_checkpoint()
    assert published is not None
    other = StoredCheckpoint(1, bytes(32), published.logged_at, b"another note")
    for given in (published, StoredCheckpoint(1, published.root, 0, b"the same tree")):
        with store.publishing() as publishing:
            publishing.publish(given)
    with pytest.raises(LogUnavailable, match="published already"), store.publishing() as publishing:
        publishing.publish(other)
    with store.snapshot() as reads:
        assert reads.newest_checkpoint() == published
    store.close()


def test_folding_in_any_batches_gives_the_same_rows(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    facts: list[Fact] = []
    for body in [*_lifetime(kit.ulid(1)), *_lifetime(kit.ulid(2))]:
        with _facts_of_writes(facts):
            kit.log(ledger, body)
    ledger.close()
    store = Store(database_url)
    before = {table.name: kit.rows_of(store, table) for table in kit.PROJECTIONS[:2]}
    keys = kit.rows_of(store, tables.AUTHOR_KEYS)
    for cuts in ([0, 16], [0, 2, 3, 4, 16], [0, 8, 10, 16]):
        with store.rebuilding() as connection:
            drop_projections(connection)
            Driver(connection).insert(tables.AUTHOR_KEYS, keys)
            for start, stop in itertools.pairwise(cuts):
                fold_batch(connection, facts[start:stop])
        assert {table.name: kit.rows_of(store, table) for table in kit.PROJECTIONS[:2]} == before
    store.close()


class _facts_of_writes:  # noqa: N801 - a context manager, used like a function
    """Keep the facts that the sequencer writes meanwhile."""

    def __init__(self, facts: list[Fact]) -> None:
        from ledger.storage.store import Appending  # noqa: PLC0415 - patched here alone

        self._facts, self._of, self._write = facts, Appending, Appending.write

    def __enter__(self) -> None:
        def keep(appending: Any, batch: Any) -> Any:
            self._facts.extend(batch.facts)
            return self._write(appending, batch)

        self._of.write = keep  # type: ignore[assignment,method-assign]

    def __exit__(self, *_: object) -> None:
        self._of.write = self._write  # type: ignore[method-assign]
