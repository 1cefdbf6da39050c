"""One run of scripts/bench: takes the options, has each section measured, shows what came out."""

import argparse
import json
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from benchmarks import (
    appending,
    exporting,
    machine,
    nginx,
    posting,
    proving,
    rates,
    reading,
    reopening,
    scale,
    scaling,
    site,
    verifying,
)
from benchmarks.figures import Figure, kept, report, table
from benchmarks.logs import SMALLEST, Kept, is_kept, kept_log
from benchmarks.places import CannotMeasure, Places, default_folder
from benchmarks.progress import say

SECTIONS: Final = (
    appending.SECTION,
    posting.SECTION,
    proving.SECTION,
    verifying.SECTION,
    *reading.SECTIONS,
    nginx.SECTION,
    scaling.SECTION,
)
ALL: Final = (*SECTIONS, site.SECTION, exporting.SECTION)
"""Those that are measured by default, and the two that have to be asked for."""
ON_LOGS: Final = {
    *(proving.SECTION, verifying.SECTION, nginx.SECTION),
    *(site.SECTION, exporting.SECTION),
}
"""Those that read logs that are kept, beside those of ``reading``."""
QUICK_ENTRIES: Final = (10_000,)
ENTRIES: Final = (10_000, 1_000_000)
LARGE_ENTRIES: Final = (1_000_000,)
USUAL: Final = 1_000_000
"""Larger logs are for the section ``scale`` alone."""
SCALED: Final = (10_000, 10_000_000)
QUICK_SCALED: Final = (1_000, 10_000)
LARGEST: Final = 100_000_000


def run(options: argparse.Namespace) -> int:
    """Measure what ``options`` of the command line ask for; the exit status."""
    try:
        entries = _entries(options)
        _check(options)
        places = Places(
            Path(options.data).absolute() if options.data else default_folder(),
            options.database_url,
        )
        with places.opened():
            return _run(options, places, entries)
    except CannotMeasure as error:
        say(f"scripts/bench: {error}")
        return 2
    except KeyboardInterrupt:
        say("scripts/bench: interrupted; a log that was being built goes on from there next time")
        return 130


def _run(options: argparse.Namespace, places: Places, entries: Sequence[int]) -> int:
    begun = time.monotonic()
    # First, so that the load is that of others.
    facts = machine.facts(engine="postgresql" if places.on_postgresql else "sqlite")
    sections = options.only or SECTIONS
    amounts = scale.chosen(quick=options.quick, rounds=options.rounds)
    found: list[Figure] = []
    failed = []
    measured = _measured(places, entries, amounts, sections)
    scaled = _scaled(options, places, entries, amounts) if scaling.SECTION in sections else ()
    for names, figures in chain(measured, scaled):
        try:
            found.extend(figures)
        except CannotMeasure as error:
            failed.append(f"{', '.join(names)}: {error}")
            say(f"scripts/bench: {failed[-1]}")
    found.sort(key=lambda figure: (ALL.index(figure.section), figure.entries or 0))
    asked = {
        "quick": options.quick,
        "rounds": amounts.rounds,
        "entries": list(entries),
        "sections": list(sections),
        "not_measured": failed,
    }
    took = time.monotonic() - begun
    if found:
        print(table(found))
    print(
        f"\n{facts['cpus']} processors, Python {facts['python']}, {facts['engine']}, "
        f"medians of {amounts.rounds} rounds, {took:.0f} s; load before: {facts['load_1min']}"
    )
    for line in failed:
        print(f"NOT MEASURED {line}")
    sys.stdout.flush()
    made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if options.json:
        whole = report(found, machine=facts, options=asked, made_at=made_at, took_s=took)
        _write(options.json, whole)
    if options.report:
        _write(options.report, kept(found, machine=facts, made_at=made_at, took_s=took))
    return 1 if failed else 0


