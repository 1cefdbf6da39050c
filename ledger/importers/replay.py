"""``import-trace``: a cluster trace, replayed into a ledger whose clock is the trace's.

The ledger must be made for it, at the trace's start or before: a log whose last entry is later
cannot say that something was submitted earlier, and such an import is refused. Run again, it goes
on where it was stopped.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ledger.importers.mapping import ImportRefused, TraceMapping
from ledger.importers.progress import Progress
from ledger.importers.signing import MEMBERS, Desk, require_signers
from ledger.importers.simulation import STEP_S, Event, Port, SimulatedClock, Simulation, Tally
from ledger.importers.trace import Skipped, Trace, read_trace
from ledger.importers.trace_story import task_events
from ledger.records.deadline import format_time, parse_time
from ledger.tlog.note import Signer
from schemas.statements import Role

IMPORTS: Final = "imports"
"""The folder beside the keys in which imports remember where they are."""
SAVE_EVERY_S: Final = 0.5
FIRST_ROWS: Final = 5

Reporter = Callable[[int, int, int], None]
"""Told (events behind, events in all, simulated Unix seconds) after every batch."""


@dataclass(slots=True)
class Report:
    """What an import did. Times are Unix seconds; of a resumed one, ``tally`` is this run's."""

    trace: Trace
    start: int
    end: int
    events: int
    resumed_at: int
    """Events that earlier runs had posted."""
    running: int
    """Tasks that have not ended when the trace does."""
    tally: Tally = field(default_factory=Tally)
    next_deadline: int | None = None
    """The first deadline after ``end``; what lies before it is open."""
    seconds: float = 0.0

    @property
    def skipped(self) -> dict[str, list[Skipped]]:
        """The rows that were not replayed, by reason, the most frequent first."""
        groups: dict[str, list[Skipped]] = {}
        for each in self.trace.skipped:
            groups.setdefault(each.reason, []).append(each)
        return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def trace_start(mapping: TraceMapping, start: str | None = None) -> int:
    """Second 0 of the trace in Unix seconds: ``start`` (RFC 3339, ``Z``), or the mapping's.

    Raises FormatError.
    """
    return parse_time(start or mapping.start)


def trace_end_s(trace: Trace, mapping: TraceMapping) -> int:
    """The trace's length in seconds: the last thing that happened in it, or where it was cut."""
    last = max((max(t.scheduled_s, t.ended_s or 0) for t in trace.tasks), default=0)
    return max(last, mapping.cut_at_s or 0)


def import_trace(
    path: Path,
    mapping: TraceMapping,
    *,
    port: Port,
    clock: SimulatedClock,
    signers: Mapping[str, Signer],
    key_dir: Path,
    start: int,
    until: int | None = None,
    report: Reporter = lambda _done, _all, _now: None,
    step_s: int = STEP_S,
) -> Report:
    """Replay every task that ran on GPUs; what was done, what was skipped and why.

    ``clock`` is the one that the open ledger behind ``port`` was given. ``signers`` holds the keys
    of the seven members, the orchestrator and the gateway by author name. ``start`` is second 0 of
    the trace in Unix seconds. The clock stops at the trace's end, or runs on to ``until``, opening
    what comes due meanwhile.

    Raises ImportRefused for a file that cannot be replayed and for a log that is past its start,
    AuthorUnknown where a key is missing, LogUnavailable where the log stops. Interrupted by any of
    these or by KeyboardInterrupt, the same call goes on where it was.
    """
    begun = time.monotonic()
    trace = read_trace(path, mapping)
    folder, fingerprint = key_dir / IMPORTS, _fingerprint(trace, mapping, start=start)
    newest = port.newest_time()
    if newest > start and not Progress.exists(folder, fingerprint):
        raise ImportRefused(
            f"the log's last entry is of {format_time(newest)}, and the trace starts at "
            f"{format_time(start)}: replay it into a new ledger, or give a later --start"
        )
    members = [*MEMBERS, Role.ORCHESTRATOR.value, Role.GATEWAY.value]
    require_signers(signers, members)
    progress = Progress(folder, fingerprint)
    desk = Desk(signers, progress.secret)
    events = _events(trace, mapping, desk, start=start)
    first = min(progress.done(), len(events))
    end = start + trace_end_s(trace, mapping)
    result = Report(
        trace=trace,
        start=start,
        end=end,
        events=len(events),
        resumed_at=first,
        running=sum(task.ended_s is None for task in trace.tasks),
    )
    saved = 0.0

    def passed(done: int, now: int) -> None:
        nonlocal saved
        if time.monotonic() - saved > SAVE_EVERY_S or done == len(events):
            progress.pass_(done)
            saved = time.monotonic()
        report(done, len(events), now)

    simulation = Simulation(port, clock, passed=passed, step_s=step_s)
    result.tally = simulation.tally
    simulation.run(events, first=first, until=max(end, until or 0))
    result.next_deadline = port.next_deadline()
    result.seconds = time.monotonic() - begun
    return result


def _events(trace: Trace, mapping: TraceMapping, desk: Desk, *, start: int) -> list[Event]:
    """Everything that was said, in the order of its times; at the same time, of the rows."""
    events: list[Event] = []
    for task in trace.tasks:
        events += task_events(task, mapping, desk, start=start)
    return sorted(events, key=lambda event: event.at)


def _fingerprint(trace: Trace, mapping: TraceMapping, *, start: int) -> str:
    digest = sha256(b"apsci-ledger/import-trace/1\x00" + trace.digest)
    digest.update(msgspec.json.encode(mapping, order="sorted") + b"\x00" + str(start).encode())
    return digest.hexdigest()[:16]


def format_report(report: Report) -> list[str]:
    """What there is to say about an import, a line each; every row of the file is accounted for."""
    trace, tally = report.trace, report.tally
    lines = [
        f"{trace.rows} rows: {len(trace.tasks)} tasks replayed, {len(trace.skipped)} rows skipped"
    ]
    for reason, rows in report.skipped.items():
        lines.append(f"  skipped {len(rows)}: {reason}")
        lines += [
            f"    row {each.row}{': ' * bool(each.detail)}{each.detail}"
            for each in rows[:FIRST_ROWS]
        ]
        if len(rows) > FIRST_ROWS:
            lines.append(f"    ... and {len(rows) - FIRST_ROWS} more rows")
    if report.resumed_at:
        lines.append(f"resumed: {report.resumed_at} of {report.events} statements were behind")
    counts = {**tally.logged, **tally.decided}
    lines.append(f"logged {sum(tally.logged.values())} statements in {report.seconds:.1f} s:")
    lines += [f"  {count} {kind}" for kind, count in counts.items()]
    if tally.known:
        lines.append(f"  {tally.known} more were in the log already")
    if tally.refused:
        lines.append(f"REFUSED by the ledger: {len(tally.refused)} statements")
        lines += [
            f"  {each.event.kind} of job {each.event.job}: {each.reason}"
            for each in tally.refused[:FIRST_ROWS]
        ]
    lines.append(f"opened {tally.opened} entries, each at the second of its deadline")
    lines.append(f"{report.running} tasks were still running at the trace's end")
    following = (
        f"the next deadline is {format_time(report.next_deadline)}"
        if report.next_deadline is not None
        else "nothing is sealed"
    )
    lines.append(f"the replay ends at {format_time(report.end)}; {following}")
    return lines
