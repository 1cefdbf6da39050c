"""The one spelling of the small things that the C2SP texts are made of.

Python's own readers are too kind: ``int`` takes "+5", "1_000" and "٣", ``b64decode`` takes
"Q Q=!=", ``splitlines`` splits on U+2028. What is read here re-formats to the same characters,
or it is refused with FormatError.
"""

import binascii
import re

from ledger.errors import FormatError
from ledger.tlog.hashing import HASH_BYTES, MAX_TREE_SIZE

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def encode_base64(data: bytes) -> str:
    """Write bytes in the standard alphabet, padded, on one line (RFC 4648, section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str, *, what: str, length: int | None = None) -> bytes:
    """Bytes of canonical base64; ``what`` names the field in errors.

    Raises FormatError for any other alphabet, missing padding, whitespace, bits left over after
    the last byte, or a result that is not ``length`` bytes long.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise FormatError(f"{what} is not base64: {error}") from None
    # Strict mode still takes nonzero bits after the last byte ("QR==" for "QQ==").
    if encode_base64(data) != text:
        raise FormatError(f"{what} is not in canonical base64")
    if length is not None and len(data) != length:
        raise FormatError(f"{what} has {len(data)} bytes, not {length}")
    return data


def decode_hash(text: str, *, what: str) -> bytes:
    """Read a SHA-256 hash in canonical base64; raises FormatError."""
    return decode_base64(text, what=what, length=HASH_BYTES)


def decode_size(text: str, *, what: str) -> int:
    """Read an integer from 0 to 2**63 - 1 in ASCII digits, no leading zero; raises FormatError."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_TREE_SIZE:
        raise FormatError(f"{what} is not a decimal number below 2**63: {excerpt(text)}")
    return int(text)


def decode_text(data: bytes, *, what: str, limit: int) -> str:
    """Decode UTF-8 text of at most ``limit`` bytes whose only control character is a newline.

    Raises FormatError. "Control characters" are those of signed-note: below U+0020.
    """
    if len(data) > limit:
        raise FormatError(f"{what} has {len(data)} bytes; at most {limit} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8 at byte {error.start}") from None
    if (found := _CONTROL.search(text)) is not None:
        number = ord(found[0])
        raise FormatError(f"{what} has the control character U+{number:04X} at {found.start()}")
    return text


def encode_text(text: str, *, what: str) -> bytes:
    """UTF-8 of ``text``; raises FormatError for lone surrogates, which have none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatError(f"{what} has a lone surrogate at {error.start}") from None


def excerpt(text: str) -> str:
    """At most 40 characters of ``text``, quoted in ASCII: hostile text goes into no log whole."""
    return ascii(text if len(text) <= 40 else text[:40] + "…")
