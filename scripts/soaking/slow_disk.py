"""A disk that takes a second to synchronise, under a real server: ``scripts/soak slow-disk``.

strace holds every ``fdatasync`` and ``fsync`` of the process that serves. More is posted than it
can log meanwhile, so the queue fills to its bound and the rest is told to come back later.
"""

import http.client
import json
import shutil
import subprocess
import threading
import time
from http import HTTPStatus
from typing import Final

from benchmarks.load import LOOPBACK

from soaking.clients import TAKEN, Crowd, Kept, Said, statements
from soaking.judging import Broken
from soaking.server import Server

DELAY_US: Final = 1_000_000
SENDERS: Final = 6
AT_ONCE: Final = 400
"""Statements in a request: three requests are more than the smallest queue takes."""
REFUSALS: Final = 3
LIMIT_S: Final = 300.0
LOOK_EVERY_S: Final = 0.05


def missing() -> str | None:
    """Why it cannot run here, in one line."""
    if shutil.which("strace") is None:
        return "slow-disk needs strace: `apt-get install strace`, or your system's package of it"
    return None


class SlowDisk:
    """Every synchronisation takes a second, and six clients send 400 statements a request."""

    says: tuple[str, ...] = ()
    is_lasting = False

    def __init__(self) -> None:
        self._rounds = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tracer: subprocess.Popen[str] | None = None

    def begin(self, server: Server, crowd: Crowd) -> None:
        """Slow it down, send too much, and wait until some of it was told to come back later."""
        self._rounds += 1
        inject = f"--inject=fdatasync,fsync:delay_enter={DELAY_US}"
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "--trace=fdatasync,fsync", inject]
        self._tracer = subprocess.Popen(
            [*trace, *(f"--attach={pid}" for pid in server.children)],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stop.clear()
        refused = crowd.later
        self._threads = [
            threading.Thread(target=self._send, args=(server, crowd, number), daemon=True)
            for number in range(SENDERS)
        ]
        for thread in self._threads:
            thread.start()
        give_up = time.monotonic() + LIMIT_S
        while crowd.later < refused + REFUSALS:
            if self._tracer.poll() is not None:
                raise Broken(f"strace: {self._tracer.communicate()[1][:300]}")
            if time.monotonic() > give_up or not server.is_alive():
                raise Broken(f"nothing was told to come back later: {server.last_lines()}")
            time.sleep(LOOK_EVERY_S)

    def end(self) -> None:
        """Let it be as fast as before; who was told to come back does, and then ends."""
        assert self._tracer is not None
        self._tracer.terminate()
        self._tracer.communicate()
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, server: Server, crowd: Crowd, number: int) -> None:
        """Post batches; the last one again until it is taken, as every client is told to do."""
        said = statements(f"slow-{self._rounds}-{number}")
        connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=LIMIT_S)
        while not self._stop.is_set() and not crowd.refused:
            batch = [next(said) for _ in range(AT_ONCE)]
            body = b"\n".join(each.body for each in batch)
            while not crowd.refused and not _taken(connection, crowd, batch, body):
                time.sleep(LOOK_EVERY_S)
        connection.close()


def _taken(
    connection: http.client.HTTPConnection, crowd: Crowd, batch: list[Said], body: bytes
) -> bool:
    try:
        connection.request("POST", "/api/v1/statements/batch", body)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        # Nobody kills the server while this runs.
        crowd.refuse(f"no answer: {type(error).__name__}")
        return False
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.headers["retry-after"]:
        crowd.come_later()
        return False
    lines = [json.loads(line) for line in text.splitlines()] if answer.status in TAKEN else []
    if [line["status"] in TAKEN for line in lines] != [True] * len(batch):
        crowd.refuse(f"HTTP {answer.status}: {text[:300]!r}")
        return False
    for said, line in zip(batch, lines, strict=True):
        given = line["answer"]
        crowd.keep(Kept(given["index"], given["kind"], said.job_id, given["receipt"]))
    return True
