"""A real server process on a measured ledger, and requests to it."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.load import LOOPBACK, Job, Outcome, write_job
from benchmarks.places import SCRIPTS, CannotMeasure, environment, module
from ledger.settings import Settings

START_LIMIT_S: Final = 120.0
STOP_LIMIT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.004
LOAD_LIMIT_S: Final = 180.0
MOST_RESERVED: Final = 64
_reserved: deque[socket.socket] = deque()
CONNECTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Memory:
    """What the server's processes hold, in bytes; ``shared`` counts shared pages once."""

    resident: int
    shared: int


class Server:
    """``ledger serve`` on a free port of this machine alone, from ``with`` to its end."""

    def __init__(self, settings: Settings, *, folder: Path) -> None:
        self._settings = settings
        self._log = folder / "server.log"
        self._jobs = folder / "load.job"
        self.port = 0
        self.started_s = 0.0
        """Seconds from exec to the first answered request."""

    def __enter__(self) -> Self:
        self.port = free_port()
        variables = environment(
            self._settings,
            LEDGER_HOST=LOOPBACK,
            LEDGER_PORT=str(self.port),
            LEDGER_LOG_LEVEL="warning",
            LEDGER_RATE_PER_MINUTE="0",
            LEDGER_PROCESSES=str(self._settings.processes),
        )
        begun = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ledger", "serve"],
                cwd=SCRIPTS.parent,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait(begun)
        except BaseException:
            stop(self._process)
            raise
        self.started_s = time.perf_counter() - begun
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stop(self._process)

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def memory(self) -> Memory | None:
        """What it and its children hold now; None on a system without /proc."""
        processes = _family(self._process.pid)
        try:
            return Memory(
                resident=sum(_kilobytes(pid, "status", "VmRSS:") for pid in processes) * 1024,
                shared=sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in processes) * 1024,
            )
        except OSError:
            return None

    def tree_size(self) -> int:
        """The size of the newest checkpoint that it serves."""
        with contextlib.closing(http.client.HTTPConnection(LOOPBACK, self.port)) as connection:
            connection.request("GET", "/log/checkpoint")
            return int(connection.getresponse().read().split(b"\n")[1])

    def time_each(self, paths: Sequence[str]) -> list[float]:
        """The seconds that a GET of each path takes, one after the other on one connection."""
        return time_each(self.port, paths)

    def load(
        self,
        requests: Sequence[bytes],
        *,
        connections: int = CONNECTIONS,
        seconds: float | None = None,
        statuses: tuple[int, ...] = (200,),
    ) -> Outcome:
        """Have the load generator send the requests: each once, or over and over for a time."""
        return load(
            self.port,
            requests,
            file=self._jobs,
            connections=connections,
            seconds=seconds,
            statuses=statuses,
        )

    def _wait(self, begun: float) -> None:
        while not self._answers():
            if self._process.poll() is not None:
                raise CannotMeasure(f"the server ended at once: {self._last_line()}")
            if time.perf_counter() - begun > START_LIMIT_S:
                raise CannotMeasure("the server did not answer in time")
            time.sleep(LOOK_EVERY_S)

    def _answers(self) -> bool:
        try:
            self.time_each(["/log/checkpoint"])
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _last_line(self) -> str:
        return _last(self._log.read_text("utf-8", "replace"))


def load(
    port: int,
    requests: Sequence[bytes],
    *,
    file: Path,
    connections: int = CONNECTIONS,
    seconds: float | None = None,
    statuses: tuple[int, ...] = (200,),
) -> Outcome:
    """Have the load generator send the requests to a port; ``file`` is where it is told of them.

    Raises CannotMeasure for an answer with another status than ``statuses``.
    """
    job = Job(
        port=port,
        connections=connections,
        lengths=tuple(map(len, requests)),
        statuses=statuses,
        seconds=seconds,
        limit_s=LOAD_LIMIT_S,
    )
    write_job(file, job, list(requests))
    done = subprocess.run(
        module("load", str(file)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotMeasure(f"the load generator gave up: {_last(done.stderr)}")
    return Outcome(**json.loads(done.stdout))


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process, by force where it does not end when it is asked to."""
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def get(path: str) -> bytes:
    """The bytes of a GET request, as a browser's connection would carry them, headers aside."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("ascii")


def post(path: str, body: bytes, media_type: str) -> bytes:
    """The bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def time_each(port: int, paths: Sequence[str]) -> list[float]:
    """The seconds that a GET of each path takes, one after the other on one connection.

    Raises CannotMeasure for any answer but a 200.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=LOAD_LIMIT_S)
    found = []
    with contextlib.closing(connection):
        connection.connect()
        for path in paths:
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            found.append(time.perf_counter() - begun)
            if answer.status != http.HTTPStatus.OK:
                raise CannotMeasure(f"{path} was answered with status {answer.status}")
    return found


def free_port() -> int:
    """A port where nobody listens, nor will before the server that is told of it.

    It stays bound here, beside which a server may listen; the system gives it to nobody else.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((LOOPBACK, 0))
    _reserved.append(reserved)
    if len(_reserved) > MOST_RESERVED:
        _reserved.popleft().close()
    port: int = reserved.getsockname()[1]
    return port


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found.extend(map(int, (task / "children").read_text("ascii").split()))
    return found


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise OSError(f"/proc has no {name} of this process")
