"""Runs one long preparation in a thread of its own, which can be told to stop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from ledger.errors import LedgerError

GoOn = Callable[[], None]
"""Called every now and then by what runs; raises Stopped where it is to end."""


class Stopped(Exception):
    """Nobody needs what is being prepared any more."""


class Loader:
    """Runs ``load`` once. ``done`` is set however it ends; nobody can cancel it."""

    def __init__(self, load: Callable[[GoOn], None]) -> None:
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()
        self._load = load
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader")

    def start(self) -> None:
        """Begin. Once."""
        self._thread.start()

    def stop(self) -> None:
        """End it at its next ``GoOn`` and wait for that."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._load(self._go_on)
        except (LedgerError, Stopped):
            # Whoever needs it prepares it anew: that is when there is somebody to be told.
            pass
        finally:
            self.done.set_result(None)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped
