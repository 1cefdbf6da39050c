"""What the safeguards committee keeps closed, why, and until when it decides anew."""

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.records.deadline import format_time
from ledger.storage.snapshot import Snapshot
from schemas.reference import WithheldShown
from schemas.statements import JobWithheld


def withheld(snapshot: Snapshot, *, size: int, below: int, limit: int) -> tuple[WithheldShown, ...]:
    """The committee's entries at an index below ``below``, newest first, as of ``size``.

    Raises LogUnavailable where the projection names an entry that is not the committee's.
    """
    stored = snapshot.withheld(below=min(below, size), limit=limit)
    entries = snapshot.entries_at({each.withheld_index or 0 for each in stored})
    found = []
    for each in stored:
        entry = entries.get(each.withheld_index or 0)
        signed = shapes.decode_entry(entry).signed if entry else None
        if entry is None or signed is None or not isinstance(signed.public, JobWithheld):
            raise LogUnavailable(
                f"entry {each.withheld_index} withholds nothing: run `ledger fsck`"
            )
        opened = each.disclosed_index
        found.append(
            WithheldShown(
                index=entry.index,
                logged_at=format_time(entry.logged_at),
                job_id=each.job_id,
                author=signed.statement.author,
                withholds=each.index,
                paths=signed.public.paths,
                basis=str(signed.public.basis),
                review_by=signed.public.review_by,
                disclosed_index=opened if opened is not None and opened < size else None,
            )
        )
    return tuple(found)
