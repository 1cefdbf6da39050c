"""Keys with names: what signs notes and cosignatures, and what verifies them.

A verifier key is written ``name+hash+base64``, a private one as Go's note package writes it.
The key ID, four bytes, tells signature lines apart; it is no protection, the public key is. A
private key is never shown by ``repr`` or in an error.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from ledger.errors import FormatError, SignatureError
from ledger.tlog.mldsa import (
    MLDSA44_PUBLIC_KEY_BYTES,
    MLDSA44_SIGNATURE_BYTES,
    Mldsa44Key,
    subtree_message,
    verify_mldsa44,
)
from ledger.tlog.spelling import decode_base64, encode_base64, encode_text, excerpt

ED25519 = 0x01
"""Signature type: Ed25519 over the note's text."""
COSIGNATURE = 0x04
"""Signature type: Ed25519 over the text and a time (tlog-cosignature)."""
MLDSA44 = 0x06
"""Signature type: ML-DSA-44 over a checkpoint's tree and a time (tlog-cosignature)."""
COSIGNER_TYPES = (COSIGNATURE, MLDSA44)
"""Types of signatures that state a time: those of witnesses."""
LOG_TYPES = (ED25519, MLDSA44)
"""Types of the signatures by which a log vouches for its own checkpoint."""
MAX_NAME_BYTES = 255

