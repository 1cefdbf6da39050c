"""From stored values and entry bytes to the shapes of ``schemas.answers``; pure."""

from typing import Any

import msgspec

from ledger.records.charter import Code
from ledger.records.commitment import PartialOpening
from ledger.records.deadline import format_time
from ledger.records.entry import Entry, parse_entry
from ledger.records.shown import (
    decision_of,
    disclosure_of,
    event_of,
    findings_shown,
    judged,
    sealed_part_of,
    time_or_none,
)
from ledger.storage.shapes import (
    StoredCheckpoint,
    StoredEmbargo,
    StoredEntry,
    StoredJob,
)
from schemas.answers import (
    CheckpointShown,
    EntryShown,
    JobShown,
    SealedShown,
)

__all__ = [
    "checkpoint_shown",
    "decision_of",
    "decode_entry",
    "disclosure_of",
    "entry_shown",
    "event_of",
    "findings_shown",
    "job_shown",
    "judged",
    "opening_shown",
    "sealed_part_of",
    "sealed_shown",
    "time_or_none",
]


def checkpoint_shown(stored: StoredCheckpoint) -> CheckpointShown:
    """A published checkpoint."""
    return CheckpointShown(
        tree_size=stored.size,
        root=stored.root.hex(),
        logged_at=format_time(stored.logged_at),
        note=stored.note.decode(),
    )


def entry_shown(stored: StoredEntry) -> EntryShown:
    """One leaf with its bytes."""
    return EntryShown(
        index=stored.index,
        kind=stored.kind,
        job_id=stored.job_id,
        logged_at=format_time(stored.logged_at),
        leaf_hash=stored.leaf_hash.hex(),
        entry=msgspec.Raw(stored.data),
    )


def job_shown(stored: StoredJob) -> JobShown:
    """One job as a row of a list shows it."""
    return JobShown(
        job_id=stored.job_id,
        member=stored.author,
        state=stored.state,
        workload_type=stored.workload_type,
        gradient_scope=stored.gradient_scope,
        optimizer_targets=tuple(stored.optimizer_targets.split()),
        accelerator=stored.accelerator,
        gpu_count=stored.gpu_count,
        wall_limit_seconds=stored.wall_limit_seconds,
        egress_ceiling_bytes=stored.egress_ceiling_bytes,
        submitted_index=stored.submitted_index,
        submitted_at=format_time(stored.submitted_at),
        publish_by=format_time(stored.publish_by),
        disclosed_index=stored.disclosed_index,
        rejection_code=stored.rejection_code,
        started_at=time_or_none(stored.started_at),
        ended_at=time_or_none(stored.ended_at),
        wall_seconds=stored.wall_seconds,
        gpu_seconds=stored.gpu_seconds,
        h200e_seconds=stored.h200e_seconds,
        exit_status=stored.exit_status,
        weights_unchanged=stored.weights_unchanged,
        weights_check=stored.weights_check,
        egress_bytes=stored.egress_bytes,
        artifact_count=stored.artifact_count,
        title=stored.title,
        model_name=stored.model_name,
        disclosed_at=time_or_none(stored.disclosed_at),
        model_digest=stored.model_digest,
        quarantined=stored.finding_code == Code.R1_DIGEST_MISMATCH,
        finding_code=stored.finding_code,
    )


def sealed_shown(stored: StoredEmbargo) -> SealedShown:
    """One entry that is still sealed."""
    return SealedShown(
        index=stored.index,
        job_id=stored.job_id,
        author=stored.author,
        publish_by=format_time(stored.publish_by),
    )


def decode_entry(stored: StoredEntry) -> Entry:
    """The parsed entry."""
    return parse_entry(stored.data)


def opening_shown(entry: Entry) -> dict[str, Any]:
    """What a receipt carries once the log has opened its entry: exactly what the log shows."""
    opened = entry.disclosed
    assert opened is not None
    if opened.partial is not None:
        partial: PartialOpening = opened.partial
        return partial.to_dict()
    assert opened.seed is not None
    return {"fields": dict(opened.fields), "seed": msgspec.to_builtins(opened.seed)}
