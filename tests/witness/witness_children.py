"""What the processes of the witness tests do."""

import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from processes import die
from witness_world import FORK, LEAVES, World, ask


class _Dying:
    """A connection that dies where it is told to."""

    def __init__(self, real: sqlite3.Connection, at: str, *, after: bool) -> None:
        self._real, self._at, self._after = real, at, after

    def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
        if statement.startswith(self._at) and not self._after:
            die()
        found = self._real.execute(statement, *rest)
        if statement.startswith(self._at):
            die()
        return found


def cosign_and_die(pipe: Connection, folder: Path, at: str, after: bool) -> None:
    """Cosign sizes 3 and 7, saying each answer, and die at a statement of the second."""
    world = World(folder)
    pipe.send(world.post(ask(0, 3)).body)
    world.state._writer = _Dying(world.state._writer, at, after=after)  # type: ignore[assignment]
    pipe.send(world.post(ask(3, 7)).body)


def cosign_from(pipe: Connection, folder: Path, first: int, fork: bool) -> None:
    """Ask for every size from ``first`` on, as fast as it goes, in one of two histories."""
    world = World(folder)
    pipe.send("ready")
    pipe.recv()
    leaves = FORK if fork else LEAVES
    old = 0
    for size in range(first, 60, 2):
        answer = world.post(ask(old, size, leaves))
        while answer.status == 409 and int(answer.body) < size:
            old = int(answer.body)
            answer = world.post(ask(old, size, leaves))
        if answer.status == 200:
            pipe.send((size, answer.body))
            old = size
    world.close()
