"""A folder in which a set of files grows, file by file, until it is whole.

Each step makes some files. When they are on the disk, their digests are noted in ``.finished``,
which is replaced in one move: whoever comes after a crash keeps what is noted and still has its
digest, and makes the rest again. Nothing here is public: only a whole folder is renamed.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

NOTES: Final = ".finished"
SCRATCH: Final = ".scratch"
SUMS: Final = "SHA256SUMS"
CHUNK: Final = 2**20


class Made(Struct, frozen=True):
    """A finished file; ``rows`` is None where it holds no rows."""

    bytes: int
    sha256: str
    rows: int | None = None


class _Notes(Struct):
    about: str
    files: dict[str, Made]


Step = Callable[[], Mapping[str, int | None]]
"""Makes files; their names, with the number of rows in each."""


class Partial:
    """The folder of a set that is not whole yet. Made, or taken up where it was left.

    ``about`` names what the files are made from and by which version: notes about anything else
    are worth nothing.
    """

    def __init__(self, folder: Path, *, about: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._about = about
        self._files = self._noted()

    @property
    def files(self) -> Mapping[str, Made]:
        """The finished files, by name, in the order in which they were made."""
        return self._files

    @property
    def scratch(self) -> Path:
        """An empty folder for a step's own use, gone before the set is whole."""
        path = self.folder / SCRATCH
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def do(self, names: Sequence[str], step: Step) -> bool:
        """Make the files ``names`` by ``step`` unless they are finished; whether it was run."""
        if all(self._stands(name) for name in names):
            log.info("kept %s", ", ".join(names))
            return False
        for name in names:
            self._files.pop(name, None)
        rows = step()
        assert set(rows) == set(names)
        for name in names:
            path = self.folder / name
            sync(path)
            self._files[name] = Made(path.stat().st_size, digest_of(path), rows[name])
        self._note()
        for name in names:
            made = self._files[name]
            rows_text = "" if made.rows is None else f"{made.rows} rows, "
            log.info("made %s: %s%d bytes", name, rows_text, made.bytes)
        return True

    def write(self, name: str, data: bytes) -> None:
        """Make a small file again, whatever was there."""
        write(self.folder / name, data)
        self._files[name] = Made(len(data), hashlib.sha256(data).hexdigest())

    def close(self) -> str:
        """Write the sums of all files and leave nothing else; the SHA-256 of the sums, in hex."""
        lines = [f"{made.sha256}  {name}\n" for name, made in sorted(self._files.items())]
        sums = "".join(lines).encode()
        write(self.folder / SUMS, sums)
        shutil.rmtree(self.folder / SCRATCH, ignore_errors=True)
        for path in self.folder.iterdir():
            if path.name not in self._files and path.name not in {SUMS, NOTES}:
                path.unlink()
        (self.folder / NOTES).unlink(missing_ok=True)
        sync(self.folder)
        return hashlib.sha256(sums).hexdigest()

    def _stands(self, name: str) -> bool:
        made, path = self._files.get(name), self.folder / name
        return (
            made is not None
            and path.is_file()
            and path.stat().st_size == made.bytes
            and digest_of(path) == made.sha256
        )

    def _noted(self) -> dict[str, Made]:
        try:
            notes = msgspec.json.decode((self.folder / NOTES).read_bytes(), type=_Notes)
        except (OSError, msgspec.DecodeError):
            return {}
        return notes.files if notes.about == self._about else {}

    def _note(self) -> None:
        notes = _Notes(about=self._about, files=self._files)
        write(self.folder / NOTES, msgspec.json.encode(notes))


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one move, durably."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    sync(fresh)
    fresh.replace(path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
