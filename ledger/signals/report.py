"""All questions about one tree, as a document with one spelling.

    {"format":"apsci-signals/1","logged_at":"…","references":[],"root":"…","signals":[…],
     "tree_size":4711}

Whoever has the same entries, the same references and this version gets the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from ledger.errors import NotFound
from ledger.records import canonical
from ledger.records.sketch import format_sketch
from ledger.signals import adapters, ceilings, facts, harvest, outliers, shares
from ledger.signals.facts import Collector, Facts
from ledger.signals.harvest import Reference
from ledger.signals.numbers import OCTAVE
from ledger.signals.rows import MOST_ROWS, ordered
from ledger.signals.words import ADAPTER, CEILING, COMPUTE, HARVEST, SHARE, WORDS
from ledger.tlog.growth import CompactRange
from ledger.tlog.hashing import leaf_hash
from schemas.signals import (
    Signal,
    SignalConstant,
    SignalMeasure,
    SignalReference,
    SignalRow,
    Signals,
)

TOLD_EVERY: Final = 10_000
Progress = Callable[[int], None]
"""Is told how many entries are behind, and may raise to end the work."""
Found = tuple[int, int, list[SignalRow]]
"""How many were looked at, how many rows there are, and at least those to list."""
References = Sequence[Reference]


@dataclass(frozen=True, slots=True)
class _Question:
    """How one question is computed, and what the columns of its evidence are."""

    run: Callable[[Facts, References], Found]
    constants: Mapping[str, int]
    measures: Mapping[str, str]
    job_measures: Mapping[str, str]


def _all(tested: int, rows: list[SignalRow]) -> Found:
    return tested, len(rows), rows


QUESTIONS: Final[Mapping[str, _Question]] = {
    HARVEST: _Question(
        run=lambda known, references: _all(*harvest.evidence(known, references)),
        constants={
            "FEWEST_ANSWERS": facts.FEWEST_ANSWERS,
            "MOST_ANSWERS": facts.MOST_ANSWERS,
            "PROMPTS_MARK": harvest.PROMPTS_MARK,
            "SPLIT_DAYS": harvest.SPLIT_DAYS,
            "FEWEST_SHARED": harvest.FEWEST_SHARED,
            "OVERLAP_PERMILLE": harvest.OVERLAP_PERMILLE,
        },
        measures={
            "prompts": "count",
            "distinct_prompts_estimate": "count",
            "repeated_permille": "permille",
            "nearest_reference": "code",
            "in_reference_permille": "permille",
            "reference_jaccard_permille": "permille",
        },
        job_measures={"output_type": "code", "prompts": "count"},
    ),
    ADAPTER: _Question(
        run=lambda known, _: _all(*adapters.evidence(known)),
        constants={
            "NUMBERS_PER_RANK": adapters.NUMBERS_PER_RANK,
            "SHAPE": adapters.SHAPE,
            "TOLERANCE_PARTS": adapters.TOLERANCE_PARTS,
            "CHANCE_PERMILLE": adapters.CHANCE_PERMILLE,
            "FEWEST_FITS": adapters.FEWEST_FITS,
            "EXCESS_MARK_PERCENT": adapters.EXCESS_MARK_PERCENT,
        },
        measures={
            "parameter_count": "count",
            "dtype": "code",
            "files_tested": "count",
            "files_that_fit": "count",
            "expected_by_chance_hundredths": "hundredths",
            "most_of_one_size": "count",
        },
        job_measures={"file_bytes": "bytes", "rank": "count"},
    ),
    CEILING: _Question(
        run=lambda known, _: _all(*ceilings.evidence(known)),
        constants={
            "NEAR_PERMILLE": ceilings.NEAR_PERMILLE,
            "LEAST_CEILING_BYTES": ceilings.LEAST_CEILING_BYTES,
            "SERIES_GAP_DAYS": ceilings.SERIES_GAP_DAYS,
            "SERIES_MARK": ceilings.SERIES_MARK,
            "SERIES_SHARE_PERMILLE": ceilings.SERIES_SHARE_PERMILLE,
        },
        measures={
            "first_ended_at": "time",
            "last_ended_at": "time",
            "jobs_near_ceiling": "count",
            "jobs_ended_meanwhile": "count",
            "near_permille": "permille",
            "egress_bytes_together": "bytes",
            "largest_ceiling_bytes": "bytes",
        },
        job_measures={
            "egress_bytes": "bytes",
            "egress_ceiling_bytes": "bytes",
            "of_ceiling_permille": "permille",
        },
    ),
    COMPUTE: _Question(
        run=lambda known, _: outliers.evidence(known),
        constants={
            "FEWEST_ALIKE": outliers.FEWEST_ALIKE,
            "LEAST_MAD_PERMILLE": outliers.LEAST_MAD * 1_000 // OCTAVE,
            "Z_MARK_HUNDREDTHS": outliers.Z_MARK_HUNDREDTHS,
        },
        measures={
            "workload_type": "code",
            "gpu_seconds": "seconds",
            "median_gpu_seconds": "seconds",
            "z_hundredths": "hundredths",
            "jobs_of_this_kind": "count",
        },
        job_measures={
            "gpu_count": "count",
            "wall_seconds": "seconds",
            "wall_limit_seconds": "seconds",
            "of_limit_permille": "permille",
        },
    ),
    SHARE: _Question(
        run=lambda known, _: _all(*shares.evidence(known)),
        constants={
            "FEWEST_JOBS": shares.FEWEST_JOBS,
            "SHARE_MARK_PERMILLE": shares.SHARE_MARK_PERMILLE,
        },
        measures={
            "month": "code",
            "gpu_share_permille": "permille",
            "h200e_share_permille": "permille",
            "gpu_seconds": "seconds",
            "h200e_seconds": "seconds",
            "members_at_work": "count",
        },
        job_measures={"gpu_seconds": "seconds", "h200e_seconds": "seconds"},
    ),
}
"""By code, in the order of the words."""


def compute(
    entries: Iterable[bytes],
    *,
    references: References = (),
    progress: Progress = lambda _done: None,
) -> Signals:
    """The questions about the tree that consists of ``entries``, in the order of the log.

    Each set of prompts of ``references`` is compared with what jobs say that they asked. Raises
    NotFound where there is no entry, and what ``entries`` and ``progress`` raise.
    """
    collector, tree, last = Collector(), CompactRange(), b""
    for index, data in enumerate(entries):
        collector.take(index, data)
        tree.append(leaf_hash(data))
        last = data
        if index % TOLD_EVERY == 0:
            progress(index)
    if not tree.size:
        raise NotFound("there is no entry to ask anything about")
    known = collector.facts
    # What finds a job by its number is half of what there is, and is not needed any more.
    del collector
    return Signals(
        format="apsci-signals/1",
        tree_size=tree.size,
        root=tree.root().hex(),
        logged_at=msgspec.json.decode(last, type=_Timed).logged_at,
        references=tuple(map(_reference, references)),
        signals=tuple(_signal(code, known, references) for code in QUESTIONS),
    )


def encode(found: Signals) -> bytes:
    """The document's bytes: canonical JSON and a line's end."""
    return canonical.encode_checked(msgspec.to_builtins(found)) + b"\n"


def digest_of_sketch(reference: Reference) -> str:
    """The SHA-256 of a reference's sketch as ``ledger sketch`` prints it, in hex."""
    value = msgspec.to_builtins(format_sketch(reference.sketch))
    return sha256(canonical.encode(value)).hexdigest()


class _Timed(msgspec.Struct):
    logged_at: str


def _reference(reference: Reference) -> SignalReference:
    return SignalReference(
        name=reference.name,
        sha256=digest_of_sketch(reference),
        scale=reference.sketch.scale,
        hashes=len(reference.sketch.hashes),
    )


def _signal(code: str, known: Facts, references: References) -> Signal:
    question, words = QUESTIONS[code], WORDS[code]
    tested, count, rows = question.run(known, references)
    return Signal(
        code=code,
        title=words.title,
        question=words.question,
        method=words.method,
        innocent=words.innocent,
        constants=tuple(SignalConstant(*each) for each in question.constants.items()),
        measures=tuple(SignalMeasure(*each) for each in question.measures.items()),
        job_measures=tuple(SignalMeasure(*each) for each in question.job_measures.items()),
        tested=tested,
        count=count,
        evidence=tuple(ordered(rows)[:MOST_ROWS]),
    )
