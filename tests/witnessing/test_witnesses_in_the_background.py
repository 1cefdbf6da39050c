"""The witnesses are asked by themselves: by a thread, by a server, by a worker of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

from cli_world import process
from ports import free_port
from witnessing_world import Making, World, cosigners, policy_text, size_of

from ledger.assembly import Ledger
from ledger.storage.store import StorageFailed
from ledger.witnessing import Witnessing, asking
from ledger.witnessing.room import asking as asking_all

PATIENCE_S = 120
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify.py"


def until(condition: Callable[[], bool]) -> None:
    """Wait for what has to come; how long it takes is not the matter."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _cosigned(world: World) -> list[int]:
    """The largest size that each witness has cosigned, as the ledger has kept it."""
    return [each.size for each in world.status().witnesses]


def witnessing_of(world: World) -> Witnessing:
    found = world.ledger.witnessing
    assert found is not None
    return found


def test_a_new_checkpoint_is_cosigned_without_being_asked_for(world: World) -> None:
    with asking_all(witnessing_of(world)):
        for _ in range(3):
            size = world.log()
            until(lambda size=size: size_of(world.note()) == size and world.status().quorum_met)  # type: ignore[misc] # bound now


def test_a_witness_that_hangs_holds_up_neither_the_others_nor_the_log_nor_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_S", 10 * PATIENCE_S)
    world.witnesses[1].behave("slow")
    witnessing = witnessing_of(world)
    witnessing.start()
    for _ in range(3):
        size = world.log()
        until(lambda size=size: size_of(world.note()) == size)  # type: ignore[misc] # bound now
    honest = [world.witnesses[n].name for n in (0, 2)]
    until(lambda: [name for name, _ in cosigners(world.note())] == honest)
    witnessing.stop()
    assert world.status().witnesses[1].size == 0


def test_a_witness_that_answers_too_late_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_S", 0.3)
    world.log()
    for each in world.witnesses:
        each.behave("slow")
    assert world.troubles() == ["timeout"] * 3


def test_on_a_quiet_day_the_newest_checkpoint_gets_a_fresh_time(world: World) -> None:
    size = world.log()
    first = world.clock.now
    with asking_all(witnessing_of(world)):
        until(lambda: _cosigned(world) == [size] * 3)
        world.advance(3_600)
        fresh = [(each.name, first + 3_600) for each in world.witnesses]
        until(lambda: cosigners(world.note()) == fresh)
    assert size_of(world.note()) == size
    assert [len(each.seen) for each in world.witnesses] == [2, 2, 2]


def test_after_a_failure_a_witness_is_left_in_peace_until_its_time_comes(world: World) -> None:
    first, second, third = world.witnesses
    first.behave("status", (429, b"", {"Retry-After": "1000"}))
    second.behave("status", (403, b"", {}))
    with asking_all(witnessing_of(world)):
        before = world.log()
        until(lambda: [each.failures for each in world.status().witnesses] == [1, 1, 0])
        until(lambda: world.status().witnesses[2].size == before)
        first.behave("honest")
        second.behave("honest")
        world.advance(999)
        until(lambda: [each.failures for each in world.status().witnesses] == [1, 0, 0])
        size = world.log()
        until(lambda: second.size == third.size == size)
        assert first.seen == []
        world.advance(1)
        until(lambda: first.size == size)
    assert [each.error for each in world.status().witnesses] == ["busy", "forbidden", None]


def test_a_quota_leaves_checkpoints_out_and_never_the_newest_for_good(making: Making) -> None:
    world = making(witness_daily_requests=24)
    first = world.log()
    with asking_all(witnessing_of(world)):
        until(lambda: _cosigned(world) == [first] * 3)
        for _ in range(3):
            size = world.log()
        assert world.troubles() == [None, None, None], "not even when asked to"
        assert size_of(world.note()) == first
        world.advance(3_800)
        until(lambda: _cosigned(world) == [size] * 3)
    assert size_of(world.note()) == size
    assert [each.seen for each in world.witnesses] == [
        [(0, first, 0), (first, size, each.seen[-1][2])] for each in world.witnesses
    ]


def test_a_database_that_fails_for_a_while_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ledger.witnessing.room.TROUBLED_LOOK_S", 0.05)
    store = world.ledger.store
    witnessing = witnessing_of(world)
    real = store.snapshot

    def failing() -> None:
        raise StorageFailed("the database refuses")

    monkeypatch.setattr(store, "snapshot", failing)
    with asking_all(witnessing):
        until(lambda: "wait for the database" in caplog.text)
        monkeypatch.setattr(store, "snapshot", real)
        size = world.log()
        until(lambda: size_of(world.note()) == size and world.status().quorum_met)


def test_the_process_that_runs_the_worker_asks_the_witnesses(
    making: Making, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = making(now=int(time.time()))
    # A server believes no cosignature of minutes ago, and starting one may take that long.
    for each in world.witnesses:
        each.tell("behave", time=None)
    size = world.log()
    world.ledger.close()
    settings = world.settings
    port = free_port()
    monkeypatch.setenv("LEDGER_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("LEDGER_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("LEDGER_POLICY", str(settings.policy))
    monkeypatch.setenv("LEDGER_PORT", str(port))
    runs = ("serve", "serving ") if settings.sqlite_file else ("worker", "opening what is due")
    with process([runs[0]], wait_for=runs[1]) as (running, _):
        reading = Ledger(settings, writer=False)
        try:
            until(lambda: len(cosigners(reading.reader.shown().note)) == 3)
            assert size_of(reading.reader.shown().note) == size
            if runs[0] == "serve":
                policy = tmp_path / "readers.policy"
                policy.write_text(f"log {reading.vkey}\n{policy_text(world.witnesses)}")
                audit(f"http://127.0.0.1:{port}", policy)
        finally:
            reading.close()
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0
    world.reopen()


def audit(url: str, policy: Path) -> None:
    """The whole log over HTTP, by the script that imports nothing of ours, quorum and times too."""
    done = subprocess.run(
        [sys.executable, SCRIPT, url, "--policy", policy, "--state", policy.with_suffix(".state")],
        capture_output=True,
        text=True,
        check=False,
        cwd=policy.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_states_that_a_witness_has_outlived_do_not_keep_it_from_being_asked(world: World) -> None:
    size = world.log()
    world.ask()
    with world.ledger.store.snapshot() as reads:
        states = reads.witness_states([each.identity for each in world.witnesses])
    with world.ledger.store.witnessing() as writes:
        for state in states.values():
            writes.keep_state(replace(state, size=size + 5))
    assert world.troubles() == ["ahead", "ahead", "ahead"]
    assert [len(each.seen) for each in world.witnesses] == [1, 1, 1]
