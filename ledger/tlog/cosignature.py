"""C2SP tlog-cosignature and the body of tlog-witness's add-checkpoint.

A cosignature says: at this time, this was the largest tree of that log that I had seen, and it
continued every one before it. Making one is cheap; what a witness must check and store first is
its own business, and the time is given by the caller.
"""

from dataclasses import dataclass

from ledger.errors import FormatError, SignatureError
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import (
    COSIGNER_TYPES,
    MAX_NOTE_BYTES,
    NoteSignature,
    Signer,
    VerifierKey,
    parse_note,
)
from ledger.tlog.spelling import decode_hash, decode_size, encode_base64, encode_text

MAX_CONSISTENCY_LINES = 63
_MAX_BODY_BYTES = MAX_NOTE_BYTES + 4_096


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log asks a witness: ``old_size`` it cosigned last, a proof from there, the note."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


def cosign(checkpoint_text: str, *, signer: Signer, time_s: int) -> NoteSignature:
    """Return the cosignature line of a checkpoint's text, made at ``time_s`` (unix seconds).

    Raises SignatureError if the signer is not of type 0x04 or 0x06, or no cosignature is made at
    that time.
    """
    if signer.type not in COSIGNER_TYPES:
        raise SignatureError(
            f"{signer!r} signs notes; a cosigner's key has the type 0x04, or 0x06 for ML-DSA-44"
        )
    blob = signer.sign_at(encode_text(checkpoint_text, what="checkpoint"), time_s=time_s)
    return NoteSignature(signer.name, signer.key_id, blob)


def verify_cosignature(
    checkpoint_text: str, signature: NoteSignature, *, verifier: VerifierKey
) -> int:
    """Return the time, in unix seconds, at which ``verifier`` cosigned the checkpoint's text.

    Raises SignatureError if the line is another's or does not verify.
    """
    if verifier.type not in COSIGNER_TYPES:
        raise SignatureError(
            f"the key of {verifier.name} is not a cosigner's: {verifier.type:#04x}"
        )
    if (signature.name, signature.key_id) != (verifier.name, verifier.key_id):
        raise SignatureError(
            f"a line by {signature.name}+{signature.key_id:08x}, "
            f"not by {verifier.name}+{verifier.key_id:08x}"
        )
    verifier.verify(encode_text(checkpoint_text, what="checkpoint"), signature.blob)
    return cosignature_time(signature)


def cosignature_time(signature: NoteSignature) -> int:
    """Return the unix seconds that a cosignature line states, verified or not."""
    return int.from_bytes(signature.blob[:8], "big")


def format_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Return the body of a POST to add-checkpoint. Raises FormatError above 63 proof hashes."""
    if len(request.proof) > MAX_CONSISTENCY_LINES:
        raise FormatError(f"a consistency proof of {len(request.proof)} hashes; 63 is the most")
    lines = [f"old {request.old_size}", *map(encode_base64, request.proof)]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + request.checkpoint


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Read the body of a POST to add-checkpoint. Raises FormatError; nothing is verified."""
    if len(data) > _MAX_BODY_BYTES:
        raise FormatError(f"a body of {len(data)} bytes; at most {_MAX_BODY_BYTES} are read")
    head, blank, checkpoint = data.partition(b"\n\n")
    if not blank:
        raise FormatError("a body without a blank line before its checkpoint")
    try:
        first, *lines = head.decode("ascii").split("\n", MAX_CONSISTENCY_LINES + 1)
    except UnicodeDecodeError:
        raise FormatError("a body with other than ASCII characters above its checkpoint") from None
    if not first.startswith("old "):
        raise FormatError("a body without its line 'old <size>'")
    if len(lines) > MAX_CONSISTENCY_LINES:
        raise FormatError(f"a consistency proof of more than {MAX_CONSISTENCY_LINES} hashes")
    parse_checkpoint(parse_note(checkpoint).text)
    return AddCheckpoint(
        decode_size(first.removeprefix("old "), what="the old size"),
        tuple(decode_hash(line, what="a hash of the consistency proof") for line in lines),
        checkpoint,
    )
