"""Where the entries come from: the bulk file of a set, which anyone can fetch, or a database.

Both give the bytes of the entries in the order of the log, so what is computed from them is the
same. Nothing else is read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from ledger.errors import FormatError, NotFound
from ledger.storage.snapshot import Snapshot

ENTRIES: Final = "entries.ndjson.zst"
MOST_LINE: Final = 1 << 17
"""An entry has at most 60,000 bytes; beside it stand its number and its hash."""
_PIECE: Final = 1 << 20


class _Line(Struct):
    index: int
    entry: Raw


def entries_of_file(path: Path) -> Iterator[bytes]:
    """The entries of ``entries.ndjson.zst``, whatever it is called.

    Raises NotFound, and FormatError where it is damaged or not such a file.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    line = msgspec.json.Decoder(_Line)
    with path.open("rb") as file:
        for number, data in enumerate(_lines(file, path)):
            try:
                found = line.decode(data)
            except msgspec.DecodeError:
                raise FormatError(f"{path}, line {number + 1}: not an entry of the log") from None
            if found.index != number:
                raise FormatError(
                    f"{path}, line {number + 1}: entry {found.index}, where entry {number} is due"
                )
            yield bytes(found.entry)


def entries_of_store(snapshot: Snapshot, size: int) -> Iterator[bytes]:
    """The first ``size`` entries of a ledger's own database."""
    for stored in snapshot.iterate_entries(0, size):
        yield stored.data


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    rest = b""
    try:
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as text:
            while piece := text.read(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines
                if len(rest) > MOST_LINE:
                    raise FormatError(f"{path} has a line of more than {MOST_LINE} bytes")
    except zstandard.ZstdError as error:
        raise FormatError(f"{path} is not what zstd packed: {error}") from None
    if rest:
        raise FormatError(f"{path} ends in the middle of a line")
