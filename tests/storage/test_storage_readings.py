"""The connections that are kept to read with: always of the newest moment, never a broken one."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import kit
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.assembly import Ledger
from ledger.storage.engine import POOL_SIZE, is_sqlite
from ledger.storage.reading import KEPT, Reading
from ledger.storage.store import StorageFailed, Store


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    found = Store(kit.make_ledger(database_url, tmp_path).database_url)
    yield found
    found.close()


def test_a_connection_is_kept_on_sqlite_and_goes_back_to_the_pool_on_postgresql(
    store: Store,
) -> None:
    readings = store._readings
    first, _ = taken = readings.take()
    readings.give(*taken)
    again, _ = taken = readings.take()
    readings.give(*taken)
    assert (again is first) == is_sqlite(store.engine)


def test_what_was_committed_in_between_is_read(database_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    store = Store(settings.database_url)
    with store.snapshot() as reads:
        before = reads.head()
    writer = Ledger(settings, clock=kit.Clock())
    kit.log(writer, kit.submitted(kit.ulid(1)))
    with store.snapshot() as reads:
        now = reads.head()
        kit.log(writer, kit.started(kit.ulid(1)))
        assert reads.head() == now
    with store.snapshot() as reads:
        assert before.size < now.size < reads.head().size
    writer.close()
    store.close()


def test_snapshots_within_each_other_have_a_connection_each(store: Store) -> None:
    with store.snapshot() as outer, store.snapshot() as inner:
        assert outer.head() == inner.head()
        assert outer._source is not inner._source


def test_of_many_at_once_no_more_are_kept_than_may_be(store: Store) -> None:
    readings = store._readings
    many = [readings.take() for _ in range(2 * KEPT)]
    for taken in many:
        readings.give(*taken)
    assert len(readings._free) == (KEPT if is_sqlite(store.engine) else 0)
    with ExitStack() as stack:
        # With those that are kept, the pool still has one for everybody else.
        for _ in range(2 * POOL_SIZE - 1):
            stack.enter_context(store.snapshot())
        store.engine.connect().close()


def test_a_reader_for_whom_there_is_no_connection_is_told_and_costs_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise PoolTimeout

    with monkeypatch.context() as full:
        full.setattr(store.engine, "raw_connection", none)
        with pytest.raises(StorageFailed, match="refuses"), store.snapshot():
            raise AssertionError
    with store.snapshot() as reads:
        assert reads.head().size == 1
    assert store._readings._lent == 0


def test_a_connection_that_was_cut_is_not_used_again(store: Store) -> None:
    with store.snapshot() as reads:
        cut = reads._source
        assert isinstance(cut, Reading)
        cut._raw.close()
    for _ in range(2):
        with store.snapshot() as reads:
            assert reads.head().size == 1
            assert reads._source is not cut


def test_what_the_engine_disposes_of_is_not_read_with_any_more(store: Store) -> None:
    with store.snapshot() as reads:
        first = reads._source
    store.engine.dispose()
    with store.snapshot() as reads:
        second = reads._source
        assert second is not first
        store.engine.dispose()
        assert reads.head().size == 1
    with store.snapshot() as reads:
        assert reads._source is not second


def test_an_error_in_the_block_is_the_callers_and_a_drivers_is_translated(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.snapshot():
        raise ZeroDivisionError
    with pytest.raises(StorageFailed, match="nothing is promised"), store.snapshot() as reads:
        reads._driver.fetch("SELECT nothing FROM nowhere")
    with store.snapshot() as reads:
        assert reads.head().size == 1
