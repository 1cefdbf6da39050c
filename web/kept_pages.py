"""Pages and everything else that the application makes from the ledger, each made once.

Whatever is shown is a function of (tree size, language, query), so the entity tag is made from
those, and a client that has it is told so (304) before any database work beyond the tree size.
"""

import asyncio
import hashlib
import re
from dataclasses import replace
from typing import Final

from ledger.errors import Damaged, LogUnavailable, NotFound
from web.answer import FOREVER, REVALIDATE, Answer, ASGIApp, Receive, Scope, collect
from web.cache import ByteCache
from web.doors import SCOPE_KEY, Asked, House
from web.feed_addresses import archive_size
from web.files import jobs_csv
from web.files.jobs_csv import JobsCsv
from web.headers import TREE_SIZE, tag_had
from web.i18n import LANGUAGES
from web.newest import Newest
from web.query import ParameterRefused, integer, parse_query
from web.rates import RateLimits
from web.static_files import build_digest
from web.telling.codings import VARIES

CACHE_BYTES: Final = 48 * 2**20
TICK_S: Final = 60
"""Pages that say how late something is are true to the minute."""

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


class KeptPages:
    """What ``app`` makes, kept for whoever asks the same of the same tree."""

    def __init__(
        self, app: ASGIApp, *, public_url: str, contact: str | None, rates: RateLimits
    ) -> None:
        self._app = app
        self._public_url = public_url
        self._contact = contact
        self._rates = rates
        self._build = build_digest()
        self._kept: ByteCache[tuple[str, int, int, str]] = ByteCache(CACHE_BYTES)
        self._lists = JobsCsv()
        self._house: House | None = None
        self._newest: Newest | None = None

    def open(self, house: House, newest: Newest) -> None:
        """Take the house in, when the server starts."""
        self._house, self._newest = house, newest

    def close(self) -> None:
        """Let go of what is being made, when the server stops."""
        self._lists.close()

    async def read(self, scope: Scope, receive: Receive) -> Answer:
        """The answer to a GET, at a token's cost unless the client or the cache has it."""
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
        had = tag_had(scope, tag)
        if had is not None:
            if listed is not None:
                self._rates.give_back(scope)
            return Answer(304, ((b"etag", had), kept, made_at, VARIES), b"")
        key = (address, asked.size, tick, asked.mark)
        known = self._kept.get(key)
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
            self._kept.put(key, found, size=found.size)
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

    def _tag(self, address: str, size: int, tick: int, mark: str) -> bytes:
        made_from = f"{self._build} {self._public_url} {size} {tick}{mark and f'+{mark}'} {address}"
        return b'"%s"' % hashlib.sha256(made_from.encode()).hexdigest()[:20].encode()
