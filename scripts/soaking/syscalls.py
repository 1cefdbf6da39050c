"""Every storage call of a run fails once, or is the last one: ``scripts/soak syscalls``.

strace makes the n-th ``openat``, ``pwrite64``, ``fdatasync``, … of a process fail with EIO, or ends
the process there, for every n that an undisturbed run reaches. The run crosses a tile's border.
After each fault the stored ledger is judged as it lies, then a new process goes on with it.

With a folder to keep, the log before the border and what was tried are there, and the next run goes
on where this one was.
"""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import history

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from soaking.appending import prepare
from soaking.clients import Kept
from soaking.judging import Broken, Judge, Lost, last_lines
from soaking.nursery import Nursery
from soaking.tail import Tail

CALLS: Final = (
    "openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "renameat", "renameat2",
    "ftruncate", "unlink", "unlinkat",
)  # fmt: skip
ACTIONS: Final = {"EIO": "error=EIO", "KILL": "signal=KILL"}
BEFORE_THE_BORDER: Final = 3
LONG_ABOVE: Final = 10_000
"""A log this long is judged by its end; all of it, by fsck, at every so many faults."""
FSCK_EVERY: Final = 32
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
    lost: int = 0
    unpublished: int = 0
    """Faults between a signature and its publication, which the next start made up for."""
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def add(self, tried: "Tried") -> None:
        """Count one more fault."""
        self.tried += 1
        self.faults[f"{tried.call} {tried.action}"] += 1
        if tried.ending:
            self.endings[tried.ending] += 1
        self.receipts += tried.receipts
        self.unpublished += tried.unpublished
        self.lost += tried.lost
        self.seconds += tried.seconds
        if tried.broken is not None:
            self.broken.append(f"{tried.call} {tried.number} {tried.action}: {tried.broken}")


