"""How a running command ends: what SIGTERM and Ctrl-C ask for, the limit, and the second time.

A server first says on ``/readyz`` that it is going, and goes on answering for LEDGER_DRAIN_SECONDS,
so that whatever sends requests sends them elsewhere. Then it takes no connection any more, answers
what it has, finishes the batch and closes the log. What is not done after LEDGER_STOP_SECONDS, or
when it is asked a second time, is killed: no death loses what was acknowledged.
"""

import logging
import os
import signal
import threading
from functools import partial
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Final

from granian.server.common import AbstractServer

from ledger.assembly.readiness import STOPPING as NOT_READY
from ledger.cli.common import CommandFailed

DRAIN: Final = signal.SIGUSR1
"""What a server process is told before it is told to stop."""
ASKING: Final = (signal.SIGINT, signal.SIGTERM)
KILLED: Final = 2

log = logging.getLogger(__name__)


class Stopping:
    """The end of one server, told from the process that watches over the others."""

    def __init__(self, server: AbstractServer[Any], *, drain_s: float) -> None:
        self._server = server
        self._drain_s = drain_s
        self._parent = os.getpid()
        self._asked = threading.Event()
        self._twice = threading.Event()
        self._killed = threading.Event()
        self._workers: list[Any] = []
        self.by_keyboard = False

    def listen(self) -> None:
        """Take the signals; before the server has started its processes, in the main thread."""
        # They inherit that it does nothing, until they know what to do.
        signal.signal(DRAIN, signal.SIG_IGN)
        for number in ASKING:
            signal.signal(number, self._ask)

    def check(self) -> None:
        """Raise CommandFailed where a process did not end by itself; after the server has."""
        if self._killed.is_set():
            why = "the second signal" if self._twice.is_set() else "LEDGER_STOP_SECONDS"
            raise CommandFailed(f"stopped by {why} before every request had its answer")

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._parent:
            # A process that was forked from this one and has not come to its own handlers yet.
            os._exit(0)
        self.by_keyboard = self.by_keyboard or number == signal.SIGINT
        if self._asked.is_set():
            self._twice.set()
            for each in self._workers:
                each.kill()
            return
        self._asked.set()
        threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def _drain(self) -> None:
        self._workers = list(self._server.wrks)
        for each in self._workers:
            # The server kills what has not ended in time, and tells nobody.
            each.kill = partial(self._kill, each)
            if each.inner.pid is not None and each.is_alive():
                os.kill(each.inner.pid, DRAIN)
        self._twice.wait(self._drain_s)
        self._server.interrupt_signal = True
        self._server.main_loop_interrupt.set()

    def _kill(self, worker: Any) -> None:  # noqa: ANN401 - the server's type is not exported
        process: BaseProcess = worker.inner
        if process.is_alive():
            self._killed.set()
            worker.interrupt_by_parent = True
            process.kill()


def become_ready_to_drain() -> None:
    """In a server process: ``/readyz`` refuses as soon as this process is told to drain."""
    signal.signal(DRAIN, lambda _number, _frame: NOT_READY.set())


def end_while_starting() -> None:
    """In a server process: until the HTTP server has its own handlers, SIGTERM ends it at once.

    It has answered nobody yet. With its parent's handlers, which it was forked with, it would take
    the signal for its parent's and never end.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_within(limit_s: float) -> None:
    """End this process after so many seconds, whatever it is doing then."""

    def end() -> None:
        log.critical("stopped by LEDGER_STOP_SECONDS before everything had ended")
        os._exit(KILLED)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
