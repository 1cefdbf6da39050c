"""Clients that post statements to a real server and keep every receipt: the load, and the memory.

A statement whose answer was lost is posted again, unchanged, until it is answered: that is what the
ledger tells its clients to do.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from benchmarks.history import Clerk
from benchmarks.load import LOOPBACK

MADE_AT_S: Final = 1_790_000_000
PATIENCE_S: Final = 120.0
AGAIN_S: Final = 0.02
LOOK_EVERY_S: Final = 0.5
TAKEN: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
LATER: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Kept:
    """An acknowledged statement: where it stands, what it was, and its receipt."""

    index: int
    kind: str
    job_id: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Said:
    """A statement to be posted."""

    job_id: str
    body: bytes


class Crowd:
    """Some clients, each with jobs of its own; what they kept outlives every server."""

    def __init__(self, count: int, *, series: str = "soak") -> None:
        self.kept: list[Kept] = []
        self.refused: list[str] = []
        """Answers that no crash explains: one line each."""
        self.lost = 0
        """Statements that were posted and never answered, each posted again since."""
        self.later = 0
        """Answers that told a client to come back later, and when."""
        self._changed = threading.Condition()
        self._statements = [statements(f"{series}-{n}") for n in range(count)]
        self._pending: list[Said | None] = [None] * count
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def begin(self, port: int) -> None:
        """Let every client post until ``end``, one statement after the other."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._post_all, args=(number, port), daemon=True)
            for number in range(len(self._statements))
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let the clients finish what they are at."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, count: int, alive: Callable[[], bool]) -> bool:
        """Wait until ``count`` receipts are kept in all; whether they came in time.

        Gives up at once where the server is not ``alive``, or something was refused.
        """
        give_up = time.monotonic() + PATIENCE_S
        with self._changed:
            while len(self.kept) < count and not self.refused:
                if not alive() or time.monotonic() > give_up:
                    return False
                self._changed.wait(LOOK_EVERY_S)
        return not self.refused

    def wait_for_later(self, count: int, alive: Callable[[], bool]) -> bool:
        """Wait until ``count`` answers in all said to come back later; whether they did in time."""
        give_up = time.monotonic() + PATIENCE_S
        with self._changed:
            while self.later < count and not self.refused:
                if not alive() or time.monotonic() > give_up:
                    return False
                self._changed.wait(LOOK_EVERY_S)
        return not self.refused

    def come_later(self) -> None:
        """Count an answer that told a client to come back later."""
        with self._changed:
            self.later += 1
            self._changed.notify_all()

    def refuse(self, how: str) -> None:
        """Note an answer that nothing explains."""
        with self._changed:
            self.refused.append(how)
            self._changed.notify_all()

    def keep(self, kept: Kept) -> None:
        """Keep what was acknowledged."""
        with self._changed:
            self.kept.append(kept)
            self._changed.notify_all()

    def _post_all(self, number: int, port: int) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE_S)
        while not self._stop.is_set():
            said = self._pending[number] or next(self._statements[number])
            self._pending[number] = said
            try:
                connection.request("POST", "/api/v1/statements", said.body)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with self._changed:
                    self.lost += 1
                self._stop.wait(AGAIN_S)
                continue
            if answer.status in LATER and answer.headers["retry-after"] is not None:
                self.come_later()
                self._stop.wait(AGAIN_S)
                continue
            self._pending[number] = None
            self._keep(said, answer.status, text)
        connection.close()

    def _keep(self, said: Said, status: int, text: bytes) -> None:
        if status in TAKEN:
            answer = json.loads(text)
            self.keep(Kept(answer["index"], answer["kind"], said.job_id, answer["receipt"]))
        else:
            self.refuse(f"HTTP {status}: {text[:300]!r}")


def statements(series: str) -> Iterator[Said]:
    """What one client says, for ever: job after job, from submission to end."""
    clerk = Clerk(series, made_at_s=min(MADE_AT_S, int(time.time()) - 86_400))
    number = 0
    while True:
        job = clerk.job_id(number)
        for body in (
            clerk.submitted(number),
            clerk.started(number),
            clerk.egress(number, 1_000),
            clerk.ended(number),
        ):
            yield Said(job, body)
        number += 1
