"""How a running command ends: what SIGTERM and Ctrl-C ask for, the limit, and the second time.

A server first says on ``/readyz`` that it is going, and goes on answering for LEDGER_DRAIN_SECONDS,
so that whatever sends requests sends them elsewhere. Then it takes no connection any more, answers
what it has, finishes the batch and closes the log. It does not wait for who sends a request or
takes an answer slowly: such a body is refused (web.bodies), such a connection cut
(ledger.cli.connections). What is not done after LEDGER_STOP_SECONDS, or when it is asked a second
time, is killed: no death loses what was acknowledged.
"""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any, Final

from granian.server.common import AbstractServer

from ledger.assembly.readiness import CLOSING
from ledger.assembly.readiness import STOPPING as NOT_READY
from ledger.cli.common import CommandFailed

DRAIN: Final = signal.SIGUSR1
"""What a server process is told before it is told to stop."""
CLOSE: Final = signal.SIGUSR2
"""What it is told when it is about to be: another number, as two of one kind may arrive as one."""
ASKING: Final = (signal.SIGINT, signal.SIGTERM)
KILLED: Final = 2

log = logging.getLogger(__name__)


class Stopping:
    """The end of one server, told from the process that watches over the others."""

    def __init__(self, server: AbstractServer[Any], *, drain_s: float, stop_s: float) -> None:
        self._server = server
        self._drain_s = drain_s
        self._stop_s = stop_s
        self._parent = os.getpid()
        self._asked = False
        self._twice = False
        self._ended = False
        self._killed = False
        self._go_on = threading.Event()
        self.by_keyboard = False

    def listen(self) -> None:
        """Take the signals; before the server has started its processes, in the main thread."""
        # They inherit that it does nothing, until they know what to do.
        for number in (DRAIN, CLOSE):
            signal.signal(number, signal.SIG_IGN)
        for number in ASKING:
            signal.signal(number, self._ask)

    def check(self) -> None:
        """Raise CommandFailed where a process did not end by itself; after the server has."""
        self._ended = True
        self._go_on.set()
        if self._killed:
            why = "the second signal" if self._twice else "LEDGER_STOP_SECONDS"
            raise CommandFailed(f"stopped by {why} before every request had its answer")

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._parent:
            # A process that was forked from this one and has not come to its own handlers yet.
            os._exit(0)
        self.by_keyboard = self.by_keyboard or number == signal.SIGINT
        if self._asked:
            self._twice = True
            self._go_on.set()
            return
        self._asked = True
        threading.Thread(target=self._stop, name="stop", daemon=True).start()

    def _stop(self) -> None:
        # Asked for anew each time: a server that is stopped early starts its processes meanwhile,
        # and forgets them when it has seen them end.
        workers = self._tell(DRAIN, [])
        self._go_on.wait(self._drain_s)
        workers = self._tell(CLOSE, workers)
        self._server.interrupt_signal = True
        self._server.main_loop_interrupt.set()
        # Not by the server's own limit: it takes a process that somebody else has waited for, as
        # its own watching threads do, for one that is still there.
        self._go_on.wait(self._stop_s)
        if self._ended:
            return
        for each in self._known(workers):
            each.interrupt_by_parent = True
            if _signal(each.inner.pid, 0):
                self._killed = True
                _signal(each.inner.pid, signal.SIGKILL)

    def _known(self, workers: list[Any]) -> list[Any]:
        return [*workers, *(each for each in list(self._server.wrks) if each not in workers)]

    def _tell(self, number: int, workers: list[Any]) -> list[Any]:
        found = self._known(workers)
        for each in found:
            _signal(each.inner.pid, number)
        return found


def _signal(pid: int | None, number: int) -> bool:
    """Whether there was a process to be told ``number``."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def become_ready_to_drain() -> None:
    """In a server process: ``/readyz`` refuses once it is told to drain; see ``CLOSING`` too."""
    signal.signal(DRAIN, lambda _number, _frame: NOT_READY.set())
    signal.signal(CLOSE, lambda _number, _frame: CLOSING.set())


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
