"""The demonstration's history: how it is made, and what of it is still to come."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ledger import assembly, keys
from ledger.errors import Conflict, LogUnavailable, NotFound
from ledger.importers.mapping import load_mapping
from ledger.importers.progress import Progress
from ledger.importers.replay import IMPORTS, format_report, import_trace
from ledger.importers.signing import Desk, founding_cast
from ledger.importers.simulation import Event, Port, SimulatedClock, Simulation
from ledger.importers.synthetic import DAYS, history_events, renewing
from ledger.keys import KeyFileError
from ledger.records.deadline import DAY_S, format_time
from ledger.settings import Settings
from ledger.tlog.note import Signer

SYNTHETIC_ORIGIN = "demo.invalid/apsci-synthetic"
TRACE_ORIGIN = "demo.invalid/apsci-trace-replay"
STEP_S = 900
"""Simulated seconds between two batches of the invented history."""
SAVE_EVERY_S = 0.5
TELL_EVERY_S = 2.0
BAR = 40


class HistoryLost(Exception):
    """An interrupted start has left no ledger that could be gone on with."""


@dataclass(frozen=True)
class History:
    """Which history the folder holds: when it begins and ends, and the trace it replays, if any."""

    folder: Path
    start: int
    end: int
    trace: Path | None
    jobs: int

    SYNTHETIC_S: ClassVar[int] = DAYS * DAY_S

    @property
    def settings(self) -> Settings:
        """The ledger's own settings; none of the environment's."""
        return Settings(data_dir=self.folder)

    def progress(self, name: str) -> Progress:
        """What is behind of the events called ``name``."""
        return Progress(self.settings.key_dir / IMPORTS, name)

    def events(self, signers: Mapping[str, Signer]) -> list[Event]:
        """The invented events, those after the end included; none for a trace."""
        if self.trace is not None:
            return []
        desk = Desk(signers, self.progress("synthetic").secret)
        return history_events(desk, start=self.start, jobs=self.jobs)

    def desk_for_live(self, signers: Mapping[str, Signer], secret: bytes) -> Desk:
        """The desk for what comes after the history, with the keys that are valid then."""
        if self.trace is not None:
            return Desk(signers, secret)
        renewed = renewing(
            Desk(signers, self.progress("synthetic").secret), start=self.start
        ).replaced
        return Desk({**signers, **{name: new.signer for name, new in renewed.items()}}, secret)


def read_signers(folder: Path) -> dict[str, Signer]:
    """The demonstration keys in the folder, by author name."""
    paths = keys.author_key_path(folder / "keys", "any").parent.glob("*.key")
    return {path.stem: keys.read_signer(path) for path in paths}


def make_history(history: History) -> None:
    """Make the ledger and log the whole history; go on where an interrupted start has stopped.

    Raises HistoryLost where such a start has left keys and no ledger.
    """
    clock = SimulatedClock(history.start)
    settings = history.settings
    if not settings.key_dir.exists():
        _create(history, settings, clock)
    try:
        ledger = assembly.Ledger(settings, clock=clock)
        signers = read_signers(history.folder)
    except (NotFound, KeyFileError):
        raise HistoryLost from None
    except LogUnavailable as error:
        if type(error) is LogUnavailable:
            raise HistoryLost from None
        raise
    try:
        port = Port(
            submit_batch=ledger.submit_batch,
            open_due=lambda: ledger.embargo.open_due().opened,
            next_deadline=ledger.embargo.next_deadline,
            newest_time=lambda: _newest_time(ledger),
        )
        if history.trace is None:
            _invent(history, port, clock, signers)
        else:
            _replay(history, history.trace, port, clock, signers)
        # The page of questions shows what stands in bulk files, which are made by night.
        ledger.bulk.make()
    finally:
        ledger.close()


def _create(history: History, settings: Settings, clock: SimulatedClock) -> None:
    synthetic = history.trace is None
    origin = SYNTHETIC_ORIGIN if synthetic else TRACE_ORIGIN
    label = "synthetic" if synthetic else "assigned"
    cast = founding_cast(origin, label=label, random=os.urandom)
    for author, signer in cast:
        keys.write_signer(keys.author_key_path(settings.key_dir, author.name), signer)
    authors = [author for author, _ in cast]
    try:
        assembly.create(settings, origin=origin, authors=authors, clock=clock)
    except Conflict:
        raise HistoryLost from None


def _newest_time(ledger: assembly.Ledger) -> int:
    with ledger.store.snapshot() as reads:
        return reads.head().logged_at


def _invent(
    history: History, port: Port, clock: SimulatedClock, signers: Mapping[str, Signer]
) -> None:
    progress = history.progress("synthetic")
    events = [each for each in history.events(signers) if each.at <= history.end]
    bar = _Bar("making an invented history, once")
    saved = 0.0

    def passed(done: int, now: int) -> None:
        nonlocal saved
        if time.monotonic() - saved > SAVE_EVERY_S or done == len(events):
            progress.pass_(done)
            saved = time.monotonic()
        bar.show(done, len(events), now)

    simulation = Simulation(port, clock, passed=passed, step_s=STEP_S)
    simulation.run(events, first=min(progress.done(), len(events)), until=history.end)
    tally = simulation.tally
    bar.end(
        f"{sum(tally.logged.values())} statements, {tally.decided.get('rejected', 0)} submissions"
        f" rejected, {tally.opened} records opened at their deadlines"
    )
    for refusal in tally.refused:
        print(f"demo: not taken: {refusal.event.kind}: {refusal.reason}", file=sys.stderr)


def _replay(
    history: History,
    trace: Path,
    port: Port,
    clock: SimulatedClock,
    signers: Mapping[str, Signer],
) -> None:
    bar = _Bar("replaying the trace, once")
    report = import_trace(
        trace,
        load_mapping(),
        port=port,
        clock=clock,
        signers=signers,
        key_dir=history.settings.key_dir,
        start=history.start,
        report=bar.show,
    )
    bar.end("the trace is in the log")
    print("\n".join(format_report(report)), flush=True)


class _Bar:
    """How far it is: a bar on a terminal, a line now and then elsewhere. Standard error."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = time.monotonic()
        self._told = 0.0
        self._on_terminal = sys.stderr.isatty()

    def show(self, done: int, of: int, now: int) -> None:
        since = time.monotonic() - self._told
        if since < (0.1 if self._on_terminal else TELL_EVERY_S):
            return
        self._told = time.monotonic()
        percent = 100 * done // max(1, of)
        day = format_time(now)[:10]
        if self._on_terminal:
            filled = "#" * (BAR * done // max(1, of))
            sys.stderr.write(f"\r{self._what} [{filled:<{BAR}}] {percent:3} %  {day} ")
        else:
            sys.stderr.write(f"{self._what}: {percent} %, {day}\n")
        sys.stderr.flush()

    def end(self, said: str) -> None:
        seconds = time.monotonic() - self._begun
        clear = "\r\x1b[K" if self._on_terminal else ""
        sys.stderr.write(f"{clear}{said} ({seconds:.0f} s)\n")
        sys.stderr.flush()
