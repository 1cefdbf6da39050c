"""Whole sets in a folder: which there are, what is in them, and whether they are what they were.

    <folder>/2026-11-22-1000000/…   a set: the last entry's day, and the tree size
    <folder>/latest                 a link to the one with the largest tree
    <folder>/.partial-1000000/…     one that is being made
    <folder>/.lock                  held by whoever makes one

Reads and compares; makes nothing.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import LedgerError, NotFound
from ledger.exports.describing import media_type
from ledger.exports.partial import SUMS, digest_of
from schemas.bulk import BulkFile, BulkIndex, BulkSet

LATEST: Final = "latest"
PACKAGE: Final = "datapackage.json"
NAME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-([1-9][0-9]{0,15})", re.ASCII)
_SUM: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)", re.ASCII)


class SetDamaged(LedgerError):
    """A set whose own list of files cannot be read."""


class _Resource(msgspec.Struct):
    path: str
    row_count: int | None = None


class _Package(msgspec.Struct):
    created: str
    root: str
    resources: tuple[_Resource, ...]


def manifest_name(name: str) -> str:
    """What the log calls the manifest of the set ``name``: its address."""
    return f"bulk/{name}/{SUMS}"


def size_of(name: str) -> int | None:
    """The tree size of the set called ``name``; None where that is no such name."""
    found = NAME.fullmatch(name)
    return int(found[1]) if found else None


def names(folder: Path) -> list[str]:
    """The sets in a folder, the largest tree first."""
    if not folder.is_dir():
        return []
    found = [(size_of(path.name) or 0, path.name) for path in folder.iterdir() if path.is_dir()]
    return [name for size, name in sorted(found, reverse=True) if size and name != LATEST]


def latest(folder: Path) -> str | None:
    """The name of the current set; None before the first one."""
    link = folder / LATEST
    name = link.readlink().name if link.is_symlink() else ""
    return name if size_of(name) and (folder / name).is_dir() else None


def sums_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a set, in hex, by name. Raises SetDamaged, NotFound."""
    try:
        text = (folder / SUMS).read_text("ascii")
    except FileNotFoundError:
        raise NotFound(f"there is no set of bulk files at {folder}") from None
    except UnicodeDecodeError:
        raise SetDamaged(f"{folder / SUMS} is not ASCII") from None
    found: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        parts = _SUM.fullmatch(line)
        if parts is None:
            raise SetDamaged(f"{folder / SUMS} has the line {line[:80]!a}")
        found[parts[2]] = parts[1]
    return found


def read_set(folder: Path) -> BulkSet:
    """What is in a set, without reading the files themselves. Raises SetDamaged, NotFound."""
    size = size_of(folder.name)
    if size is None:
        raise NotFound(f"{folder.name[:40]!a} is not the name of a set of bulk files")
    sums = sums_of(folder)
    try:
        package = msgspec.json.decode((folder / PACKAGE).read_bytes(), type=_Package)
        lengths = {name: (folder / name).stat().st_size for name in (*sums, SUMS)}
    except (OSError, msgspec.DecodeError) as error:
        raise SetDamaged(f"{folder} is not whole: {error}") from None
    rows = {resource.path: resource.row_count for resource in package.resources}
    manifest = digest_of(folder / SUMS)
    return BulkSet(
        name=folder.name,
        tree_size=size,
        root=package.root,
        made_at=package.created,
        manifest=manifest,
        bytes=sum(lengths.values()),
        files=tuple(
            BulkFile(
                name=name,
                path=f"/bulk/{folder.name}/{name}",
                bytes=lengths[name],
                rows=rows.get(name),
                sha256=digest,
                media_type=media_type(name),
            )
            for name, digest in sorted({**sums, SUMS: manifest}.items())
        ),
    )


def index(folder: Path) -> BulkIndex:
    """Every set of a folder."""
    return BulkIndex(
        latest=latest(folder),
        sets=tuple(read_set(folder / name) for name in names(folder)),
    )


def check(
    folder: Path, progress: Callable[..., None] = lambda _what, _done, _total: None
) -> Iterator[str]:
    """What is wrong with the files of a set, a line each; nothing where each is what it was.

    Raises SetDamaged or NotFound where it has no list of them, and what ``progress`` raises.
    """
    sums = sums_of(folder)
    for done, (name, digest) in enumerate(sums.items()):
        progress(f"{folder.name}/{name}", done, len(sums))
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (found := digest_of(path)) != digest:
            yield f"{name} has the SHA-256 {found}, and {SUMS} says {digest}"
    for path in sorted(folder.iterdir()):
        if path.name not in sums and path.name != SUMS:
            yield f"{path.name} is not in {SUMS}"
