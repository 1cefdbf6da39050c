"""What waits to be sequenced: groups of works, bounded in number and in bytes.

A group is what one caller handed over and waits for together. The queue never blocks a caller:
where there is no room it says so, and nothing was promised.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from ledger.errors import LedgerError, LogUnavailable, Overloaded, SecondHistory
from ledger.journal import REQUEST, about
from ledger.records.entry import Manifest
from ledger.records.proposal import Disclosure, DoorFinding
from ledger.records.succession import Succession
from ledger.sequencer.known import Work

log = logging.getLogger(__name__)

R = TypeVar("R")

Told = Callable[[int, int], None]
"""Is told how many works wait now, and of how many bytes."""

_finishing = threading.Lock()
"""Held for the moment in which a ticket becomes done, by all tickets in turn."""


class Ticket(Generic[R]):
    """What a caller holds while its works wait: one result or refusal for each, in order.

    A ``concurrent.futures.Future`` without cancelling, at a third of its price: every statement
    of every client needs one.
    """

    __slots__ = ("_callbacks", "_open", "_results", "callers", "request", "since", "size", "works")

    def __init__(self, works: Sequence[Work], callers: int = 1) -> None:
        self.works = works
        self.callers = callers
        self.size = sum(map(_size, works))
        self.since = monotonic()
        self.request = REQUEST.get()
        self._results: list[R | LedgerError] | None = None
        self._callbacks: list[Callable[[Ticket[R]], None]] = []
        self._open = threading.Lock()
        self._open.acquire()

    def done(self) -> bool:
        """Whether the results are there."""
        return self._results is not None

    def result(self, timeout_s: float = -1) -> list[R | LedgerError]:
        """Wait for the results; negative: for ever. Raises TimeoutError after ``timeout_s``."""
        if self._results is None:
            if not self._open.acquire(timeout=timeout_s):
                raise TimeoutError
            self._open.release()
        assert self._results is not None
        return self._results

    def add_done_callback(self, callback: "Callable[[Ticket[R]], None]") -> None:
        """Call back once done: from the thread that finishes, or here if it is done already."""
        with _finishing:
            if self._results is None:
                self._callbacks.append(callback)
                return
        callback(self)

    def finish(self, results: list[R | LedgerError]) -> None:
        """Give the results, once, and wake who waits."""
        with _finishing:
            self._results = results
        self._open.release()
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception as error:  # noqa: BLE001 - one caller's mistake must not cost the next its answer
                said = about([self.request])
                log.error(  # noqa: TRY400 - a traceback may show what is sealed
                    "a caller failed to take its answer: %s", type(error).__name__, extra=said
                )


class Queue(Generic[R]):
    """First in, first out, and a stop that wakes everyone."""

    def __init__(self, *, max_records: int, max_bytes: int, told: Told | None = None) -> None:
        self._told = told
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._tickets: deque[Ticket[R]] = deque()
        self._records = 0
        self._bytes = 0
        self._awaited = 0
        self._callers = 0
        self._last_callers = 0
        self._taken = False
        """Whether what was taken is still being written, for all that is known."""
        self._seized = False
        self._seizer = 0
        """Which thread has seized it last."""
        self._closed: LogUnavailable | None = None
        self._ready = threading.Condition(threading.Lock())

    @property
    def records(self) -> int:
        """How many works wait."""
        return self._records

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed is not None

    @property
    def closed_by(self) -> LogUnavailable | None:
        """Why nothing more is taken; None while it is."""
        return self._closed

    def put(self, works: Sequence[Work], *, callers: int = 1) -> Ticket[R]:
        """Queue a group. Raises Overloaded where it does not fit, LogUnavailable once closed.

        ``callers``: how many wait for it and will come again, where somebody gathers for many.
        """
        ticket: Ticket[R] = Ticket(works, callers)
        with self._ready:
            if self._closed is not None:
                raise _again(self._closed)
            if self._records and (
                self._records + len(works) > self._max_records
                or self._bytes + ticket.size > self._max_bytes
            ):
                raise Overloaded(
                    f"{self._records} statements are waiting and the queue takes "
                    f"{self._max_records}: nothing was stored, send it again",
                    retry_after_s=1,
                )
            self._tickets.append(ticket)
            self._callers += callers
            self._records += len(works)
            self._bytes += ticket.size
            if self._told is not None:
                self._told(self._records, self._bytes)
            if self._callers >= self._awaited:
                self._ready.notify()
        return ticket

    def take(self, most: int, *, patience_s: float = 0) -> list[Ticket[R]]:
        """Wait for groups and take what has gathered: whole groups, up to ``most`` works in all.

        Callers that wait for their answers send the next group right after them. So where several
        were answered last, it waits up to ``patience_s`` seconds for nearly all of those callers
        beside the ones that wait already; else they would split into batches of half the size.
        One group may be larger than ``most``. Empty once the queue is closed and drained.
        """
        with self._ready:
            self._taken = False
            callers = self._callers + self._last_callers
            while self._seized or (not self._tickets and self._closed is None):
                self._ready.wait()
            self._awaited = callers * 7 // 8 if self._last_callers > 1 else 0
            if self._callers < self._awaited and self._closed is None:
                self._ready.wait(patience_s)
            self._awaited = 0
            taken: list[Ticket[R]] = []
            records = 0
            while self._tickets and (not taken or records + len(self._tickets[0].works) <= most):
                ticket = self._tickets.popleft()
                taken.append(ticket)
                records += len(ticket.works)
                self._bytes -= ticket.size
            self._records -= records
            self._last_callers = sum(ticket.callers for ticket in taken)
            self._callers -= self._last_callers
            self._taken = bool(taken)
            if self._told is not None:
                self._told(self._records, self._bytes)
            return taken

    def seize(self, works: Sequence[Work]) -> Ticket[R] | None:
        """A group that its caller writes itself, instead of who takes; None where others are.

        That is where any group waits or is written, or where several callers were answered last:
        they come again, and are to be written together. Nothing is taken until ``release``.
        """
        with self._ready:
            self._free()
            if self._seized or self._taken or self._tickets or self._last_callers > 1:
                return None
            if self._closed is not None:
                raise _again(self._closed)
            ticket: Ticket[R] = Ticket(works)
            self._seized, self._seizer = True, threading.get_ident()
            self._last_callers = 1
        return ticket

    def _free(self) -> None:
        """Take back what this very thread has seized, and does not write: it was interrupted."""
        if self._seizer == threading.get_ident():
            self._seized = False

    def release(self) -> None:
        """Let what has gathered meanwhile be taken."""
        with self._ready:
            self._seized = False
            if self._tickets or self._closed is not None:
                self._ready.notify_all()

    def close(self, reason: LogUnavailable) -> None:
        """Take nothing more; what waits is still to be taken."""
        with self._ready:
            self._free()
            self._closed = self._closed or reason
            self._ready.notify_all()


def _again(reason: LogUnavailable) -> LogUnavailable:
    """The same error as a new one: callers raise it, each in a thread of its own."""
    if isinstance(reason, SecondHistory):
        return SecondHistory(str(reason), note=reason.note)
    return LogUnavailable(str(reason))


def _size(work: Work) -> int:
    return 0 if isinstance(work, Disclosure | Manifest | DoorFinding | Succession) else work.size
