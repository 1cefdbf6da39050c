"""Where a leaf hash stands in the log, without an index that every append would pay for.

The level-0 tiles hold all leaf hashes in order. The first four bytes of each are kept in memory,
4 MB a million, from the first time that anybody asks; a hit is held against the whole hash.
"""

import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.storage.snapshot import Snapshot
from ledger.storage.tree import read_tile
from ledger.tlog.tiles import TILE_WIDTH, Tile

HASH_BYTES: Final = 32
_PREFIX: Final = np.dtype(">u4")


class Leaves:
    """The beginnings of all leaf hashes of one log. Thread-safe; one instance a process."""

    def __init__(self) -> None:
        self._growing = threading.Lock()
        self._prefixes: NDArray[np.uint32] = np.zeros(0, np.uint32)

    def find(self, leaf_hash: bytes, *, size: int, snapshot: Snapshot) -> int | None:
        """The first entry below ``size`` whose leaf hash this is, or None."""
        tiles = size // TILE_WIDTH
        prefix = int.from_bytes(leaf_hash[: _PREFIX.itemsize], "big")
        known = self._known(tiles, snapshot)[: tiles * TILE_WIDTH]
        for index in map(int, np.flatnonzero(known == prefix)):
            if snapshot.leaf_hashes(index, index + 1) == [leaf_hash]:
                return index
        edge = snapshot.leaf_hashes(tiles * TILE_WIDTH, size)
        return tiles * TILE_WIDTH + edge.index(leaf_hash) if leaf_hash in edge else None

    def _known(self, tiles: int, snapshot: Snapshot) -> NDArray[np.uint32]:
        """The beginnings of the hashes of at least the first ``tiles`` tiles."""
        if len(self._prefixes) < tiles * TILE_WIDTH:
            with self._growing:
                first = len(self._prefixes) // TILE_WIDTH
                more = [_prefixes(snapshot, n) for n in range(first, tiles)]
                self._prefixes = np.concatenate([self._prefixes, *more])
        return self._prefixes


def _prefixes(snapshot: Snapshot, n: int) -> NDArray[np.uint32]:
    hashes = read_tile(snapshot, Tile(level=0, n=n, width=TILE_WIDTH))
    rows = np.frombuffer(hashes, np.uint8).reshape(TILE_WIDTH, HASH_BYTES)
    return rows[:, : _PREFIX.itemsize].copy().view(_PREFIX).ravel().astype(np.uint32)
