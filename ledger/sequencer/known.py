"""What a batch asks the store before it is laid out, and what the store answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.records.charters import Charters
from ledger.records.entry import Manifest
from ledger.records.proposal import Disclosure, DoorFinding, Proposal
from ledger.storage.keyring import KeyRing
from ledger.storage.shapes import StoredEmbargo, StoredEntry, StoredTags
from schemas.statements import JobCorrected, JobEnded, JobOpen, JobWithheld

Work = Proposal | Disclosure | Manifest | DoorFinding


@dataclass(slots=True)
class Known:
    """What the log already says about everything that a batch touches."""

    statements: dict[bytes, int]
    jobs: dict[str, dict[str, Any]]
    embargoes: dict[int, StoredEmbargo]
    entries: dict[int, StoredEntry]
    keys: KeyRing
    charters: Charters
    tags: Mapping[int, StoredTags] = field(default_factory=dict)
    """The tags of the submissions whose jobs end in this batch, by index."""
    sealed_weights: Callable[[int], bytes | None] = lambda _index: None
    """The tag of the weights that the submission at an index names, from its opening."""
    held_gpus: Callable[[str], int] = lambda _author: 0
    """GPUs that a member's jobs held before this batch."""


def touched(works: Sequence[Work]) -> tuple[set[bytes], set[str], set[int]]:
    """The statement digests, jobs and entries that a plan over ``works`` asks about."""
    digests: set[bytes] = set()
    jobs: set[str] = set()
    entries: set[int] = set()
    for work in works:
        if isinstance(work, Disclosure):
            jobs.add(work.job_id)
            entries.add(work.index)
            continue
        if isinstance(work, Manifest):
            continue
        if isinstance(work, DoorFinding):
            jobs.add(work.job_id)
            continue
        digests.add(work.parsed.digest)
        if work.parsed.job_id is not None:
            jobs.add(work.parsed.job_id)
        match work.parsed.public:
            case JobOpen(discloses=index):
                entries.add(index)
            case JobCorrected(corrects=index):
                entries.add(index)
            case JobWithheld(withholds=index):
                entries.add(index)
    return digests, jobs, entries


def weighed(works: Sequence[Work], jobs: Mapping[str, Mapping[str, Any]]) -> set[int]:
    """The submissions, by index, whose weights a plan over ``works`` compares with later ones."""
    return {
        jobs[work.parsed.job_id or ""]["submitted_index"]
        for work in works
        if isinstance(work, Proposal)
        and work.tags.weights is not None
        and isinstance(work.parsed.public, JobEnded)
        and (work.parsed.job_id or "") in jobs
    }
