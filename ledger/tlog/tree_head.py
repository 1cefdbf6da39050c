r"""The three lines of a C2SP tlog-checkpoint, as text: what logs sign and cosigners speak about.

    ledger.example/apsci
    3
    pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=

There are no extension lines here, ever: witnesses do not sign what they say, and refuse them.
Who signed a text is the business of ``checkpoint``.
"""

from dataclasses import dataclass
from functools import cache

from ledger.errors import FormatError
from ledger.tlog.hashing import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE
from ledger.tlog.spelling import decode_hash, decode_size, decode_text, encode_base64, encode_text

MAX_CHECKPOINT_BYTES = 1_024
"""Length of a checkpoint's text that is read, signatures not counted."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's ``origin``, its number of entries and its root hash, 32 bytes."""

    origin: str
    size: int
    root: bytes


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text that the log signs. Raises FormatError for what ``parse`` would refuse."""
    origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
    text = f"{origin}\n{size}\n{encode_base64(root)}\n"
    # A log says its origin with every checkpoint: what there is to ask of it was asked before.
    if type(size) is not int or not 0 <= size <= MAX_TREE_SIZE or len(root) != HASH_BYTES:
        parse_checkpoint(text)
        raise FormatError(f"a checkpoint of size {size} with a root of {len(root)} bytes")
    _require_origin(origin)
    return text


@cache
def _require_origin(origin: str) -> None:
    # With the largest size, so that no later text is longer.
    parse_checkpoint(f"{origin}\n{MAX_TREE_SIZE}\n{encode_base64(EMPTY_ROOT)}\n")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: exactly three lines. Raises FormatError."""
    data = encode_text(text, what="checkpoint")
    lines = decode_text(data, what="checkpoint", limit=MAX_CHECKPOINT_BYTES).split("\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("a checkpoint is three lines, each with its newline, and nothing more")
    origin, size, root, _ = lines
    if not origin:
        raise FormatError("a checkpoint without an origin")
    return Checkpoint(
        origin,
        decode_size(size, what="the checkpoint's size"),
        decode_hash(root, what="the checkpoint's root"),
    )
