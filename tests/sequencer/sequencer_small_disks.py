"""A process for which the disk is full: the kernel itself refuses to let its files grow."""

import resource
from multiprocessing.connection import Connection
from pathlib import Path

import kit

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.settings import Settings
from schemas.posting import Receipted

MOST = 400


def log_until_full(pipe: Connection, url: str, folder: Path, room: int) -> None:
    """Log until no file may grow beyond ``room`` bytes, then make room; say all that was heard."""
    ledger = Ledger(Settings(data_dir=folder, database_url=url), clock=kit.Clock())
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    given: list[Receipted] = []
    refused: list[str] = []
    number = 0
    while not refused and number < MOST:
        number += 1
        future = ledger.submit(kit.submitted(kit.ulid(number)))
        error = future.exception(120)
        if error is None:
            given.append(future.result())
        else:
            assert isinstance(error, LogUnavailable), error
            refused.append(str(error))
    readable = ledger.reader.tree_size()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    # Nobody restarts anything: the same process goes on with the same statements.
    given += kit.log(ledger, *(kit.submitted(kit.ulid(n)) for n in range(1, number + 2)))
    ledger.close()
    pipe.send((given, refused, readable, number))
