"""The stored tree as tlog sees it: hash tiles of any width, and a reader of nodes over them."""

from collections.abc import Sequence

from ledger.errors import NotFound
from ledger.storage.snapshot import Snapshot
from ledger.tlog.hashing import leaf_hash, parents_in_row
from ledger.tlog.merkle import Extension, NodeReader
from ledger.tlog.subtrees import SUBTREE_HEIGHT, SUBTREE_WIDTH
from ledger.tlog.tiles import (
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    TileCache,
    TileNodes,
    new_tiles,
    split_hashes,
)


def read_tile(reads: Snapshot, tile: Tile) -> bytes:
    """The hashes of a hash tile. A partial one is gathered from what it was to be made of.

    Raises NotFound where the log is not that large.
    """
    if tile.is_full and (stored := reads.tile(tile.level, tile.n)) is not None:
        return stored
    start = tile.n * TILE_WIDTH
    stop = start + tile.width
    hashes = (
        reads.leaf_hashes(start, stop)
        if tile.level == 0
        else reads.tile_roots(tile.level - 1, start, stop)
    )
    return _joined(tile, hashes)


def read_leaves(reads: Snapshot, tile: Tile) -> bytes:
    """The hashes of a tile of level 0, from the bytes of its entries.

    Raises NotFound where the log is not that large.
    """
    start = tile.n * TILE_WIDTH
    return _joined(tile, [leaf_hash(each) for each in reads.entry_bytes(start, start + tile.width)])


def read_roots(reads: Snapshot, tile: Tile) -> bytes:
    """The hashes of a tile above level 0, from the roots beside the tiles below it; the same."""
    start = tile.n * TILE_WIDTH
    return _joined(tile, reads.tile_roots(tile.level - 1, start, start + tile.width))


def read_nodes(reads: Snapshot, tile: Tile) -> bytes:
    """The hashes of a tile above level 0, from the stored nodes; the same."""
    start = tile.n * TILE_WIDTH
    return _joined(tile, reads.nodes(TILE_HEIGHT * tile.level, start, start + tile.width))


def read_tile_beside(reads: Snapshot, tile: Tile) -> bytes:
    """The same, from nothing that ``read_row`` reads where all nodes are stored."""
    if tile.is_full and (stored := reads.tile(tile.level, tile.n)) is not None:
        return stored
    return read_roots(reads, tile) if tile.level else read_leaves(reads, tile)


def read_row(reads: Snapshot, level: int, start: int, stop: int) -> Sequence[bytes]:
    """The complete nodes ``start`` <= index < ``stop``, at most 16, of one subtree of a level.

    ``level`` is a multiple of 4 and ``start`` of 16. Fewer where the log is not that large. What is
    not among the stored nodes is computed from a tile, which is as slow as all were once: of a log
    that was begun before there were any, or written to by a server of that time.
    """
    if level == 0:
        return reads.leaf_hashes(start, stop)
    stored = reads.nodes(level, start, stop)
    if len(stored) == stop - start:
        return stored
    tile_level, above = divmod(level, TILE_HEIGHT)
    if not above:
        return reads.tile_roots(tile_level - 1, start, stop)
    n = start // SUBTREE_WIDTH
    tile = Tile(tile_level, n, (stop - start) * SUBTREE_WIDTH)
    row = read_tile(reads, tile)
    for _ in range(above):
        row = parents_in_row(row)
    return split_hashes(row)


def _joined(tile: Tile, hashes: Sequence[bytes]) -> bytes:
    if len(hashes) != tile.width:
        raise NotFound(f"the log has {len(hashes)} of the {tile.width} hashes of this tile")
    return b"".join(hashes)


def nodes_of(reads: Snapshot, *, size: int) -> NodeReader:
    """A node reader over the stored tiles of the tree of ``size`` leaves, for one use."""
    return TileNodes(TileCache(lambda tile: read_tile(reads, tile), capacity=64), size=size)


def new_nodes(extension: Extension) -> list[tuple[int, int, bytes]]:
    """(level, n, hash) of every node of a fourth level that the extension completes."""
    found: list[tuple[int, int, bytes]] = []
    for level in range(SUBTREE_HEIGHT, extension.new_size.bit_length(), SUBTREE_HEIGHT):
        if extension.old_size >> level == extension.new_size >> level:
            break
        first, hashes = extension.new_nodes(level)
        found += [(level, n, node) for n, node in enumerate(hashes, first)]
    return found


def full_tiles(reads: Snapshot, extension: Extension) -> list[tuple[int, int, bytes, bytes]]:
    """(level, n, hashes, root) of every tile that the extension of the stored tree fills."""
    tiles: list[tuple[int, int, bytes, bytes]] = []
    for tile in new_tiles(extension.old_size, extension.new_size):
        level = TILE_HEIGHT * tile.level
        first_new, new = extension.new_nodes(level)
        start = tile.n * TILE_WIDTH
        hashes = new[max(start - first_new, 0) : start - first_new + TILE_WIDTH]
        if first_new > start:
            older = (
                reads.leaf_hashes(start, first_new)
                if tile.level == 0
                else reads.tile_roots(tile.level - 1, start, first_new)
            )
            hashes = older + hashes
        data = b"".join(hashes)
        root = extension.node(level + TILE_HEIGHT, tile.n)
        assert len(data) == TILE_BYTES
        tiles.append((tile.level, tile.n, data, root))
    return tiles
