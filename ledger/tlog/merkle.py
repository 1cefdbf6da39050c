"""RFC 6962 hashing and proofs: making them and checking them.

Provers read nodes through a callable or a sequence of leaf hashes and never check what they
read. Verifiers take the shape of a proof from the sizes alone, so nothing in a proof steers
them, and say what they found by returning None or raising ProofError.
"""

from collections.abc import Callable, Sequence

from ledger.errors import ProofError
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.hashing import (
    EMPTY_ROOT,
    HASH_BYTES,
    MAX_TREE_SIZE,
    leaf_hash,
    node_hash,
    root_hash,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "MAX_TREE_SIZE",
    "CompactRange",
    "Extension",
    "NodeReader",
    "border_hashes",
    "consistency_path",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "node_path",
    "prove_consistency",
    "prove_inclusion",
    "root_hash",
    "tree_root",
    "verify_consistency",
    "verify_inclusion",
    "verify_node",
]

NodeReader = Callable[[int, int], bytes]
"""``node(level, index)``: root of the complete subtree over the leaves
[index << level, (index + 1) << level)."""


def tree_root(*, size: int, node: NodeReader) -> bytes:
    """Root hash of the first ``size`` leaves, from the roots of their perfect subtrees."""
    return EMPTY_ROOT if size == 0 else _border(size, size.bit_length(), node)


def inclusion_path(*, index: int, size: int, node: NodeReader) -> list[bytes]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, lowest sibling first.

    RFC 6962, section 2.1.1. Raises ProofError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    return _climb(0, index, size, node)


def node_path(*, level: int, index: int, size: int, node: NodeReader) -> list[bytes]:
    """Siblings of a complete node up to the root of the tree of ``size`` leaves, lowest first.

    Raises ProofError unless that tree has all leaves [index << level, (index + 1) << level).
    """
    if level < 0 or not 0 <= index < size >> level:
        raise ProofError(f"a tree of {size} leaves has no complete node {index} at {level}")
    return _climb(level, index, size, node)


