"""What an entry shows about its job, as ``schemas.answers`` has it: from its bytes alone.

Used by the ledger that answers and by the client that checks the answer. Pure, and as public as the
entries are.
"""

from collections.abc import Iterable

import msgspec

from ledger.records.charter import Finding
from ledger.records.deadline import format_time
from ledger.records.entry import Entry
from ledger.records.statement import sealed_paths
from schemas.answers import (
    Commitment,
    Decision,
    Disclosure,
    Event,
    FindingShown,
    SealedPart,
)
from schemas.statements import SCHEMAS


def time_or_none(seconds: int | None) -> str | None:
    """The time as text; None stays None."""
    return None if seconds is None else format_time(seconds)


def findings_shown(entry: Entry) -> tuple[FindingShown, ...] | None:
    """What the rules found; None where the entry is neither a decision nor a finding."""
    judgement = entry.decision or entry.found
    if judgement is None:
        return None
    return judged(judgement.findings)


def judged(findings: Iterable[Finding]) -> tuple[FindingShown, ...]:
    """Findings as answers have them."""
    return tuple(
        FindingShown(rule=found.rule, code=str(found.code), finding=found.finding)
        for found in findings
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


def event_of(index: int, entry: Entry) -> Event:
    """One step of a job's history."""
    statement = entry.signed.statement if entry.signed else None
    commitment = _commitment(entry)
    opened, judgement = entry.disclosed, entry.decision or entry.found
    return Event(
        index=index,
        kind=entry.kind,
        logged_at=format_time(entry.logged_at),
        author=statement.author if statement else None,
        made_at=statement.made_at if statement else None,
        public=statement.public if statement else None,
        sealed=commitment,
        publish_by=time_or_none(entry.publish_by),
        refers_to=judgement.refers_to if judgement else None,
        findings=findings_shown(entry),
        discloses=opened.discloses if opened else None,
        reason=str(opened.reason) if opened else None,
        opened_by=opened.opened_by if opened else None,
        withheld_by=opened.withheld_by if opened else None,
        charter=judgement.charter if judgement else None,
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
