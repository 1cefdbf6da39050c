"""Every storage call of a run fails once, or is the last one: ``scripts/soak syscalls``.

strace makes the n-th ``openat``, ``pwrite64``, ``fdatasync``, … of a process fail with EIO, or ends
the process there, for every n that an undisturbed run reaches. The run crosses a tile's border.
After each fault the stored ledger is judged as it lies, then a new process goes on with it.
"""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import history

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from soaking.appending import prepare
from soaking.clients import Kept
from soaking.judging import Broken, Judge, last_lines
from soaking.nursery import Nursery

CALLS: Final = (
    "openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "renameat", "renameat2",
    "ftruncate", "unlink", "unlinkat",
)  # fmt: skip
ACTIONS: Final = {"EIO": "error=EIO", "KILL": "signal=KILL"}
BEFORE_THE_BORDER: Final = 3
QUICK_ABOVE: Final = 10_000
LIMIT_S: Final = 120.0
LOOK_EVERY_S: Final = 0.002


@dataclass
class Report:
    """What was made to fail, and what became of it."""

    size: int
    calls: dict[str, int] = field(default_factory=dict)
    """How often an undisturbed run makes each call, in the thread that makes it most."""
    planned: int = 0
    tried: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    unpublished: int = 0
    """Faults between a signature and its publication, which the next start made up for."""
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)


def missing() -> str | None:
    """Why it cannot run here, in one line."""
    if shutil.which("strace") is None:
        return "syscalls needs strace: `apt-get install strace`, or your system's package of it"
    return None


def run_faults(
    folder: Path,
    *,
    size: int,
    every: int = 1,
    calls: tuple[str, ...] = CALLS,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Try every fault, or every ``every``-th, on a log that crosses ``size``; report them all."""
    report = Report(size)
    begun = time.monotonic()
    prepared = Settings(data_dir=folder / "prepared")
    create(prepared, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
    ledger = Ledger(prepared)
    prepare(ledger, size=size - BEFORE_THE_BORDER)
    vkey = ledger.vkey
    ledger.close()
    with Nursery() as nursery:
        trace = folder / "trace"
        _run(nursery, _copied(prepared, folder), ["-o", str(trace), f"--trace={','.join(calls)}"])
        report.calls = _counted(trace)
        plan = [
            (call, action, number)
            for call, count in report.calls.items()
            for action in ACTIONS
            for number in range(1, count + 1)
        ][::every]
        report.planned = len(plan)
        for call, action, number in plan:
            copy = _copied(prepared, folder)
            inject = f"--inject={call}:{ACTIONS[action]}:when={number}"
            quiet = ["-o", "/dev/null", f"--trace={call}", inject]
            try:
                _try(nursery, copy, quiet, vkey, report)
            except Broken as broken:
                report.broken.append(f"{call} {number} {action}: {broken}")
                shutil.copytree(copy.data_dir, folder / f"broken-{call}-{number}-{action}")
            report.tried += 1
            report.faults[f"{call} {action}"] += 1
            report.seconds = time.monotonic() - begun
            tell(report)
    return report


def _try(
    nursery: Nursery, settings: Settings, strace: list[str], vkey: str, report: Report
) -> None:
    kept, status = _run(nursery, settings, strace)
    how = {0: "went on", 3: "refused", -9: "killed"}.get(status)
    if how is None:
        raise Broken(f"the process ended with {status}: {last_lines(_log(settings))}")
    report.endings[how] += 1
    quick = report.size > QUICK_ABOVE
    judge = Judge(settings, nursery, vkey=vkey, log=_log(settings), quick=quick)
    if not judge.fsck():
        report.unpublished += 1
    judge.keeps(kept)
    again, status = _run(nursery, settings, None)
    if status != 0:
        raise Broken(f"the next start did not go on: {last_lines(_log(settings))}")
    judge.is_mended()
    judge.keeps([*kept, *again])
    report.receipts += len(kept)


def _run(nursery: Nursery, settings: Settings, strace: list[str] | None) -> tuple[list[Kept], int]:
    """Append to the ledger, under strace if so; the receipts that came, and the exit status."""
    path = settings.data_dir.with_name("wire")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        folder = str(settings.data_dir)
        pid = nursery.start("append", folder, str(path), env={}, log=_log(settings))
        wire, _ = door.accept()
        wire.settimeout(LIMIT_S)
        with wire, _traced(pid, strace):
            wire.sendall(b"!")
            said = b"".join(iter(lambda: wire.recv(1 << 16), b""))
            status = nursery.wait(pid)
    whole = said[: said.rfind(b"\n") + 1].splitlines()
    return [Kept(*json.loads(line)) for line in whole], status


@contextlib.contextmanager
def _traced(pid: int, strace: list[str] | None) -> Iterator[None]:
    """The block with strace attached to a process; strace ends with it."""
    if strace is None:
        yield
        return
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", *strace, "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        give_up = time.monotonic() + LIMIT_S
        while "TracerPid:\t0" in Path(f"/proc/{pid}/status").read_text("utf-8"):
            if tracer.poll() is not None or time.monotonic() > give_up:
                tracer.kill()
                raise Broken(f"strace: {tracer.communicate()[1][:300]}")
            time.sleep(LOOK_EVERY_S)
        yield
    finally:
        tracer.communicate(timeout=LIMIT_S)


def _counted(trace: Path) -> dict[str, int]:
    """How often each call was made by the thread that made it most: strace counts by thread."""
    found = Counter(
        re.findall(r"^(\d+) +(\w+)\(", trace.read_text("utf-8", "replace"), re.MULTILINE)
    )
    most: dict[str, int] = {}
    for (_, call), count in found.items():
        most[call] = max(most.get(call, 0), count)
    return most


def _copied(prepared: Settings, folder: Path) -> Settings:
    target = folder / "copy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(prepared.data_dir, target)
    return Settings(data_dir=target)


def _log(settings: Settings) -> Path:
    return settings.data_dir.with_name("log")
