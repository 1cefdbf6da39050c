"""What is sealed and until when, what is late, and what has been opened."""

from typing import Final

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.records.deadline import DAY_S, days_late, format_time
from ledger.storage.shapes import StoredEmbargo
from ledger.storage.snapshot import Snapshot
from ledger.storage.tables import FOREVER
from schemas.answers import Day, Embargo, Overdue, Published

LONG_AGO: Final = -1


def calendar(snapshot: Snapshot, *, size: int, now: int, limit: int) -> Embargo:
    """What is sealed as of ``size``, seen at ``now``; lists hold up to ``limit`` entries.

    ``overdue_count`` counts all of them. A deadline has passed when ``now`` reaches it.
    """
    late = snapshot.sealed(size=size, due_after=LONG_AGO, due_until=now, limit=limit)
    coming = snapshot.sealed(size=size, due_after=now, due_until=FOREVER, limit=limit)
    return Embargo(
        now=format_time(now),
        sealed=snapshot.count_sealed(size=size),
        disclosed=snapshot.count_disclosures(size=size),
        overdue_count=snapshot.count_sealed(size=size, due_until=now),
        overdue=tuple(_overdue(stored, now=now) for stored in late),
        next=tuple(map(shapes.sealed_shown, coming)),
        days=tuple(
            Day(day=format_time(day - day % DAY_S)[:10], entries=entries)
            for day, entries in snapshot.sealed_by_day(size=size, after=now)
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
