"""One whole HTTP answer, as the middleware handles it: bytes that are already final."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

FOREVER: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body. ``Content-Length`` is added when it is sent."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    @property
    def size(self) -> int:
        """Its bytes in memory, roughly."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)

    @property
    def tag(self) -> bytes:
        """Its entity tag, quotes and all; empty where it has none."""
        return next((value for name, value in self.headers if name == b"etag"), b"")

    async def send(self, send: Send, more: Iterable[Header] = (), *, head: bool = False) -> None:
        """Send it, with ``more`` headers; without its body where only the head was asked for."""
        for message in self.messages(more, head=head):
            await send(message)

    def messages(self, more: Iterable[Header], *, head: bool) -> tuple[Message, Message]:
        """The two messages of ASGI that ``send`` sends."""
        headers = [*self.headers, *more]
        if self.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(self.body)))
        return (
            {"type": "http.response.start", "status": self.status, "headers": headers},
            {"type": "http.response.body", "body": b"" if head else self.body},
        )


def answer(status: int, body: bytes, media_type: str, **headers: str) -> Answer:
    """An answer; ``headers`` are spelt with underscores: ``cache_control="no-cache"``."""
    pairs = [(b"content-type", media_type.encode())]
    pairs += [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return Answer(status, tuple(pairs), body)


async def collect(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """What ``app`` answers, whole."""
    status = 500
    headers: tuple[Header, ...] = ()
    parts: list[bytes] = []

    async def keep(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = tuple(
                (bytes(name).lower(), bytes(value))
                for name, value in message.get("headers", ())
                if bytes(name).lower() != b"content-length"
            )
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return Answer(status, headers, b"".join(parts))
