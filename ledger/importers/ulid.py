"""Identifiers of jobs: ULIDs, made from a time and random or derived bytes.

Pure: neither clock nor randomness is asked here.
"""

from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
RANDOM_BYTES: Final = 10


def ulid(time_ms: int, random: bytes) -> str:
    """The 26 characters of a ULID: 48 bits of milliseconds since 1970, then 80 bits.

    ``random`` is 10 bytes. Raises ValueError for other lengths and for times past the year 10889.
    """
    if len(random) != RANDOM_BYTES or not 0 <= time_ms < 1 << 48:
        raise ValueError(f"a ULID is of 48 bits of time and {RANDOM_BYTES} bytes")
    number = time_ms << 80 | int.from_bytes(random, "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
