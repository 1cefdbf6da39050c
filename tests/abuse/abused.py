"""``ledger serve`` as a process, and a client that speaks TCP: it may say whatever it likes."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger_world import World
from ports import free_port

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
PUBLIC_URL = "https://ledger.example"
PATIENCE_S = 120.0
HEAD = b"Host: ledger.example\r\nConnection: close\r\n"


@dataclass(frozen=True)
class Heard:
    """What came back over one connection until the server ended it."""

    bytes: bytes

    @property
    def statuses(self) -> list[int]:
        """The status of each answer in it."""
        return [int(each) for each in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", self.bytes)]


@dataclass
class Abused:
    """A served ledger."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    held: list[socket.socket] = field(default_factory=list)

    def connect(self, *, receive_bytes: int | None = None) -> socket.socket:
        """A connection that stays until the server ends it, or the test does."""
        one = socket.socket()
        if receive_bytes is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        one.settimeout(PATIENCE_S)
        one.connect((LOOPBACK, self.port))
        self.held.append(one)
        return one

    def say(self, request: bytes, *, break_off: bool = False) -> Heard:
        """Send bytes on a connection of their own; all that comes back until the server ends it.

        ``break_off`` closes our half afterwards: what is missing of the request will not come.
        """
        one = self.connect()
        found = b""
        with suppress(ConnectionError):
            one.sendall(request)
            if break_off:
                one.shutdown(socket.SHUT_WR)
        try:
            while part := one.recv(1 << 16):
                found += part
        except ConnectionError:
            pass  # what was heard before is all there is
        finally:
            self.held.remove(one)
            one.close()
        return Heard(found)

    def get(self, target: str, *more: str) -> Heard:
        """One GET by the book, with further header lines."""
        lines = "".join(f"{line}\r\n" for line in more)
        head = f"GET {target} HTTP/1.1\r\n{lines}"
        return self.say(head.encode() + HEAD + b"\r\n")

    def post(self, target: str, body: bytes) -> Heard:
        """One POST by the book."""
        head = f"POST {target} HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
        return self.say(head.encode() + HEAD + b"\r\n" + body)

    def answers(self) -> bool:
        """Whether an honest client still gets its answer."""
        return self.get("/healthz").statuses == [200]

    def processes(self) -> list[int]:
        """The server's process and its children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        return [pid, *map(int, children)]

    def peak_bytes(self) -> int:
        """The most memory that one of its processes has ever held (VmHWM)."""
        found = []
        for pid in self.processes():
            text = Path(f"/proc/{pid}/status").read_text("ascii")
            line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
            found.append(int(line.split()[1]) * 1024)
        return max(found)

    def drop(self) -> None:
        """End every connection that is held."""
        while self.held:
            self.held.pop().close()


@contextmanager
def abused(world: World, **variables: str) -> Iterator[Abused]:
    """``ledger serve`` on the ledger of ``world``, which has been closed."""
    settings = world.ledger.settings
    with tempfile.TemporaryDirectory(prefix="abused-") as folder:
        port = free_port()
        log = Path(folder, "server.log")
        own = {
            "LEDGER_DATA_DIR": str(settings.data_dir),
            "LEDGER_DATABASE_URL": settings.database_url,
            "LEDGER_HOST": LOOPBACK,
            "LEDGER_PORT": str(port),
            "LEDGER_PUBLIC_URL": PUBLIC_URL,
            "LEDGER_LOG_LEVEL": "warning",
            "PYTHONPATH": str(ROOT),
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "ledger", "serve"],
                env=os.environ | own | variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        server = Abused(port, process, log)
        try:
            _wait(server)
            yield server
        finally:
            server.drop()
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: Abused) -> None:
    patience = time.monotonic() + PATIENCE_S
    while b"serving " not in server.log.read_bytes():
        assert server.process.poll() is None, server.log.read_text("utf-8", "replace")
        assert time.monotonic() < patience, "the server does not begin"
        time.sleep(0.05)


def recent_world(folder: Path, database_url: str | None = None) -> World:
    """A ledger of today with some jobs, closed: a server with a real clock goes on from it."""
    world = World(folder, database_url, start=int(time.time()) - 3_600)
    with world:
        for number in range(6):
            world.log(world.submission(f"job{number}"))
    return world
