"""What the processes of the sequencer tests do."""

from multiprocessing.connection import Connection
from pathlib import Path

import kit
from processes import die
from soaking.seams import fault

from ledger.assembly import Ledger
from ledger.settings import Settings


def log_and_die(  # noqa: PLR0917 - multiprocessing hands over what is positional
    pipe: Connection,
    url: str,
    folder: Path,
    bodies: list[list[bytes]],
    step: str,
    took_effect: bool,
) -> None:
    """Log every batch, saying each answer; die at ``step`` of the last batch."""
    ledger = Ledger(Settings(data_dir=folder, database_url=url), clock=kit.Clock())
    for batch in bodies[:-1]:
        pipe.send(kit.log(ledger, *batch))
    with fault(step, die, took_effect=took_effect, postgresql=url.startswith("postgresql")):
        pipe.send(kit.log(ledger, *bodies[-1]))
    pipe.send("survived")


def log_until_killed(pipe: Connection, url: str, folder: Path, name: str, most: int) -> None:
    """Log one statement after the other, saying each answer."""
    ledger = Ledger(Settings(data_dir=folder, database_url=url), clock=kit.Clock())
    pipe.send("open")
    for number in range(most):
        job = kit.ulid(int.from_bytes(name.encode(), "big") * 10_000 + number)
        pipe.send(kit.log(ledger, kit.submitted(job))[0])
    ledger.close()


def log_side_by_side(  # noqa: PLR0917 - the same
    pipe: Connection, url: str, folder: Path, name: str, rounds: int, shared: list[bytes]
) -> None:
    """Log batches of one's own, and the same ones as everybody else; say all answers at the end."""
    ledger = Ledger(Settings(data_dir=folder, database_url=url), clock=kit.Clock())
    pipe.send("open")
    pipe.recv()
    answers = []
    start = int.from_bytes(name.encode(), "big") * 10_000
    for number in range(start, start + rounds):
        job = kit.ulid(number)
        waiting = [
            ledger.submit_batch([kit.submitted(job), kit.started(job), kit.ended(job)]),
            ledger.submit_batch([shared[number - start]]),
        ]
        answers += [answer for future in waiting for answer in future.result(120)]
    ledger.close()
    pipe.send(answers)
