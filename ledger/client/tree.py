"""A tree of the log as its files show it, each part held against the root before it is used.

RFC 6962 splits a tree at powers of two, so the tree over the roots of all blocks of 256 entries,
the last one cut short, has the root of the whole. Those roots are read once and held against the
checkpoint, 32 bytes for 256 entries; afterwards every bundle of entries is proved by its own hashes
alone. Without ``verify`` the same bytes are passed on as they come.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ledger.errors import FormatError, NotFound, ProofError
from ledger.records.entry import Entry, parse_entry
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.hashing import EMPTY_ROOT, leaf_hash, root_hash
from ledger.tlog.tiles import (
    ENTRIES,
    MAX_ENTRY_BYTES,
    TILE_BYTES,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    split_hashes,
    tile_path,
)

BUNDLES_KEPT: Final = 32
MAX_BUNDLE: Final = TILE_WIDTH * (MAX_ENTRY_BYTES + 2)


class Files(Protocol):
    """Where a log's files are read from: a server (``Door``), or anything that acts like one."""

    url: str

    def get(self, path: str, *, limit: int) -> bytes:
        """The file at ``path``, at most ``limit`` bytes. Raises NotFound, and what Door raises."""
        ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of the log: where it stands, its exact bytes, and what they say."""

    index: int
    data: bytes
    entry: Entry


class Tree:
    """The first ``checkpoint.size`` entries of a log; ``note`` is the checkpoint as signed.

    ``note`` is None for a tree that was cut from a larger one. At most 32 bundles of entries are
    held at a time.
    """

    def __init__(
        self,
        door: Files,
        checkpoint: Checkpoint,
        note: bytes | None,
        *,
        verify: bool,
        blocks: Sequence[bytes] | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.size = checkpoint.size
        self.root = checkpoint.root
        self.note = note
        self._door = door
        self._verify = verify
        self._bundles: OrderedDict[int, list[bytes]] = OrderedDict()
        self._blocks = list(self._read_blocks() if blocks is None and verify else blocks or ())

    def root_at(self, size: int) -> bytes:
        """The root that this tree had at ``size``, from hashes that its own root proves."""
        return _root(self._blocks_at(size))

    def cut(self, size: int) -> "Tree":
        """This tree as it was at ``size``. Raises NotFound for a size that it never had."""
        if not 1 <= size <= self.size:
            raise NotFound(f"the log has {self.size} entries: there is no size {size} yet")
        if size == self.size:
            return self
        blocks = self._blocks_at(size) if self._verify else []
        root = _root(blocks) if self._verify else b""
        checkpoint = Checkpoint(self.checkpoint.origin, size, root)
        return Tree(self._door, checkpoint, None, verify=self._verify, blocks=blocks)

    def leaf(self, index: int) -> Leaf:
        """One entry. Raises NotFound, ProofError, and FormatError for what is no entry."""
        if not 0 <= index < self.size:
            raise NotFound(f"the log of {self.size} entries has no entry {index}")
        number, at = divmod(index, TILE_WIDTH)
        data = self.bundle(number)[at]
        return Leaf(index, data, parse_entry(data))

    def leaves(self, start: int, stop: int) -> Iterator[Leaf]:
        """The entries from ``start`` on and below ``stop``, in log order."""
        for index in range(start, min(stop, self.size)):
            yield self.leaf(index)

    @property
    def blocks(self) -> tuple[bytes, ...]:
        """The roots of all blocks of 256 entries; the tree over them has the root of the whole."""
        return tuple(self._blocks)

    def hashes(self, number: int) -> list[bytes]:
        """The leaf hashes of one block, proved by its root."""
        found = self._hashes(self._tile(0, number, self.size))
        if root_hash(found) != self._blocks[number]:
            raise ProofError(f"the hashes of block {number} are not those of the checkpoint")
        return found

    def bundle(self, number: int) -> list[bytes]:
        """The bytes of the entries of one block. Raises ProofError, and FormatError."""
        if (known := self._bundles.get(number)) is not None:
            self._bundles.move_to_end(number)
            return known
        tile = self._tile(ENTRIES, number, self.size)
        found = decode_bundle(self._file(tile, limit=MAX_BUNDLE))
        if len(found) != tile.width:
            raise ProofError(f"{tile_path(tile)} holds {len(found)} entries, not {tile.width}")
        if self._verify and root_hash([leaf_hash(each) for each in found]) != self._blocks[number]:
            raise ProofError(
                f"the entries in {tile_path(tile)} are not those that the checkpoint of"
                f" {self.size} entries was signed for"
            )
        self._bundles[number] = found
        while len(self._bundles) > BUNDLES_KEPT:
            self._bundles.popitem(last=False)
        return found

    def _read_blocks(self) -> list[bytes]:
        full, rest = divmod(self.size, TILE_WIDTH)
        blocks: list[bytes] = []
        for number in range(-(-full // TILE_WIDTH)):
            blocks += self._hashes(self._tile(1, number, self.size))
        if rest:
            blocks.append(root_hash(self._hashes(Tile(0, full, rest))))
        if (found := _root(blocks)) != self.root:
            raise ProofError(
                f"the log's tiles lead to the root {found.hex()}, and its checkpoint of"
                f" {self.size} entries says {self.root.hex()}"
            )
        return blocks

    def _blocks_at(self, size: int) -> list[bytes]:
        number, rest = divmod(size, TILE_WIDTH)
        blocks = self._blocks[:number]
        if rest:
            blocks.append(root_hash(self.hashes(number)[:rest]))
        return blocks

    def _hashes(self, tile: Tile) -> list[bytes]:
        found = split_hashes(self._file(tile, limit=TILE_BYTES))
        if len(found) != tile.width:
            raise ProofError(f"{tile_path(tile)} holds {len(found)} hashes, not {tile.width}")
        return found

    def _file(self, tile: Tile, *, limit: int) -> bytes:
        path = f"/log/{tile_path(tile)}"
        data = self._door.get(path, limit=limit)
        if not data:
            raise FormatError(f"{self._door.url}{path} is empty")
        return data

    @staticmethod
    def _tile(level: int, number: int, size: int) -> Tile:
        held = (size >> (8 * max(level, 0))) - number * TILE_WIDTH
        return Tile(level, number, min(held, TILE_WIDTH))


def _root(blocks: Sequence[bytes]) -> bytes:
    return root_hash(blocks) if blocks else EMPTY_ROOT
