"""What the processes of the ceiling's tests do."""

from multiprocessing.connection import Connection

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from ledger.records.egress import Scope
from ledger.storage.driver import Driver
from ledger.storage.egress import CeilingHeld, grow
from ledger.storage.engine import open_engine


def grow_and_say(pipe: Connection, url: str, key: str, ceiling: int, tries: int) -> None:
    """Add 1 byte ``tries`` times, asking nobody whether there is room; say how often it went."""
    engine = open_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    pipe.send("ready")
    pipe.recv()
    taken = tried = 0
    while tried < tries:
        try:
            with (
                engine.connect().execution_options(ledger_writes=True) as connection,
                connection.begin(),
            ):
                grow(Driver(connection), [((Scope.JOB, key), 1, ceiling)])
        except OperationalError:
            # SQLite's lock went to the others for longer than its patience: nothing was tried.
            continue
        except CeilingHeld:
            tried += 1
            continue
        tried += 1
        taken += 1
    engine.dispose()
    pipe.send(taken)
