"""``/metrics`` for who has the token, and the counting of every request for it.

To everybody else there is no such address, and the answer is that of any other that there is not.
A request is counted by what kind of address it asked for and how it was answered: neither an
address, nor a client, nor anything else that a stranger can make up is a label.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from litestar.exceptions import MethodNotAllowedException

from ledger.assembly.metrics import Metrics
from ledger.metering import families
from ledger.metering.exposition import MEDIA_TYPE
from web import artifacts, bulk_files, log_files, probes, static_files, writing
from web.answer import Answer, Message, Scope, Send, answer
from web.api import BASE
from web.i18n import LANGUAGES
from web.schema_files import ADDRESS as SCHEMAS

ADDRESS: Final = "/metrics"
LOG: Final = "log"
"""The kind of the log's own files."""
_BY_PREFIX: Final = (
    (f"{BASE}/statements", "statements"),
    (writing.CHECK, "check"),
    (f"{BASE}/", "api"),
    (log_files.PREFIX, LOG),
    (bulk_files.PREFIX, "bulk"),
    (static_files.PREFIX, "static"),
    (SCHEMAS, "schemas"),
    ("/feeds/", "feeds"),
    *((f"/{tag}/", "pages") for tag in LANGUAGES),
)


def route_of(path: str) -> str:
    """The kind of an address, one of ``families.ROUTES``."""
    if path in probes.ADDRESSES:
        return "probes"
    if artifacts.place_of(path) is not None:
        return "artifacts"
    return next((name for prefix, name in _BY_PREFIX if path.startswith(prefix)), "other")


class Scrapes:
    """What the site does with the numbers of one open ledger."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._board = metrics.board
        self._turn = asyncio.Lock()

    async def counted(
        self, scope: Scope, send: Send, *, answering: Callable[[Send], Awaitable[None]]
    ) -> None:
        """Answer a request, and count it, however that ends."""
        started, status = monotonic(), "none"

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                found = str(message["status"])
                status = found if found in families.STATUSES else "other"
            await send(message)

        try:
            await answering(watched)
        finally:
            self.count(route_of(scope["path"]), status, monotonic() - started)

    def count(self, route: str, status: str, took_s: float) -> None:
        """Count one answer; from any thread."""
        self._board.add(families.REQUESTS, route, status)
        self._board.observe(families.LATENCY, took_s, route)

    def allows(self, scope: Scope) -> bool:
        """Whether a request bears the token."""
        given = next(
            (value for name, value in scope["headers"] if name.lower() == b"authorization"), b""
        )
        return self._metrics.allows(given)

    async def answer(self, scope: Scope) -> Answer:
        """The numbers, for a request that bears the token."""
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowedException(headers={"allow": "GET"})
        # One at a time: who scrapes twice at once waits, and not for every thread of the site.
        async with self._turn:
            text = await asyncio.to_thread(self._metrics.text)
        return answer(200, text.encode(), MEDIA_TYPE, cache_control="no-store")
