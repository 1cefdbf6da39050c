"""``/bulk/``: sets of files made by ``ledger export``, as they lie on the disk.

A file's address holds the tree size, so its bytes never change: its entity tag is its SHA-256. What
a set lists is all that is served of its folder, so no path leads anywhere else. ``/bulk/latest/``
leads on to the newest set.
"""

import asyncio
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import LedgerError, NotFound
from ledger.exports import sets
from schemas.bulk import BulkFile, BulkIndex, BulkSet
from web import query
from web.answer import FOREVER, REVALIDATE, Answer, Header, Scope, Send
from web.doors import House

PREFIX: Final = "/bulk/"
INDEX: Final = "index.json"
LISTED: Final = PREFIX + INDEX
CHUNK: Final = 2**17
SETS_KEPT: Final = 400
TREE_SIZE: Final = b"ledger-tree-size"
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PartAnswer(Answer):
    """An answer whose body is ``length`` bytes of a file from ``start`` on."""

    path: Path
    start: int
    length: int

    @property
    def size(self) -> int:
        """More than any memory takes: files are kept on the disk."""
        return sys.maxsize

    async def send(self, send: Send, more: Iterable[Header] = (), *, head: bool = False) -> None:
        """Send the part in pieces; without them where only the head was asked for."""
        headers = [*self.headers, *more, (b"content-length", b"%d" % self.length)]
        with self.path.open("rb") as file:
            file.seek(self.start)
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            rest = 0 if head else self.length
            while rest and (piece := await asyncio.to_thread(file.read, min(CHUNK, rest))):
                rest -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def newest(folder: Path) -> BulkSet | None:
    """The current set; None where there is none, or none that is whole."""
    name = sets.latest(folder)
    try:
        return sets.read_set(folder / name) if name else None
    except LedgerError:
        return None


class BulkFiles:
    """Answers what lies under ``/bulk/``."""

    def __init__(self, house: House) -> None:
        self._folder = house.bulk_dir
        self._sets: dict[str, BulkSet] = {}

    async def read(self, scope: Scope) -> Answer:
        """The file at an address, a part of it, or where it is. Raises NotFound."""
        return await asyncio.to_thread(self._read, scope)

    def index(self) -> BulkIndex:
        """Every set, the largest tree first; empty where none was made yet."""
        return BulkIndex(
            latest=sets.latest(self._folder),
            sets=tuple(self._set(name) for name in sets.names(self._folder)),
        )

    def _read(self, scope: Scope) -> Answer:
        place = scope["path"].removeprefix(PREFIX)
        if place == INDEX:
            return self._listed(scope)
        name, _, file_name = place.partition("/")
        if name == sets.LATEST:
            newest = sets.latest(self._folder)
            if newest is None:
                raise NotFound("no bulk files have been made yet")
            target = f"{PREFIX}{newest}/{file_name or sets.PACKAGE}"
            self._file(newest, file_name or sets.PACKAGE)
            headers = ((b"location", target.encode()), (b"cache-control", REVALIDATE.encode()))
            return Answer(302, headers, b"")
        return self._part(scope, name, self._file(name, file_name or sets.PACKAGE))

    def _set(self, name: str) -> BulkSet:
        found = self._sets.get(name)
        if found is None:
            if sets.size_of(name) is None:
                raise NotFound(f"there are no bulk files called {name[:40]!a}")
            found = sets.read_set(self._folder / name)
            if len(self._sets) < SETS_KEPT:
                self._sets[name] = found
        return found

    def _file(self, name: str, file_name: str) -> BulkFile:
        for each in self._set(name).files:
            if each.name == file_name:
                return each
        raise NotFound(f"the bulk files of {name} have none called {file_name[:40]!a}")

    def _listed(self, scope: Scope) -> Answer:
        for name in query.parse_query(scope["query_string"]):
            raise query.ParameterRefused(
                "the list of the bulk files takes no parameter", field=name[:40]
            )
        index = self.index()
        body = msgspec.json.encode(index)
        tag = b'"%s"' % sha256(body).hexdigest().encode()
        size = sets.size_of(index.latest) if index.latest else None
        headers: tuple[Header, ...] = (
            (b"etag", tag),
            (b"cache-control", REVALIDATE.encode()),
            (TREE_SIZE, b"%d" % (size or 0)),
        )
        return Answer(200, (*headers, (b"content-type", b"application/json")), body)

    def _part(self, scope: Scope, name: str, file: BulkFile) -> Answer:
        tag = b'"%s"' % file.sha256.encode()
        size = sets.size_of(name)
        headers: tuple[Header, ...] = (
            (b"etag", tag),
            (b"cache-control", FOREVER.encode()),
            (TREE_SIZE, b"%d" % size if size else b"0"),
        )
        given = {key.lower(): value for key, value in scope["headers"]}
        had = {
            part.strip().removeprefix(b"W/")
            for part in given.get(b"if-none-match", b"").split(b",")
        }
        if tag in had:
            return Answer(304, headers, b"")
        headers = (
            *headers,
            (b"accept-ranges", b"bytes"),
            (b"content-type", _type(file).encode()),
            (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        )
        path = self._folder / name / file.name
        asked = given.get(b"range", b"").decode("latin-1")
        # Another tag is another file: then all of it is sent (RFC 9110, section 13.1.5).
        if not asked or given.get(b"if-range", tag) != tag:
            return PartAnswer(200, headers, b"", path=path, start=0, length=file.bytes)
        part = byte_range(asked, file.bytes)
        if part is None:
            return PartAnswer(200, headers, b"", path=path, start=0, length=file.bytes)
        start, stop = part
        if start >= stop:
            unsatisfied = (b"content-range", b"bytes */%d" % file.bytes)
            return Answer(416, (*headers[:3], unsatisfied), b"")
        said = (b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, file.bytes))
        return PartAnswer(206, (*headers, said), b"", path=path, start=start, length=stop - start)


def _type(file: BulkFile) -> str:
    text = file.media_type.startswith("text/")
    return f"{file.media_type}; charset=utf-8" if text else file.media_type


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for what counts for nothing.

    One range alone is answered: a server may ignore others (RFC 9110, section 14.2).
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(size - int(found[2]), 0), size if int(found[2]) else 0
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        return None
    return first, min(int(found[2]) + 1, size) if found[2] else size
