"""Whether this process should get requests: one look at what it needs to answer them.

It changes nothing and signs nothing, and what it says is fit for everybody: it names the part that
is not as it must be, never an address, a path or what the database said.
"""

import threading
from typing import Final

from ledger.errors import LedgerError, NotReady
from ledger.sequencer.sequencer import Sequencer
from ledger.storage.store import Store

STOPPING: Final = threading.Event()
"""Set once this process is being stopped: it answers what comes, and wants no more of it."""
UNSIGNED_S: Final = 10
"""How long entries may be stored before their checkpoint is: a batch is signed in milliseconds."""


def check_ready(store: Store, writer: Sequencer | None, *, now: int) -> None:
    """Look at database, schema, writer and newest checkpoint; ``now`` is in Unix seconds.

    ``writer`` is None where this process only reads. Raises NotReady, which says what failed first.
    """
    if STOPPING.is_set():
        raise NotReady("server: it is being stopped")
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
    if writer is not None and (found := writer.second_history()) is not None:
        raise NotReady(f"writer: stopped: {found}")
    if writer is not None and not writer.is_alive:
        raise NotReady("writer: it has stopped and takes no statements; the server's log says why")
    signed = newest.size if newest is not None else 0
    if signed < head.size and now - head.logged_at > UNSIGNED_S:
        raise NotReady(
            f"checkpoint: the newest signed one is of size {signed}, the log holds {head.size}"
        )
