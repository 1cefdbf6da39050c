"""Processes that are killed in the middle of an import."""

from multiprocessing.connection import Connection
from pathlib import Path

from trace_world import MAPPING, START, port_of, signers_of

from ledger.assembly import Ledger
from ledger.importers.replay import import_trace
from ledger.importers.simulation import SimulatedClock
from ledger.settings import Settings


def replay_slowly(pipe: Connection, data_dir: Path, path: Path) -> None:
    """Import a trace and say after every batch how many statements are behind."""
    settings = Settings(data_dir=data_dir)
    clock = SimulatedClock(START)
    ledger = Ledger(settings, clock=clock)
    fields = {name: getattr(MAPPING, name) for name in MAPPING.__struct_fields__}
    import_trace(
        path,
        type(MAPPING)(**fields | {"cut_at_s": None}),
        port=port_of(ledger),
        clock=clock,
        signers=signers_of(settings),
        key_dir=settings.key_dir,
        start=START,
        report=lambda done, _of, _now: pipe.send(done),
    )
