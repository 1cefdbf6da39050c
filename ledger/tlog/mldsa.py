r"""ML-DSA-44 (FIPS 204) under the names of C2SP: signature type 0x06 of tlog-cosignature.

What is signed is not the note's text but a structure made from it: ``"subtree/v1\\n\\0"``, the
cosigner's name and the log's origin with a byte of length before each, the time, the range of
leaves and the root. libsodium has no ML-DSA; ``cryptography`` does it, and nothing else here.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.errors import FormatError, SignatureError
from ledger.tlog.spelling import decode_text, encode_text
from ledger.tlog.tree_head import MAX_CHECKPOINT_BYTES, parse_checkpoint

MLDSA44_PUBLIC_KEY_BYTES: Final = 1_312
MLDSA44_SIGNATURE_BYTES: Final = 2_420

_LABEL: Final = b"subtree/v1\n\0"
_MAX_OPAQUE: Final = 255


class Mldsa44Key:
    """A private key, made from the 32 bytes that FIPS 204 calls its seed."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return a signature of 2,420 bytes; two over one message differ."""
        return self._key.sign(message)


def verify_mldsa44(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check an ML-DSA-44 signature with an empty context; raises SignatureError."""
    if len(public_key) != MLDSA44_PUBLIC_KEY_BYTES or len(signature) != MLDSA44_SIGNATURE_BYTES:
        raise SignatureError(
            f"ML-DSA-44 takes a key of 1312 and a signature of 2420 bytes, "
            f"not {len(public_key)} and {len(signature)}"
        )
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise SignatureError("an ML-DSA-44 signature does not verify") from None


def subtree_message(text: bytes, *, cosigner: str, time_s: int) -> bytes:
    """Return what ``cosigner`` signs about the checkpoint ``text`` (tlog-cosignature).

    Integers are of 8 bytes, big-endian. The range is the whole tree: from 0 to its size. Raises
    SignatureError for a text that is no checkpoint of three lines: nothing else would be signed.
    """
    try:
        decoded = decode_text(text, what="checkpoint", limit=MAX_CHECKPOINT_BYTES)
        checkpoint = parse_checkpoint(decoded)
        return b"".join(
            (
                _LABEL,
                _opaque(cosigner, what="cosigner's name"),
                time_s.to_bytes(8, "big"),
                _opaque(checkpoint.origin, what="origin"),
                bytes(8),
                checkpoint.size.to_bytes(8, "big"),
                checkpoint.root,
            )
        )
    except FormatError as error:
        raise SignatureError(f"ML-DSA-44 signs checkpoints alone: {error}") from None


def _opaque(text: str, *, what: str) -> bytes:
    data = encode_text(text, what=what)
    if not 1 <= len(data) <= _MAX_OPAQUE:
        raise FormatError(f"the {what} has {len(data)} bytes; 1 to {_MAX_OPAQUE} are signed")
    return bytes([len(data)]) + data
