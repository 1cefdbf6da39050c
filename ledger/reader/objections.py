"""Starts that the orchestrator refused, and what the ledger found about runs, as of a tree size."""

from collections.abc import Sequence

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.records.charter import Code, rule_of
from ledger.records.deadline import format_time
from ledger.storage.shapes import StoredEntry, StoredJob
from ledger.storage.snapshot import Snapshot
from schemas.objections import RefusedStart, RunFinding
from schemas.statements import StartRefused


def refused_starts(snapshot: Snapshot, *, below: int, limit: int) -> tuple[RefusedStart, ...]:
    """Refused starts at an index below ``below``, the newest first."""
    return tuple(map(_refusal, snapshot.objections("refused", below=below, limit=limit)))


def run_findings(
    snapshot: Snapshot, *, size: int, below: int, limit: int
) -> tuple[RunFinding, ...]:
    """Findings about runs at an index below ``below``, the newest first; jobs are as of ``size``.

    Raises LogUnavailable where the store has lost a job.
    """
    entries = snapshot.objections("finding", below=below, limit=limit)
    jobs = snapshot.jobs_by_id(sorted({each.job_id or "" for each in entries}), size=size)
    return tuple(_finding(each, jobs.get(each.job_id or "")) for each in entries)


def objections_at(
    snapshot: Snapshot, places: Sequence[int]
) -> tuple[RefusedStart | RunFinding, ...]:
    """The objections at ``places``, in that order, each with its job as it was at that entry.

    Raises LogUnavailable where the store has lost one.
    """
    entries = snapshot.entries_at(places)
    found = [entries.get(place) for place in places]
    jobs = snapshot.jobs_when([(e.job_id, e.index) for e in found if e is not None and e.job_id])
    shown: list[RefusedStart | RunFinding] = []
    for place, stored in zip(places, found, strict=True):
        if stored is None:
            raise LogUnavailable(f"entry {place} is missing: run `ledger fsck`")
        if stored.kind == "refused":
            shown.append(_refusal(stored))
        else:
            shown.append(_finding(stored, jobs.get((stored.job_id or "", place))))
    return tuple(shown)


def _refusal(stored: StoredEntry) -> RefusedStart:
    signed = shapes.decode_entry(stored).signed
    assert signed is not None
    assert isinstance(signed.public, StartRefused)
    public = signed.public
    return RefusedStart(
        index=stored.index,
        logged_at=format_time(stored.logged_at),
        author=signed.statement.author,
        system=public.system,
        job_id=signed.job_id,
        member=public.member,
        gpu_count=public.gpu_count,
        rule=rule_of(public.code),
        code=str(public.code),
        finding=public.finding,
    )


def _finding(stored: StoredEntry, job: StoredJob | None) -> RunFinding:
    found = shapes.decode_entry(stored).found
    if found is None or job is None:
        raise LogUnavailable(f"entry {stored.index} is about no job: run `ledger fsck`")
    return RunFinding(
        index=stored.index,
        logged_at=format_time(stored.logged_at),
        job_id=job.job_id,
        member=job.author,
        workload_type=job.workload_type,
        title=job.title,
        refers_to=found.refers_to,
        charter=found.charter,
        findings=shapes.judged(found.findings),
        quarantines=any(each.code is Code.R1_DIGEST_MISMATCH for each in found.findings),
    )
