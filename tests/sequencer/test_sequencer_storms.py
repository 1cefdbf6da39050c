"""A database that goes away, and a writer who does not keep the rules."""

import threading
from pathlib import Path
from typing import Any

import kit
import psycopg
import pytest
from sqlalchemy import event

from ledger.assembly import Ledger
from ledger.errors import ForkRefused, LedgerError, LogUnavailable
from ledger.sequencer import sequencer as sequencing
from ledger.storage.store import Publishing, Store
from schemas.posting import Receipted


def cut_connections(url: str) -> None:
    """What a PostgreSQL that restarts does to its clients."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_connections_that_are_cut_cost_no_acknowledged_statement(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    answers: list[Receipted] = []
    done, progress = threading.Event(), threading.Semaphore(0)

    def client(start: int) -> None:
        for number in range(start, start + 60):
            body = kit.submitted(kit.ulid(number))
            while True:
                # Whoever hears nothing, or that nothing is promised, sends the same again.
                error = (future := ledger.submit(body)).exception(kit.PATIENCE_S)
                if error is None:
                    answers.append(future.result())
                    progress.release()
                    break
                assert isinstance(error, LogUnavailable), error

    def storm() -> None:
        # Never twice without a batch in between, which may take longer than any pause here.
        while not done.wait(0.03) and progress.acquire(timeout=kit.PATIENCE_S):
            cut_connections(postgresql_url)

    storming = threading.Thread(target=storm)
    clients = [threading.Thread(target=client, args=(n * 1_000,)) for n in range(4)]
    for thread in (storming, *clients):
        thread.start()
    for thread in clients:
        thread.join()
    done.set()
    progress.release()
    storming.join()
    ledger.close()
    checked = kit.check_whole_log(settings, acknowledged=answers)
    assert len(answers) == 240
    assert checked.size == 1 + 2 * 240


def test_a_writer_beside_the_signer_is_given_up_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    with monkeypatch.context() as patch:
        patch.setattr(sequencing, "is_last", lambda *_: False)
        error = kit.refusal(ledger.submit(kit.submitted(kit.ulid(1))))
    assert isinstance(error, LogUnavailable)
    assert "the same LEDGER_KEY_DIR" in str(error)
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_a_database_that_is_not_there_is_an_error_of_ours(
    postgresql_url: str, tmp_path: Path
) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    body = kit.submitted(kit.ulid(1))
    store, gone = ledger.store, Store(postgresql_url.replace("host=", "host=/nowhere"))
    real = store.engine, store._lines, store._readings
    store.engine, store._lines, store._readings = gone.engine, gone._lines, gone._readings
    for attempt in (ledger.submit(body), ledger.submit(kit.opened(kit.ulid(1), 1))):
        error = kit.refusal(attempt)
        assert isinstance(error, LogUnavailable)
        assert not isinstance(error, OSError)
    with pytest.raises(LedgerError):
        ledger.embargo.open_due()
    store.engine, store._lines, store._readings = real
    given = kit.log(ledger, body)
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_a_full_disk_stops_the_writer_and_loses_nothing(sqlite_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    pages = 40

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(ledger.store.engine, "connect", limit)
    ledger.store.engine.dispose()
    bodies = [kit.submitted(kit.ulid(n)) for n in range(60)]
    answers: list[Receipted] = []
    refused = 0
    for body in bodies:
        future = ledger.submit(body)
        error = future.exception(kit.PATIENCE_S)
        if error is None:
            answers.append(future.result())
            continue
        refused += 1
        assert isinstance(error, LogUnavailable)
        assert "nothing is promised" in str(error)
    assert answers
    assert refused
    kit.check_whole_log(settings, acknowledged=answers)
    pages = 10_000  # somebody makes room
    ledger.store.engine.dispose()
    answers += kit.log(ledger, *bodies)
    ledger.close()
    checked = kit.check_whole_log(settings, acknowledged=answers)
    assert checked.size == 1 + 2 * len(bodies)


def test_a_bit_that_flips_before_the_signature_is_not_signed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    real = Publishing.entry_bytes

    def flipped(publishing: Publishing, start: int, stop: int) -> list[bytes]:
        first, *rest = real(publishing, start, stop)
        return [bytes([first[0] ^ 1]) + first[1:], *rest]

    with monkeypatch.context() as patch:
        patch.setattr(Publishing, "entry_bytes", flipped)
        error = kit.refusal(ledger.submit(kit.started(kit.ulid(1))))
    assert isinstance(error, ForkRefused)
    assert "read back other than they were written" in str(error)
    # The writer has stopped: whoever looks after it must look at the machine first.
    again = kit.refusal(ledger.submit(kit.submitted(kit.ulid(2))))
    assert isinstance(again, LogUnavailable)
    assert "read back other" in str(again)
    ledger.close()
    checked = kit.check_whole_log(settings, acknowledged=given)
    assert (checked.size, checked.checkpoints[-1].size) == (4, 3)
    ledger = Ledger(settings, clock=kit.Clock())  # it was in the reading: what is stored is good
    given += kit.log(ledger, kit.started(kit.ulid(1)))
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


def test_the_head_has_one_writer_at_a_time(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    store, order = Store(settings.database_url), []

    def second() -> None:
        with store.append() as appending:
            order.append(("second", appending.head.size))

    waiting = threading.Thread(target=second)
    with store.append():
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        order.append(("first", 1))
    waiting.join(120)
    assert order == [("first", 1), ("second", 1)]
    store.close()
