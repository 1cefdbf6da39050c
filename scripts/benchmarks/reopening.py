"""From a closed log to its next signed checkpoint: what a restart costs those who wait.

    python -m benchmarks.reopening FILE        posts the statement in FILE; prints the seconds

A fresh process has imported everything when the clock starts (what a process's start costs is the
figure "from exec to the first answered request"). Timed are opening the ledger for writing, with
all its checks of signer, head and schema, and one statement, until it is answered: durable, in a
tree whose checkpoint was signed after the clock started. The log is a copy, which grows.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.history import Clerk
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, Places, environment, module
from benchmarks.progress import say
from benchmarks.scale import Scale
from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.settings import load_settings

SECTION: Final = "start"
WHAT: Final = "reopened: from opening the log to the next signed checkpoint"
BAR: Final = Bar(50, "less")
MILLION: Final = 1_000_000


def measure(places: Places, logs: Sequence[Kept], scale: Scale) -> Iterator[Figure]:
    """Milliseconds, on a copy of each log."""
    for log in logs:
        settings = places.copied(log.settings, f"reopened-{log.entries}")
        clerk = Clerk(log.recipe.series, made_at_s=log.recipe.time_of(log.recipe.last_run))
        file = places.room(f"reopening-{log.entries}") / "statement"
        taken = []
        # The first one finds the copied file's pages wherever the copying left them.
        for number in range(scale.rounds + 1):
            say(f"{SECTION}: reopening {log.entries:,} entries, {number} of {scale.rounds}")
            file.write_bytes(clerk.egress(log.recipe.last_run, 1_000 + number))
            done = subprocess.run(
                module("reopening", str(file)),
                env=environment(settings),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise CannotMeasure("a log could not be reopened: " + done.stderr[-300:])
            taken.append(float(done.stdout) * 1e3)
        bar = BAR if log.entries >= MILLION else None
        yield Figure(
            *(SECTION, WHAT, "ms", tuple(taken[1:])),
            entries=log.entries,
            bar=bar,
            key="reopen_ms" if bar else "",
        )


def main(arguments: list[str]) -> int:
    """Open the ledger of the environment's settings, log one statement, say how long it took."""
    body = Path(arguments[0]).read_bytes()
    settings = load_settings()
    begun = time.perf_counter()
    ledger = Ledger(settings)
    [answer] = ledger.log([body])
    seconds = time.perf_counter() - begun
    ledger.close()
    if isinstance(answer, LedgerError):
        print(answer, file=sys.stderr)
        return 1
    print(seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
