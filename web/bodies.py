"""Bodies while they come in: how many bytes of them this process holds, and how long it waits.

A statement is small, and every connection may send one. What is larger takes from a room that all
connections share, of which no client has more than half: else some hundred connections that each
send most of a batch and stop would take all memory there is. Where all of it is taken, whoever
holds the most loses a body that has been coming for long, to somebody who would hold less.

A body that comes more slowly than ``LEAST_PER_S``, and beyond its first MiB than
``LEAST_OF_LARGE_PER_S``, is given up, however fast its beginning came: 32 MiB are there in eleven
minutes, or not at all. So is one that is not there ``CLOSING_S`` after this process began to close:
nothing was promised for it.
"""

import asyncio
import math
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from ledger.assembly.readiness import CLOSING
from ledger.errors import LedgerError, LogUnavailable, Overloaded
from web.answer import Message, Receive, Scope
from web.rates import RateExceeded

SMALL_BYTES: Final = 64 * 1024
"""What any connection may send without asking for room."""
ROOM_BYTES: Final = 128 * 2**20
FIRST_S: Final = 30.0
"""How long a body may take, however small it is, and how long a larger one may pause.

One that has not been coming for longer loses its room to nobody.
"""
LEAST_PER_S: Final = 8 * 1024
"""How many bytes have to come in a second, on the whole, where it takes longer."""
LARGE_BYTES: Final = 2**20
LEAST_OF_LARGE_PER_S: Final = 64 * 1024
"""The same for what comes after the first ``LARGE_BYTES`` of a body."""
CLOSING_S: Final = 5.0
"""How long a body may go on coming once this process closes."""
LOOK_EVERY_S: Final = 0.25
"""How often it is looked whether this process closes, while a body is waited for."""
RETRY_AFTER_S: Final = 2


def patience_s(size: int, more: int) -> float:
    """How much longer is waited for a body of ``size`` bytes of which ``more`` have come now."""
    beyond = min(more, max(0, size - LARGE_BYTES))
    return (more - beyond) / LEAST_PER_S + beyond / LEAST_OF_LARGE_PER_S


class TooSlow(LedgerError):
    """A body that came more slowly than this server waits for one."""


class BeingStopped(LogUnavailable):
    """A body that had not come when this process had to end; nothing of it was stored."""


class Malformed(LedgerError):
    """A request of which two readers could see two."""


class Bodies:
    """The room for bodies of one process. For one event loop: it takes no lock."""

    def __init__(
        self,
        client: Callable[[Scope], str],
        *,
        room: int = ROOM_BYTES,
        small: int = SMALL_BYTES,
        first_s: float = FIRST_S,
        closing: threading.Event = CLOSING,
    ) -> None:
        self._closing = closing
        self._closed_at = math.inf
        self._waiting: dict[asyncio.Timeout, Body | None] = {}
        self._looks = False
        self._client = client
        self._room = room
        self._small = small
        self._first_s = first_s
        self._held: Counter[str] = Counter()
        self._all = 0

    def body(self, scope: Scope, receive: Receive) -> "Body":
        """The body of one request, to be closed when it is no longer held."""
        return Body(self, scope, receive, first_s=self._first_s)

    def closed_at(self) -> float:
        """When no body is waited for any more, in the loop's seconds; far off until it closes."""
        if self._closing.is_set() and math.isinf(self._closed_at):
            self._closed_at = asyncio.get_running_loop().time() + CLOSING_S
        return self._closed_at

    async def piece(self, receive: Receive, *, until: float, body: "Body | None" = None) -> Message:
        """What ``receive`` gives. Raises TimeoutError at ``until``, BeingStopped at the close.

        A ``body`` may be cut while it waits, where another needs its room: TimeoutError too.
        """
        closed_at = self.closed_at()
        try:
            async with asyncio.timeout_at(min(until, closed_at)) as limit:
                self._waiting[limit] = body
                try:
                    self._look_later()
                    return await receive()
                finally:
                    del self._waiting[limit]
        except TimeoutError:
            if self.closed_at() <= until and (body is None or not body.is_cut):
                raise BeingStopped("the server is being stopped; nothing was stored") from None
            raise

    def _look_later(self) -> None:
        # A signal sets the event, outside of the loop: nothing in the loop would wake up for it.
        if not self._looks and math.isinf(self._closed_at):
            self._looks = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._looks = False
        until = self.closed_at()
        for limit in self._waiting:
            if not limit.expired() and (limit.when() or 0) > until:
                limit.reschedule(until)
        if self._waiting:
            self._look_later()

    def take(self, scope: Scope, *, size: int, more: int) -> None:
        """Find room for ``more`` bytes of a body that has ``size`` with them.

        Raises RateExceeded above a client's own share, and Overloaded where all is taken.
        """
        above = min(more, size - self._small)
        if above <= 0:
            return
        client = self._client(scope)
        said = (
            f"bodies of {self._all >> 20} MiB are on their way in, {self._held[client] >> 20}"
            f" MiB of them yours; the server has room for {self._room >> 20} MiB and for"
            f" {self._room >> 21} MiB of one client: nothing was stored, send it again"
        )
        if self._held[client] + above > self._room // 2:
            # The client's own doing, and no trouble of the house.
            raise RateExceeded(said, retry_after_s=RETRY_AFTER_S)
        while self._all + above > self._room:
            if not self._cut_above(self._held[client] + above):
                raise Overloaded(said, retry_after_s=RETRY_AFTER_S)
        self._held[client] += above
        self._all += above

    def _cut_above(self, held: int) -> bool:
        """Cut a body of the client who holds the most, and more than ``held``; whether one was.

        Only one that has been coming for long: what comes fast is soon gone by itself.
        """
        now = asyncio.get_running_loop().time()
        found = max(
            (
                (self._held[self._client(body.scope)], body.size, number)
                for number, (limit, body) in enumerate(self._waiting.items())
                if body is not None
                and body.size > self._small
                and now - body.begun > self._first_s
                and not limit.expired()
            ),
            default=(0, 0, 0),
        )
        if found[0] <= held:
            return False
        limit, body = list(self._waiting.items())[found[2]]
        assert body is not None
        body.cut()
        limit.reschedule(now)
        return True

    def give_back(self, scope: Scope, *, size: int) -> None:
        """Let go of a body of ``size`` bytes."""
        above = size - self._small
        if above > 0:
            client = self._client(scope)
            self._all -= above
            self._held[client] -= above
            if self._held[client] <= 0:
                del self._held[client]


