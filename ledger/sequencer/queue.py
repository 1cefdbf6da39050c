"""What waits to be sequenced: groups of works, bounded in number and in bytes.

A group is what one caller handed over and waits for together. It never blocks a caller: where
there is no room it says so, and nothing was promised.
"""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ledger.errors import LedgerError, LogUnavailable, Overloaded
from ledger.records.proposal import Disclosure
from ledger.sequencer.plan import Placed, Work

R = TypeVar("R")


@dataclass(slots=True)
class Group(Generic[R]):
    """Works that are answered together, one result or error each, in their order."""

    works: Sequence[Work]
    future: "Future[list[R | LedgerError]]" = field(default_factory=Future)
    results: list[Placed | LedgerError] = field(default_factory=list)
    size: int = 0


class Queue(Generic[R]):
    """First in, first out, and a stop that wakes everyone."""

    def __init__(self, *, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._groups: deque[Group[R]] = deque()
        self._records = 0
        self._bytes = 0
        self._closed: LogUnavailable | None = None
        self._ready = threading.Condition()

    @property
    def records(self) -> int:
        """How many works wait."""
        return self._records

    def put(self, works: Sequence[Work]) -> Group[R]:
        """Queue a group. Raises Overloaded where it does not fit, LogUnavailable once closed."""
        group: Group[R] = Group(works, size=sum(map(_size, works)))
        with self._ready:
            if self._closed is not None:
                raise LogUnavailable(str(self._closed))
            if self._records and (
                self._records + len(works) > self._max_records
                or self._bytes + group.size > self._max_bytes
            ):
                raise Overloaded(
                    f"{self._records} statements are waiting and the queue takes "
                    f"{self._max_records}: nothing was stored, send it again",
                    retry_after_s=1,
                )
            self._groups.append(group)
            self._records += len(works)
            self._bytes += group.size
            self._ready.notify()
        return group

    def take(self, most: int) -> list[Group[R]]:
        """Wait for groups and take what has gathered: whole groups, up to ``most`` works in all.

        One group may be larger than ``most``. Empty once the queue is closed and drained.
        """
        with self._ready:
            while not self._groups and self._closed is None:
                self._ready.wait()
            taken: list[Group[R]] = []
            records = 0
            while self._groups and (not taken or records + len(self._groups[0].works) <= most):
                group = self._groups.popleft()
                records += len(group.works)
                self._bytes -= group.size
                # From here on the caller cannot cancel; who did before is not waiting.
                if group.future.set_running_or_notify_cancel():
                    taken.append(group)
            self._records -= records
            return taken

    def close(self, reason: LogUnavailable) -> None:
        """Take nothing more; what waits is still to be taken."""
        with self._ready:
            self._closed = self._closed or reason
            self._ready.notify_all()


def _size(work: Work) -> int:
    return 0 if isinstance(work, Disclosure) else work.size
