"""Orders what comes in, grows the tree, commits, signs, and only then answers.

One thread does it all, a batch at a time: whatever gathered while the last batch was written is
the next one. A caller who waits, and is alone, does in its own thread what that one would do
(``log``). The order of a batch is what its safety rests on:

1. The signer is held and the head locked: no one else can append or sign meanwhile.
2. The signer's memory and the head are the same tree. Where the head is ahead, a crash lies
   between a commit and its signature: the head is signed first. Where it is behind, the database
   is not the one that was signed: the writer stops.
3. Everything is laid out in memory; the new root is proved to extend the old one.
4. Commit, durably. A crash here leaves a batch that is stored and unsigned, which step 2 mends;
   its callers were promised nothing and may send it again.
5. Sign: the signer remembers the note on disk before the signature leaves it.
6. Publish the note, and answer. Where the log is held to a quorum (``Quorum``), only once that
   holds the tree: until then nothing is answered, and nothing more is laid on top of it. A crash
   here leaves a tree that is signed, and that nobody was told of; the next start waits for it.

The signature comes after the commit, not before: a signature given first would bind the signer to
a tree which a failed commit then never stores, and it would have to refuse every other tree.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, Protocol

from msgspec import Struct

from ledger import journal
from ledger.errors import (
    EgressRefused,
    ForkRefused,
    LedgerError,
    LogUnavailable,
    SecondHistory,
    Unwitnessed,
)
from ledger.sequencer.drafting import Draft, Drafting
from ledger.sequencer.known import Work
from ledger.sequencer.plan import Placed
from ledger.sequencer.queue import Queue, Ticket
from ledger.sequencer.signer import CheckpointSigner, Pen, Signed
from ledger.sequencer.signing import Signing, is_last
from ledger.storage.egress import CeilingHeld
from ledger.storage.projections import JobValues
from ledger.storage.shapes import NewBatch, StoredEntry
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import OutcomeUnknown, Store
from ledger.tlog.merkle import Extension
from ledger.tlog.note import VerifierKey

log = logging.getLogger(__name__)

CATCH_UPS: Final = 5
"""How often the head may move while the signer is held, which no writer does that holds it too."""
MAX_BATCH: Final = 2_048
"""Works in one transaction; a waiting caller's latency is bounded by it."""
PATIENCE_S: Final = 0.001
"""How long a batch waits for the callers that have just been answered to come back."""
PART_OF_WAIT: Final = 4
"""Where it waits for a quorum too: this part of how long the last one took, if that is longer."""
LONGEST_PATIENCE_S: Final = 0.05


class Logged(Struct, frozen=True):
    """Where one statement or disclosure stands, and what proves it.

    ``batch`` is None where the statement was logged before: its proof is then to be read.
    """

    index: int
    created: bool
    decision_index: int | None
    batch: "SignedBatch | None"


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """A batch's entries, how they extend the tree, and the checkpoint that covers them."""

    extension: Extension
    entries: Sequence[StoredEntry]
    signed: Signed

    def entry(self, index: int) -> StoredEntry:
        """The entry of this batch at a leaf index."""
        return self.entries[index - self.extension.old_size]


class Watch(Protocol):
    """Is told how the writer is getting on; it must not wait, and nothing it raises is caught."""

    def queued(self, records: int, size: int) -> None:
        """So many works of so many bytes wait now."""

    def logged(self, records: int, waited_s: list[float], *, refused: int) -> None:
        """A batch is done: how long each caller waited, and how many debits were refused."""

    def failed(self) -> None:
        """Nothing of a batch was acknowledged."""

    def stopped(self) -> None:
        """The writer takes nothing any more."""

    def held(self) -> None:
        """A counter of egress was not what was read."""


