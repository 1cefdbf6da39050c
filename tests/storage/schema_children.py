"""What the processes of the storage tests do."""

from multiprocessing.connection import Connection
from pathlib import Path

from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.settings import Settings
from ledger.storage.store import Store


def migrate_and_say(pipe: Connection, url: str) -> None:
    store = Store(url)
    pipe.send("ready")
    pipe.recv()
    pipe.send(store.migrate())
    store.close()


def open_and_hold(pipe: Connection, url: str, folder: Path) -> None:
    try:
        ledger = Ledger(Settings(data_dir=folder, database_url=url))
    except LedgerError as error:
        pipe.send((type(error).__name__, str(error)))
        return
    pipe.send("open")
    pipe.recv()
    ledger.close()
