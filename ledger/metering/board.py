"""Counters that several processes share: each writes into a file of its own, a scrape adds them up.

A file is mapped, so counting costs no system call and outlives a kill. It is locked as long as its
process lives. What the dead counted goes into one file more, so that no counter ever runs
backwards; what they had waiting is gone with them. Losing these files loses no record.
"""

import fcntl
import hashlib
import mmap
import os
import secrets
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.errors import LogUnavailable
from ledger.metering.families import FAMILIES, Family, Kind

GONE: Final = "gone.counts"
LOCK: Final = "lock"
_NUMBER: Final = 8  # bytes of a double


class Board:
    """The counts of this process, in ``folder`` beside those of all others that count there."""

    def __init__(self, folder: Path, families: Sequence[Family] = FAMILIES) -> None:
        """Begin to count. Raises LogUnavailable where the files cannot be made."""
        self._starts: dict[tuple[str, tuple[str, ...]], int] = {}
        self._gauges: set[int] = set()
        self._latest: set[int] = set()
        length = 0
        for family in families:
            for labels in family.series():
                if family.latest:
                    self._latest.add(length)
                elif family.kind is Kind.GAUGE:
                    self._gauges.add(length)
                self._starts[family.name, labels] = length
                length += family.width
        self.families = families
        self._bytes = length * _NUMBER
        # Files of another layout, of an older program, are not to be added to these.
        layout = hashlib.sha256(repr(families).encode()).hexdigest()[:12]
        self._folder = folder / layout
        self._turn = threading.Lock()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                self._bury()
                name = f"{os.getpid()}-{secrets.token_hex(4)}.counts"
                self._path = self._folder / name
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                fcntl.flock(self._file, fcntl.LOCK_EX)
                # Reserved: a full disk must not kill who counts.
                os.posix_fallocate(self._file, 0, self._bytes)
        except OSError as error:
            raise LogUnavailable(
                f"LEDGER_METRICS: no counters can be kept in {folder}: {error.strerror}"
            ) from None
        self._map = mmap.mmap(self._file, self._bytes)
        self._numbers = memoryview(self._map).cast("d")

    def close(self) -> None:
        """Stop counting; what was counted stays."""
        self._numbers.release()
        self._map.close()
        with suppress(OSError), self._alone():
            os.close(self._file)
            self._bury()

    def add(self, family: Family, *labels: str) -> None:
        """Count one."""
        start = self._starts[family.name, labels]
        with self._turn:
            self._numbers[start] += 1

    def set(self, family: Family, value: float) -> None:
        """Say what a gauge of this process is."""
        self._numbers[self._starts[family.name, ()]] = value

    def observe(self, family: Family, value: float, *labels: str) -> None:
        """Count a value in its bucket."""
        start = self._starts[family.name, labels]
        with self._turn:
            self._numbers[start + bisect_left(family.buckets, value)] += 1
            self._numbers[start + family.width - 1] += value

    def totals(self) -> dict[tuple[str, tuple[str, ...]], list[float]]:
        """What all processes counted together, by family and labels; the dead wait for nothing."""
        with self._alone():
            self._bury()
            found = [_read(path, self._bytes) for path in self._folder.glob("*.counts")]
        sums = self._together(found)
        widths = {family.name: family.width for family in self.families}
        return {
            (name, labels): sums[start : start + widths[name]]
            for (name, labels), start in self._starts.items()
        }

    def _bury(self) -> None:
        """Add up the files of the dead, in the file of those before them."""
        dead = [path for path in self._folder.glob("*-*.counts") if not _is_locked(path)]
        if not dead:
            return
        gone = [self._folder / GONE, *dead]
        sums = self._together([_read(path, self._bytes) for path in gone])
        for gauge in self._gauges:
            sums[gauge] = 0
        new = self._folder / f"{GONE}.new"
        new.write_bytes(array("d", sums).tobytes())
        new.replace(self._folder / GONE)
        for path in dead:
            path.unlink()

    def _together(self, counted: Sequence[Sequence[float]]) -> list[float]:
        """The numbers of several processes as one."""
        return [
            max(column) if place in self._latest else sum(column)
            for place, column in enumerate(zip(*counted, strict=True))
        ]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody begins, ends or adds up beside this."""
        file = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def _read(path: Path, size: int) -> list[float]:
    """The numbers of a file; nothing but zeros where it is missing or cut short."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    return array("d", data if len(data) == size else bytes(size)).tolist()


def _is_locked(path: Path) -> bool:
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
