"""What a batch lets out: asked of the counters before anything is laid out, in log order.

The counters were read under the head's lock, so what has room here has room in the database, whose
CHECK has the last word. A debit that is refused takes nothing; that it was tried is logged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.errors import Conflict, Quarantined, ValueRefused
from ledger.records.charter import Charter
from ledger.records.egress import Book, Debit, debit_of, is_egress, keys_of
from ledger.records.proposal import DoorFinding, Proposal
from ledger.records.statement import ParsedStatement
from ledger.sequencer.known import Work
from ledger.storage.egress_fold import model_key
from ledger.storage.store import Appending
from schemas.statements import ArtifactRead, ArtifactWrite, Code, JobEgress, JobSubmitted

METERED: Final = frozenset({JobEgress, ArtifactWrite, ArtifactRead, DoorFinding})
"""What makes a batch ask for counters: what takes from them, and what is found about a job."""


@dataclass(slots=True)
class Meter:
    """The counters that a batch touches, and the jobs and artifacts that they are about."""

    book: Book = field(default_factory=Book)
    debits: list[Debit] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What a debit needs of its job: a row, or of a job of this batch the same few columns."""
    model_keys: dict[str, str] = field(default_factory=dict)
    """The key of the counter of each job's model, by job."""
    artifacts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """(job, bytes) of artifacts that were debited, by artifact."""
    is_asked: bool = True
    """Whether the batch lets anything out, or finds anything about a job."""

    def submit(self, work: Proposal, *, index: int) -> None:
        """Take note of a job that this batch submits."""
        if not self.is_asked:
            return
        public, job_id = work.parsed.public, work.parsed.job_id
        assert isinstance(public, JobSubmitted)
        assert job_id is not None
        author = work.parsed.statement.author
        self.jobs[job_id] = {
            "job_id": job_id,
            "author": author,
            "egress_ceiling_bytes": public.egress_ceiling_bytes,
            "submitted_index": index,
            "finding_code": None,
        }
        self.model_keys[job_id] = model_key(work.tags.model, member=author)

    def find(self, job_id: str, code: Code) -> None:
        """Take note of what this batch finds about a job."""
        job = self.jobs.get(job_id)
        if job is not None and job["finding_code"] != Code.R1_DIGEST_MISMATCH:
            self.jobs[job_id] = job | {"finding_code": str(code)}

    def take(
        self, parsed: ParsedStatement, *, index: int, logged_at: int, charter: Charter
    ) -> None:
        """Debit an entry of kind ``egress``, if it is one.

        Raises EgressRefused where a ceiling holds, Quarantined, Conflict for an artifact that was
        written before, ValueRefused for one that the job does not have: then nothing has changed.
        """
        public, job_id = parsed.public, parsed.job_id
        if not is_egress(public):
            return
        assert job_id is not None
        job = self.jobs[job_id]
        if isinstance(public, ArtifactWrite | ArtifactRead):
            self._check_artifact(parsed, job)
        debit = debit_of(
            public,
            index=index,
            logged_at=logged_at,
            job=job,
            charter=charter,
            model_key=self.model_keys[job_id],
        )
        self.book.take(debit)
        self.debits.append(debit)
        if debit.artifact_id is not None:
            self.artifacts[debit.artifact_id] = (job_id, debit.egress_bytes)

    def _check_artifact(self, parsed: ParsedStatement, job: Mapping[str, Any]) -> None:
        public = parsed.public
        assert isinstance(public, ArtifactWrite | ArtifactRead)
        # An ending from before there were findings says it by itself.
        unchanged = job.get("weights_unchanged")
        if job["finding_code"] == Code.R1_DIGEST_MISMATCH or unchanged == 0:
            raise Quarantined(
                f"the weights of job {job['job_id']} were not what they were before: its artifacts"
                " are neither served nor taken"
            )
        known = self.artifacts.get(public.artifact_id)
        field_name = "statement.public.artifact_id"
        if isinstance(public, ArtifactWrite):
            if known is not None:
                raise Conflict(
                    f"{field_name}: artifact {public.artifact_id} was debited before: a new one"
                    " needs a new id"
                )
            return
        if parsed.statement.author != job["author"]:
            raise ValueRefused(
                f"statement.author: {parsed.statement.author} is not the member of job"
                f" {job['job_id']}",
                field="statement.author",
            )
        if known is None or known[0] != job["job_id"]:
            raise ValueRefused(
                f"{field_name}: the job has no artifact {public.artifact_id}", field=field_name
            )
        if public.offset + public.egress_bytes > known[1]:
            raise ValueRefused(
                f"statement.public.egress_bytes: it ends at byte"
                f" {public.offset + public.egress_bytes}, and {known[1]} were debited",
                field="statement.public.egress_bytes",
            )


def lets_out(work: Work) -> bool:
    """Whether a work is taken from counters."""
    return isinstance(work, Proposal) and is_egress(work.parsed.public)


def read_meter(
    appending: Appending, works: Sequence[Work], jobs: Mapping[str, dict[str, Any]]
) -> Meter:
    """The counters that ``works`` touch; ``jobs`` are the rows of all jobs that they speak of."""
    letting: list[ParsedStatement] = []
    noting: set[str] = set()
    for work in works:
        if isinstance(work, Proposal):
            if is_egress(work.parsed.public):
                letting.append(work.parsed)
        elif isinstance(work, DoorFinding):
            noting.add(work.job_id)
    if not letting and not noting:
        return Meter(is_asked=False)
    wanted = {parsed.job_id or "" for parsed in letting} | noting
    meter = Meter(jobs={job_id: jobs[job_id] for job_id in wanted if job_id in jobs})
    if not letting:
        return meter
    tags = appending.tags({job["submitted_index"] for job in meter.jobs.values()})
    for job_id, job in meter.jobs.items():
        found = tags.get(job["submitted_index"])
        meter.model_keys[job_id] = model_key(found.model if found else None, member=job["author"])
    members = {job["author"] for job in meter.jobs.values()}
    models = set(meter.model_keys.values())
    for work in works:
        # Jobs that this batch submits may let something out in it, too.
        if isinstance(work, Proposal) and isinstance(work.parsed.public, JobSubmitted):
            author = work.parsed.statement.author
            members.add(author)
            models.add(model_key(work.tags.model, member=author))
    meter.book = appending.book(keys_of(wanted, members, models))
    meter.artifacts = appending.artifacts(
        {
            parsed.public.artifact_id
            for parsed in letting
            if isinstance(parsed.public, ArtifactWrite | ArtifactRead)
        }
    )
    return meter
