"""A ledger with a witness policy, and witnesses that are processes and do as they are told."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import kit
import witness_process
from processes import running

from ledger.assembly import Ledger
from ledger.settings import Settings
from ledger.tlog.note import COSIGNATURE, generate_key, parse_vkey
from ledger.witnessing import Outcome

TWO_OF_THREE = "group enough 2 W0 W1 W2\nquorum enough\n"
ALL = "group enough all W0 W1 W2\nquorum enough\n"


@dataclass
class Remote:
    """One witness, seen from the test."""

    name: str
    vkey: str
    port: int
    pipe: Connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{witness_process.PREFIX}"

    @property
    def identity(self) -> str:
        key = parse_vkey(self.vkey)
        return f"{key.name}+{key.key_id:08x}"

    def tell(self, command: str, **given: Any) -> dict[str, Any]:
        self.pipe.send((command, given))
        answer: dict[str, Any] = self.pipe.recv()
        return answer

    def behave(self, mode: str, given: Any = None) -> None:
        self.tell("behave", mode=mode, given=given)

    @property
    def size(self) -> int:
        return int(self.tell("look")["size"])

    @property
    def given(self) -> Any:
        """What its mode was given, as it stands now."""
        return self.tell("look")["given"]

    @property
    def seen(self) -> list[tuple[int, int, int]]:
        """(old size, size, hashes) of every request so far."""
        return list(self.tell("look")["seen"])


@contextmanager
def three_witnesses() -> Iterator[list[Remote]]:
    with ExitStack() as stack:
        found = []
        for number in range(3):
            name = f"witness.example/w{number}"
            seed = hashlib.sha256(name.encode()).digest()
            _, pipe = stack.enter_context(running(witness_process.witness, name, seed))
            vkey = generate_key(name, seed, key_type=COSIGNATURE)[1]
            found.append(Remote(name, vkey, pipe.recv(), pipe))
        yield found


@dataclass
class World:
    """One ledger, its clock, which the witnesses share, and its witnesses."""

    settings: Settings
    clock: kit.Clock
    witnesses: list[Remote]
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.settings, clock=self.clock)

    @property
    def size(self) -> int:
        with self.ledger.store.snapshot() as reads:
            return reads.head().size

    def log(self, count: int = 1) -> int:
        """Log jobs in a batch of their own; the new size."""
        first = self.size
        kit.log(self.ledger, *(kit.submitted(kit.ulid(first * 1000 + n)) for n in range(count)))
        return self.size

    def advance(self, seconds: int) -> None:
        # The witnesses first: whoever is asked because the time has come has the same time.
        for each in self.witnesses:
            each.tell("behave", time=self.clock.now + seconds)
        self.clock.advance(seconds=seconds)

    def ask(self) -> list[Outcome]:
        """One pass over all witnesses."""
        witnessing = self.ledger.witnessing
        assert witnessing is not None
        try:
            return list(witnessing.check())
        finally:
            witnessing.stop()

    def troubles(self) -> list[str | None]:
        return [each.trouble for each in self.ask()]

    def reopen(self, **changed: Any) -> None:
        self.ledger.close()
        self.settings = self.settings.model_copy(update=changed)
        self.ledger = Ledger(self.settings, clock=self.clock)

    def note(self) -> bytes:
        """What /log/checkpoint answers."""
        return self.ledger.reader.shown().note

    def status(self) -> Any:
        with self.ledger.reader.at() as view:
            return view.witnessing()


Making = Callable[..., World]
"""Makes a test's one world; see ``make_world`` for what it takes."""


def policy_text(witnesses: list[Remote], rest: str = TWO_OF_THREE) -> str:
    lines = [f"witness W{n} {each.vkey} {each.url}\n" for n, each in enumerate(witnesses)]
    return "# ours\n" + "".join(lines) + rest


def make_world(
    database_url: str,
    folder: Path,
    witnesses: list[Remote],
    *,
    rest: str = TWO_OF_THREE,
    now: int = kit.NOON,
    **more: Any,
) -> World:
    clock = kit.Clock(now)
    settings = kit.make_ledger(database_url, folder, clock=clock)
    path = folder / "witnesses.policy"
    path.write_text(policy_text(witnesses, rest))
    world = World(settings.model_copy(update={"policy": path, **more}), clock, witnesses)
    key = parse_vkey(world.ledger.vkey).public_key
    for each in witnesses:
        each.tell("reset", log_key=key, time=clock.now)
    return world


def cosigners(note: bytes) -> list[tuple[str, int]]:
    """(name, time) of every cosignature line in a note, in order."""
    found = []
    for line in note.rpartition(b"\n\n")[2].decode().splitlines():
        _, name, blob = line.split(" ")
        data = base64.b64decode(blob)
        if len(data) == 4 + 72:
            found.append((name, int.from_bytes(data[4:12], "big")))
    return found


def size_of(note: bytes) -> int:
    return int(note.split(b"\n")[1])
