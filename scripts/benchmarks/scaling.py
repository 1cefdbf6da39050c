"""What the size of a log costs: appending, proofs and pages on a small log and on a large one.

Both are measured in the same rounds, and every figure of the large one is a multiple of the small
one's. The large one's file is read through first: which of its pages the machine has in memory by
chance is another question (a statement in a batch takes three to five times as long where a tenth
of them has to come from the disk). What is appended stays: the small log is a copy, and the large
one, if it is too large to be copied, grows by a few thousandths of a part in each run. Pages are
asked for once each, so that none comes out of a memory.
"""

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.figures import Bar, Figure, show
from benchmarks.history import Clerk
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import Server
from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.reader import Reader
from ledger.settings import Settings
from ledger.storage.store import Store
from web.query import encode_cursor

SECTION: Final = "scale"
COPIED_UP_TO: Final = 1_000_000
APPEND_BAR: Final = Bar(1.2, "less")
READ_BAR: Final = Bar(1.5, "less")
SINGLE: Final = "append, one statement at a time"
BATCHED: Final = "append, batches of 1,000"
WARM: Final = "proof, warm"
COLD: Final = "proof, cold"
JOB_PAGE: Final = "page of a job"
KEYS: Final = {
    SINGLE: "scale_append_times",
    BATCHED: "scale_batches_times",
    WARM: "scale_proof_times",
    COLD: "scale_cold_proof_times",
    JOB_PAGE: "scale_page_times",
}
BATCH: Final = 1_000
WARMED: Final = 100
COLD_PROOFS: Final = 50


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two logs: what was kept, and where it is appended to."""

    log: Kept
    settings: Settings


def measure(places: Places, small: Kept, large: Kept, scale: Scale) -> Iterator[Figure]:
    """Multiples of the small log's times."""
    sides = [_Side(log, _to_append_to(places, log)) for log in (small, large)]
    _read_through(large.settings)
    taken: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(scale.rounds):
        say(f"{SECTION}: appending and proving, round {number + 1} of {scale.rounds}")
        for which, side in enumerate(sides):
            for what, seconds in (*_appended(side, number, scale), *_proved(side, number)):
                taken.setdefault(what, ([], []))[which].append(seconds)
    with ExitStack() as stack:
        servers = []
        for side in sides:
            room = places.room(f"scale-{side.log.entries}")
            one = side.settings.model_copy(update={"processes": 1})
            server = stack.enter_context(Server(one, folder=room))
            # The home page waits until everything that is counted in the background has been.
            server.time_each(["/en/", "/en/jobs"])
            servers.append(server)
        for number in range(scale.rounds):
            say(f"{SECTION}: pages, round {number + 1} of {scale.rounds}")
            for which, (side, server) in enumerate(zip(sides, servers, strict=True)):
                for what, seconds in _paged(side, server, number, scale):
                    taken.setdefault(what, ([], []))[which].append(seconds)
    for what, (before, after) in taken.items():
        said = f"{show(median(before) * 1e6, 'µs')} to {show(median(after) * 1e6, 'µs')}"
        yield Figure(
            SECTION,
            f"{what}: {large.entries:,} entries, as a multiple of {small.entries:,}",
            "x",
            tuple(second / first for first, second in zip(before, after, strict=True)),
            bar=APPEND_BAR if what in {SINGLE, BATCHED} else READ_BAR,
            note=said,
            key=KEYS.get(what, ""),
        )


def unmeasured(why: str) -> Iterator[Figure]:
    """The line that says why nothing is measured."""
    yield Figure(SECTION, "a large log's times, as multiples of a small one's", "x", (), note=why)


def _to_append_to(places: Places, log: Kept) -> Settings:
    if log.entries > COPIED_UP_TO:
        return log.settings
    return places.copied(log.settings, f"scale-{log.entries}-log")


def _read_through(settings: Settings) -> None:
    """Have the whole file in the machine's memory, as far as that goes.

    Another process reads: to close a file of SQLite's would give up this one's locks on it.
    """
    if settings.sqlite_file is not None:
        say(f"{SECTION}: reading the large log once")
        subprocess.run(["cat", settings.sqlite_file], stdout=subprocess.DEVNULL, check=True)


def _appended(side: _Side, number: int, scale: Scale) -> Iterator[tuple[str, float]]:
    """Seconds a statement: submissions and what begins and ends their runs, signed and checked."""
    now_s = int(time.time())
    # No two runs say the same: what is known already is not appended.
    clerk = Clerk(f"scale {time.time_ns()} {number}", made_at_s=now_s)
    ledger = Ledger(side.settings)
    try:
        _log(ledger, [clerk.submitted(scale.single + BATCH)])
        one_by_one = [clerk.submitted(each) for each in range(scale.single)]
        begun = time.perf_counter()
        for body in one_by_one:
            _log(ledger, [body])
        yield SINGLE, (time.perf_counter() - begun) / len(one_by_one)
        batch = [clerk.started(each) for each in range(scale.single)]
        batch += [clerk.submitted(scale.single + each) for each in range(BATCH - scale.single)]
        begun = time.perf_counter()
        _log(ledger, batch)
        yield BATCHED, (time.perf_counter() - begun) / len(batch)
    finally:
        ledger.close()


def _log(ledger: Ledger, bodies: Sequence[bytes]) -> None:
    for answer in ledger.log(bodies):
        if isinstance(answer, LedgerError):
            raise CannotMeasure(f"a statement was refused: {answer}")


def _proved(side: _Side, number: int) -> Iterator[tuple[str, float]]:
    """Seconds a proof; see ``proving`` for what is warm and what is cold."""
    chance = random.Random(number)  # noqa: S311 - picks what is measured, hides nothing
    store = Store(side.settings.database_url)
    try:
        reader = Reader(store)
        indices = [chance.randrange(side.log.entries) for _ in range(WARMED)]
        for _ in range(2):
            warm_s = _prove(reader, indices)
        yield WARM, warm_s / len(indices)
        cold = []
        for index in indices[:COLD_PROOFS]:
            store.engine.dispose()
            reader = Reader(store)
            reader.newest()  # opens the connection, which is not the proof's cost
            cold.append(_prove(reader, [index]))
        yield COLD, median(cold)
    finally:
        store.close()


def _prove(reader: Reader, indices: Sequence[int]) -> float:
    begun = time.perf_counter()
    for index in indices:
        with reader.at() as view:
            view.inclusion(index)
    return time.perf_counter() - begun


def _paged(side: _Side, server: Server, number: int, scale: Scale) -> Iterator[tuple[str, float]]:
    """Seconds a page, each of other addresses than before."""
    chance = random.Random(f"pages {number}")  # noqa: S311 - as above
    asked: dict[str, list[str]] = {}
    for _ in range(scale.files):
        for what, address in _addresses(side.log, chance):
            asked.setdefault(what, []).append(address)
    for what, addresses in asked.items():
        yield what, median(server.time_each(addresses))


def _addresses(log: Kept, chance: random.Random) -> Iterator[tuple[str, str]]:
    """One address of each kind."""
    yield JOB_PAGE, f"/en/jobs/{log.recipe.job_id(chance.randrange(log.recipe.jobs))}"
    yield "page of an entry", f"/en/entries/{chance.randrange(log.entries)}"
    cursor = chance.randrange(log.entries // 2, log.entries)
    yield "page of a list of jobs", f"/en/jobs?cursor={encode_cursor(cursor)}"