class Quorum(Protocol):
    """Others, of whom enough have to hold a tree before anybody is told that it is there."""

    wait_s: float
    """How long a work waits for them, from when it was submitted."""

    def holds(self, size: int) -> bool:
        """Whether enough of them hold the tree of ``size`` entries, or one that continues it."""

    def wait(
        self, size: int, *, until: float, stopped: Callable[[], LogUnavailable | None]
    ) -> bytes | None:
        """Wait until they hold it; its note with their signatures, None where a larger tree's has.

        Raises Unwitnessed at ``until`` by the monotonic clock, and what ``stopped`` finds.
        """


class Sequencer:
    """The writer of one log in this process. ``start`` before the first ``submit``."""

    def __init__(
        self,
        store: Store,
        signer: CheckpointSigner,
        *,
        clock: Callable[[], int],
        queue_records: int,
        queue_bytes: int,
        sealed_weights: Callable[[Snapshot, int], bytes | None] = lambda _reads, _index: None,
        watch: Watch | None = None,
        quorum: Quorum | None = None,
    ) -> None:
        self._quorum = quorum
        self._unsettled = 0
        """The size that the quorum may not hold yet; 0 where it does."""
        self._patience_s = PATIENCE_S
        self._store = store
        self._signer = signer
        self._signing = Signing(store, signer)
        self._watch = watch
        self._queue: Queue[Logged] = Queue(
            max_records=queue_records,
            max_bytes=queue_bytes,
            told=watch.queued if watch is not None else None,
        )
        self._drafting = Drafting(
            signer.origin,
            clock=clock,
            sealed_weights=sealed_weights,
            log_key=signer.key,
            log_keys_here=signer.vkeys,
        )
        self._clock = clock
        self.failed_at: int | None = None
        """When the last batch could not be stored or signed; None once another one was."""
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)

    @property
    def waiting(self) -> int:
        """How many works wait to be sequenced."""
        return self._queue.records

    @property
    def is_alive(self) -> bool:
        """Whether what is submitted now would be looked at."""
        return self._thread.is_alive() and not self._queue.is_closed

    @property
    def log_keys(self) -> Sequence[VerifierKey]:
        """The log's keys that sign here now; one that was retired proves nothing against it."""
        return self._signer.verifiers

    def second_history(self) -> SecondHistory | None:
        """What stopped the writers of this log, in this process or another; None if nothing did."""
        closed_by = self._queue.closed_by
        return closed_by if isinstance(closed_by, SecondHistory) else self._signer.stopped_by()

    def unwitnessed(self) -> int | None:
        """The size that is signed and that the quorum does not hold; None where there is none."""
        size = self._unsettled
        is_held = self._quorum is None or not size or self._quorum.holds(size)
        return None if is_held else size

    def start(self) -> None:
        """Check signer against database, sign what a crash left unsigned, and begin.

        Raises ForkRefused where the database is older than the signer's memory.
        """
        with self._signer.exclusive() as pen:
            self._signing.catch_up(pen)
            if self._quorum is not None and pen.last is not None:
                self._unsettled = pen.last.checkpoint.size
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end. What is submitted from now on is refused."""
        self._queue.close(LogUnavailable("the ledger is shutting down: send it again later"))
        if self._thread.ident is not None:
            self._thread.join()

    def halt(self, found: SecondHistory) -> None:
        """Sign nothing more, over restarts too; what waits and what is submitted is refused.

        Raises LogUnavailable where that cannot be kept on the disk; this process stops all the
        same. Call it again with the same until it holds.
        """
        if self._queue.closed_by is not found:
            self._queue.close(found)
            if self._watch is not None:
                self._watch.stopped()
        self._signer.stop(found)

    def submit(self, works: Sequence[Work], *, callers: int = 1) -> Ticket[Logged]:
        """Queue works; the ticket will hold one result or refusal for each, in order.

        ``callers`` is for who gathers the works of many. Raises Overloaded or LogUnavailable at
        once where they are not taken.
        """
        return self._queue.put(works, callers=callers)

    def log(self, works: Sequence[Work]) -> list[Logged | LedgerError]:
        """Submit works and wait for their results.

        Where nobody else waits or writes, the caller's own thread writes the batch: two threads
        handing it to and fro cost more than a tenth of a single append. Raises Overloaded or
        LogUnavailable where they are not taken.
        """
        ticket = self._queue.seize(works) if self._thread.is_alive() else None
        if ticket is None:
            return self.submit(works).result()
        try:
            self._write([ticket])
        finally:
            # What ends the thread itself, as an interrupt does, must not keep the others waiting.
            self._queue.release()
        return ticket.result()

    def _run(self) -> None:
        while tickets := self._queue.take(MAX_BATCH, patience_s=self._patience_s):
            self._write(tickets)

    def _write(self, tickets: Sequence[Ticket[Logged]]) -> None:
        """Sequence a batch and answer it, whatever becomes of it."""
        try:
            self._sequence(tickets)
        except ForkRefused as error:
            log.critical("the writer stops: %s", error, extra=_about(tickets))
            self._queue.close(error)
            if self._watch is not None:
                self._watch.stopped()
            self._fail(tickets, error)
        except LogUnavailable as error:
            log.error("a batch was not logged: %s", error, extra=_about(tickets))  # noqa: TRY400 - the message says it all
            if not isinstance(error, Unwitnessed):
                self.failed_at = self._clock()
            self._fail(tickets, error)
        except LedgerError as error:
            # Nobody's statement is at fault: each was placed, or refused, by itself.
            log.error("the stored log contradicts itself: %s", error, extra=_about(tickets))  # noqa: TRY400 - as above
            self._fail(tickets, LogUnavailable(f"the stored log contradicts itself: {error}"))
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever a batch does to it
            # Neither the error's text nor its traceback: a statement's parameters stand in
            # them, and those may hold an opening.
            log.error("a batch was not stored: %s", type(error).__name__, extra=_about(tickets))  # noqa: TRY400 - as said
            self.failed_at = self._clock()
            self._fail(
                tickets,
                LogUnavailable("the database refuses: nothing is promised, send it again"),
            )

    def _fail(self, tickets: Sequence[Ticket[Logged]], error: LogUnavailable) -> None:
        if self._watch is not None:
            self._watch.failed()
        _fail(tickets, error)

    def _hold(self) -> None:
        log.critical("a counter of egress is not what was read: run `ledger fsck`")
        if self._watch is not None:
            self._watch.held()

    def _sequence(self, tickets: Sequence[Ticket[Logged]]) -> None:
        works = [work for ticket in tickets for work in ticket.works]
        if isinstance(why := self._queue.closed_by, SecondHistory):
            raise why
        if self._unsettled:
            self._settle(self._unsettled, tickets)
        with self._signer.exclusive() as pen:
            laid = self._store_batch(pen, works)
            batch = None
            if laid.batch is None:
                # Who asks again for what is stored needs the checkpoint that a crash kept back.
                self._signing.catch_up(pen)
            else:
                signed = self._signing.sign(pen, laid.extension, laid.batch)
                batch = SignedBatch(laid.extension, laid.batch.entries, signed)
        if self._quorum is not None and pen.last is not None:
            try:
                note = self._settle(pen.last.checkpoint.size, tickets)
            except Unwitnessed as error:
                self._keep_waiting(tickets, laid.placed, error)
                return
            if batch is not None:
                # A larger tree vouches for this one: its proofs are to be read.
                batch = replace(batch, signed=replace(batch.signed, note=note)) if note else None
        self.failed_at = None
        results = [_logged(placed, batch) for placed in laid.placed]
        if self._watch is not None:
            now = monotonic()
            refused = sum(isinstance(each, EgressRefused) for each in results)
            waited_s = [now - ticket.since for ticket in tickets]
            self._watch.logged(len(works), waited_s, refused=refused)
        start = 0
        for ticket in tickets:
            stop = start + len(ticket.works)
            ticket.finish(results[start:stop])
            start = stop

    def _keep_waiting(
        self,
        tickets: Sequence[Ticket[Logged]],
        placed: Sequence[Placed | LedgerError],
        error: Unwitnessed,
    ) -> None:
        """Tell the callers of a batch that is stored and held back, and each whether it is its."""
        log.error("a batch was not logged: %s", error, extra=_about(tickets))
        if self._watch is not None:
            self._watch.failed()
        each = iter(placed)
        for ticket in tickets:
            mine = [next(each) for _ in ticket.works]
            ticket.finish(
                [
                    Unwitnessed(str(error), created=isinstance(one, Placed) and one.created)
                    for one in mine
                ]
            )

    def _settle(self, size: int, tickets: Sequence[Ticket[Logged]]) -> bytes | None:
        """Wait until the quorum holds the tree of ``size``, as long as the first caller may."""
        assert self._quorum is not None
        self._unsettled = size
        until = tickets[0].since + self._quorum.wait_s
        asked_at = monotonic()
        note = self._quorum.wait(size, until=until, stopped=self.second_history)
        self._unsettled = 0
        # The dearer a batch is, the more is won by waiting for all who come back: else they come in
        # two halves, of which each waits for the other's batch too.
        waited_s = monotonic() - asked_at
        self._patience_s = min(max(PATIENCE_S, waited_s / PART_OF_WAIT), LONGEST_PATIENCE_S)
        return note

    def _store_batch(self, pen: Pen, works: Sequence[Work]) -> Draft:
        """Commit what the works add to the log."""
        held = False
        for _ in range(CATCH_UPS):
            laid: Draft | None = None
            versions: Mapping[str, JobValues] = {}
            try:
                with self._store.append() as appending:
                    if is_last(pen, appending.head):
                        laid = self._drafting.draft(appending, works, held=held)
                        if laid.batch is not None:
                            grown = laid.extension
                            pen.check(
                                grown.consistency_proof(), size=grown.new_size, root=grown.root
                            )
                            versions = appending.write(laid.batch)
            except CeilingHeld:
                # The counters are not what they were read as: nothing leaves until somebody has
                # looked, and the batch's other works are not to wait for that.
                if held:
                    raise
                self._hold()
                held = True
                continue
            except OutcomeUnknown:
                # Never guess: what the database holds now decides.
                if laid is None or laid.batch is None or not self._is_stored(laid.batch):
                    raise
                return laid
            if laid is not None:
                if laid.batch is not None:
                    self._drafting.keep(laid, versions, version=appending.version)
                return laid
            # Another process committed and died, or this one did before: sign that first.
            self._signing.catch_up(pen)
        raise LogUnavailable(
            "someone appends to this log without holding its signer: nothing is promised; let "
            "every process use the same LEDGER_KEY_DIR"
        )

    def _is_stored(self, batch: NewBatch) -> bool:
        """Whether a batch is in the log after a commit that did not say so."""
        last = batch.entries[-1]
        with self._store.snapshot() as reads:
            found = reads.leaf(last.index)
        return found is not None and found.leaf_hash == last.leaf_hash


def _about(tickets: Sequence[Ticket[Logged]]) -> dict[str, str | None]:
    """The requests whose works are in a batch."""
    return journal.about(ticket.request for ticket in tickets)


def _logged(result: Placed | LedgerError, batch: SignedBatch | None) -> Logged | LedgerError:
    if isinstance(result, LedgerError):
        return result
    in_batch = batch is not None and result.index >= batch.extension.old_size
    return Logged(
        index=result.index,
        created=result.created,
        decision_index=result.decision_index,
        batch=batch if in_batch else None,
    )


def _fail(tickets: Sequence[Ticket[Logged]], error: LedgerError) -> None:
    for ticket in tickets:
        if not ticket.done():
            ticket.finish([error] * len(ticket.works))
