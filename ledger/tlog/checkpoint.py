r"""C2SP tlog-checkpoint: the three lines that a log signs about its tree.

    ledger.example/apsci
    3
    pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=

There are no extension lines here, ever: witnesses do not sign what they say, and refuse them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import FormatError, SignatureError
from ledger.tlog.note import ED25519, Note, VerifierKey, open_note
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
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{encode_base64(checkpoint.root)}\n"
    parse_checkpoint(text)
    return text


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


def open_checkpoint(note: bytes, verifiers: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a signed note, once its own log's signature has verified.

    A log's key is named like its origin and of type 0x01. Raises FormatError for a malformed
    note or checkpoint; SignatureError if the log's line is missing or any known line fails.
    """
    keys = list(verifiers)
    return signed_checkpoint(open_note(note, keys), keys)


def signed_checkpoint(opened: Note, verifiers: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a note that ``open_note`` has opened, if its log is among those.

    Raises FormatError if it is none, SignatureError if only others signed it.
    """
    checkpoint = parse_checkpoint(opened.text)
    origin = checkpoint.origin
    logs = {key.key_id for key in verifiers if key.name == origin and key.type == ED25519}
    if not any(line.name == origin and line.key_id in logs for line in opened.signatures):
        raise SignatureError(f"no signature by the log {origin} itself")
    return checkpoint
