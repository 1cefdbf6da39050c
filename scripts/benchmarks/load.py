"""A load generator: prebuilt HTTP/1.1 requests over kept-alive connections, in its own process.

    python -m benchmarks.load FILE

FILE holds one line of JSON (``Job``), then the requests' bytes, one after the other. Prints one
line of JSON (``Outcome``). Loopback only, bounded in time, standard library only: what it costs
is taken from the server's machine.
"""

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, cycle
from pathlib import Path
from typing import Final

from benchmarks.figures import percentile

LOOPBACK: Final = "127.0.0.1"
RECEIVE: Final = 1 << 18
LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
SHOWN: Final = 300


class AnswerRefused(Exception):
    """An answer that is not what the generator can count: the message says what came."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where: each request once, or over and over for ``seconds``."""

    port: int
    connections: int
    lengths: tuple[int, ...]
    statuses: tuple[int, ...]
    """The answers that are expected; any other ends the run."""
    seconds: float | None
    limit_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back, and how long it took from the first byte sent to the last received."""

    requests: int
    seconds: float
    received_bytes: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Connection:
    """One kept-alive connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begun = 0.0
        self._head = b""
        self._missing = -1
        self._size = 0
        self._chunked = False
        self._tail = b""

    def send(self, request: bytes) -> None:
        """Begin a request; the one before must have been answered."""
        self._begun = time.perf_counter()
        self._head, self._missing, self._size = b"", -1, 0
        self.socket.sendall(request)

    def receive(self) -> tuple[int, float, int] | None:
        """(status, seconds, bytes) once the answer is whole, else None."""
        data = self.socket.recv(RECEIVE)
        if not data:
            raise AnswerRefused("the server closed a connection in the middle of an answer")
        self._size += len(data)
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _content_length(self._head[:end])
            self._chunked = length is None
            self._missing = end + 4 + (length or 0) - len(self._head)
            self._tail = self._head[end + 2 :]
        else:
            self._missing -= len(data)
            self._tail = self._tail[-len(LAST_CHUNK) :] + data
        # Text that ends a packet with these very bytes would end the answer early: JSON has no
        # line's end by itself, and nothing else is asked for in chunks.
        if self._missing > 0 or (self._chunked and not self._tail.endswith(LAST_CHUNK)):
            return None
        return int(self._head[9:12]), time.perf_counter() - self._begun, self._size

    def begin_of_answer(self) -> str:
        """The first of what came, for a message."""
        return self._head[:SHOWN].decode("ascii", "replace")


class Run:
    """One run of a job: each connection sends its next request once the last is answered."""

    def __init__(self, job: Job, requests: list[bytes]) -> None:
        self._job = job
        once = job.seconds is None
        self._source: Iterator[bytes] = iter(requests) if once else cycle(requests)
        count = min(job.connections, len(requests)) if once else job.connections
        self._connections = [Connection(job.port) for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        self._latencies: list[float] = []
        self._received = 0
        self._stop = 0.0

    def outcome(self) -> Outcome:
        """Send, count, and stop. Raises AnswerRefused."""
        try:
            return self._outcome()
        finally:
            self._selector.close()
            for connection in self._connections:
                connection.socket.close()

    def _outcome(self) -> Outcome:
        limit_s = self._job.limit_s
        begun = time.perf_counter()
        self._stop = begun + (self._job.seconds or limit_s)
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(self._source))
        waiting = len(self._connections)
        while waiting:
            ready = self._selector.select(limit_s)
            if not ready or time.perf_counter() > begun + limit_s:
                raise AnswerRefused(f"no answer within {limit_s:.0f} s")
            for key, _ in ready:
                waiting -= self._take(key.data)
        seconds = time.perf_counter() - begun
        return Outcome(
            requests=len(self._latencies),
            seconds=seconds,
            received_bytes=self._received,
            p50_ms=percentile(self._latencies, 50) * 1e3,
            p99_ms=percentile(self._latencies, 99) * 1e3,
            worst_ms=max(self._latencies) * 1e3,
        )

    def _take(self, connection: Connection) -> bool:
        """Take what has come; whether the connection has nothing more to do."""
        answer = connection.receive()
        if answer is None:
            return False
        status, seconds, size = answer
        if status not in self._job.statuses:
            raise AnswerRefused(f"an unexpected answer: {connection.begin_of_answer()!r}")
        self._latencies.append(seconds)
        self._received += size
        following = next(self._source, None) if time.perf_counter() < self._stop else None
        if following is not None:
            connection.send(following)
        return following is None


def write_job(path: Path, job: Job, requests: list[bytes]) -> None:
    """Write what ``read_job`` reads."""
    line = json.dumps(asdict(job)).encode("ascii") + b"\n"
    path.write_bytes(line + b"".join(requests))


def read_job(path: Path) -> tuple[Job, list[bytes]]:
    """The job in a file, and its requests."""
    line, _, rest = path.read_bytes().partition(b"\n")
    job = Job(**json.loads(line))
    ends = list(accumulate(job.lengths))
    return job, [rest[end - length : end] for end, length in zip(ends, job.lengths, strict=True)]


def _content_length(head: bytes) -> int | None:
    """The length of an answer's body; None of one that comes in chunks (RFC 9112, section 7.1)."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
        if name.lower() == b"transfer-encoding" and value.strip().lower() == b"chunked":
            return None
    raise AnswerRefused(f"an answer without a length: {head[:SHOWN]!r}")


def main(arguments: list[str]) -> int:
    """Run the job in a file; the exit status is 1 where it could not be done."""
    job, requests = read_job(Path(arguments[0]))
    try:
        outcome = Run(job, requests).outcome()
    except (AnswerRefused, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
