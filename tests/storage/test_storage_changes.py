"""What tells a reader that nothing was committed since it read: never wrong, and never a wait."""

import sqlite3
import threading
from pathlib import Path
from typing import cast

import kit
import pytest

from ledger.assembly import Ledger
from ledger.storage.changes import Changes


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A file in the mode of ours, with a name that means something in a URI."""
    path = tmp_path / "a?b#c %41.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    return path


def test_the_version_stays_until_somebody_commits(database: Path) -> None:
    changes = Changes(database)
    writer = sqlite3.connect(database, isolation_level=None)
    seen = {changes.version()}
    for number in range(3):
        before = changes.version()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (?)", (number,))
        assert changes.version() == before  # not before it is committed
        writer.execute("COMMIT")
        after = changes.version()
        assert after not in seen
        assert changes.version() == after
        seen.add(after)
    assert None not in seen
    writer.close()
    changes.close()


def test_what_is_rolled_back_changes_nothing(database: Path) -> None:
    changes = Changes(database)
    writer = sqlite3.connect(database, isolation_level=None)
    before = changes.version()
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO t VALUES (1)")
    writer.execute("ROLLBACK")
    assert changes.version() == before is not None
    writer.close()
    changes.close()


def test_it_keeps_no_transaction_open_and_nobody_waiting(database: Path) -> None:
    changes = Changes(database)
    writer = sqlite3.connect(database, isolation_level=None, timeout=0)
    assert changes.version() is not None
    writer.execute("INSERT INTO t VALUES (1)")
    assert changes.version() is not None
    # A reader in the middle of something would keep the write-ahead log from being emptied.
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    writer.close()
    changes.close()


def test_what_cannot_be_told_is_not_told(tmp_path: Path, database: Path) -> None:
    assert Changes(None).version() is None
    missing = Changes(tmp_path / "none.db")
    assert missing.version() is None
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "none.db").write_bytes(b"no database" * 100)
    assert missing.version() is None
    missing.close()
    closed = Changes(database)
    assert closed.version() is not None
    closed.close()
    assert closed.version() is None


class Failing:
    """A connection that cannot be asked."""

    is_closed = False

    def execute(self, asked: str) -> None:
        raise sqlite3.OperationalError(f"database is locked: {asked}")

    def close(self) -> None:
        self.is_closed = True


def test_what_could_not_be_told_once_makes_every_number_before_void(database: Path) -> None:
    changes = Changes(database)
    before = changes.version()
    failing = Failing()
    changes._connection = cast("sqlite3.Connection", failing)
    assert changes.version() is None
    assert failing.is_closed
    # Something may have been committed in between, and a new connection counts from anew.
    after = changes.version()
    assert after is not None
    assert after != before
    changes.close()


def test_several_threads_may_ask(database: Path) -> None:
    changes = Changes(database)
    found: list[object] = []

    def ask() -> None:
        found.extend(changes.version() for _ in range(500))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 2_000
    assert set(found) == {changes.version()}
    changes.close()


def test_a_reader_shows_again_what_it_showed_until_anything_is_committed(
    database_url: str, tmp_path: Path
) -> None:
    """By its own process or another's; on PostgreSQL it has to look each time."""
    settings = kit.make_ledger(database_url, tmp_path)
    writing, reading = Ledger(settings, clock=kit.Clock()), Ledger(settings, writer=False)
    try:
        for ledger in (writing, reading):
            assert ledger.reader.still_shown() is None
            shown = ledger.reader.shown()
            kept = ledger.reader.still_shown()
            assert kept is (shown if database_url.startswith("sqlite") else None)
        kit.log(writing, kit.submitted(kit.ulid(1)))
        with writing.store.snapshot() as reads:
            size = reads.head().size
        for ledger in (writing, reading):
            assert ledger.reader.still_shown() is None
            assert ledger.reader.shown().checkpoint.size == size
    finally:
        reading.close()
        writing.close()
    assert writing.reader.still_shown() is None
