"""What a batch asks the store before it is laid out, and what the store answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.records.entry import Manifest
from ledger.records.proposal import Disclosure, Proposal
from ledger.storage.keyring import KeyRing
from ledger.storage.shapes import StoredEmbargo, StoredEntry
from schemas.statements import JobCorrected, JobOpen, JobWithheld

Work = Proposal | Disclosure | Manifest


@dataclass(slots=True)
class Known:
    """What the log already says about everything that a batch touches."""

    statements: dict[bytes, int]
    jobs: dict[str, dict[str, Any]]
    embargoes: dict[int, StoredEmbargo]
    entries: dict[int, StoredEntry]
    keys: KeyRing


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