_SEED_BYTES = 32
_PUBLIC_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_MAX_KEY_CHARS = 2_304
_MAX_TIME_S = 2**63 - 1
_SKEY_PREFIX = "PRIVATE+KEY+"
_HEX8 = re.compile(r"[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and signature type that it verifies for."""

    name: str
    key_id: int
    type: int
    public_key: bytes

    def verify(self, text: bytes, blob: bytes) -> None:
        """Check the signature in ``blob`` over a note's ``text``; raises SignatureError."""
        if self.type == ED25519:
            verify_ed25519(self.public_key, text, blob)
            return
        length = 8 + (MLDSA44_SIGNATURE_BYTES if self.type == MLDSA44 else _SIGNATURE_BYTES)
        if len(blob) != length:
            raise SignatureError(f"a cosignature by {self.name} of {len(blob)} bytes, not {length}")
        message = self.timed_message(text, time_s=int.from_bytes(blob[:8], "big"))
        verify = verify_mldsa44 if self.type == MLDSA44 else verify_ed25519
        verify(self.public_key, message, blob[8:])

    def timed_message(self, text: bytes, *, time_s: int) -> bytes:
        """Return what this cosigner signs about ``text`` at ``time_s``; raises SignatureError."""
        if self.type == COSIGNATURE:
            return cosigned_message(text, time_s=time_s)
        if self.type != MLDSA44:
            raise SignatureError(f"the key of {self.name} signs no times: type {self.type:#04x}")
        _require_time(time_s)
        return subtree_message(text, cosigner=self.name, time_s=time_s)


class Signer:
    """A private key with its name and signature type. It never shows the key."""

    __slots__ = ("_key", "_seed", "key_id", "name", "type", "verifier")

    def __init__(self, name: str, seed: bytes, *, key_type: int = ED25519) -> None:
        if len(seed) != _SEED_BYTES:
            raise FormatError(f"a key's seed has {_SEED_BYTES} bytes, not {len(seed)}")
        require_name(name)
        _require_type(name, key_type)
        self._seed = seed
        self._key: SigningKey | Mldsa44Key
        if key_type == MLDSA44:
            self._key = Mldsa44Key(seed)
            public_key = self._key.public_key
        else:
            self._key = SigningKey(seed)
            public_key = bytes(self._key.verify_key)
        self.name = name
        self.type = key_type
        self.key_id = key_id(name, key_type, public_key)
        self.verifier = VerifierKey(name, self.key_id, key_type, public_key)

    def __repr__(self) -> str:
        return f"Signer({self.name!r}, key_id={self.key_id:08x}, type={self.type})"

    @property
    def vkey(self) -> str:
        """Return the text of the public key that verifies what this one signs."""
        return format_vkey(self.verifier)

    def sign(self, message: bytes) -> bytes:
        """Signature over ``message``: 64 bytes of Ed25519, or 2,420 of ML-DSA-44."""
        signed = self._key.sign(message)
        return signed if isinstance(self._key, Mldsa44Key) else signed[:_SIGNATURE_BYTES]

    def sign_at(self, text: bytes, *, time_s: int) -> bytes:
        """What follows the key ID in a cosignature line over ``text``: the time, the signature.

        Raises SignatureError if the key's type states no time, or the time is not representable.
        """
        message = self.verifier.timed_message(text, time_s=time_s)
        return time_s.to_bytes(8, "big") + self.sign(message)


def key_id(name: str, key_type: int, public_key: bytes) -> int:
    r"""Key ID: the first four bytes of SHA-256(name ‖ "\n" ‖ type ‖ key), big-endian."""
    data = encode_text(name, what="key name") + b"\n" + bytes([key_type]) + public_key
    return int.from_bytes(sha256(data).digest()[:4], "big")


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature (RFC 8032). Raises SignatureError if it does not verify."""
    if len(public_key) != _PUBLIC_KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
        raise SignatureError(
            f"Ed25519 takes a key of 32 and a signature of 64 bytes, "
            f"not {len(public_key)} and {len(signature)}"
        )
    try:
        VerifyKey(public_key).verify(message, signature)
    except CryptoError:
        raise SignatureError("an Ed25519 signature does not verify") from None


def cosigned_message(text: bytes, *, time_s: int) -> bytes:
    """Return what an Ed25519 cosigner signs (tlog-cosignature): two lines, then the text.

    Raises SignatureError unless 0 <= time_s < 2**63.
    """
    _require_time(time_s)
    return b"cosignature/v1\ntime %d\n" % time_s + text


def signature_line_bytes(key: VerifierKey) -> int:
    """Return the length of a signature line by this key, its newline counted."""
    blob = {
        ED25519: 4 + _SIGNATURE_BYTES,
        COSIGNATURE: 4 + 8 + _SIGNATURE_BYTES,
        MLDSA44: 4 + 8 + MLDSA44_SIGNATURE_BYTES,
    }[key.type]
    return len(f"— {key.name} \n".encode()) + (blob + 2) // 3 * 4


def generate_key(name: str, seed: bytes, *, key_type: int = ED25519) -> tuple[Signer, str]:
    """Return a signer and its vkey, made from 32 bytes of randomness that the caller drew."""
    signer = Signer(name, seed, key_type=key_type)
    return signer, signer.vkey


def format_vkey(key: VerifierKey) -> str:
    """Return ``name+hex8(key ID)+base64(type ‖ public key)``."""
    return f"{key.name}+{key.key_id:08x}+{encode_base64(bytes([key.type]) + key.public_key)}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a verifier key; its key ID is recomputed. Raises FormatError.

    Types 0x01 and 0x04, both Ed25519, and 0x06, ML-DSA-44, are known here.
    """
    name, claimed, data = _split_key(text)
    _require_key(name, data[0], data[1:])
    key = VerifierKey(name, key_id(name, data[0], data[1:]), data[0], data[1:])
    if key.key_id != claimed:
        raise FormatError(f"the key of {name} has the ID {key.key_id:08x}, not {claimed:08x}")
    return key


def format_skey(signer: Signer) -> str:
    """Return ``PRIVATE+KEY+name+hex8+base64(type ‖ seed)``, as Go's note package writes it.

    This is the secret itself.
    """
    data = encode_base64(bytes([signer.type]) + signer._seed)  # noqa: SLF001 - the one place that may write it
    return f"{_SKEY_PREFIX}{signer.name}+{signer.key_id:08x}+{data}"


def parse_skey(text: str) -> Signer:
    """Read a private key. Raises FormatError, in words that do not repeat it."""
    if not text.startswith(_SKEY_PREFIX):
        raise FormatError("a private key begins with PRIVATE+KEY+")
    name, claimed, data = _split_key(text.removeprefix(_SKEY_PREFIX))
    signer = Signer(name, data[1:], key_type=data[0])
    if signer.key_id != claimed:
        raise FormatError(f"the private key of {name} has the ID {signer.key_id:08x}")
    return signer


def require_name(name: str) -> None:
    """Refuse a key name that is empty, too long, or has a space, a control character or a plus."""
    if not 1 <= len(encode_text(name, what="key name")) <= MAX_NAME_BYTES:
        raise FormatError(f"a key name has 1 to {MAX_NAME_BYTES} bytes: {excerpt(name)}")
    if any(char.isspace() or char < " " or char == "+" for char in name):
        raise FormatError(f"a key name with a space, a control character or '+': {excerpt(name)}")


def _split_key(text: str) -> tuple[str, int, bytes]:
    """Name, claimed key ID and key bytes (at least one) of a vkey, or of a skey's tail."""
    if len(text) > _MAX_KEY_CHARS:
        raise FormatError(f"a key of {len(text)} characters; at most {_MAX_KEY_CHARS} are read")
    # Base64 has "+" too, so only the first two separate.
    name, _, rest = text.partition("+")
    number, plus, data = rest.partition("+")
    if not plus or not _HEX8.fullmatch(number):
        raise FormatError("a key is spelt name+hash+base64, with eight hexadecimal digits of hash")
    require_name(name)
    found = decode_base64(data, what=f"the key of {excerpt(name)}")
    if not found:
        raise FormatError(f"the key of {excerpt(name)} is empty")
    return name, int(number, 16), found


def _require_key(name: str, key_type: int, public_key: bytes) -> None:
    _require_type(name, key_type)
    length = MLDSA44_PUBLIC_KEY_BYTES if key_type == MLDSA44 else _PUBLIC_KEY_BYTES
    if len(public_key) != length:
        raise FormatError(f"the key of {name} has {len(public_key)} bytes, not {length}")


def _require_type(name: str, key_type: int) -> None:
    if key_type not in (ED25519, COSIGNATURE, MLDSA44):
        raise FormatError(
            f"the key of {name} has the type {key_type:#04x}; 0x01, 0x04 and 0x06 are read"
        )


def _require_time(time_s: int) -> None:
    if not 0 <= time_s <= _MAX_TIME_S:
        raise SignatureError(f"no cosignature is made at {time_s} s")
