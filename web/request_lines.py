"""Gives every request its id, in its answer and in whatever is logged meanwhile, and its own line.

A line tells the template of an address and never the address, no query and no client: what somebody
looks for, and what was pasted into the wrong field, is nobody's to keep.
"""

import logging
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from time import monotonic
from typing import Final

from ledger.journal import FIELDS, REQUEST
from web import (
    artifacts,
    bulk_files,
    log_files,
    openapi,
    probes,
    scrapes,
    static_files,
    writing,
)
from web.answer import Message, Scope, Send
from web.schema_files import ADDRESS as SCHEMAS

HEADER: Final = b"x-request-id"
NO_ROUTE: Final = "none"
MOST: Final = 512
"""Characters of an address; none here has as many, and what is longer is not to be kept."""
_TAKEN: Final = re.compile(rb"[A-Za-z0-9._-]{8,40}")
"""Ids that a proxy gives. A key in hexadecimal is longer, and would not get into the log."""
_FOLDERS: Final = (log_files.PREFIX, bulk_files.PREFIX, static_files.PREFIX, SCHEMAS)
_EXACT: Final = frozenset({*writing.ADDRESSES, *probes.ADDRESSES, scrapes.ADDRESS, openapi.ADDRESS})
_ARTIFACT: Final = "/api/v1/jobs/{job_id}/artifacts/{name}"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH"})
_PARAMETER = re.compile(r"\{([a-z_]+)(:[a-z]+)?\}")

_IDS_MADE: Final = 512
_IDS: Final[list[str]] = []
"""Ids that nobody has yet; each thread takes what no other one gets."""
os.register_at_fork(after_in_child=_IDS.clear)

log = logging.getLogger(__name__)


class Routes:
    """Which template an address fits; ``templates`` are the router's, ``/jobs/{name:str}``."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._by_length: dict[int, list[tuple[str, ...]]] = {}
        for each in templates:
            parts = tuple(_PARAMETER.sub(r"{\1}", each).strip("/").split("/"))
            self._by_length.setdefault(len(parts), []).append(parts)
        for known in self._by_length.values():
            # A word before a parameter: /jobs/new would not be a job.
            known.sort(key=lambda parts: [part.startswith("{") for part in parts])
        self._known = lru_cache(maxsize=1_024)(self._of)

    def of(self, path: str) -> str:
        """The template of ``path``; ``none`` where there is no such address."""
        return self._known(path) if len(path) <= MOST else NO_ROUTE

    def _of(self, path: str) -> str:
        if path in _EXACT:
            return path
        for folder in _FOLDERS:
            if path.startswith(folder):
                return f"{folder}{{path}}"
        if artifacts.place_of(path) is not None:
            return _ARTIFACT
        parts = path.strip("/").split("/")
        for known in self._by_length.get(len(parts), ()):
            if all(a == b or a.startswith("{") for a, b in zip(known, parts, strict=True)):
                return "/" + "/".join(known)
        return NO_ROUTE


class RequestLines:
    """What stands around every request; ``every``: not those that failed alone get a line."""

    def __init__(self, routes: Routes, *, every: bool) -> None:
        self._routes = routes
        self.every = every

    async def told(
        self, scope: Scope, send: Send, answering: Callable[[Send], Awaitable[None]]
    ) -> None:
        """Answer a request under its id, and log a line about it, however that ends."""
        named = id_of(scope)
        header = (HEADER, named.encode("ascii"))
        token = REQUEST.set(named)
        started, status = monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await answering(watched)
        except writing.Disconnected:
            # Whoever asked has gone, and there is nobody to answer: its line has the status 0.
            pass
        finally:
            if self.every or status >= 500:
                self._log(scope, status, monotonic() - started)
            REQUEST.reset(token)

    def told_at_once(self, scope: Scope, named: str, status: int, took_s: float) -> None:
        """Log the line of a request that was answered beside all this, under the id ``named``."""
        token = REQUEST.set(named)
        self._log(scope, status, took_s)
        REQUEST.reset(token)

    def _log(self, scope: Scope, status: int, took_s: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route, took_ms = self._routes.of(scope["path"]), round(took_s * 1000, 1)
        told = {"method": method, "route": route, "status": status, "duration_ms": took_ms}
        level = logging.WARNING if status >= 500 else logging.INFO
        log.log(level, "%s %s %d in %.1f ms", *told.values(), extra={FIELDS: told})


def id_of(scope: Scope) -> str:
    """The id that came with a request, if it is one, else a new one of 16 hexadecimal digits."""
    for name, value in scope["headers"]:
        if name == HEADER and _TAKEN.fullmatch(value):
            return str(value, "ascii")
    try:
        return _IDS.pop()
    except IndexError:
        # The kernel is asked for many at once: a call for each costs more than all else here.
        digits = secrets.token_hex(8 * _IDS_MADE)
        _IDS.extend(digits[at : at + 16] for at in range(16, len(digits), 16))
        return digits[:16]
