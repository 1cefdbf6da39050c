"""Bodies while they come in: how many bytes of them this process holds, and how long it waits.

A statement is small, and every connection may send one. What is larger takes from a room that all
connections share, of which no client has more than half: else some hundred connections that each
send most of a batch and stop would take all memory there is. A body that comes more slowly than
``LEAST_PER_S`` is given up.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from ledger.errors import LedgerError, Overloaded
from web.answer import Message, Receive, Scope
from web.rates import RateExceeded

SMALL_BYTES: Final = 64 * 1024
"""What any connection may send without asking for room."""
ROOM_BYTES: Final = 128 * 2**20
FIRST_S: Final = 30.0
"""How long a body may take, however small it is."""
LEAST_PER_S: Final = 8 * 1024
"""How many bytes have to come in a second, on the whole, where it takes longer."""
RETRY_AFTER_S: Final = 2


class TooSlow(LedgerError):
    """A body that came more slowly than this server waits for one."""


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
    ) -> None:
        self._client = client
        self._room = room
        self._small = small
        self._first_s = first_s
        self._held: Counter[str] = Counter()
        self._all = 0

    def body(self, scope: Scope, receive: Receive) -> "Body":
        """The body of one request, to be closed when it is no longer held."""
        return Body(self, scope, receive, first_s=self._first_s)

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
        if self._all + above > self._room:
            raise Overloaded(said, retry_after_s=RETRY_AFTER_S)
        self._held[client] += above
        self._all += above

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

    __slots__ = ("_bodies", "_first_s", "_receive", "_scope", "_size", "_until")

    def __init__(self, bodies: Bodies, scope: Scope, receive: Receive, *, first_s: float) -> None:
        self._bodies = bodies
        self._scope = scope
        self._receive = receive
        self._first_s = first_s
        self._size = 0
        self._until = 0.0

    async def receive(self) -> Message:
        """The next piece. Raises TooSlow, RateExceeded and Overloaded."""
        if not self._until:
            self._until = asyncio.get_running_loop().time() + self._first_s
        try:
            async with asyncio.timeout_at(self._until + self._size / LEAST_PER_S):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow(
                f"{self._size} bytes of the body came; it may take {self._first_s:.0f} s, and a"
                f" second more for each {LEAST_PER_S} bytes that have come"
            ) from None
        more = len(message.get("body", b""))
        self._bodies.take(self._scope, size=self._size + more, more=more)
        self._size += more
        return message

    def close(self) -> None:
        """Give back the room that the body took."""
        self._bodies.give_back(self._scope, size=self._size)
        self._size = 0


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
