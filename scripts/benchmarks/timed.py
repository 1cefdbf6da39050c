"""A command run to its end: its seconds from exec to exit, and the memory of its processes."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.places import CannotMeasure, environment

LIMIT_S: Final = 1_800
MEASURED: Final = """
import resource, subprocess, sys, time
begun = time.perf_counter()
status = subprocess.run(sys.argv[1:]).returncode
print(time.perf_counter() - begun)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
"""Run by a small process in between: a process begins with the peak of the one that made it."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A run that ended well: what it printed, how long it took, and its largest process."""

    said: str
    seconds: float
    megabytes: float


def timed(name: str, command: Sequence[str]) -> Timed:
    """Run ``command``, ``name`` in messages.

    Raises CannotMeasure where it fails, with the last line that it said, or does not end.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURED, *command],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise CannotMeasure(f"{name} did not end within {LIMIT_S:,} s") from None
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["it said nothing"]
        raise CannotMeasure(f"{name}: {lines[-1][:300]}")
    said, seconds, kilobytes = done.stdout.rsplit("\n", 3)[:3]
    return Timed(said, float(seconds), int(kilobytes) / 1024)
