"""The three tables, row by row as of one tree size, in log order.

A row is a tuple in the order of the columns; times are RFC 3339, lists are tuples, objects are
``msgspec.Raw``. Rows come from the snapshot a few thousand at a time and are kept nowhere.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ledger.exports.columns import Table, columns_of
from ledger.records.charter import Code
from ledger.records.deadline import format_time
from ledger.storage.shapes import StoredEntry, StoredJob
from ledger.storage.snapshot import Snapshot
from schemas.answers import ArtifactShown, JobShown, Shape

Row = tuple[Any, ...]
Rows = Callable[[Snapshot, int], Iterator[Row]]
"""The rows of a table, of the entries below a size."""

PLACES: Final = 64
"""A disclosure names at most so many artifacts; see ``ArtifactShown.place``."""


class EventRow(Shape, frozen=True):
    """One entry about a job, flat; what a kind does not have is null."""

    index: int
    job_id: str
    kind: str
    logged_at: str
    author: str | None
    made_at: str | None
    schema: str | None
    publish_by: str | None
    sealed_fields: int | None
    sealed_root: str | None
    refers_to: int | None
    findings: tuple[str, ...]
    discloses: int | None
    reason: str | None
    opened_by: int | None
    withheld_by: int | None
    egress_bytes: int | None
    artifact_count: int | None
    wall_seconds: int | None
    gpu_seconds: int | None
    h200e_seconds: int | None
    exit_status: str | None
    public: Raw | None
    leaf_hash: str


JOBS: Final = Table(
    name="jobs",
    title="Jobs",
    description="Every job, as of the tree size; its columns are those of /jobs.csv.",
    columns=columns_of("jobs", JobShown),
    key="job_id",
    refers={},
    facets=("member", "workload_type", "state", "accelerator", "rejection_code"),
)
EVENTS: Final = Table(
    name="events",
    title="Events",
    description="Every entry of the log that is about a job, in the order of the log.",
    columns=columns_of("events", EventRow),
    key="index",
    refers={"job_id": ("jobs", "job_id")},
    facets=("kind", "author", "reason", "exit_status"),
)
ARTIFACTS: Final = Table(
    name="artifacts",
    title="Artifacts",
    description="Every artifact that an opened record names, in the order of the log.",
    columns=columns_of("artifacts", ArtifactShown),
    key="place",
    refers={"job_id": ("jobs", "job_id")},
    facets=("member", "kind", "content_access"),
)


class _Sealed(Struct):
    fields: int
    root: str


class _Statement(Struct):
    author: str
    made_at: str
    schema: str
    public: Raw
    sealed: _Sealed | None = None


class _Finding(Struct):
    code: str


class _Entry(Struct):
    statement: _Statement | None = None
    refers_to: int | None = None
    findings: tuple[_Finding, ...] = ()
    discloses: int | None = None
    reason: str | None = None
    opened_by: int | None = None
    withheld_by: int | None = None


class _Figures(Struct):
    egress_bytes: int | None = None
    artifact_count: int | None = None
    wall_seconds: int | None = None
    gpu_seconds: int | None = None
    h200e_seconds: int | None = None
    exit_status: str | None = None


_NO_FIGURES: Final = _Figures()
_FIGURED: Final = frozenset(
    ("egress", "completed", "failed", "cancelled", "terminated_by_policy", "interrupted")
)
_entry: Final = msgspec.json.Decoder(_Entry)
_figures: Final = msgspec.json.Decoder(_Figures)


def jobs(snapshot: Snapshot, size: int) -> Iterator[Row]:
    """Jobs in the order of their submission."""
    return map(_job, snapshot.iterate_jobs(size=size))


def events(snapshot: Snapshot, size: int) -> Iterator[Row]:
    """Every entry that is about a job."""
    for stored in snapshot.iterate_entries(0, size):
        if stored.job_id is not None:
            yield _event(stored, stored.job_id)


def artifacts(snapshot: Snapshot, size: int) -> Iterator[Row]:
    """Artifacts in the order of their disclosure."""
    for each in snapshot.iterate_artifacts(size=size):
        yield (
            each.digest,
            each.name,
            each.kind,
            each.bytes,
            each.content_access,
            each.uri,
            each.job_id,
            each.author,
            each.disclosed_index,
            format_time(each.disclosed_at),
            each.disclosed_index * PLACES + each.n,
        )


TABLES: Final[tuple[tuple[Table, Rows], ...]] = (
    (JOBS, jobs),
    (EVENTS, events),
    (ARTIFACTS, artifacts),
)


def _job(job: StoredJob) -> Row:
    return (
        job.job_id,
        job.author,
        job.state,
        job.workload_type,
        job.gradient_scope,
        tuple(job.optimizer_targets.split()),
        job.accelerator,
        job.gpu_count,
        job.wall_limit_seconds,
        job.egress_ceiling_bytes,
        job.submitted_index,
        format_time(job.submitted_at),
        format_time(job.publish_by),
        job.disclosed_index,
        job.rejection_code,
        _time(job.started_at),
        _time(job.ended_at),
        job.wall_seconds,
        job.gpu_seconds,
        job.h200e_seconds,
        job.exit_status,
        job.weights_unchanged,
        job.weights_check,
        job.egress_bytes,
        job.artifact_count,
        job.title,
        job.model_name,
        _time(job.disclosed_at),
        job.model_digest,
        job.finding_code == Code.R1_DIGEST_MISMATCH,
        job.finding_code,
    )


def _event(stored: StoredEntry, job_id: str) -> Row:
    entry = _entry.decode(stored.data)
    said = entry.statement
    sealed = said.sealed if said else None
    figures = _figures.decode(said.public) if said and stored.kind in _FIGURED else _NO_FIGURES
    return (
        stored.index,
        job_id,
        stored.kind,
        format_time(stored.logged_at),
        said.author if said else None,
        said.made_at if said else None,
        said.schema if said else None,
        _time(stored.publish_by),
        sealed.fields if sealed else None,
        sealed.root if sealed else None,
        entry.refers_to,
        tuple(finding.code for finding in entry.findings),
        entry.discloses,
        entry.reason,
        entry.opened_by,
        entry.withheld_by,
        figures.egress_bytes,
        figures.artifact_count,
        figures.wall_seconds,
        figures.gpu_seconds,
        figures.h200e_seconds,
        figures.exit_status,
        said.public if said else None,
        stored.leaf_hash.hex(),
    )


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else format_time(seconds)
