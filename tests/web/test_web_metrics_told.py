"""Everything that an operator is to be told of, in a scrape that Prometheus' own reader reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from ledger_world import World
from prometheus_client.parser import text_string_to_metric_families

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable, SecondHistory
from ledger.keys import write_secret
from ledger.metering import Board, families
from ledger.metering.tasks import last, note, noting
from ledger.settings import Settings
from ledger.storage.driver import Driver
from ledger.worker import Worker
from web.app import create_app

TOKEN = "scrape-0123456789abcdef-0123456789"
NEEDED = {
    "queue": {"ledger_queue_records", "ledger_queue_bytes", "ledger_queue_limit_records"},
    "batch size": {"ledger_batch_records"},
    "time to proof": {"ledger_proof_seconds"},
    "checkpoint age": {"ledger_checkpoint_age_seconds", "ledger_tree_size", "ledger_signed_size"},
    "witness lag": {"ledger_witness_lag_entries", "ledger_witness_age_seconds"},
    "overdue": {"ledger_overdue"},
    "scheduler lag": {"ledger_worker_lag_seconds", "ledger_worker_pass_timestamp_seconds"},
    "egress": {"ledger_egress_30d_bytes", "ledger_egress_refused", "ledger_egress_held"},
    "disk": {"ledger_disk_free_bytes", "ledger_disk_size_bytes"},
    "tasks": {"ledger_task_success_timestamp_seconds", "ledger_task_failed"},
}


@pytest.fixture
def metered(fresh: World, tmp_path: Path) -> World:
    write_secret(tmp_path / "token", TOKEN)
    given = fresh.ledger.settings
    fresh.ledger.close()
    settings = Settings(
        data_dir=given.data_dir, database_url=given.database_url, metrics=tmp_path / "token"
    )
    fresh.ledger = Ledger(settings, clock=fresh.clock)
    fresh.reader = fresh.ledger.reader
    return fresh


@pytest.fixture
def scraped(metered: World) -> Iterator[Browser]:
    with Browser(create_app(metered.ledger)) as browser:
        yield browser


def _scrape(site: Browser) -> dict[str, dict[tuple[str, ...], float]]:
    """Each sample by its name and the values of its labels; each family has at least a type."""
    text = site.get("/metrics", authorization=f"Bearer {TOKEN}").text
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        found.setdefault(family.name, {})
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_all_that_an_operator_needs_is_there(scraped: Browser) -> None:
    told = _scrape(scraped)
    assert {name: names - set(told) for name, names in NEEDED.items() if names - set(told)} == {}


def test_disks_limits_and_processes_are_told(metered: World, scraped: Browser) -> None:
    told = _scrape(scraped)
    assert told["ledger_processes"] == {(): 1}
    assert told["ledger_queue_limit_records"] == {(): metered.ledger.settings.queue_records}
    free, size = told["ledger_disk_free_bytes"], told["ledger_disk_size_bytes"]
    assert set(free) == set(size) == {("data",), ("keys",)}
    assert all(0 < free[each] <= size[each] for each in free)


def test_a_batch_that_fails_and_a_writer_that_stops_are_told(
    metered: World, scraped: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _scrape(scraped)["ledger_batches_failed_total"] == {(): 0}
    with monkeypatch.context() as broken:
        broken.setattr(Driver, "insert", lambda *_: 1 / 0)
        with pytest.raises(LogUnavailable):
            metered.ledger.submit(metered.submission("one")).result(timeout=120)
    told = _scrape(scraped)
    assert told["ledger_batches_failed_total"] == {(): 1}
    assert told["ledger_writers_stopped"] == {(): 0}
    metered.ledger.sequencer.halt(SecondHistory("seen elsewhere", note=b""))
    assert _scrape(scraped)["ledger_writers_stopped"] == {(): 1}


def test_a_worker_that_looks_is_told_from_one_that_cannot(
    metered: World, scraped: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, pass_at = metered.ledger, "ledger_worker_pass_timestamp_seconds"
    worker = Worker(ledger.embargo, clock=ledger.clock, passed=ledger.passed)
    assert _scrape(scraped)[pass_at] == {(): 0}
    worker.sweep()
    first = metered.clock.now
    assert _scrape(scraped)[pass_at] == {(): first}
    metered.clock.now += 60
    with monkeypatch.context() as broken:
        broken.setattr(type(ledger.embargo), "open_due", lambda *_: 1 / 0)
        worker.sweep()
    assert _scrape(scraped)[pass_at] == {(): first}
    worker.sweep()
    assert _scrape(scraped)[pass_at] == {(): first + 60}


def test_how_tasks_ended_is_told(metered: World, scraped: Browser) -> None:
    folder = metered.ledger.settings.data_dir / "metrics" / "tasks"
    assert _scrape(scraped)["ledger_task_failed"] == {}
    note(folder, "fsck", now=1_000, failed=False)
    note(folder, "fsck", now=2_000, failed=True)
    note(folder, "backup", now=3_000, failed=True)
    told = _scrape(scraped)
    assert told["ledger_task_success_timestamp_seconds"] == {("fsck",): 1_000}
    assert told["ledger_task_failed"] == {("fsck",): 1, ("backup",): 1}


def test_a_task_that_is_left_early_has_failed_and_what_is_no_note_is_no_task(
    tmp_path: Path,
) -> None:
    with noting(tmp_path / "made", "mirror", now=5):
        pass
    with pytest.raises(KeyboardInterrupt), noting(tmp_path / "made", "mirror", now=6):
        raise KeyboardInterrupt
    done = last(tmp_path / "made", "mirror")
    assert done is not None
    assert (done.succeeded_at, done.failed) == (5, True)
    for nonsense in ("", "5\n", "5 sound", "x sound\n", "5 sound\n5 sound\n", "9" * 999):
        (tmp_path / "fsck").write_text(nonsense)
        assert last(tmp_path, "fsck") is None
    (tmp_path / "file").write_text("")
    note(tmp_path / "file", "fsck", now=1, failed=False)
    assert last(tmp_path / "file", "fsck") is None


def test_of_the_latest_the_largest_counts_and_outlives_its_process(tmp_path: Path) -> None:
    one, two = Board(tmp_path), Board(tmp_path)
    one.set(families.PASS, 200)
    two.set(families.PASS, 100)
    name = families.PASS.name
    assert one.totals()[name, ()] == [200]
    one.close()
    assert two.totals()[name, ()] == [200]
    two.set(families.PASS, 300)
    assert two.totals()[name, ()] == [300]
    two.close()
