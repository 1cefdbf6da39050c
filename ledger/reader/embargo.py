"""What is sealed and until when, what is late, and what has been opened."""

import numpy as np

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.reader.seals import NONE, Seals
from ledger.records.deadline import DAY_S, days_late, format_time
from ledger.storage.shapes import StoredEmbargo
from ledger.storage.snapshot import Snapshot
from schemas.answers import Day, Embargo, Overdue, Published


def calendar(snapshot: Snapshot, seals: Seals, *, now: int, limit: int) -> Embargo:
    """What of ``seals`` is sealed, seen at ``now``; lists hold up to ``limit`` entries.

    ``overdue_count`` counts all of them. A deadline has passed when ``now`` reaches it.
    """
    is_sealed = seals.opened_at == NONE
    sealed = np.flatnonzero(is_sealed)
    # Stable: entries with the same deadline stay in log order.
    soonest = sealed[np.argsort(seals.publish_by[sealed], kind="stable")]
    overdue = int(np.searchsorted(seals.publish_by[soonest], now, side="right"))
    late = seals.index[soonest[:overdue][:limit]].tolist()
    coming = seals.index[soonest[overdue:][:limit]].tolist()
    rows = snapshot.embargoes_at([*late, *coming])
    days, counts = np.unique(seals.publish_by[soonest[overdue:]] // DAY_S, return_counts=True)
    return Embargo(
        now=format_time(now),
        sealed=len(sealed),
        disclosed=len(is_sealed) - len(sealed),
        overdue_count=overdue,
        overdue=tuple(_overdue(rows[index], now=now) for index in late),
        next=tuple(shapes.sealed_shown(rows[index]) for index in coming),
        days=tuple(
            Day(day=format_time(day * DAY_S)[:10], entries=entries)
            for day, entries in zip(days.tolist(), counts.tolist(), strict=True)
        ),
    )


def published(snapshot: Snapshot, *, size: int, below: int, limit: int) -> tuple[Published, ...]:
    """Disclosures at an index below ``below``, newest first, each with its job as of ``size``."""
    pairs = snapshot.disclosures(below=below, limit=limit)
    entries = snapshot.entries_at({index for pair in pairs for index in pair})
    job_ids = {stored.job_id for stored in entries.values() if stored.job_id is not None}
    jobs = snapshot.jobs_by_id(sorted(job_ids), size=size)
    found = []
    for discloses, disclosed in pairs:
        sealed, opened = entries.get(discloses), entries.get(disclosed)
        if sealed is None or opened is None or sealed.job_id not in jobs:
            raise LogUnavailable(
                f"the disclosure at {disclosed} of {discloses} has lost an entry: run `ledger fsck`"
            )
        statement = shapes.decode_entry(sealed).signed
        assert statement is not None
        found.append(
            Published(
                disclosure=shapes.disclosure_of(disclosed, shapes.decode_entry(opened)),
                discloses=discloses,
                kind=sealed.kind,
                author=statement.statement.author,
                job=shapes.job_shown(jobs[sealed.job_id]),
            )
        )
    return tuple(found)


def _overdue(stored: StoredEmbargo, *, now: int) -> Overdue:
    return Overdue(
        index=stored.index,
        job_id=stored.job_id,
        author=stored.author,
        publish_by=format_time(stored.publish_by),
        days_late=days_late(stored.publish_by, now=now),
    )
