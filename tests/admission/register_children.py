"""What a process beside the scheduler does: it waits to be told, then takes one receipt."""

from multiprocessing.connection import Connection
from pathlib import Path

from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register


def take(pipe: Connection, path: Path, job: str, run: str) -> None:
    """Say "ready", wait for a word, take the receipt, and say what came of it."""
    register = Register(path)
    pipe.send("ready")
    pipe.recv()
    try:
        register.take(job, run, 1_795_000_000)
    except AdmissionRefused as refused:
        pipe.send(refused.code.value)
    else:
        pipe.send(run)
