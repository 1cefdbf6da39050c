"""Proofs from subtrees of height 4: 16 sibling nodes of every fourth level, and what is above them.

A path crosses one such subtree every four levels, and takes four siblings out of each. So a proof
in a tree of ten million leaves needs 16 nodes of each of six levels and 15 hashes over each; of
tiles of height 8 it needs 255 over each. This module knows where nodes stand. It fetches nothing:
``SubtreeCache`` is given a reader, and what that gives is not checked against a root: prove, then
verify.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from ledger.errors import FormatError, ProofError
from ledger.tlog.hashing import node_hash, require_hashes

SUBTREE_HEIGHT: Final = 4
"""Levels of the tree in one subtree."""
SUBTREE_WIDTH: Final = 16
"""Nodes at the bottom of a full subtree."""

ReadRow = Callable[[int, int, int], Sequence[bytes]]
"""``read(level, start, stop)``: the complete nodes ``start`` <= index < ``stop`` of a level."""

Nodes = tuple[bytes, ...]
"""A subtree as a heap: ``nodes[1]`` is its root, below ``nodes[k]`` are 2 k and 2 k + 1.

A node that is not complete is b"". ``nodes[0]`` is b"" too.
"""


_NOTHING: Final[Nodes] = (b"",) * (2 * SUBTREE_WIDTH)


def grow_subtree(row: Sequence[bytes]) -> Nodes:
    """The subtree above the first 1 to 16 nodes of its bottom row.

    Raises FormatError for another number of them, and where one is not 32 bytes long.
    """
    if not 1 <= len(row) <= SUBTREE_WIDTH:
        raise FormatError(f"a subtree has 1 to {SUBTREE_WIDTH} nodes in a row, not {len(row)}")
    require_hashes(row)
    nodes = list(_NOTHING)
    first, complete = SUBTREE_WIDTH, len(row)
    nodes[first : first + complete] = row
    while complete > 1:
        first, complete = first // 2, complete // 2
        for place in range(first, first + complete):
            nodes[place] = node_hash(nodes[2 * place], nodes[2 * place + 1])
    return tuple(nodes)


class SubtreeCache:
    """The subtrees used last, between half of ``capacity`` and all of it. Thread-safe.

    One takes about 3 kB. A complete node never changes, so one cache serves every size of one log.
    """

    def __init__(self, read: ReadRow, *, capacity: int) -> None:
        self._read = read
        self._half = max(1, capacity // 2)
        # Two generations, of which the older is dropped whole: to find something takes no lock.
        self._newer: dict[tuple[int, int, int], Nodes] = {}
        self._older: dict[tuple[int, int, int], Nodes] = {}
        self._lock = Lock()

    def nodes(self, level: int, n: int, width: int) -> Nodes:
        """The subtree over the nodes from 16 n on, of which there are ``width``, of a level.

        Raises FormatError if what was read is not that.
        """
        key = level, n, width
        found = self._newer.get(key)
        if found is not None:
            return found
        found = self._older.get(key)
        if found is None:
            start = n * SUBTREE_WIDTH
            row = self._read(level, start, start + width)
            if len(row) != width:
                raise FormatError(f"{len(row)} nodes of level {level} from {start} on, not {width}")
            found = grow_subtree(row)
        with self._lock:
            if len(self._newer) >= self._half:
                self._older, self._newer = self._newer, {}
            self._newer[key] = found
        return found

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._newer, self._older = {}, {}


class SubtreeNodes:
    """Reads the nodes of a tree of ``size`` leaves, a NodeReader, and the paths of its leaves."""

    def __init__(self, cache: SubtreeCache, *, size: int) -> None:
        self._cache = cache
        self.size = size

    def __call__(self, level: int, index: int) -> bytes:
        """Root of the complete subtree over leaves [index << level, (index + 1) << level).

        Raises ProofError if the tree does not have all of them.
        """
        if level < 0 or not 0 <= index < self.size >> level:
            raise ProofError(
                f"a tree of {self.size} leaves has no complete node {index} at {level}"
            )
        inner = level % SUBTREE_HEIGHT
        row = SUBTREE_WIDTH >> inner
        return self._subtree(level - inner, index // row)[row + index % row]

    def _subtree(self, level: int, n: int) -> Nodes:
        held = (self.size >> level) - n * SUBTREE_WIDTH
        return self._cache.nodes(level, n, min(held, SUBTREE_WIDTH))


class Paths:
    """The audit paths of the leaves of a tree of ``size`` leaves; may be shared between threads.

    ``border`` is ``merkle.border_hashes`` of this size: the sibling of the last complete node of
    each level.
    """

    def __init__(self, cache: SubtreeCache, *, size: int, border: Sequence[bytes]) -> None:
        self._cache = cache
        self._size = size
        self._border = border
        self._edges: dict[int, Nodes] = {}
        self._levels = range(0, size.bit_length(), SUBTREE_HEIGHT)

    def inclusion_path(self, index: int) -> list[bytes]:
        """What ``merkle.inclusion_path`` gives. Raises ProofError unless 0 <= index < size."""
        size = self._size
        if not 0 <= index < size:
            raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
        nodes_of = self._cache.nodes
        path: list[bytes] = []
        for level in self._levels:
            place = SUBTREE_WIDTH | index & SUBTREE_WIDTH - 1
            index >>= SUBTREE_HEIGHT
            size >>= SUBTREE_HEIGHT
            if index < size:
                # All of it is complete, and so are the four siblings in it.
                nodes = nodes_of(level, index, SUBTREE_WIDTH)
                path += (
                    nodes[place ^ 1],
                    nodes[place >> 1 ^ 1],
                    nodes[place >> 2 ^ 1],
                    nodes[place >> 3 ^ 1],
                )
            else:
                nodes = self._edges.get(level) or self._edge(level)
                siblings = (nodes[place >> inner ^ 1] for inner in range(SUBTREE_HEIGHT))
                path += [sibling for sibling in siblings if sibling]
        return path

    def _edge(self, level: int) -> Nodes:
        """The last subtree of a level, which is not full, with the border's hashes in it.

        It may have no complete node at all: then it is only on the way of the last leaves.
        """
        n = self._size >> level + SUBTREE_HEIGHT
        width = (self._size >> level) % SUBTREE_WIDTH
        nodes = list(self._cache.nodes(level, n, width) if width else _NOTHING)
        for inner, border in enumerate(self._border[level : level + SUBTREE_HEIGHT]):
            row = SUBTREE_WIDTH >> inner
            if border:
                nodes[row + (self._size >> level + inner) % row] = border
        self._edges[level] = edge = tuple(nodes)
        return edge
