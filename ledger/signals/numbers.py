"""Whole-number arithmetic: the same result on every machine, whatever its C library rounds.

Logarithms are to base 2 in units of 1/65,536, medians are the lower one of two.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

BITS: Final = 16
OCTAVE: Final = 1 << BITS
"""What a doubling adds to a logarithm."""
MAD_TO_SIGMA_PERMYRIAD: Final = 6_745
"""A normal distribution's median absolute deviation, in ten thousandths of its sigma."""


def logarithms(values: Integers) -> Integers:
    """The logarithms to base 2 of numbers from 1 to 2^53 - 1, in 1/65,536, rounded down."""
    # Exact: such numbers are doubles, and what follows only moves their bits.
    fractions, exponents = np.frexp(values.astype(np.float64))
    digits = (fractions * 2.0**32).astype(np.uint64)
    found = exponents.astype(np.int64) - 1
    # The binary digits of a logarithm by squaring (Knuth, TAOCP 1.2.2, exercise 25).
    for _ in range(BITS):
        digits = (digits * digits) >> np.uint64(31)
        carry = digits >> np.uint64(32)
        digits >>= carry
        found = found * 2 + carry.astype(np.int64)
    return found


def median(values: Integers) -> int:
    """The middle one of some numbers, the lower of two; there has to be one."""
    return int(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2])


def robust_z_hundredths(values: Integers, *, least_mad: int) -> Integers:
    """How far each lies from the median, in hundredths of a robust sigma, towards zero.

    That is 0.6745 (x - median) / MAD (Iglewicz and Hoaglin, 1993), where MAD is at least
    ``least_mad``: where most numbers are equal, no small difference is a large one.
    """
    middle = median(values)
    mad = max(median(np.abs(values - middle)), least_mad)
    distance = values - middle
    scaled = np.abs(distance) * (MAD_TO_SIGMA_PERMYRIAD * 100) // (mad * 10_000)
    found: Integers = np.sign(distance) * scaled
    return found


def cube_root(value: int) -> int:
    """The largest integer whose cube is at most ``value``, which is not negative."""
    low, high = 0, 1 << (value.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= value else (low, middle - 1)
    return low


def share_permille(part: int, whole: int) -> int:
    """``part`` of ``whole`` in thousandths, rounded down; 0 of nothing."""
    return part * 1_000 // whole if whole else 0
