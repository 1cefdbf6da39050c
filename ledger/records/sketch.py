"""Sketches of sets of prompts: what two sets share can be told from them, and no prompt read.

A FracMinHash sketch (Irber et al., 2022) at scale ``s`` keeps about one distinct prompt in ``s``,
and of any two sets it keeps the same ones. A prompt's hash is the first eight bytes, big-endian,
of the SHA-256 of its normalised text as UTF-8; it is kept when it is below 2^64 / ``s``:

    {"hashes":["00a1…","03f2…"],"scale":64}

Hashes stand in ascending order, 16 hex digits each, at most ``MOST_HASHES``. A sketch hides a text
that nobody can guess, and no other: whoever has a prompt can tell whether it was in the set. So it
is a sealed field, like everything else about prompts.

Pure: it reads no file and keeps at most ``MOST_HASHES`` numbers, however many prompts there are.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self
from unicodedata import normalize

from ledger.errors import FormatError
from schemas.values import PromptSketch

MOST_HASHES: Final = 1_024
MOST_SCALE: Final = 2**32
SPACE: Final = 2**64
"""How many hashes there could be."""


def normalise(text: str) -> str:
    """``text`` as it is hashed: NFKC, case folded, NFKC again, and single spaces between words.

    A second time changes nothing. White space is what Unicode calls so, and U+001C to U+001F.
    """
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def hash_prompt(text: str) -> int:
    """The hash of a prompt, below 2^64."""
    # A lone surrogate is no character; nothing that came out of JSON text in UTF-8 holds one.
    data = normalise(text).encode("utf-8", "replace")
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Sketch:
    """The hashes below 2^64 / ``scale`` of a set, ascending and distinct."""

    scale: int
    hashes: tuple[int, ...]

    @property
    def distinct(self) -> int:
        """About how many different prompts the set has: exact where ``scale`` is 1."""
        return len(self.hashes) * self.scale

    def at_scale(self, scale: int) -> Self:
        """The sketch of the same set at a coarser scale. Raises FormatError for a finer one."""
        if scale < self.scale:
            raise FormatError(f"a sketch at scale {self.scale} cannot be had at scale {scale}")
        # h < 2^64 / scale in whole numbers: h < ceil(2^64 / scale).
        stop = bisect_left(self.hashes, -(-SPACE // scale))
        return type(self)(scale, self.hashes[:stop])


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two sketches share at the coarser of their scales: numbers of hashes, all of them."""

    one: int
    other: int
    shared: int

    @property
    def containment_permille(self) -> int | None:
        """How much of the first set lies in the second, in thousandths, rounded down.

        The estimate is unbiased but for sets of which nothing was kept, where it is None.
        """
        return self.shared * 1_000 // self.one if self.one else None

    @property
    def jaccard_permille(self) -> int | None:
        """What both have of what either has, in thousandths, rounded down; None for nothing."""
        either = self.one + self.other - self.shared
        return self.shared * 1_000 // either if either else None


class Sketcher:
    """Makes the sketch of what it is given, one prompt after another.

    The scale begins at ``scale`` and doubles whenever more than ``MOST_HASHES`` would be kept. So
    the sketch is a function of the set of prompts alone: order and repetition do not matter.
    """

    def __init__(self, scale: int = 1) -> None:
        if not 1 <= scale <= MOST_SCALE:
            raise FormatError(f"a scale is 1 to {MOST_SCALE}, and this is {scale}")
        self._scale = scale
        self._kept: set[int] = set()
        self.count = 0
        """How many prompts it was given, repeated ones too."""

    def add(self, text: str) -> None:
        """Take one prompt. Raises FormatError where no scale is coarse enough."""
        self.count += 1
        found = hash_prompt(text)
        if found * self._scale >= SPACE:
            return
        self._kept.add(found)
        while len(self._kept) > MOST_HASHES:
            self._scale *= 2
            if self._scale > MOST_SCALE:
                raise FormatError(f"more prompts than a sketch at scale {MOST_SCALE} can hold")
            self._kept = {each for each in self._kept if each * self._scale < SPACE}

    def sketch(self) -> Sketch:
        """The sketch of all that came so far."""
        return Sketch(self._scale, tuple(sorted(self._kept)))


def sketch_prompts(prompts: Iterable[str], *, scale: int = 1) -> Sketch:
    """The sketch of a set of prompts, at ``scale`` or the first double of it that holds them."""
    sketcher = Sketcher(scale)
    for each in prompts:
        sketcher.add(each)
    return sketcher.sketch()


def overlap(one: Sketch, other: Sketch) -> Overlap:
    """What two sketches share, both taken to the coarser of their scales."""
    scale = max(one.scale, other.scale)
    first, second = one.at_scale(scale).hashes, other.at_scale(scale).hashes
    return Overlap(len(first), len(second), len(set(first).intersection(second)))


def union(sketches: Iterable[Sketch]) -> Sketch:
    """The sketch of all sets together, at the coarsest of the scales; of nothing, an empty one."""
    given = list(sketches)
    scale = max((each.scale for each in given), default=1)
    kept = {each for sketch in given for each in sketch.at_scale(scale).hashes}
    return Sketch(scale, tuple(sorted(kept)))


def format_sketch(sketch: Sketch) -> PromptSketch:
    """A sketch as a statement holds it. Raises FormatError where it has too many hashes."""
    if len(sketch.hashes) > MOST_HASHES:
        raise FormatError(f"{len(sketch.hashes)} hashes; a sketch has at most {MOST_HASHES}")
    return PromptSketch(scale=sketch.scale, hashes=tuple(f"{h:016x}" for h in sketch.hashes))


def parse_sketch(value: PromptSketch) -> Sketch:
    """What a statement's sketch says. Raises FormatError for hashes out of order or of range."""
    hashes = tuple(int(each, 16) for each in value.hashes)
    if any(one >= other for one, other in pairwise(hashes)):
        raise FormatError("the hashes of a sketch are not in ascending order, each once")
    if hashes and hashes[-1] * value.scale >= SPACE:
        raise FormatError(f"a sketch at scale {value.scale} has a hash that it would not keep")
    return Sketch(value.scale, hashes)
