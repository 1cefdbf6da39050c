"""Preference data: jobs that come, alone or together, to a set that a model is trained with.

A pair or a ranking of answers to many prompts is what preference training (RLHF, DPO) is fed with,
and it is small: 10,000 labels fit into 1,250 bytes. No ceiling of bytes stops it, so the question
is asked of what the opened records say was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from ledger.records.deadline import DAY_S
from ledger.records.sketch import Overlap, Sketch, overlap, union
from ledger.signals.facts import Facts, Ranked
from ledger.signals.rows import member_of, row, score, shown_job
from schemas.signals import SignalRow

PROMPTS_MARK: Final = 5_000
"""Prompts with several ranked answers that make the question worth asking."""
SPLIT_DAYS: Final = 30
"""Jobs that ended within so many days of one another may be parts of one whole."""
OVERLAP_PERMILLE: Final = 100
"""Two sketches that share so much of the smaller one belong together."""
FEWEST_SHARED: Final = 3
"""Hashes that two sketches share at least, where they belong together by their prompts."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A set of prompts to compare with, by its name."""

    name: str
    sketch: Sketch


class _Groups:
    """Numbers that were put together (union-find)."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def of(self, number: int) -> int:
        """The number that stands for the group of ``number``: its smallest."""
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Put two groups together."""
        first, second = sorted((self.of(one), self.of(other)))
        self._parents[second] = first


def evidence(facts: Facts, references: Sequence[Reference]) -> tuple[int, list[SignalRow]]:
    """How many jobs were looked at, and a row for each group of them that reaches the mark."""
    ended = facts.columns["ended_index"]
    found = sorted(facts.ranked, key=lambda each: ended[each.job])
    groups = _Groups(len(found))
    _join_by_model(facts, found, groups)
    _join_by_prompts(facts, found, groups)
    members: dict[int, list[Ranked]] = {}
    for number, each in enumerate(found):
        members.setdefault(groups.of(number), []).append(each)
    rows = [
        _row(facts, some, references)
        for some in members.values()
        if sum(each.prompts for each in some) >= PROMPTS_MARK
    ]
    return len(found), rows


def _near(facts: Facts, one: Ranked, other: Ranked) -> bool:
    at = facts.columns["ended_at"]
    return abs(at[other.job] - at[one.job]) <= SPLIT_DAYS * DAY_S


def _join_by_model(facts: Facts, found: Sequence[Ranked], groups: _Groups) -> None:
    """Join a member's jobs that looked at the same weights, one soon after another."""
    last: dict[tuple[int, str], int] = {}
    for number, each in enumerate(found):
        code = facts.value("model", each.job)
        digest = None if code is None else facts.models[code].digest
        if digest is None:
            continue
        key = (facts.columns["member"][each.job], digest)
        if key in last and _near(facts, found[last[key]], each):
            groups.join(last[key], number)
        last[key] = number


def _join_by_prompts(facts: Facts, found: Sequence[Ranked], groups: _Groups) -> None:
    """Join a member's jobs that share enough prompts, one soon after another.

    Only jobs that follow one another among those which have a hash are compared, so that a prompt
    of a thousand jobs makes no million pairs.
    """
    of_member: dict[int, list[int]] = {}
    for number, each in enumerate(found):
        if each.hashes:
            of_member.setdefault(facts.columns["member"][each.job], []).append(number)
    for numbers in of_member.values():
        for one, other in _sharing(found, numbers):
            if groups.of(one) != groups.of(other) and _near(facts, found[one], found[other]):
                shared = _overlap(found[one], found[other])
                smaller = min(shared.one, shared.other)
                enough = shared.shared * 1_000 >= OVERLAP_PERMILLE * smaller
                if shared.shared >= FEWEST_SHARED and enough:
                    groups.join(one, other)


def _sharing(found: Sequence[Ranked], numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs that have a hash in common and stand next to each other among those that have it."""
    hashes = [np.frombuffer(found[number].hashes, dtype=np.uint64) for number in numbers]
    owners = np.repeat(np.array(numbers), [len(each) for each in hashes])
    together = np.concatenate(hashes)
    order = np.lexsort((owners, together))
    same = np.flatnonzero(together[order][1:] == together[order][:-1])
    pairs = np.unique(np.column_stack((owners[order][same], owners[order][same + 1])), axis=0)
    return [(int(one), int(other)) for one, other in pairs]


def _overlap(one: Ranked, other: Ranked) -> Overlap:
    return overlap(Sketch(one.scale, tuple(one.hashes)), Sketch(other.scale, tuple(other.hashes)))


def _row(facts: Facts, some: Sequence[Ranked], references: Sequence[Reference]) -> SignalRow:
    prompts = sum(each.prompts for each in some)
    sketches = [sketch for each in some if (sketch := each.sketch) is not None]
    whole = union(sketches) if len(sketches) == len(some) else None
    # Neighbours in time: how much the second of each two repeats of the first.
    repeated = [
        (_overlap(one, other).containment_permille or 0)
        for one, other in pairwise(some)
        if one.scale and other.scale
    ]
    name, contained, alike = _nearest(sketches, references)
    cells = (
        prompts,
        None if whole is None else whole.distinct,
        max(repeated, default=None),
        name,
        contained,
        alike,
    )
    jobs = [shown_job(facts, each.job, each.output_type, each.prompts) for each in some]
    found = score(prompts, PROMPTS_MARK)
    return row(member_of(facts, some[0].job), found, cells, jobs, job_count=len(some))


def _nearest(
    sketches: Sequence[Sketch], references: Sequence[Reference]
) -> tuple[str | None, int | None, int | None]:
    """The reference that holds most of the sketched prompts: its name and both estimates."""
    best: tuple[str | None, int | None, int | None] = (None, None, None)
    if not sketches:
        return best
    whole = union(sketches)
    for each in references:
        found = overlap(whole, each.sketch)
        contained = found.containment_permille
        if contained is not None and (best[1] is None or contained > best[1]):
            best = (each.name, contained, found.jaccard_permille)
    return best
