"""The bulk files of a log, made in a process of their own: how long, and how much memory.

    python -m benchmarks.exporting FOLDER      seconds, seconds of reading again, and peak bytes

The log is read as any other process beside a server would. Before a manifest is logged, every file
that it lists is read again and held against its digest: that is measured too. The entry itself is
left out, for the kept log would be another one after each round.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, environment, module
from benchmarks.progress import say
from benchmarks.scale import Scale
from ledger.exports import export, sets
from ledger.settings import load_settings
from ledger.storage.store import Store

SECTION: Final = "data"
TIME: Final = "all bulk files of a log, with their manifest"
AGAIN: Final = "the same: read again, before the manifest is logged"
MEMORY: Final = "the same: memory at the peak"
_UNIT_BYTES: Final = 1 if sys.platform == "darwin" else 1024


def measure(logs: Sequence[Kept], scale: Scale) -> Iterator[Figure]:
    """The figures of this section, in seconds and in MiB."""
    for log in logs:
        taken = []
        for number in range(scale.rounds):
            say(f"{SECTION}: round {number + 1} of {scale.rounds}, {log.entries:,} entries")
            taken.append(_export(log))
        seconds, again, peaks = (tuple(each) for each in zip(*taken, strict=True))
        yield Figure(SECTION, TIME, "s", seconds, entries=log.entries)
        yield Figure(SECTION, AGAIN, "s", again, entries=log.entries)
        yield Figure(SECTION, MEMORY, "MiB", peaks, entries=log.entries)


def _export(log: Kept) -> tuple[float, float, float]:
    """Seconds, seconds of reading again, and MiB of one export, whose files are thrown away."""
    with tempfile.TemporaryDirectory(dir=log.settings.data_dir) as folder:
        done = subprocess.run(
            module("exporting", folder),
            env=environment(log.settings),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise CannotMeasure("the bulk files could not be made: " + done.stderr[-300:])
    seconds, again, peak = done.stdout.split()
    return float(seconds), float(again), int(peak) / 2**20


def main(arguments: list[str]) -> int:
    """Export the log of the environment's settings, and print what it took."""
    settings = load_settings()
    store = Store(settings.database_url)
    try:
        begun = time.perf_counter()
        folder = Path(arguments[0])
        name = export(store, folder, public_url=settings.public_url)
        took = time.perf_counter() - begun
        begun = time.perf_counter()
        wrong = [*sets.check(folder / name)]
        again = time.perf_counter() - begun
    finally:
        store.close()
    if wrong:
        raise SystemExit(f"the files are not what their manifest says: {wrong[0]}")
    print(took, again, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT_BYTES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
