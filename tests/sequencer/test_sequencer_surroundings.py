"""What is around the ledger goes wrong: a full or slow disk, a read-only database, a jumping clock.

Each time: a clear refusal, nothing promised that is not kept, and work goes on by itself.
"""

import threading
from concurrent.futures import FIRST_EXCEPTION, wait
from pathlib import Path
from typing import Any

import kit
import psycopg
import pytest
from processes import heard_until_end, running
from sequencer_small_disks import MOST, log_until_full
from sqlalchemy import event

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable, Overloaded
from ledger.records.deadline import DAY_S
from ledger.sequencer.memory import OpenMemory
from ledger.storage.engine import is_sqlite


def test_a_disk_that_the_kernel_says_is_full_stops_the_writer_until_there_is_room(
    sqlite_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    with running(log_until_full, settings.database_url, settings.data_dir, 1_000_000) as (_, pipe):
        [(given, refused, readable, number)] = heard_until_end(pipe)
    assert number < MOST
    assert "nothing is promised" in refused[0]
    # What is published can be read while nothing can be written.
    assert readable == 1 + 2 * (number - 1)
    checked = kit.check_whole_log(settings, acknowledged=given)
    assert checked.size == 1 + 2 * (number + 1)
    assert checked.checkpoints[-1].size == checked.size


def test_a_disk_that_does_not_answer_bounds_the_queue_and_then_everybody_is_served(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(database_url, tmp_path).model_copy(update={"queue_records": 3})
    ledger = Ledger(settings, clock=kit.Clock())
    reached, answers = threading.Event(), threading.Event()
    remember = OpenMemory.remember

    def wait_and_remember(self: OpenMemory, note: bytes, *, size: int) -> None:
        reached.set()
        assert answers.wait(120)
        remember(self, note, size=size)

    monkeypatch.setattr(OpenMemory, "remember", wait_and_remember)
    given = [ledger.submit(kit.submitted(kit.ulid(1)))]
    assert reached.wait(120)
    # One batch is at the disk: of what comes now some waits, and the rest is told so at once.
    given += [ledger.submit(kit.submitted(kit.ulid(number))) for number in range(2, 40)]
    refused, _ = wait(given, timeout=120, return_when=FIRST_EXCEPTION)
    for answer in refused:
        error = answer.exception()
        assert isinstance(error, Overloaded)
        assert error.retry_after_s >= 1
    assert refused
    assert ledger.sequencer.waiting <= 3
    answers.set()
    taken = [answer.result() for answer in given if answer.exception(120) is None]
    assert 1 <= len(taken) < len(given)
    # Nobody restarts anything: whoever comes back is served.
    taken += kit.log(ledger, *(kit.submitted(kit.ulid(number)) for number in (38, 39)))
    ledger.close()
    kit.check_whole_log(settings, acknowledged=taken)


def test_a_database_that_is_read_only_takes_nothing_and_then_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    for read_only in ("on", "off"):
        if is_sqlite(ledger.store.engine):

            def remount(connection: Any, _record: object, how: str = read_only) -> None:
                connection.execute(f"PRAGMA query_only={how}")

            event.listen(ledger.store.engine, "connect", remount)
        else:
            _for_all_that_come(database_url, f"default_transaction_read_only = {read_only}")
        ledger.store.engine.dispose()
        if read_only == "on":
            for body in (kit.started(kit.ulid(1)), kit.submitted(kit.ulid(2))):
                error = kit.refusal(ledger.submit(body))
                assert isinstance(error, LogUnavailable)
                assert "nothing is promised" in str(error)
            assert ledger.reader.tree_size() == 3
            kit.check_whole_log(settings, acknowledged=given)
    given += kit.log(ledger, kit.started(kit.ulid(1)), kit.submitted(kit.ulid(2)))
    ledger.close()
    assert kit.check_whole_log(settings, acknowledged=given).size == 6


def test_a_clock_that_jumps_moves_no_deadline_and_no_entry(
    database_url: str, tmp_path: Path
) -> None:
    clock = kit.Clock()
    settings = kit.make_ledger(database_url, tmp_path, clock=clock)
    ledger = Ledger(settings, clock=clock)
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    clock.advance(days=-400)
    assert ledger.embargo.open_due().opened == 0
    given += kit.log(ledger, kit.submitted(kit.ulid(2)))
    clock.advance(days=400 + 10)
    given += kit.log(ledger, kit.submitted(kit.ulid(3)))
    clock.advance(days=-10)
    given += kit.log(ledger, kit.submitted(kit.ulid(4)))
    checked = kit.check_whole_log(settings, acknowledged=given)
    # The log's time never goes back, and every deadline follows from it.
    days = [(due - kit.NOON) // DAY_S for due in checked.deadlines.values()]
    assert days == [90, 90, 100, 100]
    clock.advance(days=90)
    assert ledger.embargo.open_due().opened == 2
    clock.advance(days=-1)
    assert ledger.embargo.open_due().opened == 0
    clock.advance(days=11)
    assert ledger.embargo.open_due().opened == 2
    ledger.close()
    checked = kit.check_whole_log(settings, acknowledged=given)
    assert set(checked.disclosed) == set(checked.deadlines)


def _for_all_that_come(url: str, setting: str) -> None:
    """Set something for the database's next connections, as a failover does."""
    with psycopg.connect(url, autocommit=True) as connection:
        # The database may be read only by the same setting: then this connection is not.
        connection.execute("SET default_transaction_read_only = off")
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET {setting}".encode())
