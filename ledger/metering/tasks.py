"""When the things that are done now and then were last done, and whether that went well.

`ledger fsck`, `backup` and `mirror --to` are processes of their own that end: each leaves a line in
a small file beside the counters, and a scrape reads it. Losing these files loses no record.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TASKS: Final = ("fsck", "backup", "mirror")
FOLDER: Final = "tasks"
_LINE = re.compile(r"(-|[0-9]{1,12}) (sound|failed)\n")


@dataclass(frozen=True, slots=True)
class Done:
    """``succeeded_at`` is in Unix seconds, None before a first success."""

    succeeded_at: int | None
    failed: bool


def note(folder: Path, task: str, *, now: int, failed: bool) -> None:
    """Keep how ``task`` ended at ``now``. A folder that cannot be written to is left alone."""
    before = last(folder, task)
    at = (before.succeeded_at if before else None) if failed else now
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f"{task}.{secrets.token_hex(4)}.new"
        new.write_text(f"{'-' if at is None else at} {'failed' if failed else 'sound'}\n", "ascii")
        os.replace(new, folder / task)  # noqa: PTH105 - the one call that is atomic by name
    except OSError:
        return


def last(folder: Path, task: str) -> Done | None:
    """How ``task`` last ended; None before its first end, and where nobody knows."""
    try:
        with (folder / task).open("rb") as file:
            match = _LINE.fullmatch(file.read(64).decode("ascii", "replace"))
    except OSError:
        return None
    if match is None:
        return None
    return Done(None if match[1] == "-" else int(match[1]), match[2] == "failed")


@contextmanager
def noting(folder: Path, task: str, *, now: int) -> Iterator[None]:
    """Keep how the block ends: whatever leaves it early is a failure."""
    try:
        yield
    except BaseException:
        note(folder, task, now=now, failed=True)
        raise
    note(folder, task, now=now, failed=False)
