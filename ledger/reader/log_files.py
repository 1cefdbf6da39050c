"""The log as files: tiles, bundles and the nodes in them, read from the store.

Reads bytes up to a published size, and believes them: who hands them out has them ``verified``.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import TracebackType
from typing import Final

from ledger.errors import Damaged, FormatError
from ledger.reader.memory import Memory
from ledger.storage.replica import Replica
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import StorageFailed, Store
from ledger.storage.tree import (
    read_leaves,
    read_nodes,
    read_roots,
    read_row,
    read_tile,
    read_tile_beside,
)
from ledger.tlog.merkle import (
    HASH_BYTES,
    CompactRange,
    NodeReader,
    border_hashes,
    inclusion_path,
)
from ledger.tlog.subtrees import Paths, SubtreeCache, SubtreeNodes
from ledger.tlog.tiles import TILE_WIDTH, Tile, TileCache, TileNodes, encode_bundle, tile_path

ReadTile = Callable[[Snapshot, Tile], bytes]

EDGES: Final = 16
SUBTREES: Final = 4_096
"""Subtrees of 16 leaves or nodes that are kept: about 3 kB each, 12 MB in all."""


TILES_AT_ONCE: Final = 64


class Source:
    """One way to read the nodes of a tree; whether it is the one that is asked first."""

    __slots__ = ("_nodes", "_path", "is_first")

    def __init__(
        self,
        nodes: Callable[[], NodeReader],
        path: Callable[[int], list[bytes]],
        *,
        is_first: bool = False,
    ) -> None:
        self._nodes = nodes
        self._path = path
        self.is_first = is_first

    @property
    def node(self) -> NodeReader:
        """The nodes of the tree."""
        return self._nodes()

    def inclusion_path(self, index: int) -> list[bytes]:
        """The audit path of the entry at ``index``."""
        return self._path(index)


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

    def sources(self, size: int) -> Iterator[Source]:
        """The ways to read the nodes of the tree of ``size`` entries, the usual one first.

        Whoever goes on to the next has found that what the one before gave is wrong. In memory it
        may be wrong too, so that is forgotten; the last one takes hashes from where the others,
        in a log that has all of its nodes stored, take none.
        """
        usual = partial(self.nodes, size), partial(self.inclusion_path, size=size)
        yield Source(*usual, is_first=True)
        self._forget()
        yield Source(*usual)
        self._forget()
        cache = TileCache(partial(self._read, read_tile_beside), capacity=TILES_AT_ONCE)
        nodes = TileNodes(cache, size=size)
        yield Source(
            lambda: nodes, lambda index: inclusion_path(index=index, size=size, node=nodes)
        )

    def readers(self, tile: Tile, reach: int) -> list[Callable[[], bytes]]:
        """What reads the bytes of a tile or bundle that ends at entry ``reach``, the usual first.

        Each raises NotFound or FormatError where something is missing.
        """
        beside = [read_roots, read_nodes] if tile.level else [read_leaves]
        makers = [_bundle] if tile.is_entries else [read_tile, *beside]
        readers: list[Callable[[], bytes]] = [
            partial(self._read, make, tile, reach) for make in makers
        ]
        if self._replica is not None:
            # What is damaged there is whole at the primary.
            readers += [partial(self._read, make, tile) for make in makers]
        return readers

    def _forget(self) -> None:
        self._subtrees.clear()
        self._edges.clear()
        self._paths.clear()

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

    def _read_row(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        with self._snapshot() as snapshot:
            row = read_row(snapshot, level, start, stop)
        # Whoever asked has asked rightly.
        if len(row) != stop - start or any(len(each) != HASH_BYTES for each in row):
            raise Damaged(f"nodes {start} to {stop - 1} of level {level} are no hashes, or missing")
        return row

    def _read(self, make: ReadTile, tile: Tile, size: int | None = None) -> bytes:
        try:
            with self._snapshot(size) as snapshot:
                return make(snapshot, tile)
        except StorageFailed:
            if size is None or self._replica is None:
                raise
            with self._snapshot() as snapshot:
                return make(snapshot, tile)

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


def _bundle(snapshot: Snapshot, tile: Tile) -> bytes:
    start = tile.n * TILE_WIDTH
    entries = snapshot.entry_bytes(start, start + tile.width)
    # A short bundle would look like a log that forgets.
    if len(entries) != tile.width:
        raise FormatError(
            f"{tile_path(tile)} should hold {tile.width} entries and the store has {len(entries)}"
        )
    return encode_bundle(entries)
