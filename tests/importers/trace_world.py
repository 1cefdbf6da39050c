"""A ledger made for a replay, small traces, and a way to stop an import in the middle."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from kit import ORIGIN

from ledger import assembly, keys
from ledger.assembly import Ledger
from ledger.importers.draw import Draw
from ledger.importers.mapping import TraceMapping, load_mapping
from ledger.importers.replay import Report, import_trace
from ledger.importers.signing import founding_cast
from ledger.importers.simulation import Port, SimulatedClock
from ledger.importers.trace import Trace
from ledger.records.deadline import DAY_S, parse_time
from ledger.settings import Settings
from ledger.tlog.note import Signer

START = parse_time("2026-01-05T00:00:00Z")
HEADER = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,"
    "deletion_time,scheduled_time"
)
MAPPING = load_mapping()


def row(name: str, **changed: object) -> str:
    """One line of a trace: a task that ran for an hour on one GPU, but for what is changed."""
    cells: dict[str, object] = {
        "name": name, "cpu": 4000, "memory": 8192, "num_gpu": 1, "gpu_milli": 1000, "spec": "",
        "qos": "LS", "phase": "Succeeded", "created": 100, "deleted": 3800, "scheduled": 200,
    }  # fmt: skip
    assert changed.keys() <= cells.keys()
    return ",".join(str(value) for value in (cells | changed).values())


def trace_file(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """A CSV file of these lines."""
    path = folder / "trace.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def many_rows(count: int, *, days: int) -> list[str]:
    """A plausible trace: every phase, shares, several GPUs, a service that goes on."""
    rows = []
    for number in range(count):
        draw = Draw(f"row {number}")
        gpus = draw.pick((1, 1, 1, 2, 8))
        created = number * days * DAY_S // count
        scheduled = created + draw.below(4_000)
        rows.append(
            row(
                f"pod-{number}",
                num_gpu=gpus,
                gpu_milli=1000 if gpus > 1 else draw.between(1, 1000),
                phase=draw.pick(("Running", "Succeeded", "Failed")),
                created=created,
                scheduled=scheduled,
                deleted=scheduled + draw.below(3 * DAY_S),
            )
        )
    return rows


def make_ledger(folder: Path, database_url: str | None = None, *, at: int = START) -> Settings:
    """A new ledger whose first second is ``at``, with the keys of a whole cast, always the same."""
    given: dict[str, Any] = {} if database_url is None else {"database_url": database_url}
    settings = Settings(data_dir=folder, **given)
    seeds = (sha256(b"test key %d" % number).digest() for number in range(100))
    cast = founding_cast(ORIGIN, label="test", random=lambda _size: next(seeds))
    for author, signer in cast:
        keys.write_signer(keys.author_key_path(settings.key_dir, author.name), signer)
    authors = [author for author, _ in cast]
    assembly.create(settings, origin=ORIGIN, authors=authors, clock=lambda: at)
    return settings


def signers_of(settings: Settings) -> dict[str, Signer]:
    """The keys of the cast, by author name."""
    folder = settings.key_dir / keys.AUTHORS
    return {path.stem: keys.read_signer(path) for path in folder.glob("*.key")}


def port_of(ledger: Ledger) -> Port:
    """What a simulation needs of an open ledger."""

    def newest_time() -> int:
        with ledger.store.snapshot() as reads:
            return reads.head().logged_at

    return Port(
        submit_batch=ledger.submit_batch,
        open_due=lambda: ledger.embargo.open_due().opened,
        next_deadline=ledger.embargo.next_deadline,
        newest_time=newest_time,
    )


def replay(
    settings: Settings,
    path: Path,
    *,
    mapping: TraceMapping = MAPPING,
    signers: Mapping[str, Signer] | None = None,
    start: int = START,
    until: int | None = None,
    stop_after: int | None = None,
) -> Report:
    """Import a trace; ``stop_after`` so many statements somebody presses Ctrl-C."""
    clock = SimulatedClock(start)
    ledger = Ledger(settings, clock=clock)

    def report(done: int, _of: int, _now: int) -> None:
        if stop_after is not None and done >= stop_after:
            raise KeyboardInterrupt

    try:
        return import_trace(
            path,
            mapping,
            port=port_of(ledger),
            clock=clock,
            signers=signers_of(settings) if signers is None else signers,
            key_dir=settings.key_dir,
            start=start,
            until=until,
            report=report,
        )
    finally:
        ledger.close()


def reasons(trace: Trace) -> Sequence[tuple[int, str]]:
    """Row and reason of every skipped row."""
    return [(each.row, each.reason) for each in trace.skipped]
