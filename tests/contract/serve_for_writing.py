"""Serves a ledger for reading and writing under a clock that stands still.

    python serve_for_writing.py PORT

The ledger is the one that LEDGER_DATA_DIR and LEDGER_DATABASE_URL name; nobody else may hold it
for writing. The clock says WORLD_CLOCK, in Unix seconds.
"""

import os
import sys

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from ledger.assembly import Ledger
from ledger.cli.running import load_app
from ledger.settings import load_settings
from web.app import create_app
from web.front import Front

HOST = "127.0.0.1"


def create_open_app() -> Front:
    """The application of the one server process."""
    now = int(os.environ["WORLD_CLOCK"])
    settings = load_settings()
    return create_app(Ledger(settings, clock=lambda: now), public_url=settings.public_url)


def main(port: int) -> None:
    """Listen until told to stop."""
    Granian(
        "serve_for_writing:create_open_app",
        address=HOST,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
        factory=True,
    ).serve(target_loader=load_app)


if __name__ == "__main__":
    main(int(sys.argv[1]))
