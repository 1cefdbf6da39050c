"""Replays events in their order under a clock of its own, so that every deadline is met on time.

The clock stands still while a batch is logged and jumps from one moment to the next: to the exact
second of each deadline, and to the time of the last event of each batch. Statements are posted at
the end of every ``step_s`` seconds of simulated time, so ``logged_at`` follows what it speaks of by
less than that; what a statement itself says about times is exact.

Nothing here knows what a job is, and nothing waits: a simulated day takes as long as its work.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from ledger.errors import LedgerError, LogUnavailable, Overloaded
from schemas.posting import Receipted

STEP_S: Final = 300
"""Seconds of simulated time between two batches: as far as two honest clocks may stand apart."""
MAX_BATCH: Final = 500
"""Statements in a batch. The sequencer logs a batch whole or not at all."""


class SimulatedClock:
    """Unix seconds that stand still until they are set. Give it to the ledger as its clock."""

    def __init__(self, now: int) -> None:
        self._now = now

    def __call__(self) -> int:
        """Simulated Unix seconds."""
        return self._now

    def set(self, now: int) -> None:
        """Let it be ``now``. It never goes back: an earlier time leaves it where it is."""
        self._now = max(self._now, now)


@dataclass(frozen=True, slots=True)
class Port:
    """What a simulation needs of an open ledger whose clock is the simulated one."""

    submit_batch: Callable[[Sequence[bytes]], "Future[list[Receipted | LedgerError]]"]
    open_due: Callable[[], int]
    """Open what is due by the clock; how many entries were opened."""
    next_deadline: Callable[[], int | None]
    """The earliest deadline of what is still sealed, in Unix seconds."""
    newest_time: Callable[[], int]
    """``logged_at`` of the log's last entry, in Unix seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One statement to come: when, about what job (none: empty), and how it is made.

    ``body`` gets the leaf index of ``about``, an earlier event, or None where there is none. It
    always makes the same bytes of the same index: that is what lets a replay be taken up again.
    """

    at: int
    kind: str
    job: str
    body: Callable[[int | None], bytes]
    about: "Event | None" = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that the ledger did not take."""

    event: Event
    reason: str


@dataclass(slots=True)
class Tally:
    """What a run did."""

    logged: dict[str, int] = field(default_factory=dict)
    """New statements by kind."""
    decided: dict[str, int] = field(default_factory=dict)
    """``admitted`` and ``rejected``, of the new submissions."""
    known: int = 0
    """Statements that the log held already."""
    opened: int = 0
    """Entries opened at their deadline."""
    refused: list[Refusal] = field(default_factory=list)


class Simulation:
    """One run over a list of events.

    ``passed`` is called after every batch with how many events are behind and the simulated time.
    """

    def __init__(
        self,
        port: Port,
        clock: SimulatedClock,
        *,
        passed: Callable[[int, int], None] = lambda _done, _now: None,
        step_s: int = STEP_S,
    ) -> None:
        self.tally = Tally()
        self._port = port
        self._clock = clock
        self._passed = passed
        self._step_s = step_s
        self._deadline: int | None = None
        self._indices: dict[Event, int] = {}
        self._awaited: set[Event] = set()

    def run(self, events: Sequence[Event], *, first: int = 0, until: int) -> None:
        """Post ``events[first:]``, which are in the order of their times, and run on to ``until``.

        Deadlines are met at their second, before what is posted at the same time. When it returns
        nothing is sealed whose deadline lies at or before ``until``.

        Raises LogUnavailable where the log stops taking entries. Whatever ends it, and however
        often it is run again: a batch is in the log whole or not at all, and the same statement
        logged twice stands there once.
        """
        self._awaited = {event.about for event in events[first:] if event.about is not None}
        self._deadline = self._port.next_deadline()
        waiting: tuple[Future[list[Receipted | LedgerError]], Sequence[Event]] | None = None
        done = first
        try:
            while done < len(events):
                batch = self._batch(events, done)
                if waiting is not None and any(event.about for event in batch):
                    self._settle(*waiting, done)
                    waiting = None
                # Signing the next batch while the last one is written: neither waits long.
                bodies = [event.body(self._index_of(event.about)) for event in batch]
                if waiting is not None:
                    self._settle(*waiting, done)
                    waiting = None
                self._run_to(batch[-1].at)
                waiting = self._port.submit_batch(bodies), batch
                done += len(batch)
        finally:
            if waiting is not None:
                self._settle(*waiting, done)
        self._run_to(until)
        self._passed(done, until)

    def _batch(self, events: Sequence[Event], first: int) -> Sequence[Event]:
        """What is posted together: never an event with the one that it is about."""
        end = events[first].at // self._step_s
        last = first
        members: set[Event] = set()
        while last < len(events) and last - first < MAX_BATCH:
            event = events[last]
            if event.at // self._step_s != end or event.about in members:
                break
            members.add(event)
            last += 1
        return events[first:last]

    def _index_of(self, about: Event | None) -> int | None:
        """The leaf index of an event that was posted before, perhaps by an earlier run."""
        if about is None:
            return None
        if about not in self._indices:
            body = about.body(self._index_of(about.about))
            answer = self._port.submit_batch([body]).result()[0]
            if isinstance(answer, LedgerError):
                raise answer
            self._indices[about] = answer.accepted.index
        return self._indices[about]

    def _run_to(self, now: int) -> None:
        if self._deadline is None:
            self._deadline = self._port.next_deadline()
        while self._deadline is not None and self._deadline <= now:
            self._clock.set(self._deadline)
            opened = self._port.open_due()
            self.tally.opened += opened
            following = self._port.next_deadline()
            if following == self._deadline and not opened:
                raise LogUnavailable(
                    "a record is due and cannot be opened: run `ledger fsck` to see which"
                )
            self._deadline = following
        self._clock.set(now)

    def _settle(
        self,
        answers: "Future[list[Receipted | LedgerError]]",
        batch: Sequence[Event],
        done: int,
    ) -> None:
        for event, answer in zip(batch, answers.result(), strict=True):
            if isinstance(answer, LogUnavailable | Overloaded):
                raise answer
            if isinstance(answer, LedgerError):
                self.tally.refused.append(Refusal(event, f"{type(answer).__name__}: {answer}"))
                continue
            if event in self._awaited:
                self._indices[event] = answer.accepted.index
            if not answer.created:
                self.tally.known += 1
                continue
            _count(self.tally.logged, event.kind)
            if answer.accepted.decision is not None:
                _count(self.tally.decided, answer.accepted.decision.kind)
        self._passed(done, self._clock())


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
