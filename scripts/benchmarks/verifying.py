"""scripts/verify.py over a whole log: served, and from a static copy of the files."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.logs import Kept
from benchmarks.places import SCRIPTS, CannotMeasure, Places, environment
from benchmarks.progress import Counter, say
from benchmarks.scale import Scale
from benchmarks.serving import Server
from ledger.assembly import Ledger
from ledger.tlog.tiles import bundles_for_size, tile_path, tiles_for_size

SECTION: Final = "verify"
BAR: Final = Bar(100_000)
LARGE: Final = 200_000
ROUNDS_ON_LARGE: Final = 1
LIMIT_S: Final = 1_800
SERVED: Final = "entries served, everything checked"
OFFLINE: Final = "entries from files, everything checked"
UNSIGNED: Final = "entries from files, without the statements' signatures"


def measure(places: Places, logs: Sequence[Kept], scale: Scale) -> Iterator[Figure]:
    """The figures of this section, in entries a second of the whole run of verify.py."""
    for log in logs:
        yield from _of_log(places, log, scale)


def _of_log(places: Places, log: Kept, scale: Scale) -> Iterator[Figure]:
    files = exported(places, log)
    rounds = min(scale.rounds, ROUNDS_ON_LARGE) if log.entries >= LARGE else scale.rounds
    taken: dict[str, list[float]] = {SERVED: [], OFFLINE: [], UNSIGNED: []}
    reports: dict[str, dict[str, int]] = {}
    with Server(log.settings, folder=places.room(f"verify-{log.entries}")) as server:
        arguments = {
            SERVED: [server.address],
            OFFLINE: ["--offline", str(files)],
            UNSIGNED: ["--offline", str(files), "--skip-signatures"],
        }
        for number in range(rounds):
            say(f"{SECTION}: {log.entries:,} entries, round {number + 1} of {rounds}")
            for what, given in arguments.items():
                seconds, reports[what] = _verify(given)
                taken[what].append(log.entries / seconds)
    for what, found in taken.items():
        checked = reports[what]
        yield Figure(
            section=SECTION,
            what=what,
            unit="/s",
            rounds=tuple(found),
            entries=log.entries,
            bar=None if what == UNSIGNED else BAR,
            note=f"{checked['signatures_verified']:,} signatures, "
            f"{checked['openings_verified']:,} openings",
            more={name: float(value) for name, value in checked.items()},
        )


def exported(places: Places, log: Kept) -> Path:
    """The log's files in a folder, written where they are not there from an earlier run."""
    folder = places.beside(f"files-{log.entries}")
    ledger = Ledger(log.settings, writer=False)
    try:
        newest = ledger.reader.newest()
        checkpoint = folder / "checkpoint"
        if checkpoint.exists() and checkpoint.read_bytes() == newest.note:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        tiles = [*tiles_for_size(newest.size), *bundles_for_size(newest.size)]
        counter = Counter(f"writing the files of {newest.size:,} entries", begin=0, end=len(tiles))
        for number, tile in enumerate(tiles, start=1):
            path = folder / tile_path(tile)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(ledger.reader.file(tile, size=newest.size))
            counter.at(number)
        (folder / "vkey").write_text(ledger.vkey + "\n", "ascii")
        # Last: a copy that has a checkpoint is whole.
        checkpoint.write_bytes(newest.note)
    finally:
        ledger.close()
    return folder


def _verify(arguments: Sequence[str]) -> tuple[float, dict[str, int]]:
    """The seconds of one run, from exec to its end, and what it has verified."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "verify.py"), "--json", *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise CannotMeasure(f"verify.py: {(done.stderr or done.stdout).strip()[:300]}")
    report = json.loads(done.stdout)
    return seconds, {name: report[name] for name in ("signatures_verified", "openings_verified")}
