"""The stored tree as tlog sees it: hash tiles of any width, and a reader of nodes over them."""

from ledger.errors import NotFound
from ledger.storage.snapshot import Snapshot
from ledger.tlog.merkle import NodeReader
from ledger.tlog.tiles import TILE_WIDTH, Tile, TileCache, TileNodes


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
    if len(hashes) != tile.width:
        raise NotFound(f"the log has {len(hashes)} of the {tile.width} hashes of this tile")
    return b"".join(hashes)


def nodes_of(reads: Snapshot, *, size: int) -> NodeReader:
    """A node reader over the stored tiles of the tree of ``size`` leaves, for one use."""
    return TileNodes(TileCache(lambda tile: read_tile(reads, tile), capacity=64), size=size)
