"""A mirror in a folder of this machine.

Each file is written beside its place and moved there, so that no reader meets half of one. One run
at a time holds the folder; its lock goes with the process, however that ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.mirrors.shapes import File, MirrorFailed, MirrorRefused

LOCK: Final = ".mirror.lock"
NEW: Final = ".new"


class Folder:
    """The mirror at ``root``, which is made where it is not there. Raises MirrorRefused."""

    def __init__(self, root: Path) -> None:
        if root.exists() and not root.is_dir():
            raise MirrorRefused(f"{root} is a file: a mirror is a folder")
        self.root = root
        self._base = str(root)

    @property
    def name(self) -> str:
        """Its path."""
        return self._base

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the folder's lock. Raises MirrorRefused where another process has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise MirrorRefused(
                    f"another process is writing the mirror in {self.root}"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def sizes(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Every file below ``prefix`` but those whose names begin with a dot."""
        waiting = [os.path.join(self._base, prefix)]  # noqa: PTH118 - a million Paths are a minute
        while waiting:
            try:
                found = os.scandir(waiting.pop())
            except FileNotFoundError:
                continue
            with found:
                for each in found:
                    if each.name.startswith("."):
                        continue
                    if each.is_dir():
                        waiting.append(each.path)
                    else:
                        yield each.path[len(self._base) + 1 :], each.stat().st_size

    def size(self, path: str) -> int | None:
        """The size of one file."""
        try:
            return (self.root / path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str, *, limit: int) -> bytes | None:
        """A file's bytes."""
        try:
            with (self.root / path).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(data) > limit:
            raise MirrorFailed(f"{self.root / path} is larger than {limit} bytes")
        return data

    def create(self, file: File) -> bool:
        """Write a file that is not there yet. The lock keeps others from writing it meanwhile."""
        if (self.root / file.path).exists():
            return False
        # It is never compared again once the checkpoint covers it: so it is whole, or not there.
        self._write(file, synced=True)
        return True

    def replace(self, file: File) -> None:
        """Write a file over what is there. After a power cut the next run finds it damaged."""
        self._write(file)

    def settle(self) -> None:
        """Have the system write out what it still holds."""
        os.sync()

    def publish(self, file: File) -> None:
        """Have the system write out what it still holds, then this file and its name."""
        self.settle()
        self._write(file, synced=True)
        _sync_folder((self.root / file.path).parent)

    def _write(self, file: File, *, synced: bool = False) -> None:
        path = self.root / file.path
        # Only who holds the lock writes here, so a crash leaves at most one such file a thread.
        new = path.with_name(f".{path.name}{NEW}")
        try:
            out = new.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            out = new.open("wb")
        with out:
            if isinstance(file.body, Path):
                with file.body.open("rb") as source:
                    shutil.copyfileobj(source, out, 2**20)
            else:
                out.write(file.body)
            if synced:
                out.flush()
                os.fsync(out.fileno())
        os.replace(new, path)  # noqa: PTH105 - the one call that is atomic by name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
