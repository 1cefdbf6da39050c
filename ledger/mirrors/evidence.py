"""What proves to anybody that one key has signed two histories.

    verify.py evidence split-view.json      confirms it, offline

The file is that program's own format, ``apsci-verify/split-view/1``: both signed checkpoints and,
where their sizes differ, the subtree hashes (RFC 6962) that lead to the larger one's root and show
that its beginning is not the smaller one's tree.
"""

from base64 import b64encode
from typing import Final

import msgspec

from ledger.client.tree import Tree
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.hashing import node_hash, root_hash
from ledger.tlog.merkle import NodeReader
from ledger.tlog.note import VerifierKey, format_vkey
from ledger.tlog.tiles import TILE_HEIGHT, TILE_WIDTH

NAME: Final = "split-view.json"
FORMAT: Final = "apsci-verify/split-view/1"
WHAT: Final = (
    "One log has signed both checkpoints. Where their sizes are equal, their roots differ. Where"
    " they are not, inside and outside are subtree hashes (RFC 6962) that lead to the larger one's"
    " root and show that its first entries have another root than the smaller one."
)
Signed = tuple[Checkpoint, bytes]
"""A checkpoint and its note."""


def split_view(key: VerifierKey, one: Signed, other: Signed, larger: NodeReader) -> bytes:
    """The file about two checkpoints; ``larger`` reads the tree of the larger one."""
    first, last = sorted((one, other), key=lambda each: each[0].size)
    differ = first[0].size != last[0].size
    inside, outside = _pieces(first[0].size, last[0].size) if differ else ([], [])
    value = {
        "format": FORMAT,
        "what": WHAT,
        "vkey": format_vkey(key),
        "smaller": first[1].decode(),
        "larger": last[1].decode(),
        "inside": [_hash(larger, low, high) for low, high in inside],
        "outside": [_hash(larger, low, high) for low, high in outside],
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def nodes_in(tree: Tree) -> NodeReader:
    """The complete nodes of a tree that was proved block by block."""
    blocks = tree.blocks

    def node(level: int, index: int) -> bytes:
        if level >= TILE_HEIGHT:
            span = 1 << (level - TILE_HEIGHT)
            return root_hash(blocks[index * span : (index + 1) * span])
        number, at = divmod(index << level, TILE_WIDTH)
        return root_hash(tree.hashes(number)[at : at + (1 << level)])

    return node


Piece = tuple[int, int]


def _pieces(first: int, size: int) -> tuple[list[Piece], list[Piece]]:
    """The subtrees of a tree of ``size`` that make up its first entries, and the others."""
    inside: list[Piece] = []
    outside: list[Piece] = []

    def walk(low: int, high: int) -> None:
        if high <= first:
            inside.append((low, high))
        elif low >= first:
            outside.append((low, high))
        else:
            middle = _middle(low, high)
            walk(low, middle)
            walk(middle, high)

    walk(0, size)
    return inside, outside


def _hash(node: NodeReader, low: int, high: int) -> str:
    return b64encode(_subtree(node, low, high)).decode("ascii")


def _subtree(node: NodeReader, low: int, high: int) -> bytes:
    count = high - low
    if count & (count - 1):
        middle = _middle(low, high)
        return node_hash(_subtree(node, low, middle), _subtree(node, middle, high))
    level = count.bit_length() - 1
    return node(level, low >> level)


def _middle(low: int, high: int) -> int:
    """Where RFC 6962 splits: at the largest power of two below the number of entries."""
    return low + (1 << (high - low - 1).bit_length() - 1)
