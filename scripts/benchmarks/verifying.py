"""scripts/verify.py over a whole log: served, and from a static copy of the files.

Beside it, in the same rounds, other people's auditor; and what its checks cost, each by itself.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import parts
from benchmarks.auditing import Auditor
from benchmarks.figures import Bar, Beside, Figure
from benchmarks.logs import Kept
from benchmarks.places import SCRIPTS, Places
from benchmarks.progress import Counter, say
from benchmarks.scale import Scale
from benchmarks.serving import Server
from benchmarks.timed import timed
from ledger.assembly import Ledger
from ledger.tlog.tiles import Tile, bundles_for_size, tile_path, tiles_for_size

SECTION: Final = "verify"
BAR: Final = Bar(100_000)
LARGE: Final = 200_000
ROUNDS_ON_LARGE: Final = 1
SERVED: Final = "entries served, everything checked"
SERVED_HASHES: Final = "entries served, bytes and tiles alone"
OFFLINE: Final = "entries from files, everything checked"
ALONE: Final = "entries from files, everything checked, one process"
UNSIGNED: Final = "entries from files, without the statements' signatures"
HASHES: Final = "entries from files, bytes and tiles alone"
HASHES_ALONE: Final = "entries from files, bytes and tiles alone, one process"
BARS: Final = {SERVED: BAR, OFFLINE: BAR, HASHES: Bar(600_000)}
BESIDE_SERVED: Final = (SERVED, SERVED_HASHES)
BESIDE_FILES: Final = (HASHES, HASHES_ALONE)
"""Held against the other auditor, which checks bytes and tiles alone, in one process."""
MEMORY: Final = "memory of the largest process while everything is checked"
NEW: Final = 1_000
AGAIN: Final = f"a run from its state, at least {NEW:,} entries later"


def measure(
    places: Places, logs: Sequence[Kept], scale: Scale, *, rival: type[Auditor] = Auditor
) -> Iterator[Figure]:
    """The figures of this section, in entries a second of the whole run of verify.py."""
    other = rival()
    for log in logs:
        yield from _of_log(places, log, scale, other)


def _of_log(places: Places, log: Kept, scale: Scale, other: Auditor) -> Iterator[Figure]:
    files = exported(places, log)
    vkey = (files / "vkey").read_text("ascii").strip()
    rounds = min(scale.rounds, ROUNDS_ON_LARGE) if log.entries >= LARGE else scale.rounds
    taken: dict[str, list[float]] = {}
    reports: dict[str, dict[str, float]] = {}
    largest: list[float] = []
    beside: dict[str, list[float]] = {}
    with Server(log.settings, folder=places.room(f"verify-{log.entries}")) as server:
        arguments = {
            SERVED: [server.address],
            SERVED_HASHES: [server.address, "--only-hashes"],
            OFFLINE: ["--offline", str(files)],
            ALONE: ["--offline", str(files), "--jobs", "1"],
            UNSIGNED: ["--offline", str(files), "--skip-signatures"],
            HASHES: ["--offline", str(files), "--only-hashes"],
            HASHES_ALONE: ["--offline", str(files), "--only-hashes", "--jobs", "1"],
        }
        for number in range(rounds):
            say(f"{SECTION}: {log.entries:,} entries, round {number + 1} of {rounds}")
            for what, given in arguments.items():
                seconds, reports[what], megabytes = _verify(given)
                taken.setdefault(what, []).append(log.entries / seconds)
                if what == OFFLINE:
                    largest.append(megabytes)
            if other.missing:
                continue
            for names, where in ((BESIDE_SERVED, server.address), (BESIDE_FILES, str(files))):
                audited = other.audit(where, vkey, entries=log.entries)
                for what in names:
                    beside.setdefault(what, []).append(log.entries / audited.seconds)
            beside.setdefault(MEMORY, []).append(audited.megabytes)
    yardsticks = {what: Beside(other.name, tuple(each)) for what, each in beside.items()}
    for what, found in taken.items():
        yield Figure(
            section=SECTION,
            what=what,
            unit="/s",
            rounds=tuple(found),
            entries=log.entries,
            bar=BARS.get(what),
            beside=yardsticks.get(what),
            note=_note(what, reports[what], other),
            more=reports[what],
        )
    yield Figure(
        section=SECTION,
        what=MEMORY,
        unit="MB",
        rounds=tuple(largest),
        entries=log.entries,
        bar=Bar(150, "less"),
        beside=yardsticks.get(MEMORY),
        note=other.missing,
    )
    yield from parts.measure(files, log.entries, section=SECTION, rounds=rounds)
    yield from _again(places, log, files, rounds)


def _note(what: str, checked: dict[str, float], other: Auditor) -> str:
    if what not in (SERVED_HASHES, *BESIDE_FILES):
        return (
            f"{checked['signatures_verified']:,.0f} signatures, "
            f"{checked['openings_verified']:,.0f} openings"
        )
    return other.missing


def _again(places: Places, log: Kept, files: Path, rounds: int) -> Iterator[Figure]:
    """How long a run takes that has a state of an earlier checkpoint of the same log."""
    before = earlier(places, log, files)
    if before is None:
        return
    taken, read = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        kept, state = Path(folder, "kept"), Path(folder, "state")
        _verify(["--offline", str(before), "--state", str(kept)])
        for _ in range(rounds):
            shutil.copyfile(kept, state)
            seconds, report, _ = _verify(["--offline", str(files), "--state", str(state)])
            taken.append(seconds)
            read = log.entries - report["read_from"]
        size = kept.stat().st_size
    yield Figure(
        section=SECTION,
        what=AGAIN,
        unit="s",
        rounds=tuple(taken),
        entries=log.entries,
        bar=Bar(1.0, "less"),
        note=f"{read:,.0f} new entries; the state has {size / 1e6:,.0f} MB",
    )


def earlier(places: Places, log: Kept, files: Path) -> Path | None:
    """The files that the log had at an earlier checkpoint; None where it has no such one."""
    ledger = Ledger(log.settings, writer=False)
    try:
        with ledger.reader.at() as view:
            found = view.checkpoints(below=log.entries - NEW + 1, limit=1)
    finally:
        ledger.close()
    if not found:
        return None
    (shown,) = found
    folder = places.beside(f"files-{log.entries}-before")
    shutil.rmtree(folder, ignore_errors=True)
    for tile in (*tiles_for_size(shown.tree_size), *bundles_for_size(shown.tree_size)):
        path, whole = folder / tile_path(tile), files / tile_path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        if whole.exists():
            path.hardlink_to(whole)
        else:
            path.write_bytes(_file(log, tile, shown.tree_size))
    shutil.copyfile(files / "vkey", folder / "vkey")
    (folder / "checkpoint").write_text(shown.note, "utf-8")
    return folder


def _file(log: Kept, tile: Tile, size: int) -> bytes:
    ledger = Ledger(log.settings, writer=False)
    try:
        return ledger.reader.file(tile, size=size)
    finally:
        ledger.close()


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


def _verify(arguments: Sequence[str]) -> tuple[float, dict[str, float], float]:
    """The seconds of one run, from exec to its end, what it says, and its largest process in MB."""
    done = timed("verify.py", [sys.executable, str(SCRIPTS / "verify.py"), "--json", *arguments])
    report = json.loads(done.said)
    names = ("signatures_verified", "openings_verified", "read_from")
    figures = {name: float(report[name]) for name in names} | report["timings"]
    return done.seconds, figures, done.megabytes
