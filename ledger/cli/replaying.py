"""``ledger import-trace``: a cluster's trace as the history of a demonstration ledger."""

import os
from pathlib import Path

import click

from ledger import keys
from ledger.assembly import Ledger, create, system_clock
from ledger.cli.common import CommandFailed, Progress, settings_with_log
from ledger.cli.create import undoing
from ledger.errors import FormatError
from ledger.importers.mapping import DEFAULT, TraceMapping, load_mapping
from ledger.importers.replay import (
    Report,
    format_report,
    import_trace,
    trace_end_s,
    trace_start,
)
from ledger.importers.signing import founding_cast
from ledger.importers.simulation import Port, SimulatedClock
from ledger.importers.trace import read_trace
from ledger.records.deadline import format_time, parse_time
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.note import Signer


@click.command("import-trace")
@click.argument("csv", metavar="PODS.csv", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    default=DEFAULT,
    show_default=True,
    metavar="FILE",
    help="Which column says what: a TOML file, or the name of one that comes with the ledger.",
)
@click.option("--start", metavar="TIME", help="Second 0 of the trace; default: the mapping's.")
@click.option(
    "--until", metavar="TIME", help="Let the clock run on to here, opening what comes due."
)
@click.option(
    "--origin",
    default="demo.invalid/trace",
    show_default=True,
    metavar="NAME",
    help="The name of the ledger that is made where there is none yet.",
)
def import_trace_command(
    csv: Path, mapping: str, start: str | None, until: str | None, origin: str
) -> None:
    """Replay PODS.csv: every task that ran on GPUs is submitted, started and ended in its own time.

    The clock is the trace's, and the embargo runs by it. Members, orchestrator and gateway sign
    with keys on this machine: this is for demonstration ledgers, and every author's title says so.
    Where there is no ledger yet, one is made at the trace's start. Stopped, it goes on where it was
    when it is run again.
    """
    settings = settings_with_log()
    chosen = load_mapping(mapping)
    try:
        begin = trace_start(chosen, start)
        last = None if until is None else parse_time(until)
    except FormatError as error:
        raise CommandFailed(f"--start or --until: {error}") from None
    end = max(begin + trace_end_s(read_trace(csv, chosen), chosen), last or 0)
    if end > system_clock():
        raise CommandFailed(
            f"the replay would end at {format_time(end)}, in the future: give an earlier --start"
        )
    if _is_new(settings):
        _make(settings, origin, begin)
    clock = SimulatedClock(begin)
    ledger = Ledger(settings, clock=clock)
    try:
        report = _replay(csv, chosen, ledger, clock, begin=begin, until=last)
    finally:
        ledger.close()
    for line in format_report(report):
        click.echo(line)
    if report.tally.refused:
        raise CommandFailed(f"the ledger refused {len(report.tally.refused)} statements")


def _replay(
    csv: Path,
    mapping: TraceMapping,
    ledger: Ledger,
    clock: SimulatedClock,
    *,
    begin: int,
    until: int | None,
) -> Report:
    def newest_time() -> int:
        with ledger.store.snapshot() as reads:
            return reads.head().logged_at

    progress = Progress("replaying")

    try:
        return import_trace(
            csv,
            mapping,
            port=Port(
                submit_batch=ledger.submit_batch,
                open_due=lambda: ledger.embargo.open_due().opened,
                next_deadline=ledger.embargo.next_deadline,
                newest_time=newest_time,
            ),
            clock=clock,
            signers=_signers(ledger.settings),
            key_dir=ledger.settings.key_dir,
            start=begin,
            until=until,
            report=lambda done, total, _now: progress(done, total),
        )
    finally:
        progress.finish()


def _signers(settings: Settings) -> dict[str, Signer]:
    folder = settings.key_dir / keys.AUTHORS
    return {path.stem: keys.read_signer(path) for path in sorted(folder.glob("*.key"))}


def _is_new(settings: Settings) -> bool:
    file = settings.sqlite_file
    if file is not None and not file.is_file():
        return True
    store = Store(settings.database_url)
    try:
        return store.is_empty()
    finally:
        store.close()


def _make(settings: Settings, origin: str, begin: int) -> None:
    with undoing(settings) as made:
        cast = founding_cast(origin, label="trace replay", random=os.urandom)
        for author, signer in cast:
            path = keys.author_key_path(settings.key_dir, author.name)
            keys.write_signer(path, signer)
            made.append(path)
        create(settings, origin=origin, authors=[author for author, _ in cast], clock=lambda: begin)
    click.echo(f"made the ledger {origin} in {settings.data_dir}, at {format_time(begin)}")