def consistency_path(*, old_size: int, new_size: int, node: NodeReader) -> list[bytes]:
    """Proof that the first ``old_size`` of ``new_size`` leaves are the old tree.

    RFC 6962, section 2.1.2; empty if the old tree is empty or the same. Raises ProofError
    unless 0 <= old_size <= new_size.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree cannot grow from {old_size} to {new_size} leaves")
    if old_size in (0, new_size):
        return []
    # The largest perfect subtree that ends at the old size; the rest are its siblings. If it is
    # the whole old tree, the verifier has its hash already and the proof leaves it out.
    level = _trailing_zeros(old_size)
    index = (old_size >> level) - 1
    path = _climb(level, index, new_size, node)
    return [node(level, index), *path] if index else path


def border_hashes(*, size: int, node: NodeReader) -> list[bytes]:
    """For every level, the hash over the leaves past its last complete node; b"" without any.

    It is the sibling of that node in every audit path of the tree of ``size`` leaves that has it.
    """
    hashes: list[bytes] = []
    past = b""
    for level in range(size.bit_length()):
        hashes.append(past)
        if size >> level & 1:
            last = node(level, (size >> level) - 1)
            past = node_hash(last, past) if past else last
    return hashes


def prove_inclusion(leaf_hashes: Sequence[bytes], *, index: int) -> list[bytes]:
    """Audit path of leaf ``index`` in the tree of all ``leaf_hashes``; see inclusion_path."""
    return Extension(CompactRange(), leaf_hashes).inclusion_proof(index)


def prove_consistency(leaf_hashes: Sequence[bytes], *, old_size: int) -> list[bytes]:
    """Consistency proof from the first ``old_size`` leaves to all; see consistency_path."""
    tree = Extension(CompactRange(), leaf_hashes)
    return consistency_path(old_size=old_size, new_size=len(leaf_hashes), node=tree.node)


def verify_inclusion(
    proof: Sequence[bytes], *, index: int, size: int, leaf: bytes, root: bytes
) -> None:
    """Check that the tree of ``size`` leaves with hash ``root`` has ``leaf`` at ``index``.

    ``leaf`` is the leaf's hash. ``proof`` is RFC 6962's "Merkle audit path" (section 2.1.1):
    sibling hashes, lowest first. Its length follows from ``index`` and ``size``, so a longer
    or shorter one is refused.

    Raises ProofError if the proof does not lead to ``root``.
    """
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    # Up to where the path meets the right border, siblings lie on either side; above it, only on
    # the left, one for each bit set.
    inner = (index ^ (size - 1)).bit_length()
    _require_shape(proof, inner + (index >> inner).bit_count(), (leaf, root))
    found = leaf
    for level, sibling in enumerate(proof):
        if level < inner and not index >> level & 1:
            found = node_hash(found, sibling)
        else:
            found = node_hash(sibling, found)
    if found != root:
        raise ProofError(
            f"the proof for leaf {index} of {size} leads to the root {found.hex()}, "
            f"not {root.hex()}"
        )


def verify_node(
    proof: Sequence[bytes], *, level: int, index: int, size: int, node: bytes, root: bytes
) -> None:
    """Check that the complete node ``index`` of a level of the tree of ``size`` is ``node``.

    ``proof`` is what ``node_path`` gives. From a level on, a tree has the shape of one whose leaves
    are that level's nodes, the last of which may stand for fewer leaves than the others.

    Raises ProofError if the proof does not lead to ``root``.
    """
    if level < 0 or not 0 <= index < size >> level:
        raise ProofError(f"a tree of {size} leaves has no complete node {index} at {level}")
    verify_inclusion(proof, index=index, size=-(-size >> level), leaf=node, root=root)


def verify_consistency(
    proof: Sequence[bytes], *, old_size: int, old_root: bytes, new_size: int, new_root: bytes
) -> None:
    """Check that the tree of ``new_size`` leaves continues the one of ``old_size``.

    ``proof`` is RFC 6962's "Merkle consistency proof" (section 2.1.2). It is empty where
    nothing needs proving: from the empty tree, and between equal sizes.

    Raises ProofError if the proof does not lead to both roots.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree cannot grow from {old_size} to {new_size} leaves")
    if old_size in (0, new_size):
        _require_shape(proof, 0, (old_root, new_root))
        for size, root in ((old_size, old_root), (new_size, new_root)):
            if size == 0 and root != EMPTY_ROOT:
                raise ProofError(f"the empty tree does not have the root {root.hex()}")
        if old_size == new_size and old_root != new_root:
            raise ProofError(
                f"two roots for {old_size} leaves: {old_root.hex()} and {new_root.hex()}"
            )
        return
    level = _trailing_zeros(old_size)
    last = old_size - 1
    inner = (last ^ (new_size - 1)).bit_length()
    seeded = old_size & last != 0
    length = seeded + (inner - level) + (last >> inner).bit_count()
    _require_shape(proof, length, (old_root, new_root))
    old_found = new_found = proof[0] if seeded else old_root
    for at, sibling in enumerate(proof[1:] if seeded else proof, level):
        if at < inner and not last >> at & 1:
            new_found = node_hash(new_found, sibling)
        else:
            old_found = node_hash(sibling, old_found)
            new_found = node_hash(sibling, new_found)
    for size, found, root in ((old_size, old_found, old_root), (new_size, new_found, new_root)):
        if found != root:
            raise ProofError(
                f"the proof from {old_size} to {new_size} leaves leads to the root "
                f"{found.hex()} for size {size}, not {root.hex()}"
            )


def _climb(level: int, index: int, size: int, node: NodeReader) -> list[bytes]:
    """Siblings from a complete node up to the root of the tree of ``size`` leaves."""
    path: list[bytes] = []
    for at in range(level, size.bit_length()):
        sibling, complete = index ^ 1, size >> at
        if sibling < complete:
            path.append(node(at, sibling))
        elif sibling == complete and size & ((1 << at) - 1):
            path.append(_border(size, at, node))
        index >>= 1
    return path


def _border(size: int, level: int, node: NodeReader) -> bytes:
    """Hash over the leaves past the last complete node of ``level``; there must be some."""
    levels = [at for at in range(level) if size >> at & 1]
    found = node(levels[0], (size >> levels[0]) - 1)
    for at in levels[1:]:
        found = node_hash(node(at, (size >> at) - 1), found)
    return found


def _trailing_zeros(size: int) -> int:
    return (size & -size).bit_length() - 1


def _require_shape(proof: Sequence[bytes], length: int, hashes: tuple[bytes, ...]) -> None:
    if len(proof) != length:
        raise ProofError(f"a proof of {len(proof)} hashes where {length} are required")
    for found in (*hashes, *proof):
        if len(found) != HASH_BYTES:
            raise ProofError(f"a hash of {len(found)} bytes where {HASH_BYTES} are required")
