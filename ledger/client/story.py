"""What the entries about one job come to: the same answer that the ledger gives, made anew.

An entry after the other is taken in, and held against those before it: the author's key, the order
of events, and every opening against its commitment. Whatever does not fit is in a log that somebody
signed, so it is raised as Misbehaviour with the entry as evidence.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from ledger.client.tree import Leaf
from ledger.errors import CommitmentError, LedgerError, Misbehaviour, NotFound
from ledger.records.commitment import check_opening, check_partial
from ledger.records.deadline import format_time
from ledger.records.lifecycle import State, next_state
from ledger.records.shown import decision_of, disclosure_of, event_of, sealed_part_of
from ledger.records.statement import sealed_paths
from schemas.answers import Decision, Disclosure, Event, JobDetail, JobShown, SealedPart
from schemas.statements import (
    ArtifactRead,
    ArtifactWrite,
    Code,
    JobEgress,
    JobEnded,
    JobInterrupted,
    JobStarted,
    JobSubmitted,
)

CheckAuthor = Callable[[Leaf], None]
_ENDED: Final = ("wall_seconds", "gpu_seconds", "h200e_seconds", "weights_unchanged")


class JobStory:
    """One job as far as its entries have been taken in, the submission first.

    With ``keeps_events`` it can tell the whole history, without only where it led: a replay of a
    large log holds many stories at once.
    """

    def __init__(self, *, check_author: CheckAuthor, keeps_events: bool = True) -> None:
        self.job: JobShown | None = None
        self._check_author = check_author
        self._keeps_events = keeps_events
        self._state: State | None = None
        self._roots: dict[int, tuple[bytes, frozenset[str]]] = {}
        self._decision: Decision | None = None
        self._sealed: dict[int, SealedPart] = {}
        self._opened: dict[int, Disclosure] = {}
        self._events: list[Event] = []

    def take(self, leaf: Leaf) -> None:
        """Take in the next entry about the job. Raises Misbehaviour."""
        try:
            self._take(leaf)
        except Misbehaviour:
            raise
        except LedgerError as error:
            raise Misbehaviour(
                f"entry {leaf.index} of the log does not hold: {error}",
                evidence={f"entry-{leaf.index}.json": leaf.data},
            ) from error

    def detail(self) -> JobDetail:
        """Everything public about the job. Raises NotFound before there is a submission."""
        if self.job is None:
            raise NotFound("no submission of this job is in the log")
        return JobDetail(
            job=self.job,
            decision=self._decision,
            sealed=tuple(
                structs.replace(part, disclosure=self._opened.get(index))
                for index, part in self._sealed.items()
            ),
            events=tuple(self._events),
        )

    def _take(self, leaf: Leaf) -> None:
        index, entry = leaf.index, leaf.entry
        self._state = next_state(self._state, entry.kind)
        signed = entry.signed
        if signed is not None:
            self._check_author(leaf)
            if signed.sealed_root is not None:
                self._roots[index] = (signed.sealed_root, sealed_paths(signed.schema))
        if entry.disclosed is not None:
            self._check_opening(leaf)
        if signed is not None and isinstance(signed.public, JobSubmitted):
            self.job = _submitted(leaf, signed.public)
        elif self.job is not None:
            self.job = structs.replace(self.job, **_changes(leaf, self.job))
        if self._keeps_events:
            self._events.append(event_of(index, entry))
            part = sealed_part_of(index, entry, None)
            if part is not None:
                self._sealed[index] = part
            if entry.decision is not None and self._decision is None:
                self._decision = decision_of(index, entry)
            if entry.disclosed is not None:
                self._opened[entry.disclosed.discloses] = disclosure_of(index, entry)

    def _check_opening(self, leaf: Leaf) -> None:
        opened = leaf.entry.disclosed
        assert opened is not None
        if opened.discloses not in self._roots:
            raise CommitmentError(f"it opens entry {opened.discloses}, in which nothing is sealed")
        root, paths = self._roots[opened.discloses]
        if opened.partial is not None:
            check_partial(root, opened.partial, paths)
        elif opened.fields.keys() != paths or opened.seed is None:
            raise CommitmentError("the fields that it opens are not those of the schema")
        else:
            check_opening(root, seed=opened.seed, fields=opened.fields)


def _changes(leaf: Leaf, job: JobShown) -> dict[str, Any]:
    """What an entry after the submission changes about its job."""
    entry = leaf.entry
    changes: dict[str, Any] = {}
    match entry.signed.public if entry.signed else None:
        case JobStarted() as public:
            changes = {"state": entry.kind, "started_at": job.started_at or public.started_at}
        case JobInterrupted():
            changes = {"state": entry.kind}
        case JobEnded() as public:
            changes = {
                "state": entry.kind,
                "started_at": job.started_at or public.started_at,
                "ended_at": public.ended_at,
                "exit_status": str(public.exit_status),
                "weights_check": str(public.weights_check),
                **{name: getattr(public, name) for name in _ENDED},
            }
        case JobEgress() | ArtifactWrite() | ArtifactRead() as public:
            changes = {
                "egress_bytes": job.egress_bytes + public.egress_bytes,
                "artifact_count": job.artifact_count + public.artifact_count,
            }
    if entry.decision is not None:
        findings = entry.decision.findings
        code = str(findings[0].code) if findings else None
        changes = {"state": entry.kind, "rejection_code": code}
    if entry.found is not None and not job.quarantined:
        # What quarantines a job stays, whatever is found later.
        code = entry.found.findings[0].code
        changes = {
            "finding_code": str(code),
            "quarantined": code == Code.R1_DIGEST_MISMATCH,
        }
    if entry.disclosed is not None and entry.disclosed.discloses == job.submitted_index:
        changes = _opened(leaf)
    return changes


def _submitted(leaf: Leaf, public: JobSubmitted) -> JobShown:
    entry = leaf.entry
    assert entry.signed is not None
    assert entry.job_id is not None
    assert entry.publish_by is not None
    return JobShown(
        job_id=entry.job_id,
        member=entry.signed.statement.author,
        state=State.SUBMITTED.value,
        workload_type=str(public.workload_type),
        gradient_scope=str(public.gradient_scope),
        optimizer_targets=tuple(map(str, public.optimizer_targets)),
        accelerator=public.accelerator,
        gpu_count=public.gpu_count,
        wall_limit_seconds=public.wall_limit_seconds,
        egress_ceiling_bytes=public.egress_ceiling_bytes,
        submitted_index=leaf.index,
        submitted_at=format_time(entry.logged_at),
        publish_by=format_time(entry.publish_by),
        disclosed_index=None,
        rejection_code=None,
        started_at=None,
        ended_at=None,
        wall_seconds=None,
        gpu_seconds=None,
        h200e_seconds=None,
        exit_status=None,
        weights_unchanged=None,
        weights_check=None,
        egress_bytes=0,
        artifact_count=0,
        title=None,
        model_name=None,
    )


def _opened(leaf: Leaf) -> dict[str, Any]:
    opened = leaf.entry.disclosed
    assert opened is not None
    weights = opened.fields.get("model.weights_digest")
    return {
        "disclosed_index": leaf.index,
        "disclosed_at": format_time(leaf.entry.logged_at),
        "title": _shown(opened.fields.get("title")),
        "model_name": _shown(opened.fields.get("model.name")),
        "model_digest": None if weights is None else weights["sha256"],
    }


def _shown(text: str | None) -> str | None:
    # A database column holds no NUL, so the ledger shows a replacement for it.
    return None if text is None else text.replace("\0", "\ufffd")
