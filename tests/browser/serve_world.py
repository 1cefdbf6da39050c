"""Serves a test's ledger as ``ledger serve`` does, under a clock that stands still.

    python serve_world.py PORT

The ledger is the one that LEDGER_DATA_DIR and LEDGER_DATABASE_URL name, opened for reading alone:
the test that made it still holds it for writing. The clock says WORLD_CLOCK, in Unix seconds.
"""

import os
import sys
import threading

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from ledger.assembly import Ledger
from ledger.cli.running import end_with, load_app
from ledger.settings import load_settings
from web.app import create_app
from web.front import Front

HOST = "127.0.0.1"


def create_world_app() -> Front:
    """The application of one server process."""
    now = int(os.environ["WORLD_CLOCK"])
    settings = load_settings()
    ledger = Ledger(settings, clock=lambda: now, writer=False)
    return create_app(ledger, public_url=settings.public_url)


def main(port: int) -> None:
    """Listen until told to stop, or until the tests are gone."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    Granian(
        "serve_world:create_world_app",
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
