"""The newest published checkpoint, looked up once for all requests that wait for it together."""

import asyncio
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
        self._running: asyncio.Task[Shown] | None = None
        self._next: asyncio.Task[Shown] | None = None
        self.size = 0
        """The last size that was seen."""

    def close(self) -> None:
        """Let the look-up that is running end."""
        self._thread.shutdown()

    async def get(self) -> Shown:
        """What is published now. Raises NotFound before the first checkpoint."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._look_up(self._running))
        # A client that goes away must not take the look-up of the others with it.
        return await asyncio.shield(self._next)

    async def _look_up(self, before: asyncio.Task[Shown] | None) -> Shown:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._thread, self._reader.shown)
        self.size = max(self.size, found.checkpoint.size)
        return found
