"""Runs what ``scripts/soak`` is asked for, and tells: progress a round, a table, and JSON."""

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from soaking import killing, syscalls

KEPT, BROKEN, NOT_RUN = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    if options.what == "syscalls":
        reason = syscalls.missing()
        if reason is not None:
            _say(f"scripts/soak: {reason}")
            return NOT_RUN
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    reports = _syscalls(options, folder) if options.what == "syscalls" else _kill(options, folder)
    for report in reports:
        print("\n".join(f"{name:14} {_shown(value)}" for name, value in report.items()), "\n")
    if options.json is not None:
        options.json.write_text(json.dumps(reports, indent=1) + "\n", "utf-8")
    if any(report["broken"] for report in reports):
        print(f"a promise was broken: the files are in {folder}")
        return BROKEN
    shutil.rmtree(folder)
    return KEPT


def _kill(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    engines = [options.engine] if options.engine else ["sqlite", "postgresql"]
    found = []
    for number, engine in enumerate(engines):
        place = folder / engine
        place.mkdir()
        rounds = len(range(number, options.rounds, len(engines)))

        def tell(report: killing.Report, rounds: int = rounds) -> None:
            _say(
                f"{report.engine}: round {report.rounds} of {rounds}, {report.receipts:,} receipts,"
                f" {report.entries:,} entries, {report.seconds:,.0f} s"
            )

        report = killing.run_rounds(
            engine, folder=place, rounds=rounds, seed=options.seed, tell=tell
        )
        found.append(told(report))
    return found


def _syscalls(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    def tell(report: syscalls.Report) -> None:
        _say(f"{report.tried:,} of {report.planned:,} faults, {report.seconds:,.0f} s")

    report = syscalls.run_faults(folder, size=options.size, every=options.every, tell=tell)
    return [told(report)]


def told(report: killing.Report | syscalls.Report) -> dict[str, Any]:
    """A report as JSON has it (``dataclasses.asdict`` would count a Counter's pairs anew)."""
    found = {each.name: getattr(report, each.name) for each in dataclasses.fields(report)}
    return {
        name: dict(value) if isinstance(value, dict) else value for name, value in found.items()
    }


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