@dataclass
class Tried:
    """One fault: the ``number``-th ``call`` of a run failed, or was its last."""

    call: str
    action: str
    number: int
    ending: str = ""
    receipts: int = 0
    unpublished: bool = False
    lost: bool = False
    seconds: float = 0.0
    broken: str | None = None


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
    keep: Path | None = None,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Try every fault, or every ``every``-th, on a log that crosses ``size``; report them all.

    ``folder`` gets the files of what broke. With ``keep``, what an earlier run tried is not tried
    again; it has to be of the same size.
    """
    place = keep or folder
    place.mkdir(parents=True, exist_ok=True)
    report = Report(size)
    with Nursery() as nursery:
        prepared, vkey, report.calls = _prepared(nursery, place, size, calls)
        plan = [
            (call, action, number)
            for call, count in report.calls.items()
            for action in ACTIONS
            for number in range(1, count + 1)
        ][::every]
        report.planned = len(plan)
        diary = place / "tried.ndjson"
        known = {(each.call, each.action, each.number): each for each in _read(diary)}
        judging = Judging(nursery, prepared, vkey, long=size > LONG_ABOVE)
        for fault in plan:
            tried = known.get(fault)
            if tried is None:
                tried = _try(judging, copied(prepared, place), Tried(*fault))
                if tried.broken is not None:
                    name = "-".join(map(str, ("broken", *fault)))
                    shutil.copytree(place / "copy", folder / name, dirs_exist_ok=True)
                with diary.open("a", encoding="ascii") as lines:
                    lines.write(json.dumps(asdict(tried)) + "\n")
            report.add(tried)
            tell(report)
    return report


def _prepared(
    nursery: Nursery, place: Path, size: int, calls: tuple[str, ...]
) -> tuple[Settings, str, dict[str, int]]:
    """A log just below the border, its key, and what calls a run across it makes."""
    prepared, plan = Settings(data_dir=place / "prepared"), place / "plan.json"
    if plan.exists():
        made = json.loads(plan.read_text("ascii"))
        if (made["size"], made["asked"]) != (size, list(calls)):
            raise FileExistsError(f"{place} holds another run, across {made['size']}")
        return prepared, made["vkey"], made["calls"]
    shutil.rmtree(prepared.data_dir, ignore_errors=True)
    create(prepared, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
    ledger = Ledger(prepared)
    prepare(ledger, size=size - BEFORE_THE_BORDER)
    vkey = ledger.vkey
    ledger.close()
    trace = place / "trace"
    copy = copied(prepared, place)
    append_to(nursery, copy, ["-o", str(trace), f"--trace={','.join(calls)}"])
    # What the undisturbed run leaves is sound to the last row: what is compared with it is, too.
    Judge(copy, nursery, vkey=vkey, log=log_of(copy)).is_mended()
    counted = _counted(trace)
    made = {"size": size, "asked": calls, "vkey": vkey, "calls": counted}
    plan.write_text(json.dumps(made) + "\n", "ascii")
    return prepared, vkey, counted


class Judging:
    """Runs on copies of one prepared log, each held to its word."""

    def __init__(self, nursery: Nursery, prepared: Settings, vkey: str, *, long: bool) -> None:
        self.nursery = nursery
        self._vkey = vkey
        self._tail = Tail(prepared, vkey=vkey) if long else None

    def judge(self, settings: Settings, kept: list[Kept], *, all_of_it: bool) -> bool:
        """Raise Broken unless it is sound and kept; whether all that is signed is published."""
        published = None
        if self._tail is not None:
            published = self._tail.check(settings, kept)
        if self._tail is None or all_of_it:
            quick = self._tail is not None
            judge = Judge(
                settings, self.nursery, vkey=self._vkey, log=log_of(settings), quick=quick
            )
            found = judge.fsck()
            judge.keeps(kept)
            if published is None:
                published = found
        assert published is not None
        return published


def _try(judging: Judging, settings: Settings, tried: Tried) -> Tried:
    begun = time.monotonic()
    inject = f"--inject={tried.call}:{ACTIONS[tried.action]}:when={tried.number}"
    strace = ["-o", "/dev/null", f"--trace={tried.call}", inject]
    try:
        kept, status = append_to(judging.nursery, settings, strace)
        how = {0: "went on", 3: "refused", -9: "killed"}.get(status)
        if how is None:
            raise Broken(f"the process ended with {status}: {last_lines(log_of(settings))}")  # noqa: TRY301 - told like all others
        tried.ending, tried.receipts = how, len(kept)
        all_of_it = tried.number % FSCK_EVERY == 0
        tried.unpublished = not judging.judge(settings, kept, all_of_it=False)
        again, status = append_to(judging.nursery, settings, None)
        if status != 0:
            raise Broken(f"the next start did not go on: {last_lines(log_of(settings))}")  # noqa: TRY301 - the same
        if not judging.judge(settings, [*kept, *again], all_of_it=all_of_it):
            raise Broken("the next start did not publish what was signed")  # noqa: TRY301 - the same
    except Broken as broken:
        tried.broken, tried.lost = str(broken), isinstance(broken, Lost)
    tried.seconds = time.monotonic() - begun
    return tried


def _read(diary: Path) -> list[Tried]:
    """What was tried before; a line that a death cut short was not."""
    if not diary.exists():
        return []
    said = diary.read_text("ascii")
    whole = said[: said.rfind("\n") + 1]
    if whole != said:
        diary.write_text(whole, "ascii")
    return [Tried(**json.loads(line)) for line in whole.splitlines()]


def append_to(
    nursery: Nursery, settings: Settings, strace: list[str] | None, cell: Sequence[str] = ()
) -> tuple[list[Kept], int]:
    """Append to the ledger, under strace if so; the receipts that came, and the exit status.

    ``cell`` is what ``soaking.appending`` is told of a step that fails.
    """
    path = settings.data_dir.with_name("wire")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        folder = str(settings.data_dir)
        pid = nursery.start("append", folder, str(path), *cell, env={}, log=log_of(settings))
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


def copied(prepared: Settings, folder: Path) -> Settings:
    """A copy of a prepared ledger, in the place of the last one."""
    target = folder / "copy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(prepared.data_dir, target)
    return Settings(data_dir=target)


def log_of(settings: Settings) -> Path:
    """Where the processes that work on a copy say what they have to say."""
    return settings.data_dir.with_name("log")
