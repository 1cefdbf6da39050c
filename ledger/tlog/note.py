"""C2SP signed notes: text with signature lines under it.

    ledger.example/apsci
    3
    pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=

    — ledger.example/apsci zmCwIyV6/uWezASyB/…VFw0=

The text is signed with its final newline. A note is split at its last blank line, on bytes.
Nothing in a note is believed before a signature on it has verified.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import FormatError, SignatureError
from ledger.tlog.keys import (
    COSIGNATURE,
    COSIGNER_TYPES,
    ED25519,
    LOG_TYPES,
    MLDSA44,
    Signer,
    VerifierKey,
    cosigned_message,
    format_skey,
    format_vkey,
    generate_key,
    key_id,
    parse_skey,
    parse_vkey,
    require_name,
    verify_ed25519,
)
from ledger.tlog.spelling import decode_base64, decode_text, encode_base64, encode_text, excerpt

__all__ = [
    "COSIGNATURE",
    "COSIGNER_TYPES",
    "ED25519",
    "LOG_TYPES",
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURES",
    "MLDSA44",
    "Note",
    "NoteSignature",
    "Signer",
    "VerifierKey",
    "cosigned_message",
    "format_note",
    "format_skey",
    "format_vkey",
    "generate_key",
    "key_id",
    "open_note",
    "parse_note",
    "parse_signatures",
    "parse_skey",
    "parse_vkey",
    "sign_note",
    "verify_ed25519",
]

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
"""Signature lines that are read; the specification asks for at least 16."""

_DASH = "— "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. ``blob`` is what follows the four bytes of the key ID."""

    name: str
    key_id: int
    blob: bytes

    @property
    def line(self) -> str:
        """Return the line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id.to_bytes(4, 'big') + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, and signatures on it, in the order of their lines."""

    text: str
    signatures: tuple[NoteSignature, ...]


def sign_note(text: str, signers: Sequence[Signer], *, time_s: int | None = None) -> bytes:
    """Return the note of ``text``, which ends in a newline, with a line by each signer.

    ``time_s``, unix seconds, is what signers of type 0x06 state; type 0x04 is a witness's, and
    signs no note. Raises FormatError for a text that no note has, or two signers with one name
    and key ID; SignatureError for a signer that needs a time and gets none.
    """
    message = _text_bytes(text)
    signatures: list[NoteSignature] = []
    for signer in signers:
        if signer.type == ED25519:
            blob = signer.sign(message)
        elif signer.type == MLDSA44 and time_s is not None:
            blob = signer.sign_at(message, time_s=time_s)
        else:
            raise SignatureError(f"{signer!r} makes cosignatures, which need a time")
        signatures.append(NoteSignature(signer.name, signer.key_id, blob))
    return _formatted(message, signatures)


def format_note(note: Note) -> bytes:
    """Return the bytes of a note: its text, a blank line, its signature lines.

    Raises FormatError for a text that no note has, no line, more than 100, or two lines with
    one name and key ID.
    """
    return _formatted(_text_bytes(note.text), note.signatures)


def _formatted(text: bytes, signatures: Sequence[NoteSignature]) -> bytes:
    keys = {(signature.name, signature.key_id) for signature in signatures}
    if len(keys) != len(signatures):
        raise FormatError("two signature lines with one name and key ID")
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise FormatError(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(signatures)}")
    lines = "".join(signature.line for signature in signatures)
    return text + b"\n" + encode_text(lines, what="signature lines")


def parse_note(data: bytes) -> Note:
    """Split a note into its text and *all* its lines, none of them verified.

    Raises FormatError. Use ``open_note`` to believe a text; this is for carrying lines over.
    """
    whole = decode_text(data, what="note", limit=MAX_NOTE_BYTES)
    at = whole.rfind("\n\n")
    if at < 0:
        raise FormatError("a note without a blank line before its signatures")
    return Note(whole[: at + 1], tuple(_parse_lines(whole[at + 2 :])))


def parse_signatures(data: bytes) -> list[NoteSignature]:
    """Signature lines alone, such as a witness answers with, none verified; raises FormatError."""
    return _parse_lines(decode_text(data, what="signature lines", limit=MAX_NOTE_BYTES))


def open_note(data: bytes, verifiers: Iterable[VerifierKey]) -> Note:
    """Return the text of a note and those of its signatures that verified.

    ======================================================  ====================================
    The note                                                Outcome
    ======================================================  ====================================
    is malformed anywhere, also in a line nobody knows      FormatError
    has a line of unknown name or key ID                    the line is ignored
    has a line of a known (name, key ID) that fails         SignatureError
    has no line of a known (name, key ID)                   SignatureError
    repeats a line of a known key, and both verify          the first is returned
    has at least one line of a known key, and all verify    Note, with the lines that verified
    ======================================================  ====================================
    """
    note = parse_note(data)
    text = note.text.encode("utf-8")
    known = {(key.name, key.key_id): key for key in verifiers}
    verified: dict[tuple[str, int], NoteSignature] = {}
    for signature in note.signatures:
        identity = (signature.name, signature.key_id)
        if (key := known.get(identity)) is None:
            continue
        try:
            key.verify(text, signature.blob)
        except SignatureError as error:
            raise SignatureError(
                f"the signature by {key.name}+{key.key_id:08x} does not verify: {error}"
            ) from None
        verified.setdefault(identity, signature)
    if not verified:
        names = ", ".join(f"{name}+{number:08x}" for name, number in known) or "nobody"
        raise SignatureError(f"no signature by a known key; known: {names}")
    return Note(note.text, tuple(verified.values()))


def _parse_lines(text: str) -> list[NoteSignature]:
    if not text.endswith("\n"):
        raise FormatError("the last signature line has no newline")
    lines = text[:-1].split("\n", MAX_SIGNATURES)
    if len(lines) > MAX_SIGNATURES:
        raise FormatError(f"more than {MAX_SIGNATURES} signature lines")
    return [_parse_line(line) for line in lines]


def _parse_line(line: str) -> NoteSignature:
    name, space, blob = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise FormatError(f"not a signature line: {excerpt(line)}")
    require_name(name)
    data = decode_base64(blob, what=f"the signature by {excerpt(name)}")
    if len(data) < 5:
        raise FormatError(f"a signature by {excerpt(name)} of {len(data)} bytes")
    return NoteSignature(name, int.from_bytes(data[:4], "big"), data[4:])


def _text_bytes(text: str) -> bytes:
    data = encode_text(text, what="note text")
    decode_text(data, what="note text", limit=MAX_NOTE_BYTES)
    if not text.endswith("\n"):
        raise FormatError("a note's text ends in a newline")
    return data
