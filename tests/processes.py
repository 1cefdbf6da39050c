"""Real processes that die real deaths, made quickly: forked from a server that has imported us.

A child is a function ``child(pipe, *arguments)`` of an importable module; ``pipe.send`` is how it
is heard. ``SIGKILL`` is ``Process.kill``, or ``die`` from the inside.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["ledger.assembly", "psycopg", "sqlalchemy.dialects.postgresql"])


@contextmanager
def running(
    child: Callable[..., None], *arguments: Any
) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A started child and the end of the pipe that hears it; it is dead when the block is left."""
    ours, theirs = _context.Pipe()
    process = _context.Process(target=child, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()
        ours.close()


def heard_until_end(pipe: Connection) -> list[Any]:
    """Everything that a child says until it ends, or dies."""
    heard = []
    while True:
        try:
            heard.append(pipe.recv())
        except (EOFError, OSError):  # between two messages, or in the middle of one
            return heard


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, on whichever of its threads runs now."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += map(int, file.read_text("ascii").split())
    return found


def die() -> None:
    """End this process as a power cut would: nothing is flushed, closed or rolled back."""
    os.kill(os.getpid(), signal.SIGKILL)
