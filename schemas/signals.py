"""What the signals say: questions about the public record, with the evidence of each.

Everything is a whole number or a text, so that whoever computes it again gets the same bytes. No
row is a verdict: ``score`` says how far a measure lies beyond the mark, and nothing about why.
"""

from typing import Literal

from schemas.answers import Shape

Cell = str | int | None


class SignalConstant(Shape, frozen=True):
    """A number that the computation uses, by the name that it has in the method."""

    name: str
    value: int


class SignalMeasure(Shape, frozen=True):
    """A column of the evidence. ``unit`` says how to read its numbers.

    ``count``, ``bytes``, ``seconds``, ``permille``, ``hundredths``, ``time``, or ``code`` for a
    text.
    """

    name: str
    unit: str


class SignalJob(Shape, frozen=True):
    """One job that a row of evidence rests on, and the entries that its numbers stand in."""

    job_id: str
    entries: tuple[int, ...]
    cells: tuple[Cell, ...]


class SignalRow(Shape, frozen=True):
    """One row: whom it is about, what was measured, and the jobs that it rests on.

    ``score`` is the deciding measure in hundredths of its mark: 100 is just at it. ``cells`` are
    in the order of the signal's ``measures``, those of ``jobs`` in the order of ``job_measures``.
    Of many jobs the first few are listed; ``job_count`` counts all.
    """

    member: str
    score: int
    cells: tuple[Cell, ...]
    job_count: int
    jobs: tuple[SignalJob, ...]


class Signal(Shape, frozen=True):
    """One question. Of many rows those with the highest scores are listed; ``count`` counts all.

    ``tested`` is how many jobs, files or shares were looked at.
    """

    code: str
    title: str
    question: str
    method: str
    innocent: str
    constants: tuple[SignalConstant, ...]
    measures: tuple[SignalMeasure, ...]
    job_measures: tuple[SignalMeasure, ...]
    tested: int
    count: int
    evidence: tuple[SignalRow, ...]


class SignalReference(Shape, frozen=True):
    """A set of prompts that jobs were compared with: its name, and the SHA-256 of its sketch."""

    name: str
    sha256: str
    scale: int
    hashes: int


class Signals(Shape, frozen=True):
    """All questions about the entries of one tree; ``root`` is its RFC 6962 root hash."""

    format: Literal["apsci-signals/1"]
    tree_size: int
    root: str
    logged_at: str
    references: tuple[SignalReference, ...]
    signals: tuple[Signal, ...]


class SignalsFile(Shape, frozen=True):
    """The newest computed signals at or below a tree size, and where their bytes are held.

    ``path`` is the bulk file that holds ``document``, ``sha256`` its digest, which the set's
    ``SHA256SUMS`` names; the digest of that list is the entry ``manifest_index``. All are null
    where none was computed yet.
    """

    path: str | None
    sha256: str | None
    manifest_index: int | None
    document: Signals | None
