"""From stored values and entry bytes to the shapes of ``schemas.answers``; pure."""

from typing import Any

import msgspec

from ledger.records.commitment import PartialOpening
from ledger.records.deadline import format_time
from ledger.records.entry import Entry, parse_entry
from ledger.records.statement import sealed_paths
from ledger.storage.shapes import (
    StoredCheckpoint,
    StoredEmbargo,
    StoredEntry,
    StoredJob,
)
from schemas.answers import (
    CheckpointShown,
    Commitment,
    Decision,
    Disclosure,
    EntryShown,
    Event,
    FindingShown,
    JobShown,
    SealedPart,
    SealedShown,
)
from schemas.statements import SCHEMAS


def time_or_none(seconds: int | None) -> str | None:
    """The time as text; None stays None."""
    return None if seconds is None else format_time(seconds)


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


def findings_shown(entry: Entry) -> tuple[FindingShown, ...] | None:
    """What the rules found; None where the entry is no decision."""
    if entry.decision is None:
        return None
    return tuple(
        FindingShown(rule=found.rule, code=str(found.code), finding=found.finding)
        for found in entry.decision.findings
    )


def decision_of(index: int, entry: Entry) -> Decision:
    """The judgement that a decision entry holds."""
    return Decision(index=index, kind=entry.kind, findings=findings_shown(entry) or ())


def disclosure_of(index: int, entry: Entry) -> Disclosure:
    """What a disclosure entry opens, and what it says stays closed."""
    opened = entry.disclosed
    assert opened is not None
    return Disclosure(
        index=index,
        logged_at=format_time(entry.logged_at),
        reason=str(opened.reason),
        fields=dict(opened.fields),
        closed=tuple(sorted(opened.partial.closed)) if opened.partial else (),
        opened_by=opened.opened_by,
        withheld_by=opened.withheld_by,
    )


def opening_shown(entry: Entry) -> dict[str, Any]:
    """What a receipt carries once the log has opened its entry: exactly what the log shows."""
    opened = entry.disclosed
    assert opened is not None
    if opened.partial is not None:
        partial: PartialOpening = opened.partial
        return partial.to_dict()
    assert opened.seed is not None
    return {"fields": dict(opened.fields), "seed": msgspec.to_builtins(opened.seed)}


def event_of(index: int, entry: Entry) -> Event:
    """One step of a job's history."""
    statement = entry.signed.statement if entry.signed else None
    commitment = _commitment(entry)
    opened = entry.disclosed
    return Event(
        index=index,
        kind=entry.kind,
        logged_at=format_time(entry.logged_at),
        author=statement.author if statement else None,
        made_at=statement.made_at if statement else None,
        public=statement.public if statement else None,
        sealed=commitment,
        publish_by=time_or_none(entry.publish_by),
        refers_to=entry.decision.refers_to if entry.decision else None,
        findings=findings_shown(entry),
        discloses=opened.discloses if opened else None,
        reason=str(opened.reason) if opened else None,
        opened_by=opened.opened_by if opened else None,
        withheld_by=opened.withheld_by if opened else None,
    )


def sealed_part_of(index: int, entry: Entry, disclosure: Disclosure | None) -> SealedPart | None:
    """The sealed part of an entry; None where it has none."""
    commitment = _commitment(entry)
    if commitment is None or entry.signed is None or entry.publish_by is None:
        return None
    statement = entry.signed.statement
    schema = SCHEMAS.get(statement.schema)
    return SealedPart(
        index=index,
        kind=entry.kind,
        author=statement.author,
        commitment=commitment,
        paths=tuple(sorted(sealed_paths(schema))) if schema else (),
        publish_by=format_time(entry.publish_by),
        disclosure=disclosure,
    )


def _commitment(entry: Entry) -> Commitment | None:
    if entry.signed is None:
        return None
    sealed = entry.signed.statement.sealed
    if isinstance(sealed, msgspec.UnsetType):
        return None
    return Commitment(fields=sealed.fields, root=sealed.root)
