"""Every projection emptied and folded again from the stored entries, in the caller's transaction.

It writes projections and nothing else, and it believes the entries: that these are sound is asked
by ``ledger.fsck``. The head's row gets a new version with the values it had: on PostgreSQL the
writers of other processes forget by it what they remember of the old projections.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from ledger.errors import LedgerError, LogUnavailable
from ledger.records.entry import parse_entry
from ledger.storage.driver import Driver
from ledger.storage.egress import note_lost
from ledger.storage.egress_fold import drop_egress, fold_egress, stored_tags
from ledger.storage.projections import Fact, drop_projections, fact_of, fold_batch
from ledger.storage.shapes import StoredEntry
from ledger.storage.snapshot import Snapshot
from ledger.tlog.hashing import leaf_hash

AT_ONCE: Final = 2_048
"""Entries that are folded together: bounded memory."""


def refold(
    connection: Connection, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> int:
    """Fold every entry anew; the number of entries. ``progress`` is told (done, all).

    The caller holds the head's lock. Raises LogUnavailable where an entry is missing or cannot be
    read: the caller rolls back.
    """
    Driver(connection).run("UPDATE log_head SET size = size")
    reads = Snapshot(connection)
    size = reads.head().size
    drop_projections(connection)
    drop_egress(connection)
    tags = stored_tags(connection)
    waiting: list[Fact] = []
    for start in range(0, size, AT_ONCE):
        stop = min(start + AT_ONCE, size)
        stored = reads.entries(start, stop)
        if len(stored) != stop - start:
            raise LogUnavailable(
                f"{stop - start - len(stored)} of the entries {start} to {stop - 1} are"
                f" missing: nothing was changed; run `ledger fsck`"
            )
        waiting += [_fact(entry) for entry in stored]
        # A submission waits for its decision: the two make one row.
        rest = waiting[-1:] if waiting[-1].kind == "submitted" and stop < size else []
        ready = waiting[: len(waiting) - len(rest)]
        fold_batch(connection, ready)
        note_lost(connection, fold_egress(connection, ready, tags=tags))
        waiting = rest
        progress(stop, size)
    return size


def refold_egress(connection: Connection) -> None:
    """Fold the counters of what has left anew; jobs and charters are projected already.

    The openings' tags say which jobs are about one model: without a job's opening its bytes count
    with the member's models that have no name.
    """
    drop_egress(connection)
    tags = stored_tags(connection)
    start = 0
    while found := Snapshot(connection).some_of_kind("egress", start=start, limit=AT_ONCE):
        debits = fold_egress(connection, [_fact(entry) for entry in found], tags=tags)
        note_lost(connection, debits)
        start = found[-1].index + 1


def _fact(entry: StoredEntry) -> Fact:
    if leaf_hash(entry.data) != entry.leaf_hash:
        raise LogUnavailable(
            f"the bytes of entry {entry.index} do not have its leaf hash: nothing was changed; run"
            f" `ledger fsck`"
        )
    try:
        return fact_of(entry.index, parse_entry(entry.data))
    except LedgerError as error:
        raise LogUnavailable(
            f"entry {entry.index} cannot be read ({error}): nothing was changed; run `ledger fsck`"
        ) from None
