"""Reading from a real server that was just started: pages, feed, proofs, log files, memory.

Each round starts a server on each log, so that every ``first`` is the first: nothing is rendered,
counted or cached yet. ``again`` is the same address from 64 connections, out of its memory.
"""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, Places, environment, module
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import Server, get
from ledger.assembly import Ledger
from ledger.settings import load_settings
from ledger.tlog.tiles import TILE_WIDTH, tile_at, tile_path

READS, MEMORY, START = "reads", "memory", "start"
SECTIONS: Final = (READS, MEMORY, START)
MILLION: Final = 1_000_000
MEGABYTE: Final = 2**20
MEMORY_BAR: Final = Bar(300, "less")
START_BAR: Final = Bar(1, "less")

Key = tuple[str, str, str]
"""Section, what was measured, and its unit."""
Taken = dict[Key, float]


def measure(
    places: Places, logs: Sequence[Kept], scale: Scale, *, sections: Collection[str]
) -> Iterator[Figure]:
    """The figures of the wanted ``sections``."""
    taken: dict[int, dict[Key, list[float]]] = {log.entries: {} for log in logs}
    for number in range(scale.rounds):
        for log in logs:
            say(f"reading: {log.entries:,} entries, round {number + 1} of {scale.rounds}")
            for key, value in _round(places, log, number, scale, sections=sections).items():
                taken[log.entries].setdefault(key, []).append(value)
    for section in SECTIONS:
        for log in logs:
            for (found, what, unit), rounds in taken[log.entries].items():
                if found == section and section in sections:
                    bar = _bar(section, what, log.entries)
                    yield Figure(section, what, unit, tuple(rounds), entries=log.entries, bar=bar)


ANSWERED: Final = "from exec to the first answered request"
AFTER_READS: Final = "resident after reading"


def _bar(section: str, what: str, entries: int) -> Bar | None:
    if entries < MILLION:
        return None
    return {(START, ANSWERED): START_BAR, (MEMORY, AFTER_READS): MEMORY_BAR}.get((section, what))


def _round(
    places: Places, log: Kept, number: int, scale: Scale, *, sections: Collection[str]
) -> Taken:
    """One figure for each thing that is measured on one log."""
    taken: Taken = {}

    def note(section: str, what: str, unit: str, value: float) -> None:
        taken[section, what, unit] = value

    with Server(log.settings, folder=places.room(f"reads-{log.entries}-{number}")) as server:
        note(START, ANSWERED, "s", server.started_s)
        _note_memory(server, "resident at the start", note)
        if READS in sections or MEMORY in sections:
            _read_pages(server, log, scale, note)
            _read_files(server, log, number, scale, note)
        _note_memory(server, AFTER_READS, note)
    if START in sections:
        whole_s, open_s = _open_in_fresh_process(log)
        note(START, "from exec to an open ledger, imports included", "s", whole_s)
        note(START, "opening the ledger alone, for writing", "s", open_s)
    return taken


Note = Callable[[str, str, str, float], None]


def _note_memory(server: Server, what: str, note: Note) -> None:
    memory = server.memory()
    if memory is not None:
        note(MEMORY, what, "MiB", memory.resident / MEGABYTE)
        note(MEMORY, f"{what}, shared pages counted once", "MiB", memory.shared / MEGABYTE)


def _read_pages(server: Server, log: Kept, scale: Scale, note: Note) -> None:
    pages = {
        "home": "/en/",
        "jobs": "/en/jobs",
        "one job": f"/en/jobs/{log.recipe.job_id(log.recipe.jobs // 2)}",
        "embargo": "/en/embargo",
        "log": "/en/log",
        "feed": "/feeds/published.json",
    }
    for name, path in pages.items():
        first = server.time_each([path])[0]
        note(READS, f"{name}, first", "ms", first * 1e3)
        again = server.load([get(path)], seconds=scale.load_s)
        note(READS, f"{name}, again", "/s", again.requests / again.seconds)


def _read_files(server: Server, log: Kept, number: int, scale: Scale, note: Note) -> None:
    chance = random.Random(number)  # noqa: S311 - picks what is measured, hides nothing
    last = (log.entries - 1) // TILE_WIDTH
    numbers = chance.sample(range(last + 1), min(scale.files, last + 1))
    indices = [chance.randrange(log.entries) for _ in range(scale.files)]
    paths = {
        "tile": [_file(0, each, log) for each in numbers],
        "bundle": [_file(-1, each, log) for each in numbers],
        "proof": [f"/api/v1/entries/{each}/proof" for each in indices],
        "receipt": [f"/entries/{each}.proof" for each in indices],
        "checkpoint": ["/log/checkpoint"] * scale.files,
    }
    for name, addresses in paths.items():
        if name != "checkpoint":
            first = server.time_each(addresses)
            note(READS, f"{name}, first", "ms", sum(first) / len(first) * 1e3)
        again = server.load([get(path) for path in addresses], seconds=scale.load_s)
        what = name if name == "checkpoint" else f"{name}, again"
        note(READS, what, "/s", again.requests / again.seconds)


def _file(level: int, number: int, log: Kept) -> str:
    return f"/log/{tile_path(tile_at(level, number, size=log.entries))}"


def _open_in_fresh_process(log: Kept) -> tuple[float, float]:
    """Seconds from exec until a ledger is open for writing, and those of opening it alone."""
    begun = time.time()
    done = subprocess.run(
        module("reading"),
        env=environment(log.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotMeasure("a fresh process could not open the ledger: " + done.stderr[-300:])
    ended, seconds = map(float, done.stdout.split())
    return ended - begun, seconds


def main() -> int:
    """Open the ledger of the environment's settings; print when that was done, and its seconds."""
    settings = load_settings()
    begun = time.perf_counter()
    ledger = Ledger(settings)
    print(time.time(), time.perf_counter() - begun)
    ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
