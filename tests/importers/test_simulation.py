"""The simulated clock and the order of things, against a ledger that is only told about."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from ledger.errors import Conflict, LedgerError, LogUnavailable
from ledger.importers.simulation import (
    MAX_BATCH,
    Event,
    Port,
    SimulatedClock,
    Simulation,
)
from schemas.posting import Accepted, Receipted

EMBARGO_S = 1_000


@dataclass
class ToldLedger:
    """Remembers what it is told, when; seals everything for ``EMBARGO_S``."""

    clock: SimulatedClock
    bodies: list[tuple[int, bytes]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    sealed: list[int] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    answer: Callable[[int], LedgerError | None] = lambda _index: None
    lost: bool = False

    @property
    def port(self) -> Port:
        return Port(self._submit, self._open_due, lambda: min(self.sealed, default=None), int)

    def _submit(self, bodies: Sequence[bytes]) -> "Future[list[Receipted | LedgerError]]":
        done: Future[list[Receipted | LedgerError]] = Future()
        self.batches.append(len(bodies))
        done.set_result([self._one(body) for body in bodies])
        return done

    def _one(self, body: bytes) -> Receipted | LedgerError:
        held = [each for _, each in self.bodies]
        refusal = self.answer(len(held))
        if refusal is not None:
            return refusal
        if body in held:
            return Receipted(False, Accepted(held.index(body), "told", "", None, ""))
        self.bodies.append((self.clock(), body))
        self.sealed.append(self.clock() + EMBARGO_S)
        return Receipted(True, Accepted(len(held), "told", "", None, ""))

    def _open_due(self) -> int:
        self.passes.append(self.clock())
        due = [] if self.lost else [at for at in self.sealed if at <= self.clock()]
        self.sealed = [at for at in self.sealed if at not in due]
        return len(due)


def told(at: int, name: str, about: Event | None = None) -> Event:
    def body(index: int | None) -> bytes:
        return f"{name} {index}".encode()

    return Event(at=at, kind="told", job=name, body=body, about=about)


def run(events: Sequence[Event], *, until: int, step_s: int = 10, first: int = 0) -> ToldLedger:
    ledger = ToldLedger(SimulatedClock(0))
    Simulation(ledger.port, ledger.clock, step_s=step_s).run(events, first=first, until=until)
    return ledger


def test_the_clock_never_goes_back() -> None:
    clock = SimulatedClock(5)
    clock.set(9)
    clock.set(7)
    assert clock() == 9


def test_what_happens_within_a_step_is_posted_together_at_its_last_time() -> None:
    ledger = run([told(at, str(at)) for at in (0, 3, 9, 10, 25)], until=30)
    assert ledger.batches == [3, 1, 1]
    assert [at for at, _ in ledger.bodies] == [9, 9, 9, 10, 25]


def test_a_batch_is_bounded() -> None:
    ledger = run([told(1, str(number)) for number in range(MAX_BATCH + 3)], until=2)
    assert ledger.batches == [MAX_BATCH, 3]


def test_every_deadline_is_met_at_its_second_also_after_the_last_event() -> None:
    ledger = run([told(at, str(at)) for at in (5, 15, 1_010, 1_500)], until=2_510)
    assert ledger.passes == [1_005, 1_015, 2_010, 2_500]
    assert ledger.sealed == []
    assert ledger.clock() == 2_510


def test_nothing_is_opened_before_its_deadline() -> None:
    ledger = run([told(0, "a")], until=EMBARGO_S - 1)
    assert ledger.passes == []
    assert len(ledger.sealed) == 1


def test_an_event_about_another_gets_its_index_and_never_shares_its_batch() -> None:
    first = told(1, "first")
    ledger = run([told(0, "zero"), first, told(2, "second", first)], until=5)
    assert ledger.batches == [2, 1]
    assert ledger.bodies[2][1] == b"second 1"


def test_an_index_that_an_earlier_run_got_is_asked_for_again() -> None:
    first = told(1, "first")
    events = [told(0, "zero"), first, told(2, "second", first)]
    ledger = ToldLedger(SimulatedClock(0))
    Simulation(ledger.port, ledger.clock).run(events[:2], until=1)
    Simulation(ledger.port, ledger.clock).run(events, first=2, until=2)
    assert [body for _, body in ledger.bodies] == [b"zero None", b"first None", b"second 1"]


def test_a_refusal_is_tallied_and_the_rest_goes_on() -> None:
    ledger = ToldLedger(SimulatedClock(0))
    ledger.answer = lambda held: Conflict("no") if held == 1 and len(ledger.batches) < 3 else None
    simulation = Simulation(ledger.port, ledger.clock, step_s=1)
    simulation.run([told(at, str(at)) for at in range(4)], until=4)
    (refusal,) = simulation.tally.refused
    assert (refusal.event.job, refusal.reason) == ("1", "Conflict: no")
    assert simulation.tally.logged == {"told": 3}


def test_a_log_that_stops_ends_the_run_and_what_was_answered_is_known() -> None:
    ledger = ToldLedger(SimulatedClock(0))
    ledger.answer = lambda held: LogUnavailable("stopped") if held == 2 else None
    behind: list[int] = []
    simulation = Simulation(
        ledger.port, ledger.clock, passed=lambda done, _now: behind.append(done), step_s=1
    )
    with pytest.raises(LogUnavailable, match="stopped"):
        simulation.run([told(at, str(at)) for at in range(5)], until=9)
    assert behind[-1] == 2


def test_a_record_that_cannot_be_opened_stops_the_clock_with_a_hint() -> None:
    ledger = ToldLedger(SimulatedClock(0), lost=True)
    with pytest.raises(LogUnavailable, match="ledger fsck"):
        Simulation(ledger.port, ledger.clock).run([told(0, "a")], until=5_000)
    assert ledger.clock() == EMBARGO_S
