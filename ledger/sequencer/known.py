"""What a batch asks the store before it is laid out, and what the store answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.records.charters import Charters
from ledger.records.entry import Manifest
from ledger.records.proposal import Disclosure, DoorFinding, Proposal
from ledger.records.succession import Succession
from ledger.storage.keyring import KeyRing
from ledger.storage.shapes import StoredEmbargo, StoredEntry, StoredTags
from ledger.tlog.note import VerifierKey
from schemas.statements import JobCorrected, JobEnded, JobOpen, JobWithheld
from schemas.values import Wire

_REFERRING: Final = frozenset({JobOpen, JobCorrected, JobWithheld})
"""What speaks of an earlier entry."""

Work = Proposal | Disclosure | Manifest | DoorFinding | Succession


@dataclass(slots=True)
class Known:
    """What the log already says about everything that a batch touches."""

    statements: dict[bytes, int]
    jobs: dict[str, dict[str, Any]]
    embargoes: dict[int, StoredEmbargo]
    entries: dict[int, StoredEntry]
    keys: KeyRing
    charters: Charters
    refers: bool = True
    """Whether anything in the batch speaks of an entry: else nobody asks what it seals itself."""
    tags: Mapping[int, StoredTags] = field(default_factory=dict)
    """The tags of the submissions whose jobs end in this batch, by index."""
    sealed_weights: Callable[[int], bytes | None] = lambda _index: None
    """The tag of the weights that the submission at an index names, from its opening."""
    log_key: VerifierKey | None = None
    """The key that speaks for the log, as of this batch's beginning."""
    log_keys_here: frozenset[str] = frozenset()
    """The keys of the log that sign here: none but one of them may follow."""
    held_gpus: Callable[[str], int] = lambda _author: 0
    """GPUs that a member's jobs held before this batch."""


@dataclass(slots=True)
class Touched:
    """The statement digests, jobs and entries that a plan over some works asks about."""

    digests: set[bytes] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    entries: set[int] = field(default_factory=set)
    kinds: set[type[Any]] = field(default_factory=set)
    """Of what the works are: the types of what statements say, and of works that are none."""


def touched(works: Sequence[Work]) -> Touched:
    """What a plan over ``works`` asks about."""
    found = Touched()
    digests, jobs, kinds = found.digests, found.jobs, found.kinds
    for work in works:
        if type(work) is Proposal:
            parsed = work.parsed
            digests.add(parsed.digest)
            job_id = parsed.statement.job_id
            if isinstance(job_id, str):
                jobs.add(job_id)
            kind = type(parsed.public)
            kinds.add(kind)
            if kind in _REFERRING:
                found.entries.add(_referred(parsed.public))
            continue
        kinds.add(type(work))
        if isinstance(work, Disclosure):
            jobs.add(work.job_id)
            found.entries.add(work.index)
        elif isinstance(work, DoorFinding):
            jobs.add(work.job_id)
    return found


def _referred(public: Wire) -> int:
    match public:
        case JobOpen(discloses=index) | JobCorrected(corrects=index) | JobWithheld(withholds=index):
            return index
    raise AssertionError(type(public))


def weighed(works: Sequence[Work], jobs: Mapping[str, Mapping[str, Any]]) -> set[int]:
    """The submissions, by index, whose weights a plan over ``works`` compares with later ones."""
    return {
        jobs[work.parsed.job_id or ""]["submitted_index"]
        for work in works
        if isinstance(work, Proposal)
        and type(work.parsed.public) is JobEnded
        and work.tags.weights is not None
        and (work.parsed.job_id or "") in jobs
    }
