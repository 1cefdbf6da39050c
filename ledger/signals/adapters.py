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

from typing import Final

from ledger.signals.facts import Facts, Model
from ledger.signals.numbers import cube_root
from ledger.signals.rows import member_of, row, score, shown_job
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
WIDE_DTYPES: Final = frozenset(("float32", "fp32"))
"""Adapters of such models have four bytes a number, of all others two."""


def adapter_bytes(model: Model, rank: int) -> int | None:
    """About how many bytes an adapter of a rank has; None where the model's size is not known."""
    if not model.parameter_count or model.parameter_count < 0:
        return None
    width = 4 if model.dtype in WIDE_DTYPES else 2
    return NUMBERS_PER_RANK * cube_root(model.parameter_count**2 // SHAPE) * rank * width


def fitting_rank(model: Model, size: int) -> int | None:
    """The rank of an adapter of about ``size`` bytes; 0 for none, None for what is not tested.

    A file that is smaller than any adapter or larger than any is not tested.
    """
    sizes = [adapter_bytes(model, rank) for rank in RANKS]
    known = [each for each in sizes if each]
    if not known or not _reaches(size, known[0]) or _exceeds(size, known[-1]):
        return None
    for rank, expected in zip(RANKS, known, strict=True):
        if _reaches(size, expected) and not _exceeds(size, expected):
            return rank
    return 0


def _reaches(size: int, expected: int) -> bool:
    return size * TOLERANCE_PARTS >= expected * (TOLERANCE_PARTS - 1)


def _exceeds(size: int, expected: int) -> bool:
    return size * TOLERANCE_PARTS > expected * (TOLERANCE_PARTS + 1)


def evidence(facts: Facts) -> tuple[int, list[SignalRow]]:
    """How many files were tested, and a row for each member and model with more fits than chance.

    A size that occurs several times in one job counts once. What the artifact store took in as a
    document, a table or an image is not tested: it spelt the bytes anew.
    """
    tested: dict[tuple[int, int], int] = {}
    fits: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    seen: set[tuple[int, int]] = set()
    plans, members = facts.columns["model"], facts.columns["member"]
    for job, size in zip(facts.file_job, facts.file_bytes, strict=True):
        if plans[job] < 0 or (job, size) in seen or (job, size) in facts.readable:
            continue
        seen.add((job, size))
        rank = fitting_rank(facts.models[plans[job]], size)
        if rank is None:
            continue
        key = (members[job], plans[job])
        tested[key] = tested.get(key, 0) + 1
        if rank:
            fits.setdefault(key, []).append((job, size, rank))
    rows = [
        _row(facts, key[1], tested[key], found)
        for key, found in fits.items()
        if len(found) >= FEWEST_FITS and _excess(tested[key], found) >= EXCESS_MARK_PERCENT
    ]
    return sum(tested.values()), rows


def _excess(tested: int, found: list[tuple[int, int, int]]) -> int:
    """Fits in hundredths of what chance gives."""
    return len(found) * 100_000 // (tested * CHANCE_PERMILLE)


def _row(facts: Facts, plan: int, tested: int, found: list[tuple[int, int, int]]) -> SignalRow:
    model = facts.models[plan]
    sizes = [size for _, size, _ in found]
    equal = max(sizes.count(size) for size in set(sizes)) if len(sizes) < 1_000 else None
    expected = tested * CHANCE_PERMILLE // 10
    cells = (model.parameter_count, model.dtype, tested, len(found), expected, equal)
    jobs = [shown_job(facts, job, size, rank) for job, size, rank in found]
    return row(
        member_of(facts, found[0][0]),
        score(_excess(tested, found), EXCESS_MARK_PERCENT),
        cells,
        jobs,
        job_count=len({job for job, _, _ in found}),
    )
