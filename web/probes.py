"""``/healthz`` and ``/readyz``: what supervisors and load balancers ask of one process.

Outside of the language tree, never cached and never counted against anybody's rate: however many
ask at once, one look at the database answers them all.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from litestar.exceptions import MethodNotAllowedException

from ledger.errors import NotReady
from web.answer import Answer, Scope, answer
from web.doors import House
from web.query import check_known, parse_query

HEALTH: Final = "/healthz"
READINESS: Final = "/readyz"
ADDRESSES: Final = frozenset({HEALTH, READINESS})
PATIENCE_S: Final = 5.0
"""How long a database may take to answer before it counts as one that does not."""


class Probes:
    """Answers for one process, as long as it is open."""

    def __init__(self, house: House, *, patience_s: float = PATIENCE_S) -> None:
        self._house = house
        self._patience_s = patience_s
        # A thread of its own: with every other one waiting for the database, this one must ask.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probes")
        self._looking: asyncio.Future[None] | None = None

    def close(self) -> None:
        """Let the look that is running end."""
        self._thread.shutdown()

    async def answer(self, scope: Scope) -> Answer:
        """``ok`` or ``ready``. Raises NotReady, and refuses other methods and any parameter.

        Damage does not make a server unready: it hands out nothing that is wrong, and one record
        that cannot be read must not take all the others, and every promise, off the network.
        """
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowedException(headers={"allow": "GET"})
        check_known(parse_query(scope["query_string"]), ())
        if scope["path"] == HEALTH:
            return _said(b"ok\n")
        await self._check()
        places = self._house.damage
        if not places:
            return _said(b"ready\n")
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        return _said(f"ready\ndamaged: {places[0]}{more}: run `ledger fsck`\n".encode())

    async def _check(self) -> None:
        if self._looking is None or self._looking.done():
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._thread, self._house.check_ready)
            # Where everybody has gone away, its refusal is nobody's to fetch.
            self._looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            await asyncio.wait_for(asyncio.shield(self._looking), self._patience_s)
        except TimeoutError:
            raise NotReady("database: it has not answered yet") from None


def _said(body: bytes) -> Answer:
    return answer(200, body, "text/plain; charset=utf-8", cache_control="no-store")
