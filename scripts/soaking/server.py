"""``ledger serve`` as a process to be killed, and how its parts die."""

import contextlib
import http.client
import os
import signal
import time
from pathlib import Path
from typing import Final

from benchmarks.load import LOOPBACK
from benchmarks.serving import free_port, time_each

from ledger.settings import Settings
from soaking.judging import Broken, environment, last_lines
from soaking.nursery import Nursery, kill_group

START_LIMIT_S: Final = 120.0
LOOK_EVERY_S: Final = 0.01


class Server:
    """A ledger's server: the process that was started, and its child that serves."""

    def __init__(self, settings: Settings, nursery: Nursery, *, log: Path) -> None:
        self.port = free_port()
        self.address = f"http://{LOOPBACK}:{self.port}"
        self._nursery, self._log = nursery, log
        variables = environment(settings) | {
            "LEDGER_HOST": LOOPBACK,
            "LEDGER_PORT": str(self.port),
            "LEDGER_PUBLIC_URL": self.address,
            "LEDGER_RATE_PER_MINUTE": "0",
        }
        self._pid = nursery.start("ledger", "serve", env=variables, log=log)
        give_up = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if _is_dead(self._pid) or time.monotonic() > give_up:
                kill_group(self._pid)
                raise Broken(f"the server did not start again: {last_lines(log)}")
            time.sleep(LOOK_EVERY_S)
        tasks = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text("ascii")
        self.children = [int(each) for each in tasks.split()]

    def kill(self, whom: str) -> None:
        """SIGKILL for ``everything`` of it, the ``child`` that serves, or the ``parent`` of that.

        Returns when all of it is dead.
        """
        match whom:
            case "child":
                _kill(*self.children)
            case "parent":
                _kill(self._pid)
            case _:
                kill_group(self._pid)
        # A child whose parent is gone, and a parent whose child is, end by themselves.
        give_up = time.monotonic() + START_LIMIT_S
        while not all(map(_is_dead, (self._pid, *self.children))):
            if time.monotonic() > give_up:
                raise Broken(f"the server outlives its {whom}: {last_lines(self._log)}")
            time.sleep(LOOK_EVERY_S)
        self._nursery.wait(self._pid)

    def is_alive(self) -> bool:
        """Whether it runs, whole."""
        return not any(map(_is_dead, (self._pid, *self.children)))

    def last_lines(self) -> str:
        """What it said last."""
        return last_lines(self._log)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            time_each(self.port, ["/log/checkpoint"])
            return True
        return False


def _kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_dead(pid: int) -> bool:
    """Whether a process has ended; it may still be waiting for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}
