"""How rows of evidence are built, ordered and bounded: the same for every question."""

from collections.abc import Iterable, Sequence
from typing import Final

from ledger.records.canonical import INTEGER_LIMIT
from ledger.signals.facts import NONE, Facts
from schemas.signals import Cell, SignalJob, SignalRow

MOST_ROWS: Final = 100
"""Rows listed of a question; it says how many there are."""
MOST_JOBS: Final = 12
"""Jobs listed of a row; it says how many there are."""
AT_THE_MARK: Final = 100
"""The score of what lies just at the mark."""
_ENTRIES: Final = ("submitted_index", "ended_index", "plan_index", "outcome_index")


def score(measured: int, mark: int) -> int:
    """How far ``measured`` lies beyond its mark: hundredths of it, rounded down."""
    return measured * AT_THE_MARK // mark


def member_of(facts: Facts, job: int) -> str:
    """Who submitted a job."""
    return facts.members[facts.columns["member"][job]]


def shown_job(facts: Facts, job: int, *cells: Cell) -> SignalJob:
    """A job as evidence: the entries that its numbers stand in, and the numbers."""
    entries = sorted(
        index for index in (facts.columns[name][job] for name in _ENTRIES) if index != NONE
    )
    return SignalJob(job_id=facts.job_ids[job], entries=tuple(entries), cells=cells)


def row(
    member: str, found: int, cells: Sequence[Cell], jobs: Sequence[SignalJob], *, job_count: int
) -> SignalRow:
    """One row, with the first few of its jobs."""
    return SignalRow(
        member=member,
        score=_bounded(found),
        cells=tuple(each if isinstance(each, str | None) else _bounded(each) for each in cells),
        job_count=job_count,
        jobs=tuple(jobs[:MOST_JOBS]),
    )


def ordered(rows: Iterable[SignalRow]) -> list[SignalRow]:
    """The highest score first; of equal ones the one whose first job came first."""
    return sorted(rows, key=lambda each: (-each.score, each.member, each.jobs[0].entries))


def _bounded(number: int) -> int:
    """A number that every JSON reader sees the same; a sum may be larger."""
    return max(min(number, INTEGER_LIMIT - 1), 1 - INTEGER_LIMIT)
