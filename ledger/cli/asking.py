"""The site in this process: asked for what it would answer, without a server or a socket.

The web application is found by its name, as ``ledger serve`` finds it: the command line does not
know it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self

import httpx

from ledger.assembly import Ledger
from ledger.cli.running import APP
from ledger.errors import LogUnavailable
from ledger.mirrors import Page

BASE: Final = "http://site"
START_S: Final = 600.0
ANSWER_S: Final = 600.0

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


def site_of(ledger: Ledger) -> "InProcessSite":
    """The site of an open ledger, as its settings say it should answer."""
    module_name, _, factory = APP.partition(":")
    settings = ledger.settings
    make: Callable[..., App] = getattr(import_module(module_name), factory)
    return InProcessSite(make(ledger, public_url=settings.public_url, contact=settings.contact))


class InProcessSite:
    """An ASGI application with a loop in a thread of its own. May be asked by several threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="site", daemon=True)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url=BASE,
            headers={"Accept-Encoding": "identity"},
            timeout=ANSWER_S,
        )
        self._lifespan: asyncio.Task[None] | None = None
        self._to_app: asyncio.Queue[Message] | None = None
        self._said: asyncio.Queue[Message] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start(), START_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._run(self._stop(), START_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def get(self, address: str) -> Page:
        """The answer to ``address``, path and query."""
        answer: httpx.Response = self._run(self._client.get(address), ANSWER_S)
        return Page(answer.status_code, dict(answer.headers), answer.content)

    def _run(self, asking: Any, timeout_s: float) -> Any:  # noqa: ANN401 - any coroutine's result
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result(timeout_s)

    async def _start(self) -> None:
        """Begin the application's life (ASGI's lifespan protocol)."""
        self._to_app, self._said = asyncio.Queue(), asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        life = self._app(scope, self._to_app.get, self._said.put)
        self._lifespan = asyncio.ensure_future(life)
        await self._to_app.put({"type": "lifespan.startup"})
        said = await self._said.get()
        if said["type"] != "lifespan.startup.complete":
            raise LogUnavailable(f"the site does not start: {str(said.get('message'))[:200]}")

    async def _stop(self) -> None:
        await self._client.aclose()
        if self._lifespan is not None and self._to_app is not None:
            await self._to_app.put({"type": "lifespan.shutdown"})
            await self._lifespan
        await self._loop.shutdown_default_executor()
