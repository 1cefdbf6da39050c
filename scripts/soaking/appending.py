"""The process whose system calls fail: appends to a ledger, and says each receipt on a socket.

It speaks by ``sendto`` alone, so that a fault in ``write`` or ``openat`` meets the ledger only, and
it has imported everything before it waits for the word to begin.
"""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.history import Clerk
from sqlalchemy.exc import SQLAlchemyError

from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.settings import Settings
from schemas.posting import Receipted
from soaking.clients import MADE_AT_S, Said
from soaking.seams import fault

ANSWER_S: Final = 120
TRIES: Final = 3
CLERK: Final = Clerk("syscalls", made_at_s=MADE_AT_S)
CROSSING: Final = 1
"""The batch that crosses the border, counted from 0."""
SPOKEN_OF: Final = 0
"""The job that a prepared log is filled with."""


def batches() -> Iterator[list[Said]]:
    """What is appended: ten entries in five batches, of which the second crosses the border."""
    yield [_said(1, CLERK.submitted(1))]
    yield [_said(SPOKEN_OF, CLERK.egress(SPOKEN_OF, 3)), _said(2, CLERK.submitted(2))]
    yield [_said(1, CLERK.started(1))]
    yield [_said(1, CLERK.egress(1, 1_000)), _said(2, CLERK.started(2))]
    yield [_said(1, CLERK.ended(1)), _said(2, CLERK.ended(2))]


def prepare(ledger: Ledger, *, size: int) -> None:
    """Bring a new ledger to ``size`` entries, one job and what left the cluster for it."""
    first = [CLERK.submitted(SPOKEN_OF), CLERK.started(SPOKEN_OF)]
    bodies = [CLERK.egress(SPOKEN_OF, 1_000 + n) for n in range(size - 4)]
    for start in range(0, len(bodies) + 1, 500):
        given = ledger.submit_batch((first if start == 0 else []) + bodies[start : start + 500])
        for answer in given.result(ANSWER_S):
            if not isinstance(answer, Receipted):
                raise answer


def main(arguments: Sequence[str]) -> int:
    """Append to the ledger in a folder; ``arguments`` are that folder and a socket's path.

    After them may stand a step of ``seams``, ``fails`` or ``took-effect``, and ``goes-on`` or
    ``killed``: what becomes of that step in the batch that crosses the border.

    Returns 0, and 3 where the ledger refused, in its own words, what a fault kept it from doing.
    """
    folder, path = map(Path, arguments[:2])
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.recv(1)
        try:
            ledger = Ledger(Settings(data_dir=folder))
            whole = True
            try:
                for number, batch in enumerate(batches()):
                    with _broken(arguments[2:] if number == CROSSING else ()):
                        whole = _append(ledger, batch, wire) and whole
            finally:
                ledger.close()
        except (LedgerError, SQLAlchemyError, OSError) as error:
            print(f"refused: {type(error).__name__}", flush=True)
            return 3
    return 0 if whole else 3


@contextlib.contextmanager
def _broken(how: Sequence[str]) -> Iterator[None]:
    """The block in which one step fails once, as the arguments of ``main`` say; none: no step."""
    if not how:
        yield
        return
    step, effect, then = how
    act = _die if then == "killed" else None
    with fault(step, act, took_effect=effect == "took-effect", postgresql=False) as broken:
        yield
    if not broken.fired:
        raise RuntimeError(f"the step {step} was not reached")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _append(ledger: Ledger, batch: list[Said], wire: socket.socket) -> bool:
    """Send a batch until it is taken, a few times; whether it was."""
    for _ in range(TRIES):
        answers = ledger.submit_batch([said.body for said in batch]).result(ANSWER_S)
        for said, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Receipted):
                accepted = answer.accepted
                kept = [accepted.index, accepted.kind, said.job_id, accepted.receipt]
                wire.sendall(json.dumps(kept).encode() + b"\n")
        if all(isinstance(answer, Receipted) for answer in answers):
            return True
    return False


def _said(job: int, body: bytes) -> Said:
    return Said(CLERK.job_id(job), body)
