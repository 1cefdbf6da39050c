"""A world behind a real server process, for browsers and for clients that speak real HTTP."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from ledger_world import World
from ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
START_S = 120
STOP_S = 10


@contextmanager
def served(world: World) -> Iterator[str]:
    """The address of ``world``, served on a free port, at the time that its clock shows now."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    settings = world.ledger.settings
    own = {
        "LEDGER_DATA_DIR": str(settings.data_dir),
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_PUBLIC_URL": address,
        "LEDGER_LOG_LEVEL": "warning",
        "WORLD_CLOCK": str(world.clock.now),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
    }
    server = subprocess.Popen(
        [sys.executable, HERE / "serve_world.py", str(port)],
        env=outer | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(server, f"{address}/log/checkpoint")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(server: "subprocess.Popen[bytes]", address: str) -> None:
    patience = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=120):
                return
        except (URLError, OSError):
            assert server.poll() is None, f"the server ended with {server.returncode}"
            assert time.monotonic() < patience, "the server does not answer"
            time.sleep(0.05)
