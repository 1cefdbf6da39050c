"""Everything that all answers have in common, around the application: headers, HEAD, ETag, cache.

Whatever is shown is a function of (tree size, language, query), so the entity tag is made from
those, and a client that has it is told so (304) before any database work beyond the tree size.
Each content coding of an answer has an entity tag of its own.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Final

from litestar.exceptions import MethodNotAllowedException

from ledger.errors import Damaged, LogUnavailable, NotFound
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
    collect,
)
from web.artifacts import Artifacts
from web.bodies import Bodies, Malformed, check_framing
from web.bulk_files import BulkFiles
from web.cache import ByteCache
from web.doors import SCOPE_KEY, Asked, House
from web.feed_addresses import archive_size
from web.files import jobs_csv
from web.files.jobs_csv import JobsCsv
from web.i18n import LANGUAGES
from web.log_files import LogFiles
from web.newest import Newest
from web.probes import Probes
from web.query import ParameterRefused, integer, parse_query
from web.rates import RateExceeded, RateLimits
from web.request_lines import HEADER, RequestLines, id_of
from web.schema_files import ADDRESS, SchemaFiles
from web.scrapes import LOG, Scrapes
from web.static_files import StaticFiles, build_digest
from web.telling.codings import (
    BEST,
    IDENTITY,
    PREFERRED,
    VARIES,
    Coder,
    accepted,
    is_worth_it,
    tag_in,
)

CACHE_BYTES: Final = 48 * 2**20
CODED_BYTES: Final = 32 * 2**20
STATIC_BYTES: Final = 8 * 2**20
TICK_S: Final = 60
"""Pages that say how late something is are true to the minute."""

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
EMBED: Final = "/embed/"
"""What lies here is made to stand in other sites' frames."""
SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
OPEN_TO_ALL: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        (
            b"Ledger-Tree-Size, ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy,"
            b" Accept-Ranges, Content-Range, X-Request-Id"
        ),
    ),
)
PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, If-None-Match, If-Range, Range"),
    (b"access-control-max-age", b"86400"),
)
TREE_SIZE: Final = b"ledger-tree-size"
_BUSIEST: Final = (*SECURITY, (b"content-security-policy", CSP.encode()), *OPEN_TO_ALL)
"""What ``_common`` says under the addresses that are asked for most, put together once."""
UNLIMITED: Final = (log_files.PREFIX, static_files.PREFIX, bulk_files.PREFIX, ADDRESS)
"""Files: nothing is made for who asks for one, so nothing is counted."""
MACHINE: Final = ("/api/", "/feeds/", "/log/", "/bulk/", "/oembed", "/schemas/")
_LANGUAGES = "|".join(map(re.escape, LANGUAGES))
_TIMED = re.compile(
    rf"(?:/(?:{_LANGUAGES})(?:/embargo|/charter|/status|/members/[^/]+|/jobs(?:/[^/]+)?)?"
    r"|/embed/[^/]+/jobs/[^/]+|/api/v1/(?:embargo|charter|status|members/[^/]+)|/members/[^/]+|/feeds/overdue\.[a-z]+|/\.well-known/security\.txt)/?",
    re.ASCII,
)
_UNCOUNTED = re.compile(
    rf"/api/v1/(?:entries|consistency|checkpoint|jobs/)\S*|(?:/(?:{_LANGUAGES}))?/(?:entries|jobs)/\S*"
    rf"|/(?:{_LANGUAGES})/log",
    re.ASCII,
)
"""Addresses of proofs and of single things, which count no jobs."""
_WITNESSED = re.compile(
    rf"/(?:jobs|entries)/[^/]+\.proof|/(?:{_LANGUAGES})/(?:log|status)"
    r"|/api/v1/(?:status|jobs/[^/]+/admission)",
    re.ASCII,
)
"""Addresses whose answers change with what witnesses say, and not with the tree alone."""
_SHELVED = re.compile(
    rf"/(?:{_LANGUAGES})/jobs/([0-7][0-9A-HJKMNP-TV-Z]{{25}})/?"
    r"|/api/v1/jobs/([0-7][0-9A-HJKMNP-TV-Z]{25})(/artifacts)/?",
    re.ASCII,
)
"""Addresses that list a job's artifacts: one whose debit is in the log may be stored later."""


def policy_of(path: str) -> str:
    """The Content-Security-Policy of an address: nobody may frame it, unless it is for that."""
    if artifacts.place_of(path) is not None:
        return artifacts.CSP
    if path.startswith(EMBED):
        return CSP.replace("frame-ancestors 'none'", "frame-ancestors *")
    return CSP