class Body:
    """One body; ``receive`` is ASGI's."""

    __slots__ = ("_bodies", "_first_s", "_receive", "_until", "begun", "is_cut", "scope", "size")

    def __init__(self, bodies: Bodies, scope: Scope, receive: Receive, *, first_s: float) -> None:
        self._bodies = bodies
        self._receive = receive
        self._first_s = first_s
        self._until = 0.0
        self.scope = scope
        self.size = 0
        self.begun = 0.0
        """When it was first waited for, in the loop's seconds."""
        self.is_cut = False

    async def receive(self) -> Message:
        """The next piece. Raises TooSlow, RateExceeded, Overloaded and BeingStopped."""
        clock = asyncio.get_running_loop().time
        if not self._until:
            self.begun = clock()
            self._until = self.begun + self._first_s
        try:
            message = await self._bodies.piece(self._receive, until=self._until, body=self)
        except TimeoutError:
            if self.is_cut:
                raise self._was_cut() from None
            raise TooSlow(
                f"{self.size} bytes of the body came; it may take {self._first_s:.0f} s, and a"
                f" second more for each {LEAST_PER_S} bytes that come, beyond the first MiB for"
                f" each {LEAST_OF_LARGE_PER_S}, but never pause for longer"
            ) from None
        if self.is_cut:
            raise self._was_cut()
        more = len(message.get("body", b""))
        self._bodies.take(self.scope, size=self.size + more, more=more)
        self.size += more
        # What has come is no credit: who sends nearly all at once could then be silent for an hour.
        self._until = min(self._until + patience_s(self.size, more), clock() + self._first_s)
        return message

    def cut(self) -> None:
        """Take its room away; whoever waits for it is told so."""
        self.close()
        self.is_cut = True

    def close(self) -> None:
        """Give back the room that the body took."""
        self._bodies.give_back(self.scope, size=self.size)
        self.size = 0

    def _was_cut(self) -> Overloaded:
        return Overloaded(
            "there was no room left for the bodies of others, and yours took the most for longer"
            f" than {self._first_s:.0f} s: nothing was stored, send it again",
            retry_after_s=RETRY_AFTER_S,
        )


def check_framing(scope: Scope) -> None:
    """Refuse a request that a proxy in front of us may see otherwise than this server.

    RFC 9112, sections 3.2 and 6.1: one host, and no coding of the transfer that is not undone. Two
    lengths the server refuses itself. A missing host is no harm: nothing here is made from what a
    client calls us. Raises Malformed.
    """
    hosts = codings = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            codings += 1
            if codings > 1 or value.strip().lower() != b"chunked":
                raise Malformed("Transfer-Encoding: chunked, once, alone is taken here")
    if hosts > 1:
        raise Malformed("Host: given more than once")
