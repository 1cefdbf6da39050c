"""``proofs.tar``: the hash tiles of the tree, from which every proof at this size can be made.

One inclusion proof for each entry would take many times their bytes and say nothing more.
"""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.errors import Damaged
from ledger.storage.snapshot import Snapshot
from ledger.storage.tree import read_tile
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.tiles import (
    TILE_WIDTH,
    Tile,
    split_hashes,
    tile_path,
    tile_root,
    tiles_for_size,
)

NOTE: Final = """\
The hash tiles of the Merkle tree of {size} entries (C2SP tlog-tiles), with the checkpoint that
signs its root and the key that the checkpoint is signed with.

To prove that an entry is in the log:

1. Take its line of entries.ndjson.zst. SHA-256 of a zero byte and the bytes of "entry", exactly as
   they stand in the line, is its leaf hash: it stands beside it, and at the place "index" of the
   tiles of level 0, 256 hashes of 32 bytes to a tile.
2. Take its sibling, and that of each node above (SHA-256 of a byte 0x01, the left hash and the
   right hash), up to the root. Tile n of level L holds the nodes of height 8L.
3. The root has to be the third line of the file checkpoint, whose signature is Ed25519 by the key
   in the file vkey (C2SP signed-note).

Any client of C2SP tlog-tiles does this. All leaf hashes together give the same root too, so the
entries prove themselves: `scripts/verify.py` of the ledger recomputes it.
"""


def write_proofs(
    path: Path, snapshot: Snapshot, size: int, *, root: bytes, note: bytes, vkey: str, made_at: int
) -> None:
    """Write the tar file; the same bytes for the same tree.

    Raises Damaged where what is stored does not lead to ``root``, that of the tree of ``size``.
    """
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), made_at, 0o644
            tar.addfile(info, io.BytesIO(data))
            tar.getmembers().clear()  # it would remember every name

        add("README.txt", NOTE.format(size=size).encode())
        add("checkpoint", note)
        add("vkey", f"{vkey}\n".encode())
        for tile, data in _tiles(snapshot, size, root):
            add(tile_path(tile), data)


def _tiles(snapshot: Snapshot, size: int, root: bytes) -> Iterator[tuple[Tile, bytes]]:
    """The tiles of the tree, each held against those below it, and the lowest against ``root``."""
    edge, level = CompactRange(0, []), 0
    below: list[bytes] = []
    roots: list[bytes] = []
    for tile in tiles_for_size(size):
        if tile.level > level:
            level, below, roots = tile.level, roots, []
        data = read_tile(snapshot, tile)
        hashes = split_hashes(data)
        if tile.level == 0:
            edge = Extension(edge, hashes).range
        elif hashes != below[tile.n * TILE_WIDTH :][: tile.width]:
            raise Damaged(f"{tile_path(tile)} does not hold the roots of the tiles below it")
        if tile.is_full:
            roots.append(tile_root(data))
        yield tile, data
    if edge.root() != root:
        raise Damaged(f"the tiles of the tree of {size} entries do not have its root")