def is_machine(path: str) -> bool:
    """Whether an address speaks to programs: open to every origin, its problems are JSON."""
    return (
        path in probes.ADDRESSES
        or path.startswith(MACHINE)
        or path.endswith((".json", ".proof", ".csv", ".bib"))
    )


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
        self._public_url = public_url
        self._contact = contact
        self._static = static
        self._problem = problem
        self._rates = rates
        self._lines = lines
        self._bodies = Bodies(rates.client)
        self._build = build_digest()
        self._busiest: tuple[int, tuple[Header, ...]] = (-1, ())
        self._pages: ByteCache[tuple[str, int, int, str]] = ByteCache(CACHE_BYTES)
        self._coder = Coder(CODED_BYTES)
        self._static_coder = Coder(STATIC_BYTES, quality=BEST)
        self._house: House | None = None
        self._newest: Newest | None = None
        self._log: LogFiles | None = None
        self._bulk: BulkFiles | None = None
        self._artifacts: Artifacts | None = None
        self._probes: Probes | None = None
        self._scrapes: Scrapes | None = None
        self._lists = JobsCsv()
        self._schemas = SchemaFiles(public_url=public_url)

    def open(self, house: House) -> None:
        """Take the house in, when the server starts."""
        self._house = house
        self._newest = Newest(house.reader)
        self._log = LogFiles(house, self._newest)
        self._bulk = BulkFiles(house)
        self._artifacts = Artifacts(house, self._newest, client=self._rates.client)
        self._probes = Probes(house)
        self._scrapes = Scrapes(house.metrics) if house.metrics is not None else None

    def close(self) -> None:
        """Let the house go, when the server stops."""
        self._log = None
        self._lists.close()
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
        common = (*self._common(path), (HEADER, named.encode("ascii")))
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
            await Answer(204, (), b"").send(send, [*self._common(path), *PREFLIGHT])
        elif path in writing.ADDRESSES:
            found = await self._guarded(scope, self._write(scope, receive))
            common = (*self._common(path), *self._rates.headers(scope))
            await found.send(send, common, head=method == "HEAD")
        elif path in probes.ADDRESSES:
            assert self._probes is not None
            found = await self._guarded(scope, self._probes.answer(scope))
            await found.send(send, self._common(path), head=method == "HEAD")
        elif path == scrapes.ADDRESS and self._scrapes is not None and self._scrapes.allows(scope):
            found = await self._guarded(scope, self._scrape(scope, self._scrapes))
            await found.send(send, self._common(path), head=method == "HEAD")
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
            await ready.send(send, self._common(path), head=head)
            return
        found = await self._guarded(scope, self._read(scope, receive))
        if is_worth_it(found):
            is_static = path.startswith(static_files.PREFIX)
            coder = self._static_coder if is_static else self._coder
            found = await coder.coded(found, accepted(scope["headers"]))
        common = tuple(self._common(path, found))
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
        common = (*self._common(scope["path"], found), *self._rates.headers(scope))
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
            had = _had(scope, file.tag) if path == bulk_files.LISTED else None
            rest = [each for each in file.headers if each[0] in {b"cache-control", TREE_SIZE}]
            return Answer(304, ((b"etag", had), *rest, VARIES), b"") if had else file
        if path.startswith(static_files.PREFIX):
            try:
                file = self._static.read(path)
            except NotFound:
                # The file costs nothing, and the page that says there is none does.
                self._rates.take(scope)
                raise
            had = _had(scope, file.tag)
            kept = (b"cache-control", FOREVER.encode())
            return Answer(304, ((b"etag", had), kept, VARIES), b"") if had else file
        if self._schemas.has(path):
            file = self._schemas.read(scope)
            had = _had(scope, file.tag)
            kept = (b"cache-control", REVALIDATE.encode())
            return Answer(304, ((b"etag", had), kept, VARIES), b"") if had else file
        return await self._page(scope, receive)

    async def _page(self, scope: Scope, receive: Receive) -> Answer:
        listed = _SHELVED.fullmatch(scope["path"])
        if listed is not None:
            # What is on a shelf is looked for before anything is known to be at hand.
            self._rates.take(scope)
        try:
            asked = await self._asked(scope)
        except Exception:
            if listed is None:
                self._rates.take(scope)
            raise
        timed = asked.now_s is not None and _TIMED.fullmatch(asked.path)
        tick = asked.now_s // TICK_S if timed and asked.now_s is not None else 0
        # The path is decoded and may hold a question mark; no query string holds a line break.
        address = f"{scope['path']}\n{scope['query_string'].decode('latin-1')}"
        tag = self._tag(address, asked.size, tick, asked.mark)
        # At one size what is marked is not the last word, and a list of artifacts never is.
        lasts = asked.pinned and not asked.mark and not (listed and listed[3])
        kept = (b"cache-control", (FOREVER if lasts else REVALIDATE).encode())
        made_at = (TREE_SIZE, b"%d" % asked.size)
        had = _had(scope, tag)
        if had is not None:
            if listed is not None:
                self._rates.give_back(scope)
            return Answer(304, ((b"etag", had), kept, made_at, VARIES), b"")
        key = (address, asked.size, tick, asked.mark)
        known = self._pages.get(key)
        if isinstance(known, Answer):
            if listed is not None:
                self._rates.give_back(scope)
            return known
        if listed is None:
            self._rates.take(scope)
        await self._counts(asked.path)
        found = await self._made(scope, receive, asked)
        if found.status == 200:
            found = replace(found, headers=(*found.headers, (b"etag", tag), kept, made_at))
            self._pages.put(key, found, size=found.size)
        return found

    async def _made(self, scope: Scope, receive: Receive, asked: Asked) -> Answer:
        """The whole answer. A replica that fails under it costs nobody an answer."""
        try:
            found = await self._made_once(scope, receive, asked)
        except (Damaged, LogUnavailable):
            if asked.current or asked.house.reader.replica is None:
                raise
        else:
            if found.status != 503 or asked.current or asked.house.reader.replica is None:
                return found
        return await self._made_once(scope, receive, replace(asked, current=True))

    async def _made_once(self, scope: Scope, receive: Receive, asked: Asked) -> Answer:
        if asked.path == jobs_csv.PATH:
            return await self._lists.read(asked)
        return await collect(self._app, {**scope, "method": "GET", SCOPE_KEY: asked}, receive)

    async def _counts(self, path: str) -> None:
        """Wait until the counts are loaded, unless the address needs none of them.

        Here and not in a thread: those are for what can be answered meanwhile.
        """
        assert self._house is not None
        loaded = self._house.reader.loaded
        if loaded is not None and not loaded.done() and not _UNCOUNTED.fullmatch(path):
            await asyncio.wrap_future(loaded)

    async def _asked(self, scope: Scope) -> Asked:
        if "//" in scope["path"]:
            # The router would skip what is empty. Links made of such an address lead to another
            # host, and nothing here that goes by the beginning of an address would know it.
            raise NotFound("no address here has an empty part between two slashes")
        house, newest = self._house, self._newest
        assert house is not None
        assert newest is not None
        found = await newest.get()
        published = found.checkpoint.size
        params = parse_query(scope["query_string"])
        at = integer(params, "at", least=1)
        archived = archive_size(scope["path"])
        if archived is not None:
            if at is not None:
                raise ParameterRefused("an archive never changes: it has no at", field="at")
            at = archived
        if at is not None and at > published:
            raise NotFound(f"the published log has {published} entries; it has no size {at} yet")
        witnessed = _WITNESSED.fullmatch(scope["path"]) is not None
        mark = found.mark if at is None and witnessed else ""
        shelved = _SHELVED.fullmatch(scope["path"])
        if shelved is not None:
            job_id = shelved[1] or shelved[2]
            mark = await asyncio.to_thread(house.shelf.mark, job_id, size=at or published)
        return Asked(
            house=house,
            public_url=self._public_url,
            contact=self._contact,
            path=scope["path"],
            params=params,
            newest=published,
            size=at or published,
            pinned=at is not None,
            now_s=None if at is not None else house.clock(),
            mark=mark,
            current=witnessed,
        )

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        common = tuple(self._common(scope["path"]))
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
        await self._problem(scope, error).send(send, self._common(scope["path"]))

    def _tag(self, address: str, size: int, tick: int, mark: str) -> bytes:
        made_from = f"{self._build} {self._public_url} {size} {tick}{mark and f'+{mark}'} {address}"
        return b'"%s"' % hashlib.sha256(made_from.encode()).hexdigest()[:20].encode()

    def _common(self, path: str, made: Answer | None = None) -> Iterable[Header]:
        """The headers of every answer; ``made`` may say itself what tree it was made from."""
        if path.startswith(log_files.PREFIX) or path in writing.ADDRESSES:
            size = self._newest.size if self._newest else 0
            known_size, known = self._busiest
            if known_size != size:
                known = (*_BUSIEST, (TREE_SIZE, b"%d" % size))
                self._busiest = size, known
            return known
        always = (*SECURITY, (b"content-security-policy", policy_of(path).encode()))
        if made is None or all(name != TREE_SIZE for name, _ in made.headers):
            size = self._newest.size if self._newest else 0
            always = (*always, (TREE_SIZE, b"%d" % size))
        return (*always, *OPEN_TO_ALL) if is_machine(path) else always


def _had(scope: Scope, tag: bytes) -> bytes | None:
    """The tag by which the client has the answer already, in a coding that it takes.

    A weak one is as good: the bytes are the same.
    """
    given: set[bytes] = set()
    for name, value in scope["headers"]:
        if name.lower() == b"if-none-match":
            given.update(part.strip().removeprefix(b"W/") for part in value.split(b","))
    if not given:
        return None
    codings = accepted(scope["headers"])
    known = [tag_in(coding, tag) for coding in PREFERRED if coding in {*codings, IDENTITY}]
    return next((each for each in known if each in given), None)
