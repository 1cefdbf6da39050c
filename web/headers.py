"""The headers of every answer, and the one by which a client says what it has already.

Every address says which tree it speaks of, who may frame it and what it may load; what speaks to
programs is open to pages of every origin.
"""

from collections.abc import Iterable
from typing import Final

from web import artifacts, log_files, probes, writing
from web.answer import Answer, Header, Scope
from web.telling.codings import IDENTITY, PREFERRED, accepted, tag_in

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
"""What ``CommonHeaders`` says under the addresses that are asked for most, put together once."""
MACHINE: Final = ("/api/", "/feeds/", "/log/", "/bulk/", "/oembed", "/schemas/")


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


class CommonHeaders:
    """The headers that answers have in common, by address."""

    def __init__(self) -> None:
        self._busiest: tuple[int, tuple[Header, ...]] = (-1, ())

    def of(self, path: str, *, size: int, made: Answer | None = None) -> Iterable[Header]:
        """Those of an address in a log of ``size``; ``made`` may say its own tree itself."""
        if path.startswith(log_files.PREFIX) or path in writing.ADDRESSES:
            known_size, known = self._busiest
            if known_size != size:
                known = (*_BUSIEST, (TREE_SIZE, b"%d" % size))
                self._busiest = size, known
            return known
        always = (*SECURITY, (b"content-security-policy", policy_of(path).encode()))
        if made is None or all(name != TREE_SIZE for name, _ in made.headers):
            always = (*always, (TREE_SIZE, b"%d" % size))
        return (*always, *OPEN_TO_ALL) if is_machine(path) else always


def tag_had(scope: Scope, tag: bytes) -> bytes | None:
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
