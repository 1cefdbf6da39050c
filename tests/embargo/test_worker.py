"""The worker: awake at the next deadline, at least once a minute, and whatever the clock does."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import kit
import pytest
from apscheduler.schedulers import base

from ledger import worker as workers
from ledger.embargo import Swept
from ledger.errors import LogUnavailable
from ledger.worker import JOB_ID, Worker

NOW = kit.NOON


class Sweeps:
    """An embargo that counts its passes and does as it is told."""

    def __init__(self, *, deadline: int | None = None) -> None:
        self.deadline = deadline
        self.passes = 0
        self.act: Callable[[], object] = lambda: None
        self.asked: Callable[[], object] = lambda: None

    def open_due(self) -> Swept:
        self.passes += 1
        self.act()
        return Swept(opened=1, failed=())

    def next_deadline(self) -> int | None:
        self.asked()
        return self.deadline


@pytest.fixture
def sweeps() -> Sweeps:
    return Sweeps()


@pytest.fixture
def make(sweeps: Sweeps) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def worker(**given: Any) -> Worker:
        given.setdefault("clock", lambda: int(time.time()))
        made.append(Worker(sweeps, **given))  # type: ignore[arg-type]
        return made[-1]

    yield worker
    for each in made:
        each.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("deadline", "wakes_in"),
    [
        (None, 60),  # nothing is sealed
        (NOW + 1, 1),
        (NOW + 59, 59),
        (NOW + 60, 60),
        (NOW + 61, 60),  # at least once a minute
        (NOW + 86_400, 60),
        (NOW, 60),  # due and could not be opened: with the regular pass
        (NOW - 5, 60),
    ],
)
def test_it_wakes_at_the_next_deadline_and_every_minute(
    make: Callable[..., Worker], sweeps: Sweeps, deadline: int | None, wakes_in: int
) -> None:
    sweeps.deadline = deadline
    assert make(clock=lambda: NOW).next_wake() == NOW + wakes_in


def test_it_wakes_every_minute_where_the_deadline_cannot_be_read(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    def fail() -> None:
        raise LogUnavailable

    sweeps.asked = fail
    assert make(clock=lambda: NOW).next_wake() == NOW + 60


def test_it_sweeps_at_once_and_again(make: Callable[..., Worker], sweeps: Sweeps) -> None:
    worker = make(sweep_seconds=1)
    worker.start()
    until(lambda: sweeps.passes >= 2)
    worker.stop()
    after = sweeps.passes
    time.sleep(1.1)
    assert sweeps.passes == after


def test_it_sweeps_by_a_clock_that_is_years_away(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    worker = make(clock=lambda: NOW + 20 * 365 * 86_400, sweep_seconds=1)
    worker.start()
    until(lambda: sweeps.passes >= 2)


@pytest.mark.parametrize(
    "error", [LogUnavailable("CANARY is fine here"), OSError("CANARY"), ZeroDivisionError("CANARY")]
)
def test_a_failing_pass_is_logged_and_the_next_one_comes(
    make: Callable[..., Worker],
    sweeps: Sweeps,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail() -> None:
        raise error

    sweeps.act = fail
    worker = make()
    with caplog.at_level(logging.INFO):
        worker.start()
        until(lambda: sweeps.passes == 1 and bool(worker._scheduler.get_jobs()))
        worker.sweep()
        worker.stop()
    said = [record for record in caplog.records if record.name == "ledger.worker"]
    assert all("the embargo pass stopped" in record.message for record in said)
    assert all(record.exc_info is None for record in caplog.records)
    if not isinstance(error, LogUnavailable):
        assert "CANARY" not in caplog.text


def test_stopping_waits_for_the_pass_and_never_for_ever(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    """The pass is stopped just as it is about to tell the scheduler when to wake it next."""
    asking, go_on = threading.Event(), threading.Event()

    def ask() -> None:
        asking.set()
        assert go_on.wait(120)

    sweeps.asked = ask
    worker = make()
    worker.start()
    assert asking.wait(120)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    go_on.set()
    stopping.join(120)
    assert not stopping.is_alive()
    assert sweeps.passes == 1


def test_stopping_twice_or_before_the_start_does_no_harm(make: Callable[..., Worker]) -> None:
    worker = make()
    worker.stop()
    worker.stop()
    other = make()
    other.start()
    other.stop()
    other.stop()
    other.sweep()


def test_two_passes_never_run_at_once(make: Callable[..., Worker], sweeps: Sweeps) -> None:
    running: list[int] = []

    def slowly() -> None:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.02)
        running.pop()

    sweeps.act = slowly
    worker = make(sweep_seconds=1)
    worker.start()
    threads = [threading.Thread(target=worker.sweep) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worker.stop()
    assert sweeps.passes >= 5
    assert running == []


def test_a_machine_whose_clock_is_set_back_by_a_day_sweeps_on(
    make: Callable[..., Worker], sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """APScheduler waits for a time of day: by itself it would sleep until that comes again."""
    shift = timedelta()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + shift

    monkeypatch.setattr(base, "datetime", Shifted)
    monkeypatch.setattr(workers, "datetime", Shifted)
    worker = make(clock=lambda: int(Shifted.now(UTC).timestamp()), sweep_seconds=1)
    worker.start()
    until(lambda: sweeps.passes >= 1)
    shift = timedelta(days=-1)
    seen = sweeps.passes
    until(lambda: sweeps.passes >= seen + 2)


def test_one_job_is_all_that_the_scheduler_holds(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    worker, before = make(), datetime.now(UTC)
    worker.start()
    until(lambda: sweeps.passes == 1 and len(worker._scheduler.get_jobs()) == 1)
    (job,) = worker._scheduler.get_jobs()
    assert (job.id, job.misfire_grace_time) == (JOB_ID, None)
    in_a_minute = job.next_run_time - timedelta(seconds=60)
    assert before <= in_a_minute + timedelta(seconds=1)  # its own clock has whole seconds
    assert in_a_minute <= datetime.now(UTC)


def test_once_a_day_it_does_what_it_is_given_and_outlives_its_failure(
    make: Callable[..., Worker], sweeps: Sweeps, caplog: pytest.LogCaptureFixture
) -> None:
    nights: list[int] = []

    def nightly(go_on: Callable[..., None]) -> None:
        go_on("jobs", 1, 2)
        nights.append(1)
        raise LogUnavailable("the disk is full")

    worker = make(nightly=nightly, nightly_at="03:00")
    worker.start()
    job = worker._scheduler.get_job(workers.NIGHTLY_ID)
    assert (job.next_run_time.hour, job.next_run_time.minute) == (3, 0)
    assert job.next_run_time.utcoffset() == timedelta(0)
    job.modify(next_run_time=datetime.now(UTC))
    until(lambda: bool(nights))
    until(lambda: "the bulk files were not made: the disk is full" in caplog.text)
    assert worker._scheduler.get_job(workers.NIGHTLY_ID).next_run_time.hour == 3


def test_what_it_does_at_night_ends_when_it_is_stopped(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    begun = threading.Event()

    def nightly(go_on: Callable[..., None]) -> None:
        begun.set()
        while True:
            go_on()
            time.sleep(0.01)

    worker = make(nightly=nightly, nightly_at="03:00")
    worker.start()
    worker._scheduler.get_job(workers.NIGHTLY_ID).modify(next_run_time=datetime.now(UTC))
    assert begun.wait(120)
    worker.stop()
    assert not worker._scheduler.running


def test_without_a_time_of_day_nothing_is_done_at_night(make: Callable[..., Worker]) -> None:
    worker = make(nightly=lambda _go_on: None, nightly_at=None)
    worker.start()
    assert worker._scheduler.get_job(workers.NIGHTLY_ID) is None


def test_beside_every_sweep_it_does_what_it_is_given_and_no_sweep_waits_for_it(
    make: Callable[..., Worker], sweeps: Sweeps, caplog: pytest.LogCaptureFixture
) -> None:
    begun, done = threading.Event(), threading.Event()
    times: list[int] = []

    def beside(go_on: Callable[..., None]) -> None:
        times.append(1)
        begun.set()
        assert done.wait(120)
        go_on()
        raise LogUnavailable("no writer")

    worker = make(beside=beside, sweep_seconds=1)
    worker.start()
    assert begun.wait(120)
    seen = sweeps.passes
    until(lambda: sweeps.passes >= seen + 2)
    assert len(times) == 1
    done.set()
    until(lambda: "the bulk files were not logged: no writer" in caplog.text)
    until(lambda: len(times) >= 2)


def test_what_it_does_beside_ends_when_it_is_stopped(
    make: Callable[..., Worker], sweeps: Sweeps
) -> None:
    begun = threading.Event()

    def beside(go_on: Callable[..., None]) -> None:
        begun.set()
        while True:
            go_on()
            time.sleep(0.01)

    worker = make(beside=beside)
    worker.start()
    assert begun.wait(120)
    worker.stop()
    assert not worker._scheduler.running
