"""Jobs, their histories, and who may speak in the log."""

import re
from typing import Final

from ledger.errors import NotFound
from ledger.reader import shapes
from ledger.records.entry import Entry
from ledger.storage.shapes import StoredEntry, StoredJob
from ledger.storage.snapshot import Snapshot
from ledger.storage.tables import FOREVER
from schemas.answers import (
    Decision,
    Disclosure,
    Event,
    JobDetail,
    KeyShown,
    Member,
    Overview,
    SealedPart,
)

_JOB_ID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


def stored_job(snapshot: Snapshot, job_id: str, *, size: int) -> StoredJob:
    """A job as of ``size``. Raises NotFound."""
    found = snapshot.job(job_id, size=size) if _JOB_ID.fullmatch(job_id) else None
    if found is None:
        raise NotFound(f"the log of {size} entries knows no job {job_id[:40]!a}")
    return found


def entries_of(snapshot: Snapshot, job_id: str, *, size: int) -> list[StoredEntry]:
    """Every entry about a job, in log order. Raises NotFound."""
    stored_job(snapshot, job_id, size=size)
    return snapshot.entries_of_job(job_id, size=size)


def events(snapshot: Snapshot, job_id: str, *, size: int) -> tuple[Event, ...]:
    """The history of a job. Raises NotFound."""
    return tuple(
        shapes.event_of(stored.index, shapes.decode_entry(stored))
        for stored in entries_of(snapshot, job_id, size=size)
    )


def detail(snapshot: Snapshot, job_id: str, *, size: int) -> JobDetail:
    """Everything public about a job. Raises NotFound."""
    job = stored_job(snapshot, job_id, size=size)
    history = [
        (stored.index, shapes.decode_entry(stored))
        for stored in snapshot.entries_of_job(job_id, size=size)
    ]
    return JobDetail(
        job=shapes.job_shown(job),
        decision=_decision(history),
        sealed=_sealed_parts(history),
        events=tuple(shapes.event_of(index, entry) for index, entry in history),
    )


def members(snapshot: Snapshot, overview: Overview, *, size: int) -> tuple[Member, ...]:
    """Every registered author, in the order of registration, with what it has run."""
    tallies = {tally.value: tally for tally in overview.members}
    found: dict[str, Member] = {}
    for key in snapshot.author_keys(size=size):
        # The row says when the key was retired; as of a smaller size it was not yet.
        until = None if key.until == FOREVER or key.until >= size else key.until
        shown = KeyShown(key_id=key.key_id, vkey=key.vkey, since=key.since, until=until)
        known = found.get(key.name)
        tally = tallies.get(key.name)
        found[key.name] = Member(
            name=key.name,
            role=key.role,
            title=key.title,
            keys=(*known.keys, shown) if known else (shown,),
            jobs=tally.jobs if tally else 0,
            gpu_seconds=tally.gpu_seconds if tally else 0,
        )
    return tuple(found.values())


def _decision(history: list[tuple[int, Entry]]) -> Decision | None:
    for index, entry in history:
        if entry.decision is not None:
            return shapes.decision_of(index, entry)
    return None


def _sealed_parts(history: list[tuple[int, Entry]]) -> tuple[SealedPart, ...]:
    opened: dict[int, Disclosure] = {}
    for index, entry in history:
        if entry.disclosed is not None:
            opened[entry.disclosed.discloses] = shapes.disclosure_of(index, entry)
    parts = (shapes.sealed_part_of(index, entry, opened.get(index)) for index, entry in history)
    return tuple(part for part in parts if part is not None)
