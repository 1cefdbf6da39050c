"""Runs what ``scripts/soak`` is asked for, and tells: progress a round, a table, and JSON."""

import argparse
import dataclasses
import datetime as dt
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.settings import Settings
from soaking import (
    crashing,
    killing,
    lost_connections,
    outages,
    recording,
    slow_disk,
    small_disk,
    syscalls,
)
from soaking.postgres import own_postgres

KEPT, BROKEN, NOT_RUN = 0, 1, 2

FEWEST_QUEUED: Final = 1_000

Report = crashing.Report | killing.Report | outages.Report | syscalls.Report
Reports = dict[str, Report]
"""By the name of the run, which ends in the engine where a run has several."""


class Kind(NamedTuple):
    """One thing that can be asked for; ``missing`` says why it cannot run here, in one line."""

    run: Callable[[argparse.Namespace, Path], Reports]
    missing: Callable[[], str | None] = lambda: None


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    kind = KINDS[options.what]
    reason = kind.missing()
    if reason is not None:
        _say(f"scripts/soak: {reason}")
        return NOT_RUN
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        found = kind.run(options, folder)
    except FileExistsError as error:
        _say(f"scripts/soak: {error}")
        return NOT_RUN
    reports = {name: told(report) for name, report in found.items()}
    for report in reports.values():
        print("\n".join(f"{name:14} {_shown(value)}" for name, value in report.items()), "\n")
    if options.json is not None:
        options.json.write_text(json.dumps([*reports.values()], indent=1) + "\n", "utf-8")
    if options.runs is not None:
        at = dt.datetime.now(dt.UTC)
        for name, report in reports.items():
            figures = recording.figures_of(report)
            recording.record(options.runs, name, report.get("engine", "sqlite"), figures, at=at)
    if any(report["broken"] for report in reports.values()):
        print(f"a promise was broken: the files are in {folder}")
        return BROKEN
    shutil.rmtree(folder)
    return KEPT


def _kill(options: argparse.Namespace, folder: Path) -> Reports:
    engines = [options.engine] if options.engine else ["sqlite", "postgresql"]
    found: Reports = {}
    for number, engine in enumerate(engines):
        place = folder / engine
        place.mkdir()
        rounds = len(range(number, options.rounds, len(engines)))

        def tell(report: killing.Report, rounds: int = rounds) -> None:
            _say(
                f"{report.engine}: round {report.rounds} of {rounds}, {report.receipts:,} receipts,"
                f" {report.entries:,} entries, {report.seconds:,.0f} s"
            )

        if options.keep is None:
            report = killing.run_rounds(
                engine, folder=place, rounds=rounds, seed=options.seed, tell=tell
            )
        else:
            report = killing.go_on(
                engine,
                folder=place,
                rounds=rounds,
                seed=options.seed,
                keep=options.keep,
                tell=tell,
            )
        found[f"kill-{engine}"] = report
    return found


def _syscalls(options: argparse.Namespace, folder: Path) -> Reports:
    def tell(report: syscalls.Report) -> None:
        _say(f"{report.tried:,} of {report.planned:,} faults, {report.seconds:,.0f} s")

    report = syscalls.run_faults(
        folder, size=options.size, every=options.every, keep=options.keep, tell=tell
    )
    return {"syscalls-long" if options.size > syscalls.LONG_ABOVE else "syscalls": report}


def _disk(run: str, disk: str) -> Callable[[argparse.Namespace, Path], Reports]:
    def run_it(options: argparse.Namespace, folder: Path) -> Reports:
        report = small_disk.run_disk(
            disk, folder, rounds=options.rounds, seed=options.seed, tell=_tell(options)
        )
        return {run: report}

    return run_it


def _slow_disk(options: argparse.Namespace, folder: Path) -> Reports:
    report = outages.run_rounds(
        Settings(data_dir=folder / "ledger", queue_records=FEWEST_QUEUED),
        {"slow": slow_disk.SlowDisk()},
        engine="sqlite",
        folder=folder,
        rounds=options.rounds,
        seed=options.seed,
        tell=_tell(options),
    )
    return {"slow-disk": report}


def _postgres_loss(options: argparse.Namespace, folder: Path) -> Reports:
    with own_postgres() as postgres:
        report = outages.run_rounds(
            Settings(data_dir=folder / "ledger", database_url=postgres.url),
            lost_connections.outages(postgres),
            engine="postgresql",
            folder=folder,
            rounds=options.rounds,
            seed=options.seed,
            tell=_tell(options),
        )
    return {"postgres-loss": report}


def _crash(options: argparse.Namespace, folder: Path) -> Reports:
    def tell(report: crashing.Report) -> None:
        _say(f"{report.tried:,} of {report.planned:,} cells, {report.seconds:,.0f} s")

    del options
    return {"crash": crashing.run_table(folder, tell=tell)}


def _tell(options: argparse.Namespace) -> Callable[[outages.Report], None]:
    def tell(report: outages.Report) -> None:
        _say(
            f"{report.engine}: round {report.rounds} of {options.rounds}, {report.receipts:,}"
            f" receipts, {report.answers_later:,} answers 503, {report.seconds:,.0f} s"
        )

    return tell


def told(report: Report) -> dict[str, Any]:
    """A report as JSON has it (``dataclasses.asdict`` would count a Counter's pairs anew)."""
    found = {each.name: getattr(report, each.name) for each in dataclasses.fields(report)}
    return {
        name: dict(value) if isinstance(value, dict) else value for name, value in found.items()
    }


KINDS: Final = {
    "kill": Kind(_kill),
    "syscalls": Kind(_syscalls, missing=syscalls.missing),
    "crash": Kind(_crash),
    "full-disk": Kind(_disk("full-disk", "full"), missing=lambda: small_disk.missing("full")),
    "read-only-disk": Kind(
        _disk("read-only-disk", "read-only"), missing=lambda: small_disk.missing("read-only")
    ),
    "slow-disk": Kind(_slow_disk, missing=slow_disk.missing),
    "postgres-loss": Kind(_postgres_loss),
}


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
