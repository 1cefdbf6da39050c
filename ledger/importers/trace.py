"""Reads a cluster trace: which rows are tasks that ran on GPUs, and why each other row is not.

Every row is one or the other; none is dropped. Only the mapped columns are looked at, so nothing
else of the file can reach the ledger.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.importers.mapping import ImportRefused, TraceMapping

MAX_CELL: Final = 200
"""Characters in a cell that is read; what the ledger takes in one line."""
MAX_LINE_BYTES: Final = 1 << 16
MAX_SECONDS: Final = 50 * 366 * 86_400
"""A trace may last fifty years: the ledger's own times end in 2099."""
MAX_GPUS: Final = 1_000_000
WHOLE_GPU: Final = 1_000
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_NEGATIVE: Final = re.compile(r"-[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Task:
    """One row that ran on GPUs. Times are seconds from the trace's start."""

    row: int
    """The line of the file, the header being 1."""
    name: str
    gpu_count: int
    gpu_milli: int
    """Thousandths of one GPU that each of ``gpu_count`` was used at: 1,000 but for shares."""
    accelerators: tuple[str, ...]
    """What the trace says it may have run on; empty where it says nothing."""
    created_s: int
    scheduled_s: int
    ended_s: int | None
    """None: still running when the trace ends."""
    ending: str
    """``completed``, ``failed`` or ``cancelled``; of no meaning where it is still running."""
    digest: str
    """SHA-256 of the row as it stands in the file, without its line end, in hex."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """One row that is not replayed: ``reason`` groups, ``detail`` is this row's."""

    row: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole file: ``rows`` is the number of tasks and skipped rows together."""

    tasks: tuple[Task, ...]
    skipped: tuple[Skipped, ...]
    digest: bytes
    """SHA-256 of the file."""

    @property
    def rows(self) -> int:
        """How many rows the file has, without its header."""
        return len(self.tasks) + len(self.skipped)


class _Skip(Exception):
    """This row is not replayed."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def read_trace(path: Path, mapping: TraceMapping) -> Trace:
    """The tasks and the skipped rows of a CSV file, in its order.

    Raises ImportRefused where it is no such file: unreadable, not text, not CSV, empty, or without
    a column that the mapping names.
    """
    lines = _Lines(path)
    try:
        rows = csv.reader(iter(lines), strict=True)
        header = next(rows, None)
        if header is None or not any(header):
            raise ImportRefused(f"{path} is empty: the first line names the columns")
        places = _places(header, mapping, path)
        lines.take()
        tasks: list[Task] = []
        skipped: list[Skipped] = []
        names: dict[str, int] = {}
        for cells in rows:
            row, raw = lines.take()
            try:
                cell = _cells(cells, places, width=len(header))
                tasks.append(_task(cell, mapping, names, row=row, raw=raw))
            except _Skip as skip:
                skipped.append(Skipped(row, skip.reason, skip.detail))
    except OSError as error:
        raise ImportRefused(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ImportRefused(f"{path}, line {lines.number}: not UTF-8 text: {error}") from None
    except csv.Error as error:
        raise ImportRefused(f"{path}, line {lines.number}: not CSV: {error}") from None
    return Trace(tuple(tasks), tuple(skipped), lines.digest())


class _Lines:
    """The lines of a file as text, remembering what the current row was made of."""

    def __init__(self, path: Path) -> None:
        self.number = 0
        self._path = path
        self._hash = sha256()
        self._raw = b""
        self._first = 1

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                self.number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise ImportRefused(
                        f"{self._path}, line {self.number}: over {MAX_LINE_BYTES} bytes"
                    )
                if b"\0" in line:
                    raise ImportRefused(f"{self._path}, line {self.number}: not text: a NUL byte")
                self._hash.update(line)
                self._raw += line
                yield line.decode("utf-8-sig" if self.number == 1 else "utf-8")

    def take(self) -> tuple[int, bytes]:
        """The first line's number and the bytes of what was read since the last call."""
        first, raw = self._first, self._raw
        self._first, self._raw = self.number + 1, b""
        return first, raw.rstrip(b"\r\n")

    def digest(self) -> bytes:
        return self._hash.digest()


def _places(header: list[str], mapping: TraceMapping, path: Path) -> dict[str, int]:
    columns = {
        field: getattr(mapping.columns, field) for field in mapping.columns.__struct_fields__
    }
    missing = sorted(set(columns.values()) - set(header))
    if missing:
        raise ImportRefused(
            f"{path} has no column {', '.join(missing)}; it has "
            f"{', '.join(name[:40] for name in header[:20])}: is it the mapping for this file?"
        )
    twice = sorted(name for name in columns.values() if header.count(name) > 1)
    if twice:
        raise ImportRefused(f"{path} has more than one column {twice[0]}")
    return {field: header.index(name) for field, name in columns.items()}


def _cells(cells: list[str], places: dict[str, int], *, width: int) -> dict[str, str]:
    """The mapped cells of a row, by field."""
    if len(cells) != width:
        raise _Skip("wrong number of cells", f"{len(cells)}, not {width}")
    return {field: cells[place] for field, place in places.items()}


def _task(
    cell: dict[str, str], mapping: TraceMapping, names: dict[str, int], *, row: int, raw: bytes
) -> Task:
    name = cell["name"]
    if not name or len(name) > MAX_CELL or not name.isprintable():
        raise _Skip("no usable name", ascii(name[:40]))
    if name in names:
        raise _Skip("duplicate name", f"{name} stands in row {names[name]} too")
    names[name] = row
    count = _number(cell, "gpu_count", most=MAX_GPUS)
    if count == 0:
        raise _Skip("no GPU", name)
    if not cell["scheduled"]:
        raise _Skip("never scheduled", name)
    created, scheduled = (_number(cell, at, most=MAX_SECONDS) for at in ("created", "scheduled"))
    deleted = _number(cell, "deleted", most=MAX_SECONDS) if cell["deleted"] else None
    if scheduled < created:
        raise _Skip("times out of order", f"{name}: scheduled at {scheduled}, created at {created}")
    if deleted is not None and deleted < scheduled:
        raise _Skip("negative duration", f"{name}: deleted at {deleted}, scheduled at {scheduled}")
    milli = _number(cell, "gpu_milli", most=WHOLE_GPU)
    if milli == 0 or (count > 1 and milli != WHOLE_GPU):
        raise _Skip("GPU share that cannot be", f"{name}: {count} GPUs at {milli} thousandths")
    ending = mapping.phases.get(cell["phase"])
    if ending is None:
        raise _Skip("phase not in the mapping", f"{name}: {cell['phase'][:40]!a}")
    may_go_on = cell["phase"] in mapping.still_running
    if deleted is None and not may_go_on:
        raise _Skip("ended at no time", f"{name}: {cell['phase'][:40]}, but never deleted")
    cut = deleted == mapping.cut_at_s and may_go_on
    return Task(
        row=row,
        name=name,
        gpu_count=count,
        gpu_milli=milli,
        accelerators=_accelerators(cell["accelerator"], mapping, count),
        created_s=created,
        scheduled_s=scheduled,
        ended_s=None if cut else deleted,
        ending=ending,
        digest=sha256(raw).hexdigest(),
    )


def _accelerators(text: str, mapping: TraceMapping, count: int) -> tuple[str, ...]:
    """What may serve ``count`` GPUs by the trace's own word; nothing where it has none."""
    if not text:
        fitting = any(k.gpus and k.per_node >= count for k in mapping.accelerators.values())
        if not fitting:
            raise _Skip("more GPUs than any node has", f"{count}")
        return ()
    slugs = [mapping.accelerator_names.get(each) for each in text.split("|")]
    if None in slugs:
        raise _Skip("accelerator not in the mapping", ascii(text[:40]))
    return tuple(slug for slug in slugs if slug is not None)


def _number(cell: dict[str, str], field: str, *, most: int) -> int:
    """A cell as a number: decimal digits, no sign, no leading zero, nothing else."""
    text = cell[field]
    if _NEGATIVE.fullmatch(text):
        raise _Skip("negative number", f"{field} is {text}")
    if not _NUMBER.fullmatch(text):
        raise _Skip("malformed number", f"{field} is {text[:40]!a}")
    if int(text) > most:
        raise _Skip("number too large", f"{field} is {text}; at most {most}")
    return int(text)
