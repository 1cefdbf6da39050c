"""Which files make up the weights in a folder, and what the file system says of each.

They are those that OpenSSF Model Signing counts (OMS 1.0, sections 6.1 and 6.2): every regular
file, hidden ones too, but for ``.git``, ``.gitattributes``, ``.github`` and ``.gitignore`` at the
top. Nothing is opened here.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.weights.refusal import WeightsRefused

LEFT_OUT: Final = (".git", ".gitattributes", ".github", ".gitignore")
"""What OMS leaves out at the top of a model, and nowhere below it."""
MAX_FILES: Final = 200_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: a writer can set ``mtime_ns`` back, and not ``ctime_ns``."""

    device: int
    inode: int
    bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder, by their paths in it with ``/`` between the parts."""

    files: dict[str, Stamp]
    left_out: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(stamp.bytes for stamp in self.files.values())


def list_files(folder: Path, *, follow_links: bool) -> Listing:
    """List the files below ``folder``; with ``follow_links`` links to files count as files.

    A link to a folder is refused always: the library that hashes does not look behind it, and
    weights there would be in no digest.

    Raises WeightsRefused for what is no folder, holds no file, or cannot be looked at; for links,
    pipes and devices; and for a name that is not UTF-8 (OMS 6.1.2).
    """
    if folder.is_symlink() and not follow_links:
        raise WeightsRefused(f"{folder} is a symbolic link: see --follow-links")
    left_out = tuple(name for name in LEFT_OUT if os.path.lexists(folder / name))
    files: dict[str, Stamp] = {}
    try:
        for name, stamp in _walk(folder, "", follow_links=follow_links):
            files[name] = stamp
            if len(files) > MAX_FILES:
                raise WeightsRefused(f"{folder} has more than {MAX_FILES} files")
    except OSError as error:
        raise WeightsRefused(f"{shown(str(error.filename))}: {error.strerror}") from None
    if not files:
        raise WeightsRefused(f"{folder} has no files: a model has at least one")
    return Listing(files, left_out)


def shown(name: str) -> str:
    """A file's name for one line of a terminal."""
    return name if name.isprintable() else ascii(name)


def _walk(folder: Path, below: str, *, follow_links: bool) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder / below) as entries:
        for entry in entries:
            if not below and entry.name in LEFT_OUT:
                continue
            name = f"{below}/{entry.name}" if below else entry.name
            try:
                name.encode()
            except UnicodeEncodeError:
                raise WeightsRefused(f"{name!a}: the name is not UTF-8") from None
            if entry.is_symlink() and not follow_links:
                raise WeightsRefused(f"{shown(name)} is a symbolic link: see --follow-links")
            status = entry.stat()
            if stat.S_ISDIR(status.st_mode):
                if entry.is_symlink():
                    raise WeightsRefused(f"{shown(name)} is a symbolic link to a folder")
                yield from _walk(folder, name, follow_links=follow_links)
            elif stat.S_ISREG(status.st_mode):
                yield name, _stamp(status)
            else:
                raise WeightsRefused(f"{shown(name)} is neither a file nor a folder")


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )
