"""The demonstration's server: the ledger's own ``serve`` as a child, and where it listens."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SERVER_START_S = 60.0
SERVER_STOP_S = 15.0
LOOK_EVERY_S = 0.05


class DemoRefused(Exception):
    """The demonstration cannot start: one line that says why and what would do."""


def free_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises DemoRefused where it is taken."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            bound: int = probe.getsockname()[1]
            return bound
    except OSError as error:
        raise DemoRefused(
            f"cannot listen on {host} port {port}: {error.strerror}; try another with --port"
        ) from None


def shown_host(host: str) -> str:
    """The host as it stands in an address that a reader can follow."""
    name = "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"[{name}]" if ":" in name else name


def reached_host(host: str) -> str:
    """The host at which this machine itself reaches the server."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


@contextlib.contextmanager
def served(folder: Path, host: str, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The ledger's own ``serve``, listening; told to stop in the end, and waited for."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    own = {
        "LEDGER_DATA_DIR": str(folder),
        "LEDGER_HOST": host,
        "LEDGER_PORT": str(port),
        "LEDGER_PUBLIC_URL": f"http://{shown_host(host)}:{port}",
        "LEDGER_LOG_LEVEL": "warning",
    }
    # In a session of its own: Ctrl-C reaches this process alone, which then stops the server.
    server = subprocess.Popen(
        [sys.executable, "-m", "ledger", "serve"],
        env=outer | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(lambda: _answers(reached_host(host), port), server)
        yield server
    finally:
        _stop(server)


def _wait_for(ready: Callable[[], bool], server: "subprocess.Popen[bytes]") -> None:
    patience = time.monotonic() + SERVER_START_S
    while not ready():
        if server.poll() is not None:
            raise DemoRefused(f"the server did not start (status {server.returncode}); see above")
        if time.monotonic() > patience:
            raise DemoRefused(f"the server did not listen within {SERVER_START_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(SERVER_STOP_S)
        except subprocess.TimeoutExpired:
            # What it has answered is durable; there is nothing that a harder end could lose.
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
