"""C2SP tlog-checkpoint: the signed note in which a log vouches for its tree."""

from collections.abc import Iterable

from ledger.errors import SignatureError
from ledger.tlog.note import LOG_TYPES, Note, VerifierKey, open_note
from ledger.tlog.tree_head import (
    MAX_CHECKPOINT_BYTES,
    Checkpoint,
    format_checkpoint,
    parse_checkpoint,
)

__all__ = [
    "MAX_CHECKPOINT_BYTES",
    "Checkpoint",
    "format_checkpoint",
    "open_checkpoint",
    "parse_checkpoint",
    "signed_checkpoint",
]


def open_checkpoint(note: bytes, verifiers: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a signed note, once its own log's signature has verified.

    A log's key is named like its origin and of type 0x01 or 0x06. Raises FormatError for a
    malformed note or checkpoint; SignatureError if the log's line is missing or any known line
    fails.
    """
    keys = list(verifiers)
    return signed_checkpoint(open_note(note, keys), keys)


def signed_checkpoint(opened: Note, verifiers: Iterable[VerifierKey]) -> Checkpoint:
    """Return the checkpoint in a note that ``open_note`` has opened, if its log is among those.

    Raises FormatError if it is none, SignatureError if only others signed it.
    """
    checkpoint = parse_checkpoint(opened.text)
    origin = checkpoint.origin
    logs = {key.key_id for key in verifiers if key.name == origin and key.type in LOG_TYPES}
    if not any(line.name == origin and line.key_id in logs for line in opened.signatures):
        raise SignatureError(f"no signature by the log {origin} itself")
    return checkpoint
