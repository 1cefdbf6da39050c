"""What all answers have in common, around the application: headers, HEAD, codings, rates.

Which room of ``web`` answers an address is decided here. Each content coding of an answer has an
entity tag of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import monotonic
from typing import Final

from litestar.exceptions import MethodNotAllowedException

from ledger.errors import NotFound
from web import artifacts, bulk_files, log_files, probes, scrapes, static_files, writing
from web.answer import (
    FOREVER,
    REVALIDATE,
    Answer,
    ASGIApp,
    Header,
    Message,
    Receive,
    Scope,
    Send,
)
from web.artifacts import Artifacts
from web.bodies import Bodies, Malformed, check_framing
from web.bulk_files import BulkFiles
from web.doors import House
from web.headers import PREFLIGHT, TREE_SIZE, CommonHeaders, is_machine, tag_had
from web.kept_pages import KeptPages
from web.log_files import LogFiles
from web.newest import Newest
from web.probes import Probes
from web.rates import RateExceeded, RateLimits
from web.request_lines import HEADER, RequestLines, id_of
from web.schema_files import ADDRESS, SchemaFiles
from web.scrapes import LOG, Scrapes
from web.static_files import StaticFiles
from web.telling.codings import (
    BEST,
    VARIES,
    Coder,
    accepted,
    is_worth_it,
)

CODED_BYTES: Final = 32 * 2**20
STATIC_BYTES: Final = 8 * 2**20

UNLIMITED: Final = (log_files.PREFIX, static_files.PREFIX, bulk_files.PREFIX, ADDRESS)
"""Files: nothing is made for who asks for one, so nothing is counted."""
ProblemAnswer = Callable[[Scope, BaseException], Answer]


class Front:
    """The outermost layer: an ASGI application around ``app``."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public_url: str,
        contact: str | None,
        static: StaticFiles,
        problem: ProblemAnswer,
        rates: RateLimits,
        lines: RequestLines,
    ) -> None:
        self._app = app
        self._static = static
        self._problem = problem
        self._rates = rates
        self._lines = lines
        self._bodies = Bodies(rates.client)
        self._common = CommonHeaders()
        self._pages = KeptPages(app, public_url=public_url, contact=contact, rates=rates)
        self._coder = Coder(CODED_BYTES)
        self._static_coder = Coder(STATIC_BYTES, quality=BEST)
        self._house: House | None = None
        self._newest: Newest | None = None
        self._log: LogFiles | None = None
        self._bulk: BulkFiles | None = None
        self._artifacts: Artifacts | None = None
        self._probes: Probes | None = None
        self._scrapes: Scrapes | None = None
        self._schemas = SchemaFiles(public_url=public_url)

    def open(self, house: House) -> None:
        """Take the house in, when the server starts."""
        self._house = house
        self._newest = Newest(house.reader)
        self._pages.open(house, self._newest)
        self._log = LogFiles(house, self._newest)
        self._bulk = BulkFiles(house)
        self._artifacts = Artifacts(house, self._newest, client=self._rates.client)
        self._probes = Probes(house)
        self._scrapes = Scrapes(house.metrics) if house.metrics is not None else None

    def close(self) -> None:
        """Let the house go, when the server stops."""
        self._log = None
        self._pages.close()
        if self._artifacts is not None:
            self._artifacts.close()
        if self._newest is not None:
            self._newest.close()
        if self._probes is not None:
            self._probes.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on what is not one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = partial(self._answer, scope, receive)
        if self._scrapes is not None:
            answering = partial(self._scrapes.counted, scope, answering=answering)
        await self._lines.told(scope, send, answering)

    def at_once(self, scope: Scope, send: Callable[[Message], object]) -> bool:
        """Answer a request for a file of the log that is in memory; False: it is for ``__call__``.

        From any thread, and never a wait. ``send`` takes a message before it returns.
        """
        path, method = scope["path"], scope["method"]
        if self._log is None or method not in {"GET", "HEAD"}:
            return False
        started = monotonic()
        ready = self._log.ready(path)
        if ready is None:
            return False
        try:
            check_framing(scope)
        except Malformed:
            return False
        named = id_of(scope)
        common = (*self._headers(path), (HEADER, named.encode("ascii")))
        start, body = ready.messages(common, head=method == "HEAD")
        send(start)
        send(body)
        if self._scrapes is not None:
            self._scrapes.count(LOG, str(ready.status), monotonic() - started)
        if self._lines.every:
            self._lines.told_at_once(scope, named, ready.status, monotonic() - started)
        return True

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        try:
            check_framing(scope)
        except Malformed as error:
            await self._refuse(scope, send, error)
            return
        if method == "OPTIONS" and is_machine(path):
            await Answer(204, (), b"").send(send, [*self._headers(path), *PREFLIGHT])
        elif path in writing.ADDRESSES:
            found = await self._guarded(scope, self._write(scope, receive))
            common = (*self._headers(path), *self._rates.headers(scope))
            await found.send(send, common, head=method == "HEAD")
        elif path in probes.ADDRESSES:
            assert self._probes is not None
            found = await self._guarded(scope, self._probes.answer(scope))
            await found.send(send, self._headers(path), head=method == "HEAD")
        elif path == scrapes.ADDRESS and self._scrapes is not None and self._scrapes.allows(scope):
            found = await self._guarded(scope, self._scrape(scope, self._scrapes))
            await found.send(send, self._headers(path), head=method == "HEAD")
        elif (place := artifacts.place_of(path)) is not None:
            await self._artifact(scope, receive, send, place)
        elif method in {"GET", "HEAD"}:
            await self._get(scope, receive, send)
        elif path.startswith((log_files.PREFIX, bulk_files.PREFIX)) or self._schemas.has(path):
            await self._refuse(scope, send, MethodNotAllowedException(headers={"allow": "GET"}))
        else:
            await self._pass_on(scope, receive, send)

    async def _get(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, head = scope["path"], scope["method"] == "HEAD"
        ready = self._log.ready(path) if self._log is not None else None
        if ready is not None:
            await ready.send(send, self._headers(path), head=head)
            return
        found = await self._guarded(scope, self._read(scope, receive))
        if is_worth_it(found):
            is_static = path.startswith(static_files.PREFIX)
            coder = self._static_coder if is_static else self._coder
            found = await coder.coded(found, accepted(scope["headers"]))
        common = tuple(self._headers(path, found))
        if not path.startswith(UNLIMITED):
            common = (*common, *self._rates.headers(scope))
        await found.send(send, common, head=head)

    async def _write(self, scope: Scope, receive: Receive) -> Answer:
        assert self._house is not None
        self._rates.take(scope)
        if scope["method"] != "POST":
            raise MethodNotAllowedException(headers={"allow": "POST"})
        body = self._bodies.body(scope, receive)
        try:
            write = writing.ADDRESSES[scope["path"]]
            found, in_vain = await write(scope, body.receive, self._house)
        finally:
            body.close()
        # What comes into the log costs nothing here, its author is limited and a cluster sends in
        # bursts; what was refused or known costs a token for each, of which one is taken already.
        self._rates.charge(scope, in_vain - 1)
        return found

    async def _scrape(self, scope: Scope, asked_of: Scrapes) -> Answer:
        self._rates.take(scope)
        return await asked_of.answer(scope)

    async def _artifact(
        self, scope: Scope, receive: Receive, send: Send, place: artifacts.Place
    ) -> None:
        async def answering() -> Answer:
            assert self._artifacts is not None
            self._rates.take(scope)
            # One that is brought in costs its token: looking at it is work.
            return await self._artifacts.answer(scope, receive, place)

        found = await self._guarded(scope, answering())
        common = (*self._headers(scope["path"], found), *self._rates.headers(scope))
        await found.send(send, common, head=scope["method"] == "HEAD")

    async def _guarded(self, scope: Scope, answering: Awaitable[Answer]) -> Answer:
        try:
            return await answering
        except asyncio.CancelledError:
            raise
        except writing.Disconnected:
            # Nobody hears it. Raised on, it would be a page of traceback in the server's own log.
            return Answer(400, (), b"")
        except Exception as error:  # noqa: BLE001 - problems.py sorts out what it is
            return self._problem(scope, error)

    async def _read(self, scope: Scope, receive: Receive) -> Answer:
        path: str = scope["path"]
        if path.startswith(log_files.PREFIX):
            assert self._log is not None
            return await self._log.read(path)
        if path.startswith(bulk_files.PREFIX):
            assert self._bulk is not None
            file = await self._bulk.read(scope)
            # Files know their tags; the list may have been sent in a coding, which has its own.
            had = tag_had(scope, file.tag) if path == bulk_files.LISTED else None
            rest = [each for each in file.headers if each[0] in {b"cache-control", TREE_SIZE}]
            return Answer(304, ((b"etag", had), *rest, VARIES), b"") if had else file
        if path.startswith(static_files.PREFIX):
            try:
                file = self._static.read(path)
            except NotFound:
                # The file costs nothing, and the page that says there is none does.
                self._rates.take(scope)
                raise
            had = tag_had(scope, file.tag)
            kept = (b"cache-control", FOREVER.encode())
            return Answer(304, ((b"etag", had), kept, VARIES), b"") if had else file
        if self._schemas.has(path):
            file = self._schemas.read(scope)
            had = tag_had(scope, file.tag)
            kept = (b"cache-control", REVALIDATE.encode())
            return Answer(304, ((b"etag", had), kept, VARIES), b"") if had else file
        return await self._pages.read(scope, receive)

    def _headers(self, path: str, made: Answer | None = None) -> Iterable[Header]:
        size = self._newest.size if self._newest else 0
        return self._common.of(path, size=size, made=made)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        common = tuple(self._headers(scope["path"]))
        try:
            self._rates.take(scope)
        except RateExceeded as error:
            await self._problem(scope, error).send(send, common)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *common]
            await send(message)

        await self._app(scope, receive, with_headers)

    async def _refuse(self, scope: Scope, send: Send, error: Exception) -> None:
        try:
            self._rates.take(scope)
        except RateExceeded as exceeded:
            error = exceeded
        await self._problem(scope, error).send(send, self._headers(scope["path"]))
