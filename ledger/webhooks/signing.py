"""Standard Webhooks' secrets and signatures; pure, the secret's random bytes are given.

    whsec_<base64 of 24 to 64 bytes>
    webhook-id: msg_…
    webhook-timestamp: <Unix seconds>
    webhook-signature: v1,<base64> v1,<base64>

What is signed is ``id.timestamp.body`` with HMAC-SHA-256. No message here ever holds a secret.
"""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from ledger.errors import FormatError
from ledger.tlog.spelling import decode_base64

PREFIX: Final = "whsec_"
SHORTEST: Final = 24
LONGEST: Final = 64
"""Bytes of a secret."""
NEW: Final = 32


def format_secret(secret: bytes) -> str:
    """The secret as the operator and the receiver keep it."""
    return PREFIX + b64encode(secret).decode("ascii")


def parse_secret(text: str) -> bytes:
    """The bytes of a secret. Raises FormatError, which does not repeat it."""
    if not text.startswith(PREFIX):
        raise FormatError(f"it does not begin with {PREFIX}")
    try:
        secret = decode_base64(text.removeprefix(PREFIX), what="the secret")
    except FormatError:
        raise FormatError(f"what follows {PREFIX} is not base64") from None
    if not SHORTEST <= len(secret) <= LONGEST:
        raise FormatError(f"it has {len(secret)} bytes; allowed: {SHORTEST} to {LONGEST}")
    return secret


def sign(secret: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature: ``v1,`` and the base64 of the HMAC."""
    assert "." not in message_id
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(secret, signed, sha256)).decode("ascii")


def headers(
    secrets: Sequence[bytes], *, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of a message, with a signature by each of ``secrets``, the newest first."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            sign(each, message_id=message_id, timestamp=timestamp, body=body) for each in secrets
        ),
    }
