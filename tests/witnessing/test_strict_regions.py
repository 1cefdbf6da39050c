"""Two regions with one key, each with its own database and memory, under a strict policy.

Both sign, as nothing keeps them from it; nothing that one of them tells anybody contradicts what
the other tells.
"""

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from cli_world import Shell
from test_two_regions import (
    PATIENCE_S,
    in_environment,
    leaves_of,
    require_one_history,
    serving,
    signed_by,
    two_machines,
    until,
)
from witnessing_world import Making, World

from ledger.assembly import Ledger
from ledger.assembly.lookout import Lookout
from ledger.errors import SecondHistory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import root_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof
from schemas.posting import Receipted

ADDRESS = "/api/v1/statements"


def in_strict_environment(world: World, patch: pytest.MonkeyPatch) -> None:
    """What two servers have in common; a server believes no cosignature of minutes ago."""
    patch.setenv("LEDGER_WITNESS_MODE", "strict")
    patch.setenv("LEDGER_WITNESS_WAIT_SECONDS", "60")
    for each in world.witnesses:
        each.tell("behave", time=None)


def stored_size(settings: Settings) -> int:
    """The size of the newest checkpoint that a machine has signed and stored."""
    with closing(Store(settings.database_url)) as store, store.snapshot() as reads:
        newest = reads.newest_checkpoint()
    assert newest is not None
    return newest.size


class Region:
    """One server, what was sent to it, and what it promised."""

    def __init__(self, settings: Settings, client: httpx.Client, *, first: int) -> None:
        self.settings = settings
        self.client = client
        self.receipts: list[bytes] = []
        self.refusals: list[str] = []
        self._numbers = iter(range(first, first + 100_000))
        self._lock = threading.Lock()

    def send(self) -> None:
        with self._lock:
            body = kit.submitted(kit.ulid(next(self._numbers)))
        answer = self.client.post(ADDRESS, content=body)
        said = answer.json()
        with self._lock:
            if answer.status_code == 201:
                self.receipts.append(said["receipt"].encode())
            else:
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                self.refusals.append(said["detail"])

    def keep_sending(self, done: threading.Event) -> None:
        while not done.is_set():
            self.send()
            done.wait(0.05)

    def has_stopped(self) -> bool:
        answer = self.client.get("/readyz")
        return answer.status_code == 503 and "under this log's signature" in answer.text


# On PostgreSQL `ledger worker` looks for a second history; here every region is one server.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_two_busy_regions_one_goes_on_and_the_other_has_promised_nothing(
    making: Making,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The witnesses answer nobody until both have signed a tree; then all of it at once."""
    world = making(now=int(time.time()))
    machines = two_machines(world, tmp_path / "copy")
    held = signed_by(machines[0])
    start = stored_size(machines[0])
    in_strict_environment(world, monkeypatch)
    done = threading.Event()
    with ExitStack() as stack:
        regions = [
            Region(each, stack.enter_context(serving(each, monkeypatch)), first=first)
            for each, first in zip(machines, (100_000, 200_000), strict=True)
        ]
        for witness in world.witnesses:
            witness.behave("closes")
        pool = stack.enter_context(ThreadPoolExecutor(6))
        stack.callback(done.set)
        loads = [pool.submit(each.keep_sending, done) for each in regions * 3]
        until(lambda: all(stored_size(each) > start for each in machines))
        assert not any(each.receipts for each in regions)
        for witness in world.witnesses:
            witness.behave("honest")
        until(
            lambda: (
                any(len(each.receipts) >= 10 for each in regions)
                and any(each.has_stopped() for each in regions)
            )
        )
        done.set()
        for load in loads:
            load.result(PATIENCE_S)
        ahead, behind = sorted(regions, key=lambda each: -len(each.receipts))
        ahead.send()
        assert not ahead.has_stopped()
        behind.send()
        assert "under this log's signature" in behind.refusals[-1]
        published = {each.client.get("/log/checkpoint").content for each in regions}
    assert behind.receipts == []
    leaves = leaves_of(ahead.settings)
    promised = {parse_proof(each).checkpoint for each in ahead.receipts}
    require_one_history(promised | published | held, leaves, world.ledger.vkey)
    key = [parse_vkey(world.ledger.vkey)]
    tried = {open_checkpoint(note, key) for note in signed_by(behind.settings) - held}
    assert any(each.root != root_hash(leaves[: each.size]) for each in tried), "no fork was tried"
    in_environment(behind.settings, monkeypatch)
    Shell(tmp_path, capsys)("serve").refused("under this log's signature")
    world.ledger = Ledger(ahead.settings, clock=world.clock)


def test_a_region_goes_on_beside_a_witness_that_stands_by_the_other_one(
    making: Making, tmp_path: Path
) -> None:
    """Each has a witness of its own, and so either could still win; the third one decides."""
    world = making()
    one, two, third = world.witnesses
    changed = {"witness_mode": "strict", "witness_wait_seconds": 600}
    machines = [each.model_copy(update=changed) for each in two_machines(world, tmp_path / "copy")]
    start = one.size
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        ledgers = [
            stack.enter_context(closing(Ledger(each, clock=world.clock))) for each in machines
        ]
        waiting: dict[Future[list[Receipted]], Ledger] = {}
        for number, (ledger, own) in enumerate(zip(ledgers, (one, two), strict=True)):
            for each in world.witnesses:
                each.behave("honest" if each is own else "closes")
            waiting[pool.submit(kit.log, ledger, kit.submitted(kit.ulid(801 + number)))] = ledger
            # The clock stands still: nobody whom a witness has failed asks it again.
            until(lambda own=own: own.size > start)
        assert [look(each) for each in ledgers] == [None, None]
        for each in world.witnesses:
            each.behave("honest")
        until(lambda: bool(world.advance(1)) or any(each.done() for each in waiting))
        winner = next(ledger for future, ledger in waiting.items() if future.done())
        loser = next(each for each in ledgers if each is not winner)
        assert third.size > start
        assert look(winner) is None
        assert isinstance(look(loser), SecondHistory)
        for future, ledger in waiting.items():
            if ledger is loser:
                with pytest.raises(SecondHistory, match="under this log's signature"):
                    future.result(PATIENCE_S)
        for number in (803, 804):
            kit.log(winner, kit.submitted(kit.ulid(number)))
        assert look(winner) is None
        promised = next(future for future, ledger in waiting.items() if ledger is winner).result()
        shown = {ledger.reader.shown().note for ledger in ledgers}
        receipts = {parse_proof(each.accepted.receipt.encode()).checkpoint for each in promised}
        with winner.store.snapshot() as reads:
            leaves = [each.leaf_hash for each in reads.iterate_entries(0, reads.head().size)]
        require_one_history(shown | receipts, leaves, winner.vkey)
    world.ledger = Ledger(machines[ledgers.index(winner)], clock=world.clock)


def look(ledger: Ledger) -> SecondHistory | None:
    assert ledger.quorum is not None
    return Lookout(ledger, ledger.quorum.witnessing).look()
