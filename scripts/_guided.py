"""Fuzzing led by coverage: atheris chooses the damage by what code it reaches.

``run`` gives every law its share of the time, a process each; started by name, this module is one
of these processes. atheris lives by itself in ``.venv/interop/atheris`` and is on the path of these
processes alone. What has reached something new is kept as a tape of bytes, a folder a law, so a
run may be interrupted and the next one goes on from there. A tape that broke a law is kept beside
these folders, and ``scripts/fuzz NAME --tape FILE`` plays it without atheris.
"""

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from random import Random

TESTS = Path(__file__).resolve().parent.parent / "tests"
LONGEST = 4096
"""Bytes on a tape: as many as any law asks its dice for in a thousand throws."""
STUCK_S = 60
"""An execution that takes longer has broken a law."""
ENDED_S = 600
"""A process that is not done so long after its time is killed."""
_TRIED = re.compile(r"^stat::number_of_executed_units: +(\d+)", re.MULTILINE)
_REACHED = re.compile(r" cov: (\d+) ")


class Tape(Random):
    """Dice that show what is written on a tape, and zeros once it has run out."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._tape, self._at = data, 0

    def getrandbits(self, bits: int) -> int:
        """The next bytes of the tape, as many as these bits need."""
        size = (bits + 7) // 8
        read = self._tape[self._at : self._at + size].ljust(size, b"\0")
        self._at += size
        return int.from_bytes(read, "big") >> (8 * size - bits)

    def random(self) -> float:
        """A fraction below 1, from four bytes."""
        return self.getrandbits(32) / 2**32


@dataclass(frozen=True)
class Tried:
    """What became of one law."""

    law: str
    inputs: int
    reached: int
    broken: tuple[Path, ...]
    trouble: str


def run(
    laws: "dict[str, int]", *, seconds: int, jobs: int, kept: Path, packages: Path
) -> "Iterable[Tried]":
    """Try to break laws for so many seconds in all, shared by their weights; as each is done."""
    whole = sum(laws.values())
    shares = {law: max(1, seconds * jobs * weight // whole) for law, weight in laws.items()}
    pool = ThreadPoolExecutor(jobs)
    try:
        asked = [pool.submit(_try, law, share, kept, packages) for law, share in shares.items()]
        for each in as_completed(asked):
            yield each.result()
    finally:
        # Who interrupts this has interrupted the processes that run; the others never begin.
        pool.shutdown(cancel_futures=True)


def _try(law: str, seconds: int, kept: Path, packages: Path) -> Tried:
    tapes, prefix = kept / law, f"broken-{law}-"
    tapes.mkdir(parents=True, exist_ok=True)
    before = set(kept.glob(prefix + "*"))
    command = [sys.executable, __file__, law, str(tapes), str(kept / prefix), str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(packages)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds + ENDED_S,
        )
        said, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        said, code = str(error.stdout or ""), -1
    inputs = [int(each) for each in _TRIED.findall(said)]
    reached = [int(each) for each in _REACHED.findall(said)]
    # One that an earlier run has kept, and this one has come to again, has the same name.
    found = (each for each in kept.glob(prefix + "*") if each not in before or each.name in said)
    broken = tuple(sorted(found))
    trouble = "" if code == 0 or broken else "\n".join(said.splitlines()[-15:])
    return Tried(law, sum(inputs), max(reached, default=0), broken, trouble)


def play(law: "Callable[[Random], None]", tape: Path) -> None:
    """Run a law once, by the dice of a tape."""
    law(Tape(tape.read_bytes()))


def _guide(name: str, tapes: str, prefix: str, seconds: str) -> None:
    """Run one law under atheris, until the time is over or the law is broken."""
    sys.path[:0] = [str(TESTS.parent), *(str(TESTS / each) for each in ("hostile", "verify"))]
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["ledger", "schemas"]):
        for module in ("verify", "mldsa", "files"):
            importlib.import_module(f"fuzz_targets_{module}")
        laws = importlib.import_module("fuzz_targets").LAWS
    # The script is loaded from its file, which no import hook sees.
    script = sys.modules["verify_script"]
    for each in vars(script).values():
        for code in vars(each).values() if inspect.isclass(each) else [each]:
            if inspect.isfunction(code) and code.__module__ == script.__name__:
                atheris.instrument_func(code)
    _, law = laws[name]
    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={STUCK_S}",
        f"-artifact_prefix={prefix}",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *flags, tapes], lambda data: law(Tape(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    _guide(*sys.argv[1:])
