"""Where posted statements come in: checked by intake, logged by the sequencer, answered.

``log`` does it in the caller's thread; the others are for an event loop, which must not wait, and
check in a small pool. Statements that come one by one go on together: a checker takes what has
gathered while it was busy, and they are sequenced and answered as one group, though each by itself.
A long batch is checked by all checkers at once.

What waits for its check is bounded here as what waits for the log is bounded in the sequencer:
signatures are the slowest step, so here a flood gathers.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from ledger.assembly.receipts import receipted
from ledger.errors import LedgerError, LogUnavailable, Overloaded
from ledger.intake import Intake
from ledger.journal import REQUEST, named
from ledger.reader import Reader
from ledger.reader.publication import Publication
from ledger.records.proposal import Proposal
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged, Sequencer
from schemas.posting import Receipted

log = logging.getLogger(__name__)


class Asking(Protocol):
    """Who waits for what becomes of one statement."""

    def is_wanted(self) -> bool:
        """Whether it still waits; asked once, as the check begins, and from then on it does."""
        ...


T = TypeVar("T", bound=Asking)
Answers = list[Receipted | LedgerError]
Settled = Sequence[tuple[T, Receipted | BaseException]]
"""Who asked, and what became of it; what is no LedgerError is a mistake of ours."""

CHECKERS: Final = max(2, os.cpu_count() or 2)
"""Threads that check statements; libsodium lets them run beside each other."""
TOGETHER: Final = 256
"""Statements that one checker takes at once at most: the first of them waits for the last."""
PART: Final = 16
"""Of a batch, a checker gets no fewer statements than these."""


class Desk:
    """The way in of one ledger. Thread-safe."""

    def __init__(
        self,
        reader: Reader,
        intake: Intake,
        sequencer: Sequencer,
        *,
        max_records: int,
        max_bytes: int,
        strict: Publication | None = None,
    ) -> None:
        self._reader = reader
        self._strict = strict
        self._intake = intake
        self._sequencer = sequencer
        self._pool = ThreadPoolExecutor(CHECKERS, thread_name_prefix="intake")
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        self._gathered: deque[_Asked] = deque()
        self._checking = 0
        self._closed = False
        self._lock = threading.Lock()

    def log(self, bodies: Sequence[bytes]) -> Answers:
        """Check and log statements and wait: one answer or refusal for each, in order.

        Raises Overloaded or LogUnavailable where none of them is taken.
        """
        checked = [self._check(body) for body in bodies]
        if not any(isinstance(each, Proposal) for each in checked):
            return [each for each in checked if isinstance(each, LedgerError)]
        try:
            logged = self._sequencer.log([each for each in checked if isinstance(each, Proposal)])
        except BaseException:
            self._give_back(checked)
            raise
        return self._answers(checked, logged)

    def enter(self, body: bytes, asking: T, settle: Callable[[Settled[T]], None], /) -> None:
        """Check and log one statement, and never wait.

        ``settle`` is told what became of it, beside others that were asked for with the same
        ``settle``: from another thread, or from this one where there is no room. It must not wait
        either.
        """
        with self._lock:
            refusal = self._refusal(1, len(body))
            if refusal is None:
                self._records += 1
                self._bytes += len(body)
                self._gathered.append((body, asking, settle, REQUEST.get()))
                if self._checking < CHECKERS:
                    self._checking += 1
                    self._pool.submit(self._check_gathered)
        if refusal is not None:
            settle([(asking, refusal)])

    def submit(self, body: bytes) -> "Future[Receipted]":
        """Check and log one statement; the future fails with what refuses it."""
        answer = _Answer()
        self.enter(body, answer, _settle_futures)
        return answer

    def submit_batch(self, bodies: Sequence[bytes]) -> "Future[Answers]":
        """Check and log many, in order; each has its own answer, and a bad one harms no other."""
        batch = _Batch(bodies)
        with self._lock:
            refusal = self._refusal(len(bodies), batch.size)
            if refusal is None:
                self._records += len(bodies)
                self._bytes += batch.size
                for part in batch.parts:
                    self._pool.submit(self._check_part, batch, part)
        if refusal is not None:
            batch.answer.set_exception(refusal)
        return batch.answer

    def close(self) -> None:
        """Let no one in any more, and finish the checks that wait."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)

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

    def _check_gathered(self) -> None:
        """Check what has gathered, until nothing has."""
        while True:
            try:
                group = self._gather()
                if not group:
                    return
                self._follow(group)
            except BaseException as error:  # noqa: BLE001 - else nobody would check what comes next
                log.error("a group of statements went wrong: %s", type(error).__name__)  # noqa: TRY400 - a traceback may show what is sealed

    def _gather(self) -> "list[_Asked]":
        """What one checker takes on. Where there is nothing it has gone, in the same moment."""
        with self._lock:
            waiting = len(self._gathered)
            if not waiting:
                self._checking -= 1
                return []
            # The other checkers are to find something too.
            count = min(TOGETHER, max(1, -(-waiting // CHECKERS)))
            return [self._gathered.popleft() for _ in range(count)]

    def _follow(self, group: "Sequence[_Asked]") -> None:
        """Check every statement of a group, have the good ones sequenced, and settle them all."""
        wanted: Sequence[_Asked] = group
        try:
            wanted = [each for each in group if each[1].is_wanted()]
            # The lines that the log gets about them name their requests.
            REQUEST.set(named(request for *_, request in wanted))
            checked = [self._check(body) for body, *_ in wanted]
            count = sum(isinstance(each, Proposal) for each in checked)
            ticket = self._submit(checked, callers=count) if count else None
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers hear of it
            _settle(wanted, [error] * len(wanted))
            return
        finally:
            self._leave(len(group), sum(len(body) for body, *_ in group))
        if ticket is None:
            _settle(wanted, [each for each in checked if isinstance(each, LedgerError)])
            return

        def answered(done: Ticket[Logged]) -> None:
            answers: Sequence[Receipted | BaseException]
            try:
                answers = self._answers(checked, done.result())
            except BaseException as error:  # noqa: BLE001 - as above
                answers = [error] * len(wanted)
            _settle(wanted, answers)

        ticket.add_done_callback(answered)

    def _check_part(self, batch: "_Batch", part: slice) -> None:
        """Check a part of a batch; who finishes the last one has the good ones sequenced."""
        try:
            for n in range(*part.indices(len(batch.bodies))):
                batch.checked[n] = self._check(batch.bodies[n])
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            batch.error = error
        with self._lock:
            batch.missing -= 1
            if batch.missing:
                return
        try:
            self._sequence_batch(batch)
        except BaseException as error:  # noqa: BLE001 - as above
            batch.answer.set_exception(error)
        finally:
            self._leave(len(batch.bodies), batch.size)

    def _sequence_batch(self, batch: "_Batch") -> None:
        if not batch.answer.set_running_or_notify_cancel():
            self._give_back(batch.checked)
            return
        if batch.error is not None:
            self._give_back(batch.checked)
            raise batch.error
        REQUEST.set(batch.request)
        checked = batch.checked
        if not any(isinstance(each, Proposal) for each in checked):
            batch.answer.set_result([each for each in checked if isinstance(each, LedgerError)])
            return

        def answered(done: Ticket[Logged]) -> None:
            try:
                batch.answer.set_result(self._answers(checked, done.result()))
            except BaseException as error:  # noqa: BLE001 - as above
                batch.answer.set_exception(error)

        self._submit(checked).add_done_callback(answered)

    def _check(self, body: bytes) -> Proposal | LedgerError:
        try:
            return self._intake.check(body)
        except LedgerError as error:
            return error

    def _submit(
        self, checked: Sequence[Proposal | LedgerError], *, callers: int = 1
    ) -> Ticket[Logged]:
        """Hand the good ones on to the sequencer, which may refuse them all."""
        try:
            return self._sequencer.submit(
                [each for each in checked if isinstance(each, Proposal)], callers=callers
            )
        except BaseException:
            self._give_back(checked)
            raise

    def _answers(
        self,
        checked: Sequence[Proposal | LedgerError],
        results: Sequence[Logged | LedgerError],
    ) -> Answers:
        """One answer for each body: what the log made of it, or why it never got there."""
        logged = iter(results)
        answers: Answers = []
        for each in checked:
            if isinstance(each, LedgerError):
                answers.append(each)
                continue
            result = next(logged)
            if not (isinstance(result, Logged) and result.created):
                self._intake.give_back(each)
            answers.append(self._answer(result))
        return answers

    def _give_back(self, checked: Sequence[Proposal | LedgerError]) -> None:
        for each in checked:
            if isinstance(each, Proposal):
                self._intake.give_back(each)

    def _answer(self, logged: Logged | LedgerError) -> Receipted | LedgerError:
        if isinstance(logged, LedgerError):
            return logged
        try:
            return receipted(logged, self._reader, self._strict)
        except LedgerError as error:
            return error


_Asked = tuple[bytes, Asking, Callable[[Settled[Any]], None], str | None]


class _Batch:
    """What came together and is answered together; its parts are checked beside each other."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.bodies = bodies
        self.size = sum(map(len, bodies))
        self.answer: Future[Answers] = Future()
        self.request = REQUEST.get()
        # Every place is filled before the last part is done.
        self.checked: list[Proposal | LedgerError] = [_NOT_YET] * len(bodies)
        self.error: BaseException | None = None
        length = max(PART, -(-len(bodies) // CHECKERS))
        starts = range(0, max(1, len(bodies)), length)
        self.parts = [slice(start, start + length) for start in starts]
        self.missing = len(self.parts)


_NOT_YET: Final = LogUnavailable("not checked")


def _settle(group: Sequence[_Asked], answers: Sequence[Receipted | BaseException]) -> None:
    """Tell everyone; who gave the same ``settle`` is told together."""
    told: dict[Callable[[Settled[Any]], None], list[tuple[Any, Receipted | BaseException]]] = {}
    for (_, asking, settle, _), answer in zip(group, answers, strict=True):
        told.setdefault(settle, []).append((asking, answer))
    for settle, settled in told.items():
        try:
            settle(settled)
        except Exception as error:  # noqa: BLE001 - one caller's mistake must not cost the next its answer
            log.error("callers failed to take their answers: %s", type(error).__name__)  # noqa: TRY400 - as above


class _Answer(Future[Receipted]):
    """The answer that one caller waits for."""

    def is_wanted(self) -> bool:
        """Whether nobody has cancelled it; from here on nobody can."""
        return self.set_running_or_notify_cancel()


def _settle_futures(settled: Settled[_Answer]) -> None:
    for future, answer in settled:
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
