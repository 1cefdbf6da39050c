"""How often the disk is asked to make sure, for each acknowledged batch.

Counted from outside: a process appends batches under strace, and the calls between two moments are
counted. On PostgreSQL the server syncs, which strace does not see from here.

    python -m benchmarks.syncs BATCHES SIZE        prints the two moments as JSON, Unix seconds
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.figures import Figure
from benchmarks.history import Clerk
from benchmarks.places import Places, environment, module
from benchmarks.scale import Scale
from ledger.assembly import Ledger, system_clock
from ledger.settings import Settings, load_settings

SECTION: Final = "append"
LIMIT_S: Final = 120
SIZES: Final = (1, 1_000)
_CALL: Final = re.compile(r"^(?:\d+ +)?(\d+\.\d+) (?:fsync|fdatasync|msync|sync_file_range)\(")


def measure(places: Places, scale: Scale) -> Iterator[Figure]:
    """Syncs a batch, for batches of one statement and of a thousand."""
    for size in SIZES:
        what = f"syncs for each batch of {size:,}"
        if places.on_postgresql:
            note = "not counted: the PostgreSQL server syncs"
            yield Figure(SECTION, what, "syncs", (), note=note)
            continue
        batches = scale.synced if size > 1 else scale.synced * 10
        found, note = _count(places, places.fresh(f"syncs-{size}"), batches, size)
        yield Figure(SECTION, what, "syncs", () if found is None else (found,), note=note)


def _count(places: Places, settings: Settings, batches: int, size: int) -> tuple[float | None, str]:
    strace = shutil.which("strace")
    if strace is None:
        return None, "not counted: strace is not installed"
    trace = places.room(f"trace-{size}") / "calls"
    calls = "trace=fsync,fdatasync,msync,sync_file_range"
    done = subprocess.run(
        [
            *(strace, "-f", "-ttt", "-e", calls, "-e", "signal=none", "-o", str(trace)),
            *module("syncs", str(batches), str(size)),
        ],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if done.returncode != 0:
        return None, "not counted: strace may not trace here"
    begun, ended = json.loads(done.stdout)
    return count_calls(trace.read_text("ascii"), begun, ended) / batches, f"{batches:,} batches"


def count_calls(trace: str, begun: float, ended: float) -> int:
    """The syncs in strace's lines that began between two moments; a resumed call counts once."""
    found = map(_CALL.match, trace.splitlines())
    return sum(begun <= float(match[1]) <= ended for match in found if match)


def main(arguments: list[str]) -> int:
    """Append batches to the ledger of the environment's settings."""
    batches, size = map(int, arguments)
    ledger = Ledger(load_settings(), verify_signatures=False)
    try:
        clerk = Clerk("syncs", made_at_s=system_clock())
        made = [
            [clerk.submitted(batch * size + each) for each in range(size)]
            for batch in range(batches)
        ]
        begun = time.time()
        for batch in made:
            ledger.submit_batch(batch).result()
        print(json.dumps([begun, time.time()]))
    finally:
        ledger.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
