"""Inclusion proofs, made from the store by the reader, and a receipt's verification.

    python -m benchmarks.proving INDEX         the first proof of a fresh process, in seconds

``cold`` is a new connection and a new reader for each proof: no tile and no page of the database is
in this process's memory, though the operating system may have the file's; the SQL texts are known
to SQLAlchemy, as in any process that has proved something before. ``warm`` is one reader.
"""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, environment, module
from benchmarks.progress import say
from benchmarks.scale import Scale
from ledger.assembly import Ledger
from ledger.reader import Reader
from ledger.settings import load_settings
from ledger.storage.store import Store
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof

SECTION: Final = "proof"
COLD_BAR: Final = Bar(1_000, "less")
RECENT: Final = 10_000
FRESH_PROCESSES: Final = 2


def measure(logs: Sequence[Kept], scale: Scale) -> Iterator[Figure]:
    """The figures of this section, in microseconds a proof."""
    taken: dict[tuple[str, int], list[float]] = {}
    for number in range(scale.rounds):
        say(f"{SECTION}: round {number + 1} of {scale.rounds}")
        for log in logs:
            for what, seconds in _round(log, number, scale).items():
                taken.setdefault((what, log.entries), []).append(seconds * 1e6)
    for log in logs:
        for (what, entries), rounds in taken.items():
            if entries == log.entries:
                bar = COLD_BAR if what == COLD else None
                yield Figure(SECTION, what, "µs", tuple(rounds), entries=entries, bar=bar)


COLD: Final = "cold: no tile or page in memory"
FIRST: Final = "the first of a fresh process"
WARM: Final = "warm: anywhere in the tree"
NEWEST: Final = f"warm: among the newest {RECENT:,}"
VERIFYING: Final = "verifying one receipt"


def _round(log: Kept, number: int, scale: Scale) -> dict[str, float]:
    """Seconds a proof, by what was measured."""
    chance = random.Random(number)  # noqa: S311 - picks what is measured, hides nothing
    anywhere = [chance.randrange(log.entries) for _ in range(scale.proofs)]
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
