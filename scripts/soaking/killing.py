"""Rounds of load and sudden death: ``scripts/soak kill``, and ten of them in the tests.

In each round some clients post to a real server, which is killed after a number of receipts that
the dice say: all of it, the process that serves, or the one above; on PostgreSQL also one of the
database's processes, or all of it. Then everything is judged, and the next server starts on what
is left.

With a folder to keep, what each run found is there, and the next one goes on counting, on a new log
and with other dice, until all rounds are done.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from benchmarks import history

from ledger.assembly import Ledger, create, system_clock
from ledger.settings import Settings
from soaking.clients import Crowd
from soaking.judging import Broken, Judge, Lost
from soaking.nursery import Nursery
from soaking.postgres import Postgres, own_postgres
from soaking.server import Server

CLIENTS: Final = 4
MOST_RECEIPTS: Final = 60
LONGEST_DELAY_S: Final = 0.02
AFTERWARDS: Final = 8
"""Receipts that must still come from a server whose database alone was killed."""
DEATHS: Final = ("everything", "child", "parent")
DATABASE_DEATHS: Final = ("backend", "postmaster")


@dataclass
class Report:
    """What some rounds did and found."""

    engine: str
    seed: int
    logs: int = 0
    """On how many logs, one after the other."""
    rounds: int = 0
    deaths: Counter[str] = field(default_factory=Counter)
    receipts: int = 0
    lost_answers: int = 0
    """Requests that got no answer; each was sent again and answered in the end."""
    unpublished: int = 0
    """Deaths between a signature and its publication, which the next start made up for."""
    lost: int = 0
    """Promises of which what was acknowledged is gone."""
    entries: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Count what another run of the same engine did and found."""
        self.logs += other.logs
        self.rounds += other.rounds
        self.deaths += other.deaths
        self.receipts += other.receipts
        self.lost_answers += other.lost_answers
        self.unpublished += other.unpublished
        self.lost += other.lost
        self.entries += other.entries
        self.seconds += other.seconds
        self.broken += other.broken


def go_on(
    engine: str,
    *,
    folder: Path,
    rounds: int,
    seed: int,
    keep: Path,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Kill until it was ``rounds`` times with what ``keep`` says of earlier runs; all of them.

    A run that was cut short itself counts for nothing, and neither does another engine's.
    """
    keep.mkdir(parents=True, exist_ok=True)
    diary = keep / f"kill-{engine}.ndjson"
    known = [] if not diary.exists() else diary.read_text("ascii").splitlines()
    found = Report(engine, seed)
    for line in known:
        found.add(_report(line))
    left = rounds - found.rounds
    if left > 0:
        place = folder / f"log-{len(known)}"
        place.mkdir()
        more = run_rounds(engine, folder=place, rounds=left, seed=seed + len(known), tell=tell)
        with diary.open("a", encoding="ascii") as lines:
            lines.write(json.dumps(asdict(more) | {"deaths": dict(more.deaths)}) + "\n")
        found.add(more)
    return found


def _report(line: str) -> Report:
    said = json.loads(line)
    return Report(**said | {"deaths": Counter(said["deaths"])})


def run_rounds(
    engine: str,
    *,
    folder: Path,
    rounds: int,
    seed: int,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Kill ``rounds`` times; stops at the first promise that was not kept, which is reported."""
    report = Report(engine, seed, logs=1)
    dice = Random(f"{seed} {engine}")  # noqa: S311 - dice, no secret
    begun = time.monotonic()
    with Nursery() as nursery, _database(engine, folder) as (url, postgres):
        settings = Settings(data_dir=folder / "ledger", database_url=url)
        create(settings, origin=history.ORIGIN, authors=history.authors(), clock=system_clock)
        reading = Ledger(settings, writer=False)
        log = folder / "log"
        judge = Judge(settings, nursery, vkey=reading.vkey, log=log)
        reading.close()
        crowd = Crowd(CLIENTS)
        deaths = _deaths(rounds, dice, postgres=postgres is not None)
        try:
            server = Server(settings, nursery, log=log)
            for death in deaths:
                _load_and_kill(crowd, server, postgres, death, dice)
                published = judge.fsck()
                server = Server(settings, nursery, log=log)
                if not published:
                    report.unpublished += 1
                    judge.is_mended()
                judge.verify(server.address)
                report.entries = judge.keeps(crowd.kept)
                report.rounds += 1
                report.deaths[death] += 1
                report.receipts, report.lost_answers = len(crowd.kept), crowd.lost
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


def _deaths(rounds: int, dice: Random, *, postgres: bool) -> list[str]:
    """Who dies in which round: each in turn, so that a few rounds have them all, then shuffled."""
    kinds = DEATHS + DATABASE_DEATHS if postgres else DEATHS
    chosen = [kinds[number % len(kinds)] for number in range(rounds)]
    dice.shuffle(chosen)
    return chosen


def _load_and_kill(
    crowd: Crowd, server: Server, postgres: Postgres | None, death: str, dice: Random
) -> None:
    wanted = len(crowd.kept) + dice.randrange(1, MOST_RECEIPTS)
    crowd.begin(server.port)
    try:
        _wait_for(crowd, server, wanted)
        time.sleep(dice.random() * LONGEST_DELAY_S)  # the moment, anywhere inside of a batch
        if death in DATABASE_DEATHS:
            assert postgres is not None
            if death == "backend":
                postgres.kill_backend(dice)
            else:
                postgres.kill_postmaster()
            postgres.start_again()
            # The same server goes on without any hand.
            _wait_for(crowd, server, len(crowd.kept) + AFTERWARDS)
            death = "everything"
        server.kill(death)
        if postgres is not None:
            # It may only now have noticed what was killed of it, and be recovering.
            postgres.start_again()
    finally:
        crowd.end()


def _wait_for(crowd: Crowd, server: Server, receipts: int) -> None:
    came = crowd.wait_for(receipts, server.is_alive)
    if crowd.refused:
        raise Broken(f"a good statement was refused: {crowd.refused[0]}")
    if not came:
        raise Broken(f"no receipts came: {server.last_lines()}")


@contextlib.contextmanager
def _database(engine: str, folder: Path) -> Iterator[tuple[str, Postgres | None]]:
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'ledger' / 'ledger.db'}", None
        return
    with own_postgres() as postgres:
        yield postgres.url, postgres
