"""Reads from a replica that may be behind, and from the primary wherever that would show.

How large the log is, the primary alone says; a replica is asked for a tree size that is known, and
answers where it holds that size. So it costs freshness nothing: what was answered once is found
afterwards, by whichever process and from whichever replica. A replica is believed only as far as
the primary published the same tree: one that was promoted by itself, or belongs to another ledger,
answers nothing. It is never written to.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from time import monotonic, sleep
from typing import Final

from sqlalchemy.engine import make_url

from ledger.storage.shapes import StoredCheckpoint
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import StorageFailed, Store

log = logging.getLogger(__name__)

CONNECT_S: Final = 2
UNANSWERED_MS: Final = 5_000
"""How long what was sent may stay unacknowledged before the connection counts as dead."""
RETRY_S: Final = 5.0
"""How long a replica that failed is left alone."""
PATIENCE_S: Final = 0.02
"""How long a reader waits for a replica that is a moment behind."""
LOOK_S: Final = 0.002


class Source(StrEnum):
    """Who a read was answered by, and why it was not the replica."""

    REPLICA = "replica"
    BEHIND = "behind"
    """The primary: the replica has not got that far."""
    DOWN = "down"
    """The primary: the replica does not answer, or shortly before did not."""
    OTHER_TREE = "other_tree"
    """The primary: what the replica holds is not what was published."""


def _ignore(_source: Source) -> None:
    pass


class Replica:
    """Snapshots for readers of one ledger. Thread-safe; ``told`` hears who answered each.

    ``retry_s`` and ``patience_s`` are seconds, see ``RETRY_S`` and ``PATIENCE_S``.
    """

    def __init__(
        self,
        url: str,
        primary: Store,
        *,
        told: Callable[[Source], None] = _ignore,
        retry_s: float = RETRY_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._store = Store(_soon_given_up(url))
        # What is wrong with the replica is this process's damage too.
        self._store.damage = primary.damage
        self._primary = primary
        self.retry_s = retry_s
        self.patience_s = patience_s
        self._lock = threading.Lock()
        self._left_alone_until = 0.0
        self._trails = False
        self._same: tuple[int, bytes] | None = None
        self.told = told

    def close(self) -> None:
        """Close every connection to the replica."""
        self._store.close()

    @contextmanager
    def snapshot(self, size: int) -> Iterator[Snapshot]:
        """Reads that all see one moment, at which the tree of ``size`` entries is published.

        ``size`` is a size that the primary is known to have published. The replica's moment where
        it can be had, else the primary's; never some of each. Raises StorageFailed where the one
        that was chosen fails on the way; a replica that did is then left alone for a while.
        """
        source = None
        try:
            with ExitStack() as stack:
                source = self._enter(stack, size)
                self.told(source[0])
                yield source[1]
        except StorageFailed as error:
            if source is not None and source[0] is Source.REPLICA:
                self._failed(error)
            raise

    def newest(self) -> StoredCheckpoint | None:
        """The newest checkpoint that the replica holds now. Raises StorageFailed."""
        with self._store.snapshot() as reads:
            return reads.newest_checkpoint()

    def _enter(self, stack: ExitStack, size: int) -> tuple[Source, Snapshot]:
        """Open the replica's snapshot if it is to be had, else the primary's."""
        try:
            return Source.REPLICA, self._of_replica(stack, size)
        except _Unusable as why:
            return why.source, stack.enter_context(self._primary.snapshot())

    def _of_replica(self, stack: ExitStack, size: int) -> Snapshot:
        if monotonic() < self._left_alone_until:
            raise _Unusable(Source.DOWN)
        until = monotonic() + (0 if self._trails else self.patience_s)
        while True:
            try:
                reads = stack.enter_context(self._reading(size))
            except StorageFailed as error:
                self._failed(error)
                raise _Unusable(Source.DOWN) from None
            except _Unusable as why:
                if why.source is not Source.BEHIND or monotonic() >= until:
                    # Whoever comes next does not wait, until it has caught up.
                    self._trails = True
                    raise
            else:
                self._trails = False
                return reads
            sleep(LOOK_S)

    @contextmanager
    def _reading(self, size: int) -> Iterator[Snapshot]:
        with self._store.snapshot() as reads:
            # The checkpoint's row, not the head: it comes last of all that makes a size public.
            newest = reads.newest_checkpoint()
            if newest is None or newest.size < size:
                raise _Unusable(Source.BEHIND)
            self._believe(newest)
            yield reads

    def _believe(self, newest: StoredCheckpoint) -> None:
        """Refuse the replica unless the primary published the newest tree that it holds."""
        tree = newest.size, newest.root
        if self._same == tree:
            return
        try:
            with self._primary.snapshot() as own:
                published = own.checkpoint(newest.size)
        except StorageFailed:
            raise _Unusable(Source.BEHIND) from None
        if published is None or published.root != newest.root:
            if self._leave_alone():
                log.critical(
                    "LEDGER_READ_DATABASE_URL is not used: it holds a tree of %d entries that this"
                    " ledger did not publish; it is another ledger's, or was promoted by itself",
                    newest.size,
                )
            raise _Unusable(Source.OTHER_TREE)
        self._same = tree

    def _failed(self, error: StorageFailed) -> None:
        if self._leave_alone():
            log.warning("the replica is left alone for %g s: %s", self.retry_s, error)

    def _leave_alone(self) -> bool:
        """Ask the primary for a while. Whether that is news."""
        now = monotonic()
        with self._lock:
            news = now >= self._left_alone_until
            self._left_alone_until = now + self.retry_s
        return news


class _Unusable(Exception):
    """The primary answers instead."""

    def __init__(self, source: Source) -> None:
        self.source = source


def _soon_given_up(url: str) -> str:
    """``url`` with libpq's limits on waiting, where it sets none itself."""
    parsed = make_url(url)
    limits = {"connect_timeout": str(CONNECT_S), "tcp_user_timeout": str(UNANSWERED_MS)}
    missing = {name: value for name, value in limits.items() if name not in parsed.query}
    return parsed.update_query_dict(missing).render_as_string(hide_password=False)
