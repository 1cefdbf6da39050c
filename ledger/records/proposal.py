"""What one room hands to the sequencer: a checked statement, a record to open, or a finding.

The first two hold what must not be public yet. Their ``repr`` does not show it; nothing here
encodes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.records.commitment import PartialOpening
from ledger.records.entry_parts import Reason
from ledger.records.statement import ParsedStatement
from schemas.statements import Code


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A request to open one sealed entry: in full by its seed, or in part by salts."""

    index: int
    """The entry that is opened."""
    job_id: str
    reason: Reason
    fields: Mapping[str, Any] = field(repr=False)
    """The open values by path."""
    seed: bytes | None = field(default=None, repr=False)
    """32 bytes in a full opening, else None."""
    partial: PartialOpening | None = field(default=None, repr=False)
    """What is shown where fields stay closed, else None."""
    opened_by: int | None = None
    """The author's ``open`` entry, where this comes before the deadline."""
    withheld_by: int | None = None
    """The committee's ``withheld`` entry, where fields stay closed."""


@dataclass(frozen=True, slots=True)
class Tags:
    """Keyed digests of sealed values, by which two of them are told to be equal, and no more."""

    weights: bytes | None = None
    """Of the weights' root digest, before or after a run, within one job; 16 bytes."""
    model: bytes | None = None
    """Of the model that a submission names, within one member's jobs; 16 bytes."""


NO_TAGS = Tags()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A statement whose signatures, author and commitment intake has verified."""

    parsed: ParsedStatement
    size: int
    """The posted bytes, by which the queue is bounded."""
    tags: Tags = field(default=NO_TAGS, repr=False)
    sealed_opening: bytes | None = field(default=None, repr=False)
    """The opening, encrypted for storage; None where nothing is sealed."""
    opens: Disclosure | None = field(default=None, repr=False)
    """What an author's ``open`` discloses; ``opened_by`` is the sequencer's to fill in."""


@dataclass(frozen=True, slots=True)
class DoorFinding:
    """What the artifact door found wrong with what came for a job, for the log to say."""

    job_id: str
    code: Code
    finding: str
    """One sentence for the public, which names nothing sealed."""
