"""Others' logs, which appending and proving are held against: pymerkle, and aics-tlog's writer.

Each runs in a process and an environment of its own, told over a pipe what to do next, so that
rounds alternate. What they are given are records of ``RECORD_BYTES``, the same for all; they are as
durable as their authors made them. One that cannot be had says why in ``missing``.
"""

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import IO, Any, Final, Self

import _interop

from benchmarks.figures import Bar, Figure, show
from benchmarks.places import CannotMeasure, environment
from benchmarks.progress import say

RECORD_BYTES: Final = 600
STOP_LIMIT_S: Final = 30.0
_LOOP: Final = """
import json, sys, time

def rows(job):
    found, data, size = [], open(job["rows"], "rb").read(), job["bytes"]
    return [data[at : at + size] for at in range(0, len(data), size)]

for line in sys.stdin:
    job = json.loads(line)
    begun, count = do(job)
    print(json.dumps([time.perf_counter() - begun, count]), flush=True)
"""


class Peer:
    """Another log in its own process, from ``with`` to its end."""

    name = ""
    tool = ""
    program = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = folder / "rows.bin"
        self._stack = ExitStack()
        self.missing = ""
        try:
            self._python = self.python()
        except _interop.ToolMissing as reason:
            self.missing = f"skipped: {reason}"
            say(self.missing)

    def python(self) -> Path:
        """The Python that has it, installed where it was not. Raises ToolMissing."""
        return _interop.get(self.tool) / "bin" / "python"

    def __enter__(self) -> Self:
        if not self.missing:
            log = self._stack.enter_context((self._folder / f"{self.tool}.log").open("ab"))
            self._process = subprocess.Popen(
                [str(self._python), "-I", "-c", self.program + _LOOP, str(self._folder)],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        if not self.missing:
            self._pipe(self._process.stdin).close()
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._pipe(self._process.stdout).close()

    def append(self, rows: Sequence[bytes], *, at_once: int = 1) -> float:
        """The seconds that appending ``rows`` takes it, so many in a call."""
        self._rows.write_bytes(b"".join(rows))
        seconds, _ = self._ask(do="append", rows=str(self._rows), at_once=at_once)
        return seconds

    def _ask(self, **job: object) -> tuple[float, int]:
        pipe = self._pipe(self._process.stdin)
        try:
            pipe.write(json.dumps(job | {"bytes": RECORD_BYTES}) + "\n")
            pipe.flush()
            answer = self._pipe(self._process.stdout).readline()
        except OSError:
            answer = ""
        if not answer:
            raise CannotMeasure(f"{self.name} ended in the middle")
        seconds, count = json.loads(answer)
        return float(seconds), int(count)

    @staticmethod
    def _pipe(pipe: IO[Any] | None) -> IO[Any]:
        assert pipe is not None
        return pipe


class Pymerkle(Peer):
    """pymerkle's ``SqliteTree``: it stores and hashes; nothing is signed, checked or projected."""

    name = "pymerkle"
    tool = "pymerkle"
    program = """
import sys, time
from pymerkle import SqliteTree

file = sys.argv[1] + "/pymerkle.db"
tree = SqliteTree(file)

def do(job):
    global tree
    if job["do"] == "append":
        found, step = rows(job), job["at_once"]
        begun = time.perf_counter()
        if step == 1:
            for row in found:
                tree.append_entry(row)
        else:
            for start in range(0, len(found), step):
                tree.append_entries(found[start : start + step])
        return begun, tree.get_size()
    if job["do"] == "size":
        return time.perf_counter(), tree.get_size()
    if job["cold"]:
        tree.close()
        tree = SqliteTree(file)
        tree.get_size()
    begun = time.perf_counter()
    for index in job["indices"]:
        tree.prove_inclusion(index + 1)
    return begun, len(job["indices"])
"""

    def size(self) -> int:
        """How many entries it has."""
        return self._ask(do="size")[1]

    def prove(self, indices: Sequence[int], *, cold: bool) -> float:
        """The seconds that the inclusion proofs of ``indices`` take, counted from 0.

        ``cold``: on a tree that was just opened, with nothing in its memory.
        """
        return self._ask(do="prove", indices=list(indices), cold=cold)[0]


class AicsWriter(Peer):
    """aics-tlog's ``IncrementalTileWriter``: tiles as files, and a signed checkpoint each time."""

    name = "aics-tlog writer"
    tool = "aics"
    program = """
import sys, time
from aics_tlog import Checkpoint, DirectoryTileStore, IncrementalTileWriter, sign_checkpoint
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

store = DirectoryTileStore(sys.argv[1] + "/aics")
writer = IncrementalTileWriter(store)
key = Ed25519PrivateKey.generate()

def do(job):
    found, step = rows(job), job["at_once"]
    begun = time.perf_counter()
    for start in range(0, len(found), step):
        writer.append(found[start : start + step])
        checkpoint = Checkpoint("bench.invalid/aics", writer.size, writer.root())
        note = sign_checkpoint(checkpoint, key, "bench.invalid/aics")
        store.write_checkpoint(note.to_bytes())
    return begun, writer.size
"""


def record(body: bytes) -> bytes:
    """A record of ``RECORD_BYTES`` that begins as ``body`` does."""
    return body[:RECORD_BYTES].ljust(RECORD_BYTES)


def times(
    section: str,
    what: str,
    bar: float,
    *,
    ours: Sequence[float],
    theirs: Sequence[float],
    unit: str,
    entries: int | None = None,
    key: str = "",
) -> Figure:
    """How many times better ours are, round by round, in ``unit``: rates ("/s"), or durations."""
    ratios = (
        (mine / other if unit == "/s" else other / mine)
        for mine, other in zip(ours, theirs, strict=True)
    )
    said = f"{show(median(ours), unit)} to {show(median(theirs), unit)}"
    return Figure(
        section, what, "x", tuple(ratios), entries=entries, bar=Bar(bar), note=said, key=key
    )


def absent(section: str, what: str, bar: float, why: str, entries: int | None = None) -> Figure:
    """The line of a figure that needs what is not there."""
    return Figure(section, what, "x", (), entries=entries, bar=Bar(bar), note=why)
