"""The file that ``ledger weights digest --json`` prints, and what changed between two of them.

    {"format": "apsci-weights-digest/1", "root": {"sha256": "…"}, "follow_links": false,
     "left_out": [], "files": [{"name": "model.safetensors", "sha256": "…", "bytes": 15}]}

It names files, and stays with those who hold the model: a statement carries the root alone.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ledger.weights.listing import MAX_FILES
from ledger.weights.oms import FileDigest, WeightsDigest, place, root_of
from ledger.weights.refusal import WeightsRefused
from schemas.values import Count, DigestSet, Sha256Hex, Wire

FORMAT: Final = "apsci-weights-digest/1"
MAX_BYTES: Final = 128 << 20


class _File(Wire, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=4096)]
    sha256: Sha256Hex
    bytes: Count


class _Shape(Wire, frozen=True):
    format: Literal["apsci-weights-digest/1"]
    root: DigestSet
    follow_links: bool
    left_out: Annotated[tuple[str, ...], Meta(max_length=16)]
    files: Annotated[tuple[_File, ...], Meta(min_length=1, max_length=MAX_FILES)]


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of files that differ between two digests of a folder."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)


def format_digest(digest: WeightsDigest) -> bytes:
    """The file of a digest: JSON, UTF-8, ending in a line feed."""
    shape = _Shape(
        format=FORMAT,
        root=DigestSet(digest.root),
        follow_links=digest.follow_links,
        left_out=digest.left_out,
        files=tuple(_File(each.name, each.sha256, each.bytes) for each in digest.files),
    )
    return msgspec.json.format(msgspec.json.encode(shape), indent=1) + b"\n"


def parse_digest(data: bytes) -> WeightsDigest:
    """Read what ``format_digest`` wrote.

    Raises WeightsRefused for another format, files out of their order or twice, and a root that
    is not that of the files.
    """
    try:
        shape = msgspec.json.decode(data, type=_Shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise WeightsRefused(f"not a digest of weights: {reason}") from None
    files = tuple(FileDigest(each.name, each.sha256, each.bytes) for each in shape.files)
    for one, next_ in pairwise(files):
        if not place(one) < place(next_):
            raise WeightsRefused("not a digest of weights: its files are not in their order")
    if root_of(files) != shape.root.sha256:
        raise WeightsRefused("its root is not that of its files: it was edited, or cut")
    return WeightsDigest(shape.root.sha256, files, shape.follow_links, shape.left_out)


def compare(before: WeightsDigest, after: WeightsDigest) -> Changes:
    """What became of each file, by name; empty where nothing changed.

    Two digests can have one root and still differ: the root holds no names.
    """
    old = {each.name: each.sha256 for each in before.files}
    new = {each.name: each.sha256 for each in after.files}
    return Changes(
        changed=tuple(name for name in old if name in new and old[name] != new[name]),
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
    )
