"""Inclusion proofs, made from the store by the reader, and a receipt's verification.

pymerkle proves entries at the same places of a tree of the same size, in the same rounds.

    python -m benchmarks.proving INDEX         the first proof of a fresh process, in seconds

``cold`` is a new connection and a new reader for each proof: no tile and no page of the database is
in this process's memory, though the operating system may have the file's; opening the connection
does not count. pymerkle's tree is opened anew as well, and that does not count either. ``warm`` is
one reader, or one tree, that has proved the same places and their neighbours before.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.logs import Kept
from benchmarks.peers import Pymerkle, absent, record, times
from benchmarks.places import CannotMeasure, Places, environment, module
from benchmarks.progress import say
from benchmarks.scale import Scale
from ledger.assembly import Ledger
from ledger.reader import Reader
from ledger.settings import load_settings
from ledger.storage.store import Store
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof

SECTION: Final = "proof"
BARS: Final = {"warm": Bar(60, "less"), "cold": Bar(500, "less")}
TIMES: Final = {"warm": 10.0, "cold": 250.0}
MILLION: Final = 1_000_000
FILLED_AT_ONCE: Final = 10_000
COLD_BESIDE: Final = 2
"""Cold proofs of the other tree in a round: each reads all of its leaves."""
RECENT: Final = 10_000
FRESH_PROCESSES: Final = 2


def measure(
    places: Places, logs: Sequence[Kept], scale: Scale, *, rival: type[Pymerkle] = Pymerkle
) -> Iterator[Figure]:
    """The figures of this section, in microseconds a proof."""
    for log in logs:
        with rival(_beside(places, log.entries)) as other:
            if not other.missing:
                _fill(other, log.entries)
            yield from _measured(log, scale, other)


def _beside(places: Places, entries: int) -> Path:
    folder = places.beside(f"pymerkle-{entries}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _fill(other: Pymerkle, entries: int) -> None:
    """Give the other tree as many entries as ours has, if it has them not."""
    for start in range(other.size(), entries, FILLED_AT_ONCE):
        stop = min(start + FILLED_AT_ONCE, entries)
        rows = [record(b"entry %d" % number) for number in range(start, stop)]
        other.append(rows, at_once=len(rows))
    if other.size() != entries:
        raise CannotMeasure(f"{other.name} has {other.size():,} entries: delete its folder")


def _measured(log: Kept, scale: Scale, other: Pymerkle) -> Iterator[Figure]:
    taken: dict[str, list[float]] = {}
    beside: dict[str, list[float]] = {name: [] for name in TIMES}
    for number in range(scale.rounds):
        say(f"{SECTION}: {log.entries:,} entries, round {number + 1} of {scale.rounds}")
        for what, seconds in _round(log, number, scale).items():
            taken.setdefault(what, []).append(seconds * 1e6)
        if not other.missing:
            anywhere = _anywhere(log, number, scale)
            few = anywhere[:COLD_BESIDE]
            cold_s = sum(other.prove([index], cold=True) for index in few)
            beside["cold"].append(cold_s / len(few) * 1e6)
            for indices in (anywhere[::-1], [index ^ 1 for index in anywhere]):
                other.prove([index for index in indices if index < log.entries], cold=False)
            warm_s = other.prove(anywhere, cold=False)
            beside["warm"].append(warm_s / len(anywhere) * 1e6)
    bars = {WARM: "warm", COLD: "cold"}
    for what, rounds in taken.items():
        held = bars.get(what) if log.entries >= MILLION else None
        bar = BARS[held] if held else None
        yield Figure(
            *(SECTION, what, "µs", tuple(rounds)),
            entries=log.entries,
            bar=bar,
            key=f"{held}_proof_us" if held else "",
        )
    for what, name in bars.items():
        said, bar_times = f"{name}: times {other.name}", TIMES[name]
        if other.missing:
            yield absent(SECTION, said, bar_times, other.missing, log.entries)
        else:
            ours, theirs = taken[what], beside[name]
            found = times(
                *(SECTION, said, bar_times),
                ours=ours,
                theirs=theirs,
                unit="µs",
                entries=log.entries,
                key=f"{name}_proof_times_{other.tool}",
            )
            yield found if log.entries >= MILLION else replace(found, bar=None, key="")


COLD: Final = "cold: no tile or page in memory"
FIRST: Final = "the first of a fresh process"
WARM: Final = "warm: anywhere in the tree"
NEWEST: Final = f"warm: among the newest {RECENT:,}"
VERIFYING: Final = "verifying one receipt"


def _round(log: Kept, number: int, scale: Scale) -> dict[str, float]:
    """Seconds a proof, by what was measured."""
    chance = random.Random(number)  # noqa: S311 - picks what is measured, hides nothing
    anywhere = _anywhere(log, number, scale)
    newest = [log.entries - 1 - chance.randrange(min(RECENT, log.entries)) for _ in anywhere]
    found = {
        COLD: _cold(log, anywhere) / len(anywhere),
        FIRST: sum(_in_fresh_process(log, index) for index in anywhere[:FRESH_PROCESSES])
        / FRESH_PROCESSES,
    }
    ledger = Ledger(log.settings, writer=False)
    try:
        for what, indices in ((WARM, anywhere), (NEWEST, newest)):
            _prove(ledger.reader, indices[::-1])
            _prove(ledger.reader, [each ^ 1 for each in indices if each ^ 1 < log.entries])
            found[what] = _prove(ledger.reader, indices) / len(indices)
        found[VERIFYING] = _verify(ledger, anywhere) / len(anywhere)
    finally:
        ledger.close()
    return found


def _anywhere(log: Kept, number: int, scale: Scale) -> list[int]:
    chance = random.Random(f"anywhere {number}")  # noqa: S311 - as above
    return [chance.randrange(log.entries) for _ in range(scale.proofs)]


def _prove(reader: Reader, indices: Sequence[int]) -> float:
    begun = time.perf_counter()
    for index in indices:
        with reader.at() as view:
            view.inclusion(index)
    return time.perf_counter() - begun


def _cold(log: Kept, indices: Sequence[int]) -> float:
    store = Store(log.settings.database_url)
    seconds = 0.0
    try:
        _prove(Reader(store), [0])
        for index in indices:
            store.engine.dispose()
            reader = Reader(store)
            reader.newest()  # opens the connection, which is not the proof's cost
            seconds += _prove(reader, [index])
    finally:
        store.close()
    return seconds


def _in_fresh_process(log: Kept, index: int) -> float:
    done = subprocess.run(
        module("proving", str(index)),
        env=environment(log.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotMeasure("a fresh process could not prove anything: " + done.stderr[-300:])
    return float(done.stdout)


def _verify(ledger: Ledger, indices: Sequence[int]) -> float:
    key = parse_vkey(ledger.vkey)
    receipts = []
    with ledger.reader.at() as view:
        for index in indices:
            shown = view.entry(index)
            receipts.append((view.receipt(index), bytes.fromhex(shown.leaf_hash)))
    begun = time.perf_counter()
    for receipt, leaf in receipts:
        verify_proof(parse_proof(receipt), leaf=leaf, verifiers=[key])
    return time.perf_counter() - begun


def main(arguments: list[str]) -> int:
    """Print the seconds of this process's first proof, of the log of the environment's settings."""
    store = Store(load_settings().database_url)
    try:
        reader = Reader(store)
        reader.newest()
        print(_prove(reader, [int(arguments[0])]))
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
