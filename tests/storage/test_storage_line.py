"""The connection that writes: kept between transactions, and never once it has failed."""

import threading
from pathlib import Path

import kit
import psycopg
import pytest

from ledger.assembly import Ledger
from ledger.errors import ForkRefused, LogUnavailable
from ledger.storage.driver import Driver
from ledger.storage.line import Line, Lines
from ledger.storage.store import Store

SIZE = 1


def test_one_connection_serves_one_transaction_after_the_other(
    database_url: str, tmp_path: Path
) -> None:
    lines = _lines(database_url, tmp_path)
    first = _used(lines)
    with pytest.raises(ForkRefused):
        _grow_and_raise(lines, ForkRefused("refused"))
    with lines.lent(durable=False, first=_size) as (line, size):
        assert size == SIZE  # what was refused is undone
        line.commit()
    assert line is first


def test_what_has_failed_is_not_used_again(database_url: str, tmp_path: Path) -> None:
    lines = _lines(database_url, tmp_path)
    first = _used(lines)
    with pytest.raises(ZeroDivisionError):
        _grow_and_raise(lines, ZeroDivisionError())
    with lines.lent(durable=True, first=_size) as (line, size):
        assert size == SIZE
        line.commit()
    assert line is not first


def test_two_threads_that_write_have_a_line_each_and_one_is_kept(
    database_url: str, tmp_path: Path
) -> None:
    lines = _lines(database_url, tmp_path)
    first = _used(lines)
    second: list[Line] = []
    with lines.lent(durable=True, first=_size) as (line, _):
        # It waits for the lock of the first, in a transaction of its own.
        other = threading.Thread(target=lambda: second.append(_used(lines)))
        other.start()
        line.commit()
        other.join(120)
    assert line is first
    assert second[0] is not first
    assert _used(lines) in {first, second[0]}


def test_a_line_that_the_server_cut_while_it_was_idle_costs_no_batch(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    given += kit.log(ledger, kit.started(kit.ulid(1)))
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_a_line_that_was_cut_in_a_transaction_stores_nothing(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    store = Store(settings.database_url)

    def grow_while_it_is_cut() -> None:
        with store.append() as appending:
            appending._driver.run("UPDATE log_head SET size = size + 1")
            [(pid,)] = appending._driver.fetch("SELECT pg_backend_pid()")
            with psycopg.connect(postgresql_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 120000)", (pid,))

    with pytest.raises(LogUnavailable, match="nothing is promised"):
        grow_while_it_is_cut()
    with store.append() as appending:
        assert appending.head.size == SIZE
    store.close()


def test_what_the_engine_disposes_of_is_no_line_any_more(database_url: str, tmp_path: Path) -> None:
    lines = _lines(database_url, tmp_path)
    first = _used(lines)
    first.connection.engine.dispose()
    assert _used(lines) is not first
    with lines.lent(durable=True, first=_size) as (line, _):
        line.connection.engine.dispose()
        line.commit()
    assert _used(lines) is not line


def _lines(database_url: str, tmp_path: Path) -> Lines:
    return Lines(Store(kit.make_ledger(database_url, tmp_path).database_url).engine)


def _grow_and_raise(lines: Lines, error: Exception) -> None:
    with lines.lent(durable=True, first=_size) as (line, _):
        line.driver.run("UPDATE log_head SET size = size + 1")
        raise error


def _used(lines: Lines) -> Line:
    with lines.lent(durable=True, first=_size) as (line, _):
        line.commit()
    return line


def _size(driver: Driver) -> int:
    [(size,)] = driver.fetch("SELECT size FROM log_head")
    return int(size)
