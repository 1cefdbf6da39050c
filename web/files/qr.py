"""The QR code that a printed page carries: one SVG path, so that the page needs no other file."""

from dataclasses import dataclass
from typing import Final

import segno

QUIET: Final = 4
"""Modules of white around it, which ISO/IEC 18004 asks for."""
MASK: Final = 4
"""Every code has this pattern laid over it: to find the best of the eight takes eight times as long
and matters for badly worn prints alone."""


@dataclass(frozen=True, slots=True)
class Code:
    """The dark modules as an SVG path in a square of ``size`` units."""

    size: int
    path: str


def encode(text: str) -> Code:
    """The QR code of ``text``, of medium error correction: it may lose a seventh of itself."""
    rows = list(segno.make_qr(text, error="m", mask=MASK, boost_error=False).matrix)
    parts = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            begin = x
            while x < len(row) and row[x]:
                x += 1
            if x > begin:
                parts.append(f"M{begin + QUIET} {y + QUIET}h{x - begin}v1h-{x - begin}z")
            x = max(x, begin + 1)
    return Code(size=len(rows) + 2 * QUIET, path="".join(parts))
