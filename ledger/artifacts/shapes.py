"""What the store knows of an artifact, and what it may be called."""

import re
from typing import Final

from msgspec import Struct

from ledger.errors import FormatError, ValueRefused

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


class Kept(Struct, frozen=True):
    """What is sealed about a stored artifact. Sizes in bytes; digests SHA-256 in hex.

    ``received`` is the digest of the bytes that came, ``sha256`` of those that are served.
    """

    name: str
    media_type: str
    bytes: int
    sha256: str
    received: str


class Listed(Struct, frozen=True):
    """An artifact as a list shows it; ``kept`` is None while that is sealed."""

    artifact_id: str
    artifact_class: str
    egress_bytes: int
    index: int
    kept: Kept | None


def check_name(name: str) -> str:
    """Return a name that an artifact may have: one part of an address, and no artifact's id.

    Raises ValueRefused.
    """
    if _NAME.fullmatch(name) is None or is_artifact_id(name):
        raise ValueRefused(
            "an artifact's name has 1 to 120 letters, digits, dots, dashes and underscores, begins"
            " with a letter or a digit, and is no artifact's id",
            field="name",
        )
    return name


def is_artifact_id(text: str) -> bool:
    """Whether a text is spelt as an artifact's id, a ULID."""
    return _ULID.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether an artifact may be called so."""
    try:
        check_name(text)
    except FormatError:
        return False
    return True
