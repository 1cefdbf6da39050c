"""The part of a view that speaks to submitters: receipts of admissions, and what would be one."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import UNSET

from ledger.errors import AuthorUnknown, NotFound
from ledger.reader import jobs, proofs
from ledger.reader.slices import Slice
from ledger.records.admission import AdmissionParts, format_admission
from ledger.records.charter import judge
from ledger.records.deadline import format_time, publish_by
from ledger.records.entry import parse_entry
from ledger.storage.shapes import StoredCheckpoint, StoredEntry
from ledger.storage.snapshot import Snapshot
from ledger.tlog.proof import TlogProof, format_proof
from schemas.answers import FindingShown
from schemas.checking import SubmissionAsked, SubmissionJudged
from schemas.statements import Role

if TYPE_CHECKING:
    from ledger.reader.reader import Reader

HOLDING: Final = ("admitted", "started", "interrupted")
"""The states in which a job holds its GPUs."""


class Admissions(ABC):
    """Receipts of admissions, and judgements of what nobody has submitted."""

    size: int
    checkpoint: StoredCheckpoint | None
    _snapshot: Snapshot
    _reader: "Reader"

    @property
    @abstractmethod
    def logged_at(self) -> int:
        """The time of the last entry, in Unix seconds."""

    @property
    @abstractmethod
    def slice(self) -> Slice:
        """The jobs as of this size, as columns."""

    def admission_receipt(self, job_id: str, *, signed_only: bool = False) -> bytes:
        """The ``.tlog-proof`` of a job's admission, with its submission under the same checkpoint.

        That is the smallest checkpoint which met the witness policy and holds the admission, with
        each witness's first cosignature; where the ledger has no witnesses, or with
        ``signed_only``, it is this size's as the log signed it.

        Raises NotFound for a job that is not there or not admitted, while too few witnesses have
        cosigned, and for a size at which no checkpoint was published.
        """
        submitted, decided = self._decided(job_id)
        checkpoint, note = self._standing(decided, signed_only=signed_only)
        verified = self._reader.verified
        path, other = (
            tuple(
                verified.inclusion_path(
                    each.leaf_hash, each.index, size=checkpoint.size, root=checkpoint.root
                )
            )
            for each in (decided, submitted)
        )
        extra = format_admission(
            AdmissionParts(
                decision=decided.data,
                submission=submitted.data,
                submitted_index=submitted.index,
                proof=other,
            )
        )
        return format_proof(
            TlogProof(index=decided.index, hashes=path, checkpoint=note, extra=extra)
        )

    def what_if(self, asked: SubmissionAsked, *, now: int) -> SubmissionJudged:
        """What the charter in force at ``now``, Unix seconds, says of a submission.

        Raises AuthorUnknown where the author is no member with a valid key.
        """
        # The log's time never goes back: nothing is logged before its last entry.
        at = max(now, self.logged_at)
        version = self._snapshot.charters(size=self.size).in_force(at)
        held = 0
        if asked.author is not UNSET:
            self._check_member(asked.author)
            if version.charter.quotas.member_gpus is not None:
                held = self._held_gpus(asked.author)
        findings = judge(asked.public, version.charter, held_gpus=held)
        return SubmissionJudged(
            verdict="rejected" if findings else "admitted",
            findings=tuple(FindingShown(f.rule, str(f.code), f.finding) for f in findings),
            charter=version.index,
            in_force_from=format_time(version.in_force_from),
            judged_at=format_time(at),
            opens_by=format_time(publish_by(at, embargo_days=version.charter.embargo_days)),
            tree_size=self.size,
        )

    def _decided(self, job_id: str) -> tuple[StoredEntry, StoredEntry]:
        job = jobs.stored_job(self._snapshot, job_id, size=self.size)
        submitted = proofs.stored_entry(self._snapshot, job.submitted_index, size=self.size)
        # The decision is of the same batch, directly behind the submission.
        decided = proofs.stored_entry(self._snapshot, job.submitted_index + 1, size=self.size)
        if decided.kind != "admitted":
            found = parse_entry(decided.data).decision
            codes = ", ".join(f.code.value for f in found.findings) if found else decided.kind
            raise NotFound(f"job {job_id} has no admission: it was rejected ({codes})")
        return submitted, decided

    def _standing(
        self, decided: StoredEntry, *, signed_only: bool
    ) -> tuple[StoredCheckpoint, bytes]:
        """The checkpoint that a receipt of ``decided`` stands under, and its note."""
        publication = self._reader.publication
        if publication.has_witnesses and not signed_only:
            found = publication.covering(self._snapshot, decided.index)
            if found is None:
                raise NotFound(
                    f"too few witnesses have cosigned a tree with entry {decided.index} so far:"
                    " ask again in a minute"
                )
            return found
        if self.checkpoint is None:
            raise NotFound(f"no checkpoint was published at the size {self.size}")
        return self.checkpoint, self.checkpoint.note

    def _check_member(self, author: str) -> None:
        for key in self._snapshot.author_keys(size=self.size):
            if key.name == author and key.role == Role.MEMBER and key.until >= self.size:
                return
        raise AuthorUnknown(f"{author} is no member with a valid key")

    def _held_gpus(self, author: str) -> int:
        """GPUs of the author's jobs that are admitted and have not ended."""
        chosen = self.slice
        code = chosen.code_of("author", author)
        if code is None:
            return 0
        states = [chosen.code_of("state", name) for name in HOLDING]
        holding = np.isin(chosen.codes("state"), [each for each in states if each is not None])
        own = holding & (chosen.codes("author") == code)
        indices = [int(each) for each in chosen.numbers("submitted_index")[own]]
        found = self._snapshot.jobs_at(indices, size=self.size)
        return sum(job.gpu_count for job in found.values())
