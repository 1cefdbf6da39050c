"""Rounds in which what is around a running ledger fails for a while; a few of them in the tests.

``scripts/soak`` full-disk, read-only-disk, slow-disk and postgres-loss.

In each round clients post to a real server, something fails, and the server has to say so: 503 with
the time to come back for statements, and what is wrong at ``/readyz``. Then it ends, and the same
server has to go on without a hand. Last, the server is killed and everything is judged.
"""

import contextlib
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Final, Protocol

from benchmarks import history
from benchmarks.load import LOOPBACK

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from soaking.clients import Crowd
from soaking.judging import Broken, Judge, Lost
from soaking.nursery import Nursery
from soaking.server import Server

CLIENTS: Final = 4
MOST_RECEIPTS: Final = 40
AFTERWARDS: Final = 8
"""Receipts that must come from the same server after an outage."""
REFUSALS: Final = 3
"""Answers 503 that must come in an outage that lasts."""
LIMIT_S: Final = 120.0
LOOK_EVERY_S: Final = 0.05


class Outage(Protocol):
    """Something that fails, and ends."""

    says: tuple[str, ...]
    """How what ``/readyz`` says of it may begin; empty where it is over at once."""
    is_lasting: bool
    """Whether the server must be started anew after it."""

    def begin(self, server: Server, crowd: Crowd) -> None:
        """Let it fail."""

    def end(self) -> None:
        """Let it be as it was."""


@dataclass
class Report:
    """What some rounds did and found."""

    engine: str
    rounds: int = 0
    outages: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    lost_answers: int = 0
    answers_later: int = 0
    """Answers 503, each with a Retry-After."""
    lost: int = 0
    entries: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)


def run_rounds(
    settings: Settings,
    outages: Mapping[str, Outage],
    *,
    engine: str,
    folder: Path,
    rounds: int,
    seed: int,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Make a ledger and let each of ``outages`` befall it in turn; stops where a promise breaks."""
    report = Report(engine)
    dice = Random(f"{seed} {engine}")  # noqa: S311 - dice, no secret
    begun = time.monotonic()
    create(settings, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
    reading = Ledger(settings, writer=False)
    log = folder / "log"
    with Nursery() as nursery:
        judge = Judge(settings, nursery, vkey=reading.vkey, log=log)
        reading.close()
        crowd = Crowd(CLIENTS)
        names = [list(outages)[number % len(outages)] for number in range(rounds)]
        try:
            server = Server(settings, nursery, log=log)
            for name in names:
                _suffer(crowd, server, outages[name], dice)
                judge.fsck()
                server = Server(settings, nursery, log=log)
                judge.is_mended()
                judge.verify(server.address)
                report.entries = judge.keeps(crowd.kept)
                report.rounds += 1
                report.outages[name] += 1
                report.receipts, report.lost_answers = len(crowd.kept), crowd.lost
                report.answers_later = crowd.later
                report.seconds = time.monotonic() - begun
                tell(report)
            server.kill("everything")
        except Broken as broken:
            report.broken.append(f"round {report.rounds + 1}: {broken}")
            report.lost += isinstance(broken, Lost)
        finally:
            crowd.end()
    report.seconds = time.monotonic() - begun
    return report


def _suffer(crowd: Crowd, server: Server, outage: Outage, dice: Random) -> None:
    crowd.begin(server.port)
    try:
        _wait_for(crowd, server, len(crowd.kept) + dice.randrange(1, MOST_RECEIPTS))
        refused = crowd.later
        outage.begin(server, crowd)
        if outage.says:
            if not crowd.wait_for_later(refused + REFUSALS, server.is_alive):
                raise Broken(f"nothing was refused: {crowd.refused or server.last_lines()}")
            _wait_until_ready(server, but=outage.says)
        if outage.is_lasting:
            crowd.end()
            server.kill("everything")
            outage.end()
            return
        outage.end()
        _wait_for(crowd, server, len(crowd.kept) + AFTERWARDS)
        _wait_until_ready(server)
        server.kill("everything")
    finally:
        crowd.end()


def _wait_for(crowd: Crowd, server: Server, receipts: int) -> None:
    came = crowd.wait_for(receipts, server.is_alive)
    if crowd.refused:
        raise Broken(f"a good statement was refused: {crowd.refused[0]}")
    if not came:
        raise Broken(f"no receipts came: {server.last_lines()}")


def _wait_until_ready(server: Server, *, but: tuple[str, ...] = ()) -> None:
    """Wait until ``/readyz`` says ready, or ``but`` why not."""
    give_up = time.monotonic() + LIMIT_S
    while True:
        status, said = readiness(server.port)
        if said.startswith(but) if but else status == HTTPStatus.OK:
            return
        if time.monotonic() > give_up:
            raise Broken(f"/readyz says {status}, {said!r}, and not {' or '.join(but) or 'ready'}")
        time.sleep(LOOK_EVERY_S)


def readiness(port: int) -> tuple[int, str]:
    """The status of ``/readyz``, and what it says."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=LIMIT_S)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    if answer.status == HTTPStatus.OK:
        return answer.status, body.decode("utf-8").strip()
    return answer.status, str(json.loads(body)["detail"])
