"""The long runs of load, faults and hostile inputs, as the page ``docs/reliability`` tells them.

Each is a file of ``web/runs`` that the run itself wrote: figures, the engine, the day, the machine.
The words are here. A run without words is not shown, and neither is a figure without.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from web.i18n import gettext, noted
from web.telling import formats

FOLDER: Final = Path(__file__).parents[1] / "runs"
ENGINES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
SECTIONS: Final = ("faults", "load", "inputs", "speed")
_SPACE: Final = "\u00a0"


class Machine(msgspec.Struct, frozen=True):
    """On what it ran."""

    cpus: int
    python: str


class Run(msgspec.Struct, frozen=True):
    """What one run wrote down; ``run`` is the file's name."""

    run: str
    engine: str
    made_at: str
    machine: Machine
    figures: dict[str, object]


@dataclass(frozen=True, slots=True)
class RunWords:
    """How a run is told, in which part of the page, and the figures that it must have."""

    section: str
    title: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A run in the language in use."""

    title: str
    engine: str | None
    day: str
    cpus: int
    python: str
    figures: tuple[tuple[str, str], ...]


RUNS: Final[Mapping[str, RunWords]] = {
    "kill": RunWords(
        "faults",
        noted("Server or database killed under load"),
        ("rounds", "receipts", "lost", "broken"),
    ),
    "syscalls": RunWords(
        "faults",
        noted("Every storage call of a run across a tile's border fails, or is the last"),
        ("size", "planned", "tried", "receipts", "lost", "broken"),
    ),
    "syscalls-long": RunWords(
        "faults",
        noted("The same across the border where a tile of the second level is full"),
        ("size", "planned", "tried", "receipts", "lost", "broken"),
    ),
    "crash": RunWords(
        "faults",
        noted("Every step of an append fails, seems to fail, or is the last"),
        ("size", "tried", "lost", "broken"),
    ),
    "full-disk": RunWords(
        "faults",
        noted("A disk that is full, until there is room again"),
        ("rounds", "receipts", "answers_later", "lost", "broken"),
    ),
    "read-only-disk": RunWords(
        "faults",
        noted("A disk that turns read-only and loses what was not synchronised"),
        ("rounds", "receipts", "answers_later", "lost", "broken"),
    ),
    "slow-disk": RunWords(
        "faults",
        noted("A disk that takes a second to synchronise"),
        ("rounds", "receipts", "answers_later", "lost", "broken"),
    ),
    "postgres-loss": RunWords(
        "faults",
        noted("Connections to PostgreSQL cut, and none left to be had"),
        ("rounds", "receipts", "answers_later", "lost", "broken"),
    ),
    "fuzz-parsers": RunWords(
        "inputs",
        noted("Damaged files and answers, read by every parser"),
        ("laws", "inputs", "broken"),
    ),
    "fuzz-guided": RunWords(
        "inputs",
        noted("The same, led by which code the damage reaches"),
        ("laws", "inputs", "broken"),
    ),
    "fuzz-http": RunWords(
        "inputs",
        noted("The whole API, asked what it allows and what it forbids"),
        ("operations", "inputs", "broken"),
    ),
    "abuse": RunWords(
        "inputs",
        noted("A server that is sent more than it can hold"),
        ("connections", "sent_bytes", "grown_bytes", "bound_bytes"),
    ),
    "bench": RunWords(
        "speed",
        noted("Speed, beside others' software in the same run"),
        ("bars", "bars_reached"),
    ),
}

FIGURES: Final[Mapping[str, str]] = {
    "size": noted("Entries at the border"),
    "rounds": noted("Rounds"),
    "planned": noted("Faults in all"),
    "tried": noted("Faults tried"),
    "went_on": noted("The same process went on"),
    "refused": noted("It refused, in its own words"),
    "killed": noted("It was killed"),
    "receipts": noted("Receipts given"),
    "lost_answers": noted("Requests whose answer was lost, sent again"),
    "answers_later": noted("Answers 503, with the time to come back"),
    "unpublished": noted("Deaths between signing and publishing, made up for at the next start"),
    "laws": noted("Rules that no input may break"),
    "operations": noted("Addresses and methods"),
    "inputs": noted("Inputs tried"),
    "connections": noted("Connections at once"),
    "sent_bytes": noted("Sent by them"),
    "grown_bytes": noted("Memory that the server took for it, at most"),
    "bound_bytes": noted("Memory that it may take"),
    "entries": noted("Entries in the end"),
    "lost": noted("Acknowledged statements lost"),
    "broken": noted("Promises broken"),
    "bars": noted("Targets measured"),
    "bars_reached": noted("Targets reached"),
    "one_client_run_events_sequenced_times_pymerkle": noted(
        "One client: multiple of pymerkle's rate"
    ),
    "one_client_run_events_sequenced_times_aics": noted("One client: multiple of aics-tlog's rate"),
    "batches_1000_run_events_sequenced_times_pymerkle": noted(
        "Batches of 1,000: multiple of pymerkle's rate"
    ),
    "clients_64_run_events_sequenced_per_s": noted(
        "64 clients, statements that were checked before"
    ),
    "clients_64_run_events_no_signatures_per_s": noted(
        "64 clients, statements, everything checked but their signatures"
    ),
    "clients_64_run_events_sequenced_times_pgbench": noted(
        "64 clients: multiple of the rows that pgbench inserts"
    ),
    "http_run_events_per_s": noted("Over HTTP, one statement a request"),
    "http_run_events_p99_ms": noted("Of those, 99 in 100 have their proof within"),
    "http_run_events_batches_per_s": noted("Over HTTP, statements in batches of 100"),
    "warm_proof_us": noted("Inclusion proof among 1,000,000 entries, from memory"),
    "cold_proof_us": noted("Inclusion proof among 1,000,000 entries, nothing in memory"),
    "warm_proof_times_pymerkle": noted("The first of them: how many times faster than pymerkle"),
    "cold_proof_times_pymerkle": noted("The second: how many times faster than pymerkle"),
    "tiles_times_nginx": noted("Tiles: multiple of nginx's rate"),
    "checkpoint_times_nginx": noted("Checkpoint: multiple of nginx's rate"),
    "reopen_ms": noted("A log of 1,000,000 entries: from a start to the next signed checkpoint"),
    "scale_append_times": noted(
        "An entry more at 10,000,000 entries: multiple of the time at 10,000"
    ),
    "scale_batches_times": noted("The same in batches of 1,000"),
    "scale_proof_times": noted("The same for a proof, from memory"),
    "scale_cold_proof_times": noted("The same for a proof, nothing in memory"),
    "scale_page_times": noted("The same for a job's page"),
    "seconds": noted("Duration"),
}


def read_runs(folder: Path = FOLDER) -> tuple[Run, ...]:
    """Every run that is kept, by name. Raises msgspec.MsgspecError for a file that is none."""
    return tuple(
        msgspec.json.decode(file.read_bytes(), type=Run) for file in sorted(folder.glob("*.json"))
    )


KEPT: Final = read_runs()


def kind_of(run: Run) -> str:
    """The name under which a run has its words: a run on two engines has one for both."""
    return run.run.removesuffix(f"-{run.engine}")


def told(section: str, runs: tuple[Run, ...] = KEPT) -> list[Told]:
    """The runs of a part of the page, in the order of the words."""
    return [
        Told(
            title=gettext(words.title),
            engine=ENGINES.get(run.engine),
            day=formats.short_date(run.made_at),
            cpus=run.machine.cpus,
            python=run.machine.python,
            figures=tuple(_figures(run)),
        )
        for name, words in RUNS.items()
        if words.section == section
        for run in runs
        if kind_of(run) == name
    ]


def _figures(run: Run) -> Iterator[tuple[str, str]]:
    for name, words in FIGURES.items():
        value = run.figures.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield gettext(words), shown(name, value)


def shown(name: str, value: float) -> str:
    """A figure with the unit that the end of its name says."""
    if name.endswith("_bytes"):
        return formats.size(round(value))
    if name == "seconds":
        return formats.duration(round(value))
    text = formats.number(value) if isinstance(value, int) else formats.rough(value)
    for ending, unit in (("_per_s", "/s"), ("_ms", "ms"), ("_us", "µs"), ("_percent", "%")):
        if name.endswith(ending):
            return f"{text}{unit}" if unit in {"/s", "%"} else f"{text}{_SPACE}{unit}"
    return text
