"""Sketches of prompts: what is hashed, what is kept, and how well the estimates estimate."""

import hashlib
import random
import unicodedata
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError
from ledger.records.sketch import (
    MOST_HASHES,
    MOST_SCALE,
    Sketch,
    Sketcher,
    format_sketch,
    hash_prompt,
    normalise,
    overlap,
    parse_sketch,
    sketch_prompts,
    union,
)
from schemas.values import PromptSketch

TEXTS = st.lists(st.text(max_size=30), max_size=60)


def slow_hashes(prompts: list[str], scale: int) -> list[str]:
    """Format F4, word for word: the judge of the fast code."""
    kept = set()
    for prompt in prompts:
        text = unicodedata.normalize("NFKC", prompt).casefold()
        text = unicodedata.normalize("NFKC", text)
        words, word = [], ""
        for character in text:
            if character.isspace():
                words.append(word)
                word = ""
            else:
                word += character
        words.append(word)
        normal = " ".join(each for each in words if each)
        digits = hashlib.sha256(normal.encode("utf-8", "replace")).hexdigest()[:16]
        if Fraction(int(digits, 16)) < Fraction(2**64, scale):
            kept.add(digits)
    return sorted(kept)


@given(TEXTS, st.sampled_from([1, 2, 3, 7, 64]))
def test_a_sketch_is_what_the_slow_transcription_says(prompts: list[str], scale: int) -> None:
    made = format_sketch(sketch_prompts(prompts, scale=scale))
    assert made.scale == scale
    assert list(made.hashes) == slow_hashes(prompts, scale)


def test_the_hash_of_a_known_prompt_is_fixed_for_ever() -> None:
    # The first 16 digits of `printf 'what is fair?' | sha256sum`.
    assert hash_prompt("  What is\tFAIR?\n") == 0x23346BAC11CDDBC0


@given(st.text(max_size=60))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_case_width_composition_and_white_space_do_not_matter() -> None:
    assert (
        normalise("\uff33traße\u3000 É\u00a0x") == normalise("STRASSE E\u0301\n x") == "strasse é x"
    )
    assert normalise("一 二") != normalise("一二")


@given(TEXTS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(prompts: list[str], draw: random.Random) -> None:
    shuffled = [*prompts, *prompts[:5]]
    draw.shuffle(shuffled)
    assert sketch_prompts(shuffled) == sketch_prompts(prompts)


@given(TEXTS, st.sampled_from([2, 5, 16]))
def test_a_coarser_sketch_is_the_sketch_at_that_scale(prompts: list[str], scale: int) -> None:
    assert sketch_prompts(prompts).at_scale(scale) == sketch_prompts(prompts, scale=scale)


@given(TEXTS, TEXTS, st.sampled_from([1, 4]), st.sampled_from([1, 6]))
def test_the_union_of_sketches_is_the_sketch_of_the_union(
    one: list[str], other: list[str], here: int, there: int
) -> None:
    made = union([sketch_prompts(one, scale=here), sketch_prompts(other, scale=there)])
    assert made == sketch_prompts([*one, *other], scale=max(here, there))


@given(TEXTS, st.sampled_from([1, 3, 2**20]))
def test_a_sketch_that_is_written_and_read_is_the_same(prompts: list[str], scale: int) -> None:
    made = sketch_prompts(prompts, scale=scale)
    raw = msgspec.json.encode(format_sketch(made))
    assert parse_sketch(msgspec.json.decode(raw, type=PromptSketch)) == made


def test_memory_is_bounded_and_the_scale_doubles_until_the_sketch_holds() -> None:
    sketcher = Sketcher()
    for number in range(20_000):
        sketcher.add(f"prompt {number}")
        assert len(sketcher._kept) <= MOST_HASHES
    made = sketcher.sketch()
    assert sketcher.count == 20_000
    assert MOST_HASHES // 3 < len(made.hashes) <= MOST_HASHES
    every = sorted(hash_prompt(f"prompt {number}") for number in range(20_000))
    assert list(made.hashes) == [each for each in every if each * made.scale < 2**64]
    assert sum(each * (made.scale // 2) < 2**64 for each in every) > MOST_HASHES
    assert abs(made.distinct - 20_000) < 20_000 // 10


def test_estimates_are_right_on_the_average_and_near_each_time() -> None:
    """Thirty pairs of sets of 2,000 with known overlaps; what is drawn is fixed by the seed."""
    draw = random.Random(20261122)
    errors = []
    for trial in range(30):
        share = draw.randrange(0, 1_001)
        common = [f"{trial} both {n}" for n in range(2 * share)]
        one = [*common, *(f"{trial} one {n}" for n in range(2_000 - 2 * share))]
        other = [*common, *(f"{trial} other {n}" for n in range(1_000))]
        found = overlap(sketch_prompts(one, scale=8), sketch_prompts(other, scale=4))
        assert found.containment_permille is not None
        assert found.jaccard_permille is not None
        errors.append(found.containment_permille - share)
        assert abs(errors[-1]) < 130
        truth = 1_000 * 2 * share // (2_000 + 1_000)
        assert abs(found.jaccard_permille - truth) < 130
    assert abs(sum(errors)) / len(errors) < 12


def test_what_was_not_kept_says_nothing() -> None:
    nothing = Sketch(MOST_SCALE, ())
    found = overlap(nothing, sketch_prompts(["a"]))
    assert (found.containment_permille, found.jaccard_permille) == (None, None)
    assert overlap(sketch_prompts(["a"]), sketch_prompts(["b"])).containment_permille == 0
    assert union([]) == Sketch(1, ())


@pytest.mark.parametrize(
    ("scale", "hashes"),
    [
        (1, ["0000000000000002", "0000000000000001"]),
        (1, ["0000000000000001", "0000000000000001"]),
        (2, ["8000000000000000"]),
    ],
)
def test_a_sketch_that_none_would_make_is_refused(scale: int, hashes: list[str]) -> None:
    with pytest.raises(FormatError, match="sketch"):
        parse_sketch(PromptSketch(scale=scale, hashes=tuple(hashes)))


def test_scales_that_no_statement_may_have_are_refused() -> None:
    for scale in (0, -1, MOST_SCALE + 1):
        with pytest.raises(FormatError, match="scale"):
            Sketcher(scale)
    with pytest.raises(FormatError, match="cannot be had"):
        Sketch(8, ()).at_scale(4)
    with pytest.raises(FormatError, match="at most 1024"):
        format_sketch(Sketch(1, tuple(range(1_025))))
