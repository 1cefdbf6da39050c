"""The stored nodes made anew from the tiles, in the caller's transaction.

A batch writes those that it completes. Here are made those of what was written before there were
any, and all of them where one is damaged. Tiles are believed: ``ledger.fsck`` asks about them.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, delete

from ledger.errors import NotFound
from ledger.storage.driver import Driver
from ledger.storage.snapshot import Snapshot
from ledger.storage.tables import HEAD, NODES
from ledger.storage.tree import read_tile
from ledger.tlog.hashing import parents_in_row
from ledger.tlog.subtrees import SUBTREE_HEIGHT, SUBTREE_WIDTH
from ledger.tlog.tiles import TILE_HEIGHT, Tile, split_hashes, tiles_for_size

ROWS_AT_ONCE: Final = 4_096

Node = tuple[int, int, bytes]


def fill_nodes(connection: Connection) -> None:
    """Make all of them, where there are none; nothing where there is no log yet.

    A million entries take 1.7 s on SQLite, 1 s of it hashing. Nobody need be kept from appending:
    what a server of an older version appends meanwhile stays without. So does what misses its
    entries: a damaged log is migrated too, and what it lost is asked by ``ledger.fsck``.
    """
    if connection.execute(HEAD.select().limit(1)).first() is None:
        return
    reads, driver = Snapshot(connection), Driver(connection)
    waiting: list[Node] = []
    for tile in tiles_for_size(reads.head().size):
        with suppress(NotFound):
            waiting += nodes_of_tile(tile, read_tile(reads, tile))
        if len(waiting) >= ROWS_AT_ONCE:
            driver.insert(NODES, waiting)
            waiting = []
    driver.insert(NODES, waiting)


def drop_nodes(connection: Connection) -> None:
    """Forget all of them."""
    connection.execute(delete(NODES))


def nodes_of_tile(tile: Tile, hashes: bytes) -> Iterator[Node]:
    """(level, n, hash) of the complete nodes of a fourth level that a hash tile makes."""
    row = hashes
    for inner in range(SUBTREE_HEIGHT, TILE_HEIGHT + 1, SUBTREE_HEIGHT):
        for _ in range(SUBTREE_HEIGHT):
            row = parents_in_row(row)
        if not row:
            return
        level = TILE_HEIGHT * tile.level + inner
        first = tile.n * (SUBTREE_WIDTH * SUBTREE_WIDTH >> inner)
        yield from ((level, n, node) for n, node in enumerate(split_hashes(row), first))
