"""Whether this process should get requests: one look at what it needs to answer them.

It changes nothing and signs nothing, and what it says is fit for everybody: it names the part that
is not as it must be, never an address, a path or what the database said.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError, NotReady
from ledger.sequencer.sequencer import Sequencer
from ledger.storage.store import Store

STOPPING: Final = threading.Event()
"""Set once this process is being stopped: it answers what comes, and wants no more of it."""
CLOSING: Final = threading.Event()
"""Set once it takes no connection any more: whoever keeps it waiting is left."""
UNSIGNED_S: Final = 10
"""How long entries may be stored before their checkpoint is: a batch is signed in milliseconds."""
UNSTORED_S: Final = 10
"""How long a batch that could not be stored keeps requests away: then one may try again."""
LEAST_FREE_BYTES: Final = 1_000_000


def check_ready(
    store: Store, writer: Sequencer | None, *, now: int, folders: Iterable[Path] = ()
) -> None:
    """Look at disk, database, schema, writer and newest checkpoint; ``now`` is in Unix seconds.

    ``folders`` are those which a writer writes to; ``writer`` is None where this process only
    reads. Raises NotReady, which says what failed first.
    """
    if STOPPING.is_set():
        raise NotReady("server: it is being stopped")
    # First: a disk that takes nothing is also why a database cannot be opened.
    _check_disks(folders if writer is not None else ())
    try:
        is_current = store.is_current()
    except LedgerError:
        raise NotReady("database: it does not answer, or refuses") from None
    if not is_current:
        raise NotReady("schema: it is not the one of this program; restart after `ledger migrate`")
    try:
        with store.snapshot() as reads:
            head, newest = reads.head(), reads.newest_checkpoint()
    except LedgerError:
        raise NotReady("database: it cannot be read") from None
    if writer is not None:
        _check_writer(writer, now=now)
    signed = newest.size if newest is not None else 0
    if signed < head.size and now - head.logged_at > UNSIGNED_S:
        raise NotReady(
            f"checkpoint: the newest signed one is of size {signed}, the log holds {head.size}"
        )
    if writer is not None and now - head.logged_at > UNSIGNED_S:
        held_back = writer.unwitnessed()
        if held_back is not None:
            raise NotReady(
                f"witnesses: too few have cosigned the tree of {held_back} entries, and nothing is"
                f" promised before"
            )


def _check_writer(writer: Sequencer, *, now: int) -> None:
    if (found := writer.second_history()) is not None:
        raise NotReady(f"writer: stopped: {found}")
    if not writer.is_alive:
        raise NotReady("writer: it has stopped and takes no statements; the server's log says why")
    if writer.failed_at is not None and now - writer.failed_at <= UNSTORED_S:
        raise NotReady("writer: the last batch could not be stored; the server's log says why")


def _check_disks(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            disk = os.statvfs(folder)
        except OSError:
            raise NotReady("disk: it cannot be looked at") from None
        if disk.f_flag & os.ST_RDONLY:
            raise NotReady("disk: it is read-only")
        if disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES:
            raise NotReady("disk: it is full")
