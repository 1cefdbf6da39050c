"""A client that speaks ASGI itself: it sees exactly what goes over the wire, and can misbehave."""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from web.front import Front

T = TypeVar("T")
WAIT_S = 120


@dataclass(frozen=True)
class Reply:
    """What came back. ``headers`` has lower-case names; ``repeated`` those that came twice."""

    status: int
    headers: dict[str, str]
    repeated: tuple[str, ...]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Opens a site as a server would, lifespan and all."""

    def __init__(self, app: Front) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._runner.run(self._start())
        return self

    def __exit__(self, *failure: object) -> None:
        self._runner.run(self._stop())
        self._runner.__exit__(*failure)

    def get(self, target: str, **headers: str) -> Reply:
        return self.request("GET", target, headers=headers)

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        chunks: Iterable[bytes] = (),
    ) -> Reply:
        return self._runner.run(self.ask(method, target, headers=headers, chunks=chunks))

    def together(self, *targets: str) -> list[Reply]:
        """Ask for several things at the same moment."""

        async def all_of_them() -> list[Reply]:
            return await asyncio.gather(*(self.ask("GET", target) for target in targets))

        return self._runner.run(all_of_them())

    def run(self, asking: Coroutine[Any, Any, T]) -> T:
        """Await what asks the site, on its own loop."""
        return self._runner.run(asking)

    async def ask(
        self,
        method: str,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        chunks: Iterable[bytes] = (),
    ) -> Reply:
        path, _, query = target.partition("?")
        # The same for all, so that two answers can be compared whole; "" has the site make one.
        given = {"x-request-id": "browser-of-tests"}
        given |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path, errors="replace"),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode("latin-1"),
            "headers": [(n.lower().encode(), v.encode()) for n, v in given.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        rest = iter([*chunks, b""])
        pending: list[bytes] = [next(rest)]

        async def receive() -> dict[str, Any]:
            if not pending:
                return {"type": "http.disconnect"}
            now = pending.pop()
            following = next(rest, None)
            if following is not None:
                pending.append(following)
            return {"type": "http.request", "body": now, "more_body": bool(pending)}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async with asyncio.timeout(WAIT_S):
            await self._app(scope, receive, send)
        start, *bodies = sent
        names = [name.decode().lower() for name, _ in start["headers"]]
        return Reply(
            status=start["status"],
            headers={n.decode().lower(): v.decode("latin-1") for n, v in start["headers"]},
            repeated=tuple(sorted({name for name in names if names.count(name) > 1})),
            body=b"".join(message.get("body", b"") for message in bodies),
        )

    async def _start(self) -> None:
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._life = asyncio.create_task(
            self._app(
                {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}},
                self._inbox.get,
                self._outbox.put,
            )
        )
        await self._say("startup")

    async def _stop(self) -> None:
        await self._say("shutdown")
        await self._life

    async def _say(self, what: str) -> None:
        await self._inbox.put({"type": f"lifespan.{what}"})
        async with asyncio.timeout(WAIT_S):
            answer = await self._outbox.get()
        assert answer["type"] == f"lifespan.{what}.complete", answer
