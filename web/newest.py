"""The newest published checkpoint, looked up once for all requests that wait for it together.

Where the database says that nothing was committed since, what was seen last is the newest.
"""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

from ledger.reader import Reader
from ledger.reader.publication import Shown


class Newest:
    """Answers each request from a look-up that began after the request came in.

    So whoever was told that an entry is in the log finds it in whatever it asks next, and a
    thousand requests that arrive together cost one query.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # A thread of its own: no look-up waits behind pages that are being made.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="newest")
        self._waiting: list[asyncio.Future[Shown]] = []
        self._looking: asyncio.Task[None] | None = None
        self.size = 0
        """The last size that was seen."""

    def close(self) -> None:
        """Let the look-up that is running end."""
        self._thread.shutdown()

    def at_once(self) -> Shown | None:
        """What is published now, where nothing has to be looked up for it; from any thread."""
        return self._reader.still_shown()

    def get(self) -> Awaitable[Shown]:
        """What is published now. Raises NotFound before the first checkpoint."""
        loop = asyncio.get_running_loop()
        # A future of its own: a client that goes away takes nothing of the others with it.
        waiting: asyncio.Future[Shown] = loop.create_future()
        still = self.at_once()
        if still is not None:
            self.size = max(self.size, still.checkpoint.size)
            waiting.set_result(still)
            return waiting
        self._waiting.append(waiting)
        if self._looking is None:
            self._looking = loop.create_task(self._look_up(loop))
        return waiting

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for all who wait, and again while others have come meanwhile."""
        while self._waiting:
            asked, self._waiting = self._waiting, []
            found: Shown | None = None
            try:
                found = await loop.run_in_executor(self._thread, self._reader.shown)
                self.size = max(self.size, found.checkpoint.size)
            except BaseException as error:  # noqa: BLE001 - who asked hears of it
                for each in asked:
                    if not each.done():
                        each.set_exception(error)
            else:
                for each in asked:
                    if not each.done():
                        each.set_result(found)
        self._looking = None
