"""The crash table in full: ``scripts/soak crash``, and its small sizes in the tests.

{each step of an append} x {fails; fails but took effect} x {the process goes on; it is killed and
another starts} at each size that is asked for: the batch in which the step fails ends there. What
is stored is judged as it lies, and again after a process has gone on with it. SQLite.
"""

import itertools
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import history

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from ledger.tlog.tiles import TILE_WIDTH
from soaking.appending import prepare
from soaking.judging import Broken, Lost, last_lines
from soaking.nursery import Nursery
from soaking.seams import STEPS
from soaking.syscalls import FSCK_EVERY, Judging, append_to, copied, log_of

SIZES: Final = (255, 256, 257, 65_535, 65_536)
EFFECTS: Final = ("fails", "took-effect")
ENDINGS: Final = ("goes-on", "killed")
OF_THE_BATCH: Final = 3
BEFORE_THE_END: Final = 5
"""Entries from a prepared log to the end of the batch in which a step fails."""


@dataclass
class Report:
    """What was made to fail, and what became of it."""

    sizes: list[int]
    size: int = 0
    """The largest."""
    planned: int = 0
    tried: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    unpublished: int = 0
    lost: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)


def run_table(
    folder: Path,
    *,
    sizes: Sequence[int] = SIZES,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Try every cell of the table at each size; ``folder`` gets the files of what broke."""
    report = Report([*sizes], size=max(sizes), planned=sum(len(cells_at(size)) for size in sizes))
    begun = time.monotonic()
    with Nursery() as nursery:
        for size in sizes:
            prepared = Settings(data_dir=folder / f"prepared-{size}")
            vkey = _made(prepared, size - BEFORE_THE_END)
            judging = Judging(nursery, prepared, vkey, long=True)
            for number, cell in enumerate(cells_at(size)):
                copy = copied(prepared, folder)
                try:
                    _try(judging, copy, cell, report, all_of_it=number % FSCK_EVERY == 0)
                except Broken as broken:
                    report.broken.append(f"{size} {' '.join(cell)}: {broken}")
                    report.lost += isinstance(broken, Lost)
                    name = "-".join(("broken", str(size), *cell)).replace(" ", "-")
                    shutil.copytree(copy.data_dir, folder / name)
                report.tried += 1
                report.seconds = time.monotonic() - begun
                tell(report)
    return report


def cells_at(size: int) -> list[tuple[str, str, str]]:
    """The cells at a size: a batch that fills no tile has no step in which one is inserted."""
    fills = size // TILE_WIDTH > (size - OF_THE_BATCH) // TILE_WIDTH
    steps = [step for step in STEPS if fills or step != "insert tiles"]
    return list(itertools.product(steps, EFFECTS, ENDINGS))


def _made(prepared: Settings, size: int) -> str:
    """Make the log of ``size`` entries; its key."""
    create(prepared, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
    ledger = Ledger(prepared)
    prepare(ledger, size=size)
    ledger.close()
    return ledger.vkey


def _try(
    judging: Judging,
    settings: Settings,
    cell: tuple[str, str, str],
    report: Report,
    *,
    all_of_it: bool,
) -> None:
    kept, status = append_to(judging.nursery, settings, None, cell)
    wanted = -9 if cell[2] == "killed" else 0
    if status != wanted:
        raise Broken(f"the process ended with {status}: {last_lines(log_of(settings))}")
    report.endings["killed" if status else "went on"] += 1
    report.receipts += len(kept)
    report.unpublished += not judging.judge(settings, kept, all_of_it=False)
    again, status = append_to(judging.nursery, settings, None)
    if status != 0:
        raise Broken(f"the next start did not go on: {last_lines(log_of(settings))}")
    if not judging.judge(settings, [*kept, *again], all_of_it=all_of_it):
        raise Broken("the next start did not publish what was signed")
