"""The whole-number arithmetic, judged by slow and by floating arithmetic."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.signals.numbers import (
    OCTAVE,
    cube_root,
    logarithms,
    median,
    robust_z_hundredths,
    share_permille,
)

POSITIVE = st.integers(min_value=1, max_value=2**53 - 1)


@given(st.lists(POSITIVE, min_size=1, max_size=40))
def test_logarithms_are_within_one_step_of_the_true_ones(values: list[int]) -> None:
    found = logarithms(np.array(values, dtype=np.int64))
    for value, logarithm in zip(values, found, strict=True):
        assert -2 < logarithm - math.log2(value) * OCTAVE <= 0.001


@given(POSITIVE, POSITIVE)
def test_logarithms_keep_the_order(one: int, other: int) -> None:
    first, second = logarithms(np.array([one, other], dtype=np.int64))
    assert (first <= second) == (one <= other) or first == second


def test_logarithms_of_powers_of_two_are_exact() -> None:
    powers = np.array([2**n for n in range(53)], dtype=np.int64)
    assert list(logarithms(powers)) == [n * OCTAVE for n in range(53)]


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=30))
def test_the_median_is_the_lower_one_in_the_middle(values: list[int]) -> None:
    assert median(np.array(values, dtype=np.int64)) == sorted(values)[(len(values) - 1) // 2]


@given(st.integers(min_value=0, max_value=10**40))
def test_cube_roots_are_exact(value: int) -> None:
    root = cube_root(value)
    assert root**3 <= value < (root + 1) ** 3


def test_a_robust_z_is_that_of_floating_arithmetic() -> None:
    draw = random.Random(1)
    values = [int(draw.gauss(1_000_000, 50_000)) for _ in range(501)] + [2_000_000]
    found = robust_z_hundredths(np.array(values, dtype=np.int64), least_mad=1)
    middle = sorted(values)[250]
    mad = sorted(abs(each - middle) for each in values)[250]
    for value, hundredths in zip(values, found, strict=True):
        assert abs(hundredths / 100 - 0.6745 * (value - middle) / mad) < 0.0101


def test_where_most_numbers_are_equal_the_least_deviation_counts() -> None:
    values = np.array([100] * 50 + [110, 90], dtype=np.int64)
    found = robust_z_hundredths(values, least_mad=10)
    assert (found[0], found[50], found[51]) == (0, 67, -67)


@pytest.mark.parametrize(("part", "whole", "expected"), [(1, 3, 333), (5, 0, 0), (7, 7, 1_000)])
def test_a_share_of_nothing_is_nothing(part: int, whole: int, expected: int) -> None:
    assert share_permille(part, whole) == expected
