"""All couriers of a process, each in a thread of its own.

A receiver that is slow or dead holds up its own thread alone: neither the other receivers nor the
embargo nor a statement ever waits for it.
"""

import logging
import threading
from collections.abc import Sequence
from time import monotonic
from typing import Final

from ledger.errors import LedgerError
from ledger.webhooks.courier import Courier

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""Between two looks for something to send, in each thread."""
LONGEST_S: Final = 300.0
"""The longest break after the database or the log refused."""
PATIENCE_S: Final = 5.0
"""How long the end of attempts that are under way is waited for."""


class Couriers:
    """Works until it is stopped."""

    def __init__(
        self,
        couriers: Sequence[Courier],
        *,
        look_s: float = LOOK_S,
        longest_s: float = LONGEST_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._look_s = look_s
        self._longest_s = longest_s
        self._patience_s = patience_s
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(each,), name=f"webhook-{each.webhook.name}", daemon=True
            )
            for each in couriers
        ]

    def start(self) -> None:
        """Begin to look for something to send."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Let the attempts that are under way end, then stop.

        One that takes too long is cut off with the process, and made again with the same
        ``webhook-id``.
        """
        self._stopping.set()
        until = monotonic() + self._patience_s
        for each in self._threads:
            if each.is_alive():
                each.join(max(0.0, until - monotonic()))

    def _run(self, courier: Courier) -> None:
        wait_s = self._look_s
        while not self._stopping.wait(wait_s):
            try:
                courier.work(self._stopping.is_set)
                wait_s = self._look_s
            except (LedgerError, OSError) as error:
                wait_s = min(wait_s * 2, self._longest_s)
                log.warning("webhook %s goes on in %d s: %s", courier.webhook.name, wait_s, error)
            except Exception as error:
                wait_s = self._longest_s
                log.error("webhook %s: %s", courier.webhook.name, type(error).__name__)  # noqa: TRY400 - a traceback may show an address
                log.debug("where it failed", exc_info=True)
