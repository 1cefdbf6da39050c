"""Content codings (RFC 9110, section 8.4): br and gzip for whoever takes them, made once.

Compression before encryption lets an onlooker guess what stands beside words of his own choosing
(BREACH). Here he could learn nothing: no answer holds a secret. Nobody is logged in, no cookie and
no token exists, and what is sealed is in no answer at all before everybody may read it.

Brotli's quality was measured on these pages: 5 makes 40 kB into 5.0 kB in 0.35 ms, gzip's 6 into
5.7 kB in 0.25 ms, and 6 to 9 gain under one percent. 11 gains 15 percent at a hundred times the
price: for files that never change.
"""

import asyncio
import gzip
import re
from typing import Final

import brotli

from web.answer import Answer, Header
from web.cache import ByteCache

BEST: Final = 11
QUICK: Final = 5
GZIP_LEVEL: Final = 6
LEAST_BYTES: Final = 1_024
"""A smaller body fits into one packet as it is."""
THREAD_BYTES: Final = 131_072
"""A greater body takes more than a millisecond: not on the event loop."""
VARIES: Final = (b"vary", b"accept-encoding")
IDENTITY: Final = "identity"
PREFERRED: Final = ("br", "gzip", IDENTITY)
"""Where the client likes them equally."""

_TYPES = re.compile(rb"(?:text/|application/(?:[a-z0-9.-]+\+)?(?:json|xml)|image/svg\+xml)")
_NAME = r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*"
_WEIGHT = r"[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*"
_PREFERENCE = re.compile(f"{_NAME}(?:;{_WEIGHT})?")


def accepted(headers: tuple[Header, ...] | list[Header]) -> tuple[str, ...]:
    """The codings that a request takes, the one it likes best first; ``identity`` at worst.

    A client that says nothing gets bytes as they are. A preference that is not spelt as the
    standard says (RFC 9110, section 12.5.3) counts for nothing.
    """
    given = [
        value.decode("latin-1") for name, value in headers if name.lower() == b"accept-encoding"
    ]
    if not given:
        return (IDENTITY,)
    weights: dict[str, float] = {}
    for part in ",".join(given).split(","):
        found = _PREFERENCE.fullmatch(part)
        if found is not None:
            name = found[1].lower().removeprefix("x-")
            weights.setdefault(name, float(found[2] or 1))
    others = weights.get("*", 0.0)
    # Bytes as they are need not be named; they are refused by a weight of nothing alone.
    weighted = {name: weights.get(name, others) for name in PREFERRED}
    if IDENTITY not in weights and "*" not in weights:
        weighted[IDENTITY] = 0.001
    liked = [name for name in PREFERRED if weighted[name] > 0]
    return tuple(sorted(liked, key=lambda name: -weighted[name])) or (IDENTITY,)


def tag_in(coding: str, tag: bytes) -> bytes:
    """The entity tag of an answer in this coding: other bytes, another strong tag."""
    return tag if coding == IDENTITY else b'%s-%s"' % (tag[:-1], coding.encode())


class Coder:
    """Answers in the coding that a client takes; those that have an entity tag are kept."""

    def __init__(self, capacity: int, *, quality: int = QUICK) -> None:
        self._quality = quality
        self._made: ByteCache[tuple[bytes, str]] = ByteCache(capacity)

    async def coded(self, found: Answer, codings: tuple[str, ...]) -> Answer:
        """``found`` in the first of ``codings``, where that is worth it."""
        if not is_worth_it(found):
            return found
        headers = _varying(found.headers)
        coding = codings[0]
        if coding == IDENTITY:
            return Answer(found.status, headers, found.body)
        key = (found.tag, coding)
        known = self._made.get(key) if found.tag else None
        if isinstance(known, Answer):
            return known
        if len(found.body) > THREAD_BYTES or self._quality == BEST:
            body = await asyncio.to_thread(_compress, found.body, coding, self._quality)
        else:
            body = _compress(found.body, coding, self._quality)
        headers = tuple(
            (name, tag_in(coding, value) if name == b"etag" else value) for name, value in headers
        )
        made = Answer(found.status, (*headers, (b"content-encoding", coding.encode())), body)
        if found.tag:
            self._made.put(key, made, size=made.size)
        return made


def is_worth_it(found: Answer) -> bool:
    """Whether a coding makes an answer enough smaller."""
    if len(found.body) < LEAST_BYTES:
        return False
    return any(name == b"content-type" and _TYPES.match(value) for name, value in found.headers)


def _varying(headers: tuple[Header, ...]) -> tuple[Header, ...]:
    """``headers`` that name Accept-Encoding among what they depend on."""
    if all(name != b"vary" for name, _ in headers):
        return (*headers, VARIES)
    return tuple(
        (name, b"%s, %s" % (value, VARIES[1]) if name == b"vary" else value)
        for name, value in headers
    )


def _compress(body: bytes, coding: str, quality: int) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, GZIP_LEVEL, mtime=0)
    packed: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)
    return packed
