"""The log itself: tiles and bundles, each held against the checkpoint before that is published.

Written is what the old checkpoint of the mirror does not cover. What it does cover is looked for in
a listing: a file that is missing is made again, and one of a wrong length is an error.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ledger.mirrors.shapes import BYTES, File, MirrorDiffers, MirrorFailed
from ledger.mirrors.writing import Writer
from ledger.storage.store import Store
from ledger.storage.tree import nodes_of, read_tile
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.hashing import HASH_BYTES, leaf_hash
from ledger.tlog.merkle import consistency_path, tree_root, verify_consistency
from ledger.tlog.tiles import (
    TILE_WIDTH,
    Tile,
    bundles_for_size,
    encode_bundle,
    split_hashes,
    tile_path,
    tile_root,
    tiles_for_size,
)

Progress = Callable[[str, int, int], None]
"""Is told what is being written, how much of it is behind, and of how much."""

WHAT: Final = "log"


def path_of(tile: Tile) -> str:
    """Where a tile lies in a mirror."""
    return f"log/{tile_path(tile)}"


def require_prefix(store: Store, old: Checkpoint, new: Checkpoint) -> None:
    """Check that the tree of ``new`` begins with that of ``old``. Raises ProofError."""
    with store.snapshot() as reads:
        nodes = nodes_of(reads, size=new.size)
        proof = consistency_path(old_size=old.size, new_size=new.size, node=nodes)
    verify_consistency(
        proof, old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root
    )


def root_of(store: Store, size: int) -> bytes:
    """The root of the stored tree at ``size`` entries."""
    with store.snapshot() as reads:
        return tree_root(size=size, node=nodes_of(reads, size=size))


def first_to_write(listed: Mapping[str, int], *, old_size: int) -> int:
    """The first entry that the files of a mirror at ``old_size`` do not hold.

    Raises MirrorDiffers for a file that has another length than it must have.
    """
    first = old_size
    for tile in (*bundles_for_size(old_size), *tiles_for_size(old_size)):
        size = listed.get(path_of(tile))
        if size is None:
            first = min(first, tile.n * TILE_WIDTH << 8 * max(tile.level, 0))
        elif not tile.is_entries and size != tile.width * HASH_BYTES:
            raise MirrorDiffers(
                f"{path_of(tile)} has {size} bytes, and {tile.width * HASH_BYTES} are right"
            )
    return first


def write_log(
    store: Store, writer: Writer, checkpoint: Checkpoint, *, first: int, progress: Progress
) -> None:
    """Write every tile and bundle that holds an entry from ``first`` on.

    Raises MirrorFailed where what is stored does not have the root that was signed.
    """
    start = first // TILE_WIDTH
    edge = _edge(store, start * TILE_WIDTH, checkpoint.size)
    made: dict[Tile, bytes] = {}
    for n in range(start, -(-checkpoint.size // TILE_WIDTH)):
        width = min(TILE_WIDTH, checkpoint.size - n * TILE_WIDTH)
        with store.snapshot() as reads:
            entries = reads.entry_bytes(n * TILE_WIDTH, n * TILE_WIDTH + width)
            hashes = read_tile(reads, Tile(0, n, width))
        leaves = [leaf_hash(each) for each in entries]
        if b"".join(leaves) != hashes:
            raise _damaged(f"the entries from {n * TILE_WIDTH} on are not those that were hashed")
        edge = Extension(edge, leaves).range
        writer.submit(writer.keep, _file(Tile(-1, n, width), encode_bundle(entries)))
        writer.submit(writer.keep, _file(Tile(0, n, width), hashes))
        if width == TILE_WIDTH:
            made[Tile(0, n)] = tile_root(hashes)
        progress(WHAT, n * TILE_WIDTH + width, checkpoint.size)
    if edge.root() != checkpoint.root:
        raise _damaged(f"the entries have the root {edge.root().hex()}")
    for tile in _above(start, checkpoint.size):
        with store.snapshot() as reads:
            hashes = read_tile(reads, tile)
        for at, node in enumerate(split_hashes(hashes)):
            below = Tile(tile.level - 1, tile.n * TILE_WIDTH + at)
            if made.pop(below, node) != node:
                raise _damaged(f"{tile_path(tile)} does not hold the roots of the tiles below it")
        if tile.is_full:
            made[tile] = tile_root(hashes)
        writer.submit(writer.keep, _file(tile, hashes))
    writer.join()


def _above(start: int, size: int) -> Iterator[Tile]:
    """The tiles above level 0 that hold a hash from bundle ``start`` on, level by level."""
    for tile in tiles_for_size(size):
        if tile.level and (tile.n + 1) * TILE_WIDTH << 8 * (tile.level - 1) > start:
            yield tile


def _edge(store: Store, start: int, size: int) -> CompactRange:
    """The right edge of the tree of the first ``start`` entries."""
    hashes = []
    with store.snapshot() as reads:
        nodes = nodes_of(reads, size=size)
        done = 0
        for level in range(start.bit_length() - 1, -1, -1):
            if start >> level & 1:
                hashes.append(nodes(level, done >> level))
                done += 1 << level
    return CompactRange(start, hashes)


def _file(tile: Tile, data: bytes) -> File:
    return File(path_of(tile), data, BYTES, is_immutable=True)


def _damaged(what: str) -> MirrorFailed:
    return MirrorFailed(f"{what}: run `ledger fsck`; the mirror stands at its old checkpoint")