def _write(file: str, found: dict[str, Any]) -> None:
    Path(file).write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _measured(
    places: Places, entries: Sequence[int], amounts: scale.Scale, sections: Collection[str]
) -> Iterator[tuple[list[str], Iterator[Figure]]]:
    """The wanted sections' names, and their figures, measured when they are asked for."""
    reads = [name for name in reading.SECTIONS if name in sections]
    logs: list[Kept] = []
    entries = [each for each in entries if each <= USUAL] or entries
    if reads or ON_LOGS & set(sections):
        logs = [kept_log(places, each) for each in entries]
    if appending.SECTION in sections:
        yield [appending.SECTION], appending.measure(places, amounts)
    if posting.SECTION in sections:
        yield [posting.SECTION], posting.measure(places, amounts)
    if proving.SECTION in sections:
        yield [proving.SECTION], proving.measure(places, logs, amounts)
    if verifying.SECTION in sections:
        yield [verifying.SECTION], verifying.measure(places, logs, amounts)
    if reads:
        yield reads, reading.measure(places, logs, amounts, sections=reads)
    yield from _beside_reads(places, logs, amounts, sections)
    if site.SECTION in sections:
        yield [site.SECTION], site.measure(places, logs, amounts)
    if exporting.SECTION in sections:
        yield [rates.SECTION], rates.measure(places, logs, amounts)
        yield [exporting.SECTION], exporting.measure(logs, amounts)


def _beside_reads(
    places: Places, logs: Sequence[Kept], amounts: scale.Scale, sections: Collection[str]
) -> Iterator[tuple[list[str], Iterator[Figure]]]:
    """Tiles beside nginx, on the largest log, and restarts."""
    if nginx.SECTION in sections:
        yield [nginx.SECTION], nginx.measure(places, logs[-1], amounts)
    if reopening.SECTION in sections:
        yield [reopening.SECTION], reopening.measure(places, logs, amounts)


def _scaled(
    options: argparse.Namespace, places: Places, entries: Sequence[int], amounts: scale.Scale
) -> Iterator[tuple[list[str], Iterator[Figure]]]:
    """The section ``scale``: the smallest and the largest of the sizes that were asked for."""
    if options.entries is None:
        entries = QUICK_SCALED if options.quick else SCALED
        wanted = options.only is not None and scaling.SECTION in options.only
        if not (options.quick or wanted or is_kept(places, entries[-1])):
            yield (
                [scaling.SECTION],
                scaling.unmeasured(
                    f"no log of {entries[-1]:,} entries is kept; `scripts/bench scale` builds one"
                ),
            )
            return
    if len(entries) == 1:
        yield [scaling.SECTION], scaling.unmeasured("it takes logs of two sizes")
        return
    small, large = (kept_log(places, each) for each in (entries[0], entries[-1]))
    yield [scaling.SECTION], scaling.measure(places, small, large, amounts)


def _check(options: argparse.Namespace) -> None:
    if options.rounds is not None and options.rounds < 1:
        raise CannotMeasure(f"--rounds is {options.rounds}; at least 1")
    if options.database_url and not options.database_url.startswith("postgresql://"):
        raise CannotMeasure("--database-url takes postgresql://…; without it, SQLite is measured")
    for name in ("json", "report"):
        file = getattr(options, name)
        if file and (Path(file).is_dir() or not Path(file).parent.is_dir()):
            raise CannotMeasure(f"--{name} is {file}; it must be a file in a folder that exists")


def _entries(options: argparse.Namespace) -> tuple[int, ...]:
    if options.entries is None:
        if options.quick:
            return QUICK_ENTRIES
        return LARGE_ENTRIES if options.only == [site.SECTION] else ENTRIES
    sizes = []
    for part in options.entries.replace("_", "").split(","):
        if not (part.isascii() and part.isdigit() and SMALLEST <= int(part) <= LARGEST):
            raise CannotMeasure(
                f"--entries has {part!r}; allowed: {SMALLEST} to {LARGEST}, separated by commas"
            )
        sizes.append(int(part))
    return tuple(sorted(set(sizes)))
