"""Proofs, tiles and bundles for who is outside: verified against a signed root before they leave.

What makes a proof believes what is stored. Here it is held, by the code that verifies and not by
the code that made it, against the root of a checkpoint whose signature was verified. Where it does
not lead there, a bit has flipped somewhere below: then it is made again, from what is stored beside
that, and where this does not verify either, nothing is handed out. Nothing is ever written.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from ledger.errors import Damaged, FormatError, NotFound, ProofError
from ledger.reader.log_files import LogFiles, Source
from ledger.reader.memory import Memory
from ledger.storage.damage import Damage
from ledger.tlog.hashing import leaf_hash, root_hash
from ledger.tlog.merkle import (
    consistency_path,
    node_path,
    tree_root,
    verify_consistency,
    verify_inclusion,
    verify_node,
)
from ledger.tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, decode_bundle, split_hashes, tile_path

T = TypeVar("T")

ROOTS: Final = 2_048
"""Roots of sizes without a checkpoint that are remembered."""
_WRONG: Final = (Damaged, FormatError, NotFound, ProofError)
"""What reading damaged hashes, or verifying what was made from them, raises."""


class Verified:
    """Makes and verifies. Thread-safe; one instance a process.

    ``size`` and ``root`` are always those of a tree whose checkpoint was verified, or whose root
    ``root_below`` gave.
    """

    def __init__(self, files: LogFiles, damage: Damage) -> None:
        self._files = files
        self._damage = damage
        self._roots: Memory[tuple[int, bytes], bytes] = Memory(ROOTS)

    def root_below(self, size: int, *, newer: tuple[int, bytes]) -> bytes:
        """The root at ``size`` entries, of which no checkpoint is: ``newer`` continues that tree.

        ``newer`` is the size and the root of a signed tree. Raises Damaged.
        """
        return self._roots.get((size, newer[1]), lambda: self._root_below(size, *newer))

    def inclusion_path(self, leaf: bytes, index: int, *, size: int, root: bytes) -> list[bytes]:
        """The audit path of ``leaf``, a leaf hash, in the tree of ``size``. Raises Damaged."""

        def made(source: Source) -> list[bytes]:
            path = source.inclusion_path(index)
            verify_inclusion(path, index=index, size=size, leaf=leaf, root=root)
            return path

        return self._made(made, size, f"what proves entry {index} in the tree of {size} entries")

    def leaf_and_path(
        self, leaf: bytes, index: int, *, size: int, root: bytes
    ) -> tuple[bytes, list[bytes]]:
        """The same, and the leaf hash by the tree where ``leaf`` is not it. Raises Damaged."""

        def made(source: Source) -> tuple[bytes, list[bytes]]:
            path = source.inclusion_path(index)
            found = leaf if source.is_first else source.node(0, index)
            verify_inclusion(path, index=index, size=size, leaf=found, root=root)
            return found, path

        return self._made(made, size, f"what proves entry {index} in the tree of {size} entries")

    def consistency_path(
        self, *, old_size: int, old_root: bytes, new_size: int, new_root: bytes
    ) -> list[bytes]:
        """The proof that one tree continues the other. Raises Damaged."""

        def made(source: Source) -> list[bytes]:
            path = consistency_path(old_size=old_size, new_size=new_size, node=source.node)
            verify_consistency(
                path, old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root
            )
            return path

        return self._made(made, new_size, f"what proves that {old_size} grew to {new_size} entries")

    def file(self, tile: Tile, *, size: int, root: bytes) -> bytes:
        """The bytes of a tile or bundle of the log of ``size`` entries.

        Every width up to the published one is served: a partial tile is a prefix of the full one.
        Raises NotFound if the log of that size does not reach so far; Damaged.
        """
        where = tile_path(tile)
        readers = self._files.readers(tile, require_reach(tile, size))
        for source in self._files.sources(size):
            for number, read in enumerate(readers):
                try:
                    data = read()
                    _verify_tile(tile, data, source, size=size, root=root)
                except _WRONG:
                    continue
                if number:
                    self._damage.avoided(where)
                elif not source.is_first:
                    self._damage.avoided(f"what proves {where}")
                return data
        raise self._refusal(where)

    def _root_below(self, size: int, newer: int, newer_root: bytes) -> bytes:
        def made(source: Source) -> bytes:
            root = tree_root(size=size, node=source.node)
            path = consistency_path(old_size=size, new_size=newer, node=source.node)
            verify_consistency(
                path, old_size=size, old_root=root, new_size=newer, new_root=newer_root
            )
            return root

        return self._made(made, newer, f"the root of the tree of {size} entries")

    def _made(self, make: Callable[[Source], T], size: int, where: str) -> T:
        for source in self._files.sources(size):
            try:
                found = make(source)
            except _WRONG:
                continue
            if not source.is_first:
                self._damage.avoided(where)
            return found
        raise self._refusal(where)

    def _refusal(self, where: str) -> Damaged:
        error = Damaged(where)
        self._damage.refused(error)
        return error


def require_reach(tile: Tile, size: int) -> int:
    """Where a tile or bundle ends. Raises NotFound if the log of ``size`` is not so long."""
    reach = (tile.n * TILE_WIDTH + tile.width) << (TILE_HEIGHT * max(tile.level, 0))
    if reach > size:
        raise NotFound(f"{tile_path(tile)} ends at entry {reach}, and the published log has {size}")
    return reach


def _verify_tile(tile: Tile, data: bytes, source: Source, *, size: int, root: bytes) -> None:
    """Check that a tile is the tree's, by the roots of the perfect subtrees in it."""
    hashes = (
        split_hashes(data) if not tile.is_entries else list(map(leaf_hash, decode_bundle(data)))
    )
    if len(hashes) != tile.width:
        raise FormatError(f"{tile_path(tile)} has {len(hashes)} hashes")
    for level, index, node in _subtrees(tile, hashes):
        path = node_path(level=level, index=index, size=size, node=source.node)
        verify_node(path, level=level, index=index, size=size, node=node, root=root)


def _subtrees(tile: Tile, hashes: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """(level, index, root) of the perfect subtrees over the hashes of a tile, largest first."""
    first, at = tile.n * TILE_WIDTH, 0
    for height in range(TILE_HEIGHT, -1, -1):
        if len(hashes) >> height & 1:
            row = hashes[at : at + (1 << height)]
            level = TILE_HEIGHT * max(tile.level, 0) + height
            yield level, (first + at) >> height, root_hash(row)
            at += 1 << height
