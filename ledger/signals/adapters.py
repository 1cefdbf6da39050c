"""Files whose sizes are those of low-rank adapters, where there are more than by chance.

An adapter of rank r on every linear layer of a decoder with L layers of width d has about
19 L d r numbers (LoRA, Hu et al., 2021: each m x n matrix gets (m + n) r; four d x d matrices and
three of d x 8d/3 have 19 d together). A decoder of P numbers has P = 12 L d^2, and published ones
are about 128 times as wide as deep. So L d = (P^2 / 18,432)^(1/3), and an adapter has

    bytes = 19 x (P^2 / 18,432)^(1/3) x r x bytes a number

Of 23 published decoders, 16 have all-linear adapters within an eighth of that. A file of any size
from the smallest rank's to the largest one's lies within an eighth of one of them with a chance of
399 in 1,000: sizes alone say little, so what counts is whether more of them fit than that.
"""

from collections import Counter
from itertools import pairwise
from typing import Final

import numpy as np

from ledger.signals.facts import NONE, Facts, Model
from ledger.signals.numbers import Integers, cube_root
from ledger.signals.rows import MOST_JOBS, member_of, row, score, shown_job
from schemas.signals import SignalRow

RANKS: Final = (4, 8, 16, 32, 64, 128, 256)
NUMBERS_PER_RANK: Final = 19
SHAPE: Final = 18_432
"""12^2 x 128: from the square of a model's size to the cube of its width times its depth."""
TOLERANCE_PARTS: Final = 8
"""A file fits where it lies within one eighth of the size."""
CHANCE_PERMILLE: Final = 399
"""How often a size fits that is as likely in each octave between the smallest and the largest."""
EXCESS_MARK_PERCENT: Final = 150
"""Fits in hundredths of those expected by chance that make the question worth asking."""
FEWEST_FITS: Final = 5
MOST_ADAPTER_BYTES: Final = 2**53
"""No file is larger, and no model that has such adapters is one."""
WIDE_DTYPES: Final = frozenset(("float32", "fp32"))
"""Adapters of such models have four bytes a number, of all others two."""


def adapter_bytes(model: Model, rank: int) -> int | None:
    """About how many bytes an adapter of a rank has; None where the model's size is not known."""
    if not model.parameter_count or model.parameter_count < 0:
        return None
    width = 4 if model.dtype in WIDE_DTYPES else 2
    return NUMBERS_PER_RANK * cube_root(model.parameter_count**2 // SHAPE) * rank * width


def fitting_ranks(model: Model, sizes: Integers) -> Integers:
    """For each file its rank as an adapter of ``model``; 0 for none, NONE where it is not tested.

    A file that is smaller than any adapter or larger than any is not tested.
    """
    found = np.full(len(sizes), NONE, dtype=np.int64)
    known = [each for each in (adapter_bytes(model, rank) for rank in RANKS) if each]
    if not known or known[-1] >= MOST_ADAPTER_BYTES:
        return found
    parts = sizes * TOLERANCE_PARTS
    low, high = TOLERANCE_PARTS - 1, TOLERANCE_PARTS + 1
    found[(parts >= known[0] * low) & (parts <= known[-1] * high)] = 0
    for rank, expected in zip(RANKS, known, strict=True):
        found[(parts >= expected * low) & (parts <= expected * high)] = rank
    return found


def evidence(facts: Facts) -> tuple[int, list[SignalRow]]:
    """How many files were tested, and a row for each member and model with more fits than chance.

    A size that occurs several times in one job counts once. What the artifact store took in as a
    document, a table or an image is not tested: it spelt the bytes anew.
    """
    jobs, sizes = _files(facts)
    plans, members = facts.numbers("model")[jobs], facts.numbers("member")[jobs]
    tested, rows = 0, []
    for part in _runs(plans):
        ranks = fitting_ranks(facts.models[int(plans[part][0])], sizes[part])
        for own in _runs(members[part]):
            of_member = ranks[own]
            looked = int((of_member != NONE).sum())
            fits = np.flatnonzero(of_member > 0) + own.start + part.start
            tested += looked
            if len(fits) >= FEWEST_FITS and _excess(looked, len(fits)) >= EXCESS_MARK_PERCENT:
                found = [
                    (int(jobs[at]), int(sizes[at]), int(ranks[at - part.start])) for at in fits
                ]
                rows.append(_row(facts, int(plans[part][0]), looked, found))
    return tested, rows


def _files(facts: Facts) -> tuple[Integers, Integers]:
    """Job and bytes of the files whose model is known, each pair once, by model and member."""
    jobs = np.concatenate((facts.readable_job, facts.file_job)).astype(np.int64)
    sizes = np.concatenate((facts.readable_bytes, facts.file_bytes)).astype(np.int64)
    is_file = np.arange(len(jobs)) >= len(facts.readable_job)
    model, member = facts.numbers("model"), facts.numbers("member")
    known = model[jobs] != NONE
    jobs, sizes, is_file = jobs[known], sizes[known], is_file[known]
    order = np.lexsort((is_file, sizes, jobs, member[jobs], model[jobs]))
    jobs, sizes, is_file = jobs[order], sizes[order], is_file[order]
    # The first of equal pairs stands for all, and what was readable comes first.
    kept = np.ones(len(jobs), dtype=bool)
    kept[1:] = (np.diff(jobs) != 0) | (np.diff(sizes) != 0)
    kept &= is_file
    return jobs[kept], sizes[kept]


def _runs(codes: Integers) -> list[slice]:
    """The stretches of equal numbers."""
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return [slice(one, other) for one, other in pairwise(edges) if one < other]


def _excess(tested: int, fits: int) -> int:
    """Fits in hundredths of what chance gives."""
    return fits * 100_000 // (tested * CHANCE_PERMILLE)


def _row(facts: Facts, plan: int, tested: int, found: list[tuple[int, int, int]]) -> SignalRow:
    model = facts.models[plan]
    expected = tested * CHANCE_PERMILLE // 10
    equal = max(Counter(size for _, size, _ in found).values())
    cells = (model.parameter_count, model.dtype, tested, len(found), expected, equal)
    jobs = [shown_job(facts, job, size, rank) for job, size, rank in found[:MOST_JOBS]]
    return row(
        member_of(facts, found[0][0]),
        score(_excess(tested, len(found)), EXCESS_MARK_PERCENT),
        cells,
        jobs,
        job_count=len({job for job, _, _ in found}),
    )
