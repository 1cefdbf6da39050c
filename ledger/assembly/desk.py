"""Where posted statements come in: checked by intake, logged by the sequencer, answered.

``log`` does it in the caller's thread; ``submit`` and ``submit_batch`` are for an event loop, which
must not wait, and check in a small pool. What waits for its check is bounded here as what waits for
the log is bounded in the sequencer: signatures are the slowest step, so here a flood gathers.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from ledger.assembly.receipts import receipted
from ledger.errors import LedgerError, LogUnavailable, Overloaded
from ledger.intake import Intake
from ledger.records.proposal import Proposal
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged, Sequencer
from ledger.storage.store import Store
from schemas.posting import Receipted

T = TypeVar("T")
Answers = list[Receipted | LedgerError]

CHECKERS: Final = max(2, os.cpu_count() or 2)
"""Threads that check statements; libsodium lets them run beside each other."""


class Desk:
    """The way in of one ledger. Thread-safe."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        sequencer: Sequencer,
        *,
        max_records: int,
        max_bytes: int,
    ) -> None:
        self._store = store
        self._intake = intake
        self._sequencer = sequencer
        self._pool = ThreadPoolExecutor(CHECKERS, thread_name_prefix="intake")
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()

    def log(self, bodies: Sequence[bytes]) -> Answers:
        """Check and log statements and wait: one answer or refusal for each, in order.

        Raises Overloaded or LogUnavailable where none of them is taken.
        """
        checked = [self._check(body) for body in bodies]
        proposals = [each for each in checked if isinstance(each, Proposal)]
        if not proposals:
            return [each for each in checked if isinstance(each, LedgerError)]
        return self._answers(checked, self._sequencer.submit(proposals).result())

    def submit(self, body: bytes) -> "Future[Receipted]":
        """Check and log one statement; the future fails with what refuses it."""
        answer: Future[Receipted] = Future()

        def settle(answers: Answers) -> None:
            if isinstance(answers[0], LedgerError):
                answer.set_exception(answers[0])
            else:
                answer.set_result(answers[0])

        self._enter([body], answer, settle)
        return answer

    def submit_batch(self, bodies: Sequence[bytes]) -> "Future[Answers]":
        """Check and log many; each has its own answer, and a bad one harms no other."""
        answer: Future[Answers] = Future()
        self._enter(bodies, answer, answer.set_result)
        return answer

    def close(self) -> None:
        """Let no one in any more, and finish the checks that wait."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)

    def _enter(
        self, bodies: Sequence[bytes], answer: "Future[T]", settle: Callable[[Answers], None]
    ) -> None:
        records, size = len(bodies), sum(map(len, bodies))
        with self._lock:
            refusal = self._refusal(records, size)
            if refusal is None:
                self._records += records
                self._bytes += size
                self._pool.submit(self._follow, bodies, size, answer, settle)
        if refusal is not None:
            answer.set_exception(refusal)

    def _refusal(self, records: int, size: int) -> LedgerError | None:
        if self._closed:
            return LogUnavailable("the ledger is shutting down: send it again later")
        if self._records and (
            self._records + records > self._max_records or self._bytes + size > self._max_bytes
        ):
            return Overloaded(
                f"{self._records} statements are waiting and the desk takes "
                f"{self._max_records}: nothing was stored, send it again",
                retry_after_s=1,
            )
        return None

    def _leave(self, records: int, size: int) -> None:
        with self._lock:
            self._records -= records
            self._bytes -= size

    def _follow(
        self,
        bodies: Sequence[bytes],
        size: int,
        answer: "Future[T]",
        settle: Callable[[Answers], None],
    ) -> None:
        """Check every body, have the good ones sequenced, and settle once all are answered."""
        try:
            if not answer.set_running_or_notify_cancel():
                return
            checked = [self._check(body) for body in bodies]
            proposals = [each for each in checked if isinstance(each, Proposal)]
            if not proposals:
                settle([each for each in checked if isinstance(each, LedgerError)])
                return
            ticket = self._sequencer.submit(proposals)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            answer.set_exception(error)
            return
        finally:
            self._leave(len(bodies), size)

        def answered(done: Ticket[Logged]) -> None:
            try:
                settle(self._answers(checked, done.result()))
            except BaseException as error:  # noqa: BLE001 - as above
                answer.set_exception(error)

        ticket.add_done_callback(answered)

    def _check(self, body: bytes) -> Proposal | LedgerError:
        try:
            return self._intake.check(body)
        except LedgerError as error:
            return error

    def _answers(
        self,
        checked: Sequence[Proposal | LedgerError],
        results: Sequence[Logged | LedgerError],
    ) -> Answers:
        """One answer for each body: what the log made of it, or why it never got there."""
        logged = iter(results)
        return [
            self._answer(next(logged)) if isinstance(each, Proposal) else each for each in checked
        ]

    def _answer(self, logged: Logged | LedgerError) -> Receipted | LedgerError:
        if isinstance(logged, LedgerError):
            return logged
        try:
            return receipted(logged, self._store)
        except LedgerError as error:
            return error
