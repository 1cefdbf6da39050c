"""One step of an append that fails, or seems to: the seams at which the crash table cuts."""

# ruff: noqa: ANN401, SLF001 - it reaches into whatever it makes fail

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine.default import DefaultDialect

from ledger.sequencer import memory
from ledger.sequencer.queue import Ticket
from ledger.storage import store, tables
from ledger.storage.driver import Driver

STEPS = (
    "read head",
    "insert entries",
    "insert tiles",
    "commit",
    "signer memory write",
    "signer fsync",
    "insert checkpoint",
    "commit checkpoint",
    "answer",
)


class Fault:
    """``act`` once, at the first time that the step is reached; ``fired`` says whether it was."""

    def __init__(self, act: Callable[[], None], *, took_effect: bool) -> None:
        self.fired = False
        self._act = act
        self._took_effect = took_effect

    def around(
        self, real: Callable[..., Any], when: Callable[..., bool] = lambda *_, **__: True
    ) -> Callable[..., Any]:
        """``real``, failing once where ``when`` says so of the arguments."""

        def step(*arguments: Any, **named: Any) -> Any:
            if self.fired or not when(*arguments, **named):
                return real(*arguments, **named)
            self.fired = True
            if self._took_effect:
                real(*arguments, **named)
            self._act()
            raise AssertionError

        return step


@contextmanager
def fault(  # noqa: C901 - one case a step
    step: str, act: Callable[[], None] | None = None, *, took_effect: bool, postgresql: bool
) -> Iterator[Fault]:
    """Let ``step`` fail once in this process; ``act`` is what happens, an error if not given."""

    def fail() -> None:
        if step in {"signer memory write", "signer fsync"}:
            raise OSError(5, "Input/output error")
        if step == "answer":
            raise RuntimeError("the answer is lost")
        # What SQLite says of a disk, PostgreSQL of a connection.
        raise psycopg.OperationalError("lost") if postgresql else sqlite3.OperationalError("lost")

    broken = Fault(act or fail, took_effect=took_effect)
    with pytest.MonkeyPatch.context() as patch:
        match step:
            case "read head":
                patch.setattr(store, "_locked_head", broken.around(store._locked_head))
            case "insert entries" | "insert tiles" | "insert checkpoint":
                table = {
                    "insert entries": tables.ENTRIES,
                    "insert tiles": tables.TILES,
                    "insert checkpoint": tables.CHECKPOINTS,
                }[step]
                patch.setattr(
                    Driver,
                    "insert",
                    broken.around(
                        Driver.insert, lambda _self, into, rows: into is table and bool(rows)
                    ),
                )
            case "commit" | "commit checkpoint":
                writer, method = (
                    (store.Appending, "write")
                    if step == "commit"
                    else (store.Publishing, "publish")
                )
                written: list[object] = []
                real = getattr(writer, method)

                def note(self: object, given: object) -> Any:
                    made = real(self, given)
                    written.append(given)
                    return made

                patch.setattr(writer, method, note)
                patch.setattr(
                    DefaultDialect,
                    "do_commit",
                    broken.around(DefaultDialect.do_commit, lambda *_: bool(written)),
                )
            case "signer memory write":
                patch.setattr(memory, "_write_whole", broken.around(memory._write_whole))
            case "signer fsync":
                patch.setattr(os, "fdatasync", broken.around(os.fdatasync))
            case "answer":
                patch.setattr(Ticket, "finish", broken.around(Ticket.finish))
        yield broken
