"""RFC 6962's two hash functions and the root of a list (section 2.1).

Everything that the log proves rests on these few lines. The prefixes 0x00 and 0x01 keep leaves
and inner nodes apart: without them an inner node could be passed off as an entry.
"""

from collections.abc import Sequence
from hashlib import sha256

from ledger.errors import FormatError

HASH_BYTES = 32
"""Length of every hash in this package: SHA-256."""
MAX_TREE_SIZE = 2**63 - 1
"""The largest tree size that any of the formats can carry."""
EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves: SHA-256 of the empty string."""

# Copied for a node, it costs less than a new hash of the prefix joined to the node's input.
_NODE = sha256(b"\x01")


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def parents(nodes: Sequence[bytes]) -> list[bytes]:
    """Hashes of the complete pairs of ``nodes``; a last one without a partner is left out."""
    if len(nodes) < 2:
        return []
    prefix = b"\x01"
    return [
        sha256(prefix + left + right).digest()
        for left, right in zip(nodes[::2], nodes[1::2], strict=False)
    ]


def parents_in_row(row: bytes) -> bytes:
    """What ``parents`` gives, of hashes one after the other, one after the other."""
    fresh = _NODE.copy
    above = []
    for at in range(0, len(row) - HASH_BYTES, 2 * HASH_BYTES):
        hashed = fresh()
        hashed.update(row[at : at + 2 * HASH_BYTES])
        above.append(hashed.digest())
    return b"".join(above)


def root_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """Merkle Tree Hash of the leaves whose hashes are given, in order (RFC 6962, 2.1).

    Splitting at the largest power of two below n is the same as pairing level by level and
    carrying an odd last node up unchanged, which needs no recursion.

    Raises FormatError if one of them is not 32 bytes long.
    """
    require_hashes(leaf_hashes)
    if not leaf_hashes:
        return EMPTY_ROOT
    nodes = leaf_hashes
    while len(nodes) > 1:
        above = parents(nodes)
        if len(nodes) % 2:
            above.append(nodes[-1])
        nodes = above
    return nodes[0]


def require_hashes(hashes: Sequence[bytes]) -> None:
    """Refuse, with FormatError, a sequence in which something is not 32 bytes long."""
    lengths = set(map(len, hashes)) - {HASH_BYTES}
    if lengths:
        raise FormatError(f"a hash of {min(lengths)} bytes where {HASH_BYTES} are required")
