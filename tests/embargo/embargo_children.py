"""What the processes of the embargo tests do."""

from multiprocessing.connection import Connection
from pathlib import Path

import kit
import pytest
from processes import die

from ledger import embargo
from ledger.assembly import Ledger
from ledger.records.deadline import DAY_S
from ledger.sequencer.sequencer import Sequencer
from ledger.settings import Settings

AT_ONCE = 5
"""Disclosures in one batch of these processes, that a pass has several."""


def open_due_and_say(pipe: Connection, url: str, folder: Path) -> None:
    """One pass at day 90, at the same moment as the others."""
    ledger = Ledger(
        Settings(data_dir=folder, database_url=url), clock=kit.Clock(kit.NOON + 90 * DAY_S)
    )
    embargo.AT_ONCE = AT_ONCE  # type: ignore[misc]  # Final for everybody but us
    pipe.send("open")
    pipe.recv()
    swept = ledger.embargo.open_due()
    ledger.close()
    pipe.send((swept.opened, swept.failed))


def die_in_a_pass(pipe: Connection, url: str, folder: Path, batches: int, after: bool) -> None:
    """Sweep at day 90 and die in the ``batches``-th batch, before or after it is stored."""
    ledger = Ledger(
        Settings(data_dir=folder, database_url=url), clock=kit.Clock(kit.NOON + 90 * DAY_S)
    )
    real = Sequencer._store_batch
    seen = []

    def store_batch(self: Sequencer, *given: object) -> object:
        seen.append(1)
        if len(seen) == batches and not after:
            die()
        laid = real(self, *given)  # type: ignore[arg-type]
        if len(seen) == batches:
            die()
        return laid

    embargo.AT_ONCE = AT_ONCE  # type: ignore[misc]  # as above
    pytest.MonkeyPatch().setattr(Sequencer, "_store_batch", store_batch)
    pipe.send("open")
    ledger.embargo.open_due()
    pipe.send("survived")
