"""Opens what is due, in log order, exactly once; and knows when the next deadline comes.

The truth is in the log: what has a passed ``publish_by`` and no disclosure is due, however long
nothing ran and however often this is called. Nothing here can move a date. That no entry is opened
twice is held by the sequencer under the head's lock and by a primary key, so any number of
workers may sweep at once.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from ledger.errors import Conflict, LedgerError, LogUnavailable
from ledger.records.entry import Reason
from ledger.records.proposal import Disclosure
from ledger.storage.shapes import StoredEmbargo
from ledger.storage.store import Store
from ledger.vault import Vault, prepare_disclosure

log = logging.getLogger(__name__)

T_co = TypeVar("T_co", covariant=True)

AT_ONCE: Final = 500
"""Disclosures handed over together: one batch of the log, a bounded amount of memory."""


class Pending(Protocol[T_co]):
    """What has been handed to the log: its result is one outcome or refusal for each, in order."""

    def result(self) -> Sequence[T_co | LedgerError]:
        """Wait for the outcomes."""


Append = Callable[[Sequence[Disclosure]], Pending[object]]
"""How disclosures get into the log."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one pass did: how many entries it opened, and which it could not open."""

    opened: int
    failed: tuple[int, ...]


class Embargo:
    """The scheduler's work, without the scheduler. ``clock`` gives Unix seconds."""

    def __init__(
        self, store: Store, vault: Vault, *, append: Append, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._vault = vault
        self._append = append
        self._clock = clock

    def next_deadline(self) -> int | None:
        """The earliest ``publish_by`` of what is still sealed, in Unix seconds."""
        with self._store.snapshot() as reads:
            return reads.next_deadline()

    def open_due(self) -> Swept:
        """Open everything whose deadline has come.

        An entry whose opening is lost is reported, stays publicly overdue and holds up no other.
        Raises LogUnavailable where the log takes no entries: the next pass goes on from there.
        """
        now = self._clock()
        opened = 0
        failed: list[int] = []
        after = -1
        while due := self._due(now, after):
            after = due[-1].index
            disclosures = []
            for embargo in due:
                try:
                    disclosures.append(self._prepare(embargo))
                except LogUnavailable:
                    raise
                except LedgerError as error:
                    log.error("entry %d cannot be opened: %s", embargo.index, error)  # noqa: TRY400 - the message says it all
                    failed.append(embargo.index)
            for disclosure, result in zip(
                disclosures, self._append(disclosures).result(), strict=True
            ):
                if isinstance(result, LogUnavailable):
                    raise result
                if isinstance(result, Conflict):
                    continue  # another worker was faster, or the committee withheld a field
                if isinstance(result, LedgerError):
                    log.error("entry %d was not opened: %s", disclosure.index, result)
                    failed.append(disclosure.index)
                    continue
                opened += 1
        return Swept(opened, tuple(failed))

    def _due(self, now: int, after: int) -> list[StoredEmbargo]:
        with self._store.snapshot() as reads:
            return reads.due(now=now, after=after, limit=AT_ONCE)

    def _prepare(self, embargo: StoredEmbargo) -> Disclosure:
        with self._store.snapshot() as reads:
            return prepare_disclosure(reads, self._vault, embargo, reason=Reason.DEADLINE)
