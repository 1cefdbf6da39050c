"""How a tree grows: its right edge, and what a batch of new leaves does to it.

A tree of n leaves can be continued from the roots of its maximal perfect subtrees, at most 63
hashes, without any of its entries. These classes hold hashes and compute; they store nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Self

from ledger.errors import FormatError, ProofError
from ledger.tlog.hashing import (
    EMPTY_ROOT,
    HASH_BYTES,
    MAX_TREE_SIZE,
    node_hash,
    parents,
    require_hashes,
)


class CompactRange:
    """The right edge of a tree: the roots of its maximal perfect subtrees, largest first.

    A tree of 11 = 8 + 2 + 1 leaves has three. Raises FormatError if there are not as many
    hashes as ``size`` has bits set, or if one is not 32 bytes long.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if not 0 <= size <= MAX_TREE_SIZE:
            raise FormatError(f"a tree cannot have {size} leaves")
        if len(self._hashes) != size.bit_count():
            raise FormatError(
                f"the edge of a tree of {size} leaves has {size.bit_count()} hashes, "
                f"not {len(self._hashes)}"
            )
        require_hashes(self._hashes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CompactRange):
            return NotImplemented
        return self._size == other._size and self._hashes == other._hashes

    __hash__ = None  # type: ignore[assignment]  # it can be appended to

    def __repr__(self) -> str:
        return f"CompactRange(size={self._size})"

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the maximal perfect subtrees, largest first."""
        return tuple(self._hashes)

    def root(self) -> bytes:
        """Root hash of the whole tree."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf by its hash. For many at once, ``Extension`` costs less."""
        require_hashes((leaf_hash,))
        if self._size == MAX_TREE_SIZE:
            raise FormatError(f"a tree cannot have more than {MAX_TREE_SIZE} leaves")
        # Each low bit set is a perfect subtree as large as the one that has just been completed.
        node, bits = leaf_hash, self._size
        while bits & 1:
            node = node_hash(self._hashes.pop(), node)
            bits >>= 1
        self._hashes.append(node)
        self._size += 1

    def edge(self) -> bytes:
        """Return the hashes end to end, 32 bytes each: what ``from_edge`` reads back."""
        return b"".join(self._hashes)

    def _holding(self, size: int, hashes: list[bytes]) -> Self:
        """Take hashes that fit ``size`` by construction: the checks cost more than an append."""
        self._size = size
        self._hashes = hashes
        return self

    @classmethod
    def from_edge(cls, size: int, edge: bytes) -> Self:
        """Rebuild a range from its size and ``edge()``; raises FormatError if they disagree."""
        step = HASH_BYTES
        return cls(size, [edge[at : at + step] for at in range(0, len(edge), step)])


class Extension:
    """What a batch of new leaves does to a tree, computed once when it is made.

    For every level it keeps the complete nodes from the old edge on, starting at an even index
    so that pairs align: with them the root, the inclusion proof of each new leaf and the
    consistency proof from the old size follow without reading anything else. ``leaf_hashes``
    may be empty. Later changes to ``old`` have no effect here.

    Raises FormatError if a leaf hash is not 32 bytes long.
    """

    __slots__ = ("_borders", "_levels", "_starts", "new_size", "old_size", "range", "root")

    old_size: int
    new_size: int
    root: bytes
    """Root hash at ``new_size``."""
    range: CompactRange
    """The right edge at ``new_size``."""

    def __init__(self, old: CompactRange, leaf_hashes: Sequence[bytes]) -> None:
        require_hashes(leaf_hashes)
        self.old_size = old.size
        self.new_size = old.size + len(leaf_hashes)
        self._levels: list[list[bytes]] = []
        self._starts: list[int] = []
        if self.new_size > MAX_TREE_SIZE:
            raise FormatError(f"a tree cannot have {self.new_size} leaves")
        self._grow(list(old.hashes), list(leaf_hashes))
        self._close()

    def _grow(self, edge: list[bytes], nodes: list[bytes]) -> None:
        """Build each level from the one below, with the old edge's node in front if it has one."""
        start, end = self.old_size, self.new_size
        while end:
            if start & 1:
                nodes.insert(0, edge.pop())
            self._levels.append(nodes)
            self._starts.append(start & ~1)
            nodes = parents(nodes) if len(nodes) > 1 else []
            start >>= 1
            end >>= 1

    def _close(self) -> None:
        """Compute the edge, the root, and the hash of the incomplete node that ends each level.

        ``_borders[k]`` is the hash over the leaves past the last complete node of level k, or
        None if there are none.
        """
        border: bytes | None = None
        edge: list[bytes] = []
        self._borders: list[bytes | None] = []
        bits = self.new_size
        for nodes in self._levels:
            self._borders.append(border)
            if bits & 1:
                last = nodes[-1]
                edge.append(last)
                border = last if border is None else node_hash(last, border)
            bits >>= 1
        edge.reverse()
        self.root = EMPTY_ROOT if border is None else border
        self.range = CompactRange()._holding(self.new_size, edge)  # noqa: SLF001 - made just above

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree over leaves [index << level, (index + 1) << level).

        Held are the nodes that this batch completed and the old edge. Raises ProofError for
        any other.
        """
        if 0 <= level < len(self._levels):
            at = index - self._starts[level]
            nodes = self._levels[level]
            if 0 <= at < len(nodes):
                return nodes[at]
        raise ProofError(
            f"growing from {self.old_size} to {self.new_size} leaves neither made nor needed "
            f"node {index} of level {level}"
        )

    def new_nodes(self, level: int) -> tuple[int, list[bytes]]:
        """Index of the first node of ``level`` that this batch completed, and all of them.

        The hashes of a tile at tile level L are the nodes of level 8 L.
        """
        if not 0 <= level < len(self._levels):
            return 0, []
        first = self.old_size >> level
        return first, self._levels[level][first - self._starts[level] :]

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Audit path of a leaf of this batch in the tree of ``new_size``, lowest sibling first.

        Raises ProofError unless old_size <= index < new_size.
        """
        if not self.old_size <= index < self.new_size:
            raise ProofError(
                f"leaf {index} is not among the new leaves {self.old_size} to {self.new_size}"
            )
        return self._climb(0, index)

    def consistency_proof(self) -> list[bytes]:
        """RFC 6962 consistency proof from ``old_size`` to ``new_size`` (section 2.1.2)."""
        old = self.old_size
        if old in (0, self.new_size):
            return []
        # The largest perfect subtree that ends at the old size; the rest are its siblings.
        level = (old & -old).bit_length() - 1
        index = (old >> level) - 1
        path = self._climb(level, index)
        return [self.node(level, index), *path] if index else path

    def _climb(self, level: int, index: int) -> list[bytes]:
        """Siblings from a node up to the root, lowest first."""
        path: list[bytes] = []
        levels, starts, borders = self._levels, self._starts, self._borders
        for at in range(level, len(levels)):
            nodes = levels[at]
            sibling = (index ^ 1) - starts[at]
            if sibling < len(nodes):
                path.append(nodes[sibling])
            elif sibling == len(nodes) and (border := borders[at]) is not None:
                path.append(border)
            index >>= 1
        return path
