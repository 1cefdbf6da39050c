"""What the processes of the webhook tests do."""

from multiprocessing.connection import Connection
from pathlib import Path

from ledger_world import Clock
from webhook_world import hook

from ledger.assembly import Ledger
from ledger.assembly.webhooks import delivering
from ledger.settings import Settings
from ledger.webhooks.events import Event


def deliver(pipe: Connection, url: str, folder: Path, now: int, receiver: str) -> None:
    """Send what there is to send until the other end says so, or this process dies."""
    ledger = Ledger(Settings(data_dir=folder, database_url=url), clock=Clock(now))
    with delivering(ledger, [hook(receiver, Event.SUBMITTED, Event.CHECKPOINT)]):
        pipe.send("running")
        pipe.recv()
    ledger.close()
