"""Workers that die in the middle of a message, and workers that work at once."""

import threading
from collections.abc import Callable
from pathlib import Path

from ledger_world import World
from processes import heard_until_end, running
from webhook_children import deliver
from webhook_world import WAIT_S, Answer, Got, Receiver, begun, hook

from ledger.storage.store import Store
from ledger.webhooks.courier import LEASE_S
from ledger.webhooks.events import Event

JOBS = 12


def _logged(
    folder: Path, url: str, receiver: Receiver, clock: Callable[[int], None]
) -> set[tuple[int, str]]:
    """Log what is to be told, and close the ledger; what that is."""
    with World(folder, url) as world:
        begun(world, hook(receiver.url, Event.SUBMITTED, Event.CHECKPOINT))
        start = world.reader.tree_size()
        for first in range(0, JOBS, 4):
            world.log(*[world.submission(f"job{first + n}") for n in range(4)])
        clock(world.clock.now)
        with world.reader.at() as view:
            given = {"below": view.size, "limit": 1_000}
            submitted = view.stream_submitted().from_(start, **given)
            checkpoints = view.stream_checkpoints().from_(start, **given)
    expected = {(each, "job.submitted") for each in submitted}
    return expected | {(each, "checkpoint.published") for each in checkpoints}


def _hanging(receiver: Receiver, last: int, leave: threading.Event) -> Answer:
    """Answers all but the ``last``-th request, which waits until its sender is dead."""

    def answer(_got: Got) -> tuple[int, dict[str, str]]:
        if len(receiver.got) >= last:
            leave.wait(WAIT_S)
        return 204, {}

    return answer


def test_nothing_is_lost_or_changed_when_workers_are_killed_in_the_middle_of_a_message(
    tmp_path: Path, database_url: str, receiver: Receiver
) -> None:
    times: list[int] = []
    expected = _logged(tmp_path, database_url, receiver, times.append)
    now, kills = times[0], (1, 4, 5, 9)
    for kill_at in kills:
        leave = threading.Event()

        receiver.answer = _hanging(receiver, kill_at, leave)
        with running(deliver, database_url, tmp_path, now, receiver.url) as (process, pipe):
            assert pipe.recv() == "running"
            receiver.wait_for(kill_at)
            process.kill()
            process.join()
        leave.set()
        now += LEASE_S
    receiver.answer = lambda _got: (204, {})
    with running(deliver, database_url, tmp_path, now, receiver.url) as (_, pipe):
        assert pipe.recv() == "running"
        receiver.wait_for(len(expected) + len(kills))
        pipe.send("stop")
        assert heard_until_end(pipe) == []
    assert set(receiver.places) == expected
    assert len(receiver.got) == len(expected) + len(kills)
    bodies = {(each.id, each.body) for each in receiver.got}
    assert len(bodies) == len(set(receiver.ids)) == len(expected)
    first_times = list(dict.fromkeys(receiver.places))
    assert [index for index, _ in first_times] == sorted(index for index, _ in first_times)


def test_two_workers_at_once_deliver_each_message_once(
    tmp_path: Path, postgresql_url: str, receiver: Receiver
) -> None:
    times: list[int] = []
    expected = _logged(tmp_path, postgresql_url, receiver, times.append)
    given = (postgresql_url, tmp_path, times[0], receiver.url)
    with running(deliver, *given) as (_, one), running(deliver, *given) as (_, two):
        assert [one.recv(), two.recv()] == ["running", "running"]
        receiver.wait_for(len(expected))
        for pipe in (one, two):
            pipe.send("stop")
            assert heard_until_end(pipe) == []
    assert sorted(receiver.places) == sorted(expected)


def test_a_server_of_its_own_takes_over_at_once_what_a_dead_one_held(
    tmp_path: Path, sqlite_url: str, receiver: Receiver
) -> None:
    """On SQLite nobody else can be alive, so no lease is waited for."""
    times: list[int] = []
    expected = _logged(tmp_path, sqlite_url, receiver, times.append)
    store = Store(sqlite_url)
    with store.webhooks() as rows:
        assert rows.claim("newsroom", by="dead", now=times[0], until=times[0] + LEASE_S)
    store.close()
    with running(deliver, sqlite_url, tmp_path, times[0], receiver.url) as (_, pipe):
        assert pipe.recv() == "running"
        receiver.wait_for(len(expected))
        pipe.send("stop")
        assert heard_until_end(pipe) == []
    assert sorted(receiver.places) == sorted(expected)
