"""What moves pages out of SQLite's write-ahead log: beside the writer, and without an end to it."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.assembly import Ledger
from ledger.storage import backfill, line
from ledger.storage.backfill import Backfill
from ledger.storage.driver import Driver
from ledger.storage.store import Store

LIMIT_S = 120
PAGES = 16
LATER = range(1_000, 1_000_000)
"""What ``_write_until`` writes: no time of a clock."""


_before: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    _before.clear()
    _before.update(_threads())

    def soon(engine: Any) -> Backfill:
        return Backfill(engine, rows=4, pages=PAGES)

    monkeypatch.setattr(line, "Backfill", soon)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    settings = kit.make_ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)
    found = Store(settings.database_url)
    yield found
    found.close()


def test_what_is_committed_comes_into_the_database_file_while_the_writer_goes_on(
    store: Store, tmp_path: Path
) -> None:
    _write_until(store, lambda: _logged_at_in_file(tmp_path) in LATER)


def test_the_log_begins_anew_although_somebody_wrote_while_it_was_moved(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backfill, "_wake", lambda _backfill: None)
    _write(store, PAGES)
    begun = _generation(tmp_path)
    moving = store._lines._backfill
    assert moving is not None
    with store.append() as appending, closing(moving.connect()) as raw:
        appending._driver.run("UPDATE log_head SET logged_at = 1")
        moving.move(raw)
    assert _generation(tmp_path) == begun
    _write(store, 1, first=2)
    assert _generation(tmp_path) == begun + 1


def test_the_log_begins_anew_again_and_again_under_a_writer_that_never_rests(
    store: Store, tmp_path: Path
) -> None:
    _write(store, 1)
    begun = _generation(tmp_path)
    _write_until(store, lambda: _generation(tmp_path) >= begun + 3)


def test_a_reader_who_stays_keeps_neither_writer_nor_thread_waiting(
    store: Store, tmp_path: Path
) -> None:
    with store.snapshot() as reads:
        before = reads.head()
        _write(store, 200)
        assert reads.head() == before
    _write_until(store, lambda: _logged_at_in_file(tmp_path) in LATER)


def test_a_thread_that_fails_costs_no_commit_and_says_no_more_than_that_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def fail(_raw: object) -> int:
        failed.set()
        raise sqlite3.OperationalError("disk I/O error in 'secret'")

    monkeypatch.setattr(backfill, "_moved", fail)
    last = _write_until(store, failed.is_set)
    with store.snapshot() as reads:
        assert reads.head().logged_at == last
    store.close()
    assert {each.message for each in caplog.records} == {
        "the write-ahead log grows: OperationalError"
    }


def test_a_store_that_is_closed_leaves_no_thread_and_no_write_ahead_log(
    store: Store, tmp_path: Path
) -> None:
    _write_until(store, lambda: _logged_at_in_file(tmp_path) in LATER)
    assert _threads()
    store.close()
    assert not _threads()
    assert not (tmp_path / "ledger.db-wal").exists()


def test_a_ledger_whose_log_begins_anew_again_and_again_is_whole(tmp_path: Path) -> None:
    settings = kit.make_ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)
    ledger, given = Ledger(settings, clock=kit.Clock()), []
    for number in range(1, 60):
        given += kit.log(ledger, kit.submitted(kit.ulid(number)))
    assert _threads()
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_few_rows_begin_no_thread(tmp_path: Path) -> None:
    settings = kit.make_ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)
    with closing(Store(settings.database_url)) as store:
        moving = Backfill(store.engine)
        with store.engine.connect() as connection:
            moving.between(Driver(connection), rows=backfill.ROWS - 1)
            assert not _threads()
            moving.between(Driver(connection), rows=1)
            assert _threads()
        moving.close()
    assert not _threads()


def _write(store: Store, times: int, *, first: int = 1) -> None:
    for number in range(first, first + times):
        with store.append() as appending:
            appending._driver.run("UPDATE log_head SET logged_at = ?", (number,))


def _write_until(store: Store, done: Any) -> int:
    """Commit until something holds; what the last commit wrote."""
    number, give_up = LATER.start, time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < give_up
        number += 1
        _write(store, 1, first=number)
    return number


def _generation(folder: Path) -> int:
    """How often the log began anew (https://sqlite.org/fileformat2.html#walformat)."""
    return int.from_bytes((folder / "ledger.db-wal").read_bytes()[12:16])


def _logged_at_in_file(folder: Path) -> int:
    """What stands in the database file itself, whatever its write-ahead log has."""
    url = f"file:{folder}/ledger.db?immutable=1"
    with closing(sqlite3.connect(url, uri=True)) as plain:
        return int(plain.execute("SELECT logged_at FROM log_head").fetchone()[0])


def _threads() -> list[threading.Thread]:
    """Those that move pages, but for what stores that nobody closed have left behind."""
    found = [each for each in threading.enumerate() if each.name == "backfill"]
    return [each for each in found if each not in _before]
