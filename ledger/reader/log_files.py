"""The log as files: tiles, bundles and the nodes in them, read from the store.

Serves bytes up to a published size and says nothing about what they mean.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Final

from ledger.errors import LogUnavailable, NotFound
from ledger.reader.memory import Memory
from ledger.storage.replica import Replica
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import StorageFailed, Store
from ledger.storage.tree import read_row, read_tile
from ledger.tlog.merkle import HASH_BYTES, CompactRange, NodeReader, border_hashes
from ledger.tlog.subtrees import Paths, SubtreeCache, SubtreeNodes
from ledger.tlog.tiles import TILE_WIDTH, Tile, encode_bundle, tile_path

EDGES: Final = 16
SUBTREES: Final = 4_096
"""Subtrees of 16 leaves or nodes that are kept: about 3 kB each, 12 MB in all."""


class LogFiles:
    """Reads tiles and bundles. May be shared between threads."""

    def __init__(self, store: Store, replica: Replica | None = None) -> None:
        self._store = store
        self._replica = replica
        self._subtrees = SubtreeCache(self._read_row, capacity=SUBTREES)
        self._edges: Memory[int, Mapping[tuple[int, int], bytes]] = Memory(EDGES)
        self._paths: Memory[int, Paths] = Memory(EDGES)
        self._local = threading.local()

    def reading(self, size: int | None = None) -> "FilesRead":
        """A snapshot that this thread's tile reads use too, so that none takes a second one.

        Of a replica, if there is one and it holds the published tree of ``size`` entries. For the
        time of a ``with`` block.
        """
        return FilesRead(self._opened(size), self._local)

    def nodes(self, size: int) -> NodeReader:
        """The complete nodes of the tree of ``size`` entries."""
        subtrees = SubtreeNodes(self._subtrees, size=size)
        edge = self._edges.get(size, lambda: self._edge(size))

        def node(level: int, index: int) -> bytes:
            return edge.get((level, index)) or subtrees(level, index)

        return node

    def inclusion_path(self, index: int, *, size: int) -> list[bytes]:
        """The audit path of the entry at ``index`` in the tree of ``size`` entries."""
        return self._paths.get(size, lambda: self._paths_of(size)).inclusion_path(index)

    def _paths_of(self, size: int) -> Paths:
        border = border_hashes(size=size, node=self.nodes(size))
        return Paths(self._subtrees, size=size, border=border)

    def _edge(self, size: int) -> Mapping[tuple[int, int], bytes]:
        """The perfect subtrees at the right border, which every proof needs and the head holds.

        Empty where the stored head is already past ``size``: then they come from the nodes below.
        """
        with self._snapshot(size) as snapshot:
            head = snapshot.head()
        if head.size != size:
            return {}
        hashes = CompactRange.from_edge(size, head.edge).hashes
        levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
        return {
            (level, (size >> level) - 1): found for level, found in zip(levels, hashes, strict=True)
        }

    def file(self, tile: Tile, *, size: int) -> bytes:
        """The bytes of a tile or bundle of the log of ``size`` entries.

        Every width up to the published one is served: a partial tile is a prefix of the full one.
        Raises NotFound if the log of that size does not reach so far.
        """
        reach = (tile.n * TILE_WIDTH + tile.width) << (8 * max(tile.level, 0))
        if reach > size:
            raise NotFound(
                f"{tile_path(tile)} ends at entry {reach}, and the published log has {size}"
            )
        try:
            return self._read(tile, reach)
        except StorageFailed:
            if self._replica is None:
                raise
            return self._read(tile)

    def _read_row(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        with self._snapshot() as snapshot:
            row = read_row(snapshot, level, start, stop)
        # Whoever asked has asked rightly.
        if len(row) != stop - start or any(len(each) != HASH_BYTES for each in row):
            raise LogUnavailable(
                f"nodes {start} to {stop - 1} of level {level} are damaged: run `ledger fsck`"
            )
        return row

    def _read(self, tile: Tile, size: int | None = None) -> bytes:
        with self._snapshot(size) as snapshot:
            return _tile_bytes(snapshot, tile)

    @contextmanager
    def _snapshot(self, size: int | None = None) -> Iterator[Snapshot]:
        open_already: Snapshot | None = getattr(self._local, "snapshot", None)
        if open_already is not None:
            yield open_already
            return
        with self._opened(size) as snapshot:
            yield snapshot

    def _opened(self, size: int | None) -> AbstractContextManager[Snapshot]:
        if size is None or self._replica is None:
            return self._store.snapshot()
        return self._replica.snapshot(size)


class FilesRead:
    """The time in which a thread reads files from one snapshot: a context manager."""

    __slots__ = ("_local", "_opened")

    def __init__(self, opened: AbstractContextManager[Snapshot], local: threading.local) -> None:
        self._opened = opened
        self._local = local

    def __enter__(self) -> Snapshot:
        snapshot = self._local.snapshot = self._opened.__enter__()
        return snapshot

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._local.snapshot = None
        self._opened.__exit__(kind, error, traceback)


def _tile_bytes(snapshot: Snapshot, tile: Tile) -> bytes:
    if not tile.is_entries:
        return read_tile(snapshot, tile)
    start = tile.n * TILE_WIDTH
    entries = snapshot.entry_bytes(start, start + tile.width)
    # A short bundle would look like a log that forgets.
    if len(entries) != tile.width:
        raise LogUnavailable(
            f"{tile_path(tile)} should hold {tile.width} entries and the store has "
            f"{len(entries)}: run `ledger fsck`"
        )
    return encode_bundle(entries)
