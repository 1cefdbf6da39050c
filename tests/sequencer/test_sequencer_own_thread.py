"""A caller who is alone writes its batch in its own thread, and whoever comes meanwhile waits."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.sequencer.queue import Queue
from ledger.sequencer.sequencer import Sequencer
from ledger.sequencer.signing import Signing
from ledger.settings import Settings
from schemas.posting import Receipted

ONE, TWO, THREE = kit.ulid(1), kit.ulid(2), kit.ulid(3)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return kit.make_ledger(database_url, tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = Ledger(settings, clock=kit.Clock())
    yield opened
    opened.close()
    kit.check_whole_log(settings)


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Who has written each batch, and how many tickets it had."""
    found: list[tuple[str, int]] = []
    real = Sequencer._sequence

    def noted(self: Sequencer, tickets: Any) -> None:
        found.append((threading.current_thread().name, len(tickets)))
        real(self, tickets)

    monkeypatch.setattr(Sequencer, "_sequence", noted)
    return found


def alone(ledger: Ledger, job_id: str) -> Receipted:
    """Have one submission logged, and wait for it."""
    (answer,) = ledger.log([kit.submitted(job_id)])
    assert isinstance(answer, Receipted)
    return answer


def test_who_is_alone_writes_its_batch_itself(
    ledger: Ledger, writers: list[tuple[str, int]]
) -> None:
    for each in (ONE, TWO):
        assert alone(ledger, each).created
    assert ledger.submit(kit.submitted(THREE)).result(120).created
    me = threading.current_thread().name
    assert writers == [(me, 1), (me, 1), ("sequencer", 1)]


def test_who_comes_meanwhile_waits_for_the_writers_thread(
    ledger: Ledger, writers: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, goes_on = threading.Event(), threading.Event()
    real = Sequencer._store_batch

    def slowly(self: Sequencer, *arguments: Any) -> Any:
        entered.set()
        assert goes_on.wait(120)
        return real(self, *arguments)

    monkeypatch.setattr(Sequencer, "_store_batch", slowly)
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(alone(ledger, ONE)))
    first.start()
    assert entered.wait(120)
    waiting = [ledger.submit(kit.submitted(each)) for each in (TWO, THREE)]
    _until(lambda: ledger.sequencer.waiting == 2)
    goes_on.set()
    assert {future.result(120).accepted.index for future in waiting} == {3, 5}
    first.join(120)
    assert len(answers) == 1
    assert writers[0] == (first.name, 1)
    assert {name for name, _ in writers[1:]} == {"sequencer"}


def test_an_interrupt_in_a_callers_batch_leaves_the_log_to_the_others(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Signing.sign

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Signing, "sign", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ledger.log([kit.submitted(ONE)])
    monkeypatch.setattr(Signing, "sign", real)
    # It was stored and not signed: nothing was promised, and the next batch signs it first.
    assert alone(ledger, TWO).created
    again = alone(ledger, ONE)
    assert (again.accepted.index, again.created) == (1, False)


def test_a_stop_waits_for_the_caller_that_writes(settings: Settings) -> None:
    ledger = Ledger(settings, clock=kit.Clock())
    with ledger.sequencer._signer.memory.locked():
        answers: list[Any] = []
        writing = threading.Thread(target=lambda: answers.extend(ledger.log([kit.submitted(ONE)])))
        writing.start()
        _until(lambda: ledger.sequencer._queue._seized)
        closing = threading.Thread(target=ledger.close)
        closing.start()
        _until(lambda: ledger.sequencer._queue.is_closed)
        assert closing.is_alive()
    for each in (writing, closing):
        each.join(120)
        assert not each.is_alive()
    assert kit.check_whole_log(settings, acknowledged=answers).size == 3


def work() -> Any:
    return type("Work", (), {"size": 1})()


def test_nobody_is_passed_by_who_writes_itself() -> None:
    queue: Queue[int] = Queue(max_records=100, max_bytes=1_000)
    assert queue.seize([work()]) is not None
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(queue.seize, [work()]).result(120) is None  # one at a time
    waiting = queue.put([work()])
    queue.release()
    assert queue.seize([work()]) is None  # another was there before
    assert queue.take(10) == [waiting]
    assert queue.seize([work()]) is None  # and is being written
    queue.close(LogUnavailable("closed"))
    assert queue.take(10) == []
    with pytest.raises(LogUnavailable, match="closed"):
        queue.seize([work()])


def test_what_an_interrupt_has_left_seized_keeps_nobody_waiting() -> None:
    """Between the seizing and the writing, as Ctrl-C may come: the same thread goes on, or ends."""
    queue: Queue[int] = Queue(max_records=100, max_bytes=1_000)
    assert queue.seize([work()]) is not None
    assert queue.seize([work()]) is not None
    waiting = queue.put([work()])
    queue.close(LogUnavailable("closed"))
    assert queue.take(10) == [waiting]
    assert queue.take(10) == []


def test_where_many_were_answered_nobody_goes_alone() -> None:
    queue: Queue[int] = Queue(max_records=100, max_bytes=1_000)
    queue.put([work(), work()], callers=2)
    queue.take(10)
    with queue._ready:
        queue._taken = False  # the writer's thread is back for more
    assert queue.seize([work()]) is None
    queue.put([work()])
    queue.take(10)
    with queue._ready:
        queue._taken = False
    assert queue.seize([work()]) is not None


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
