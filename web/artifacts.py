"""``/api/v1/jobs/{id}/artifacts/{name}``: artifacts come in and go out here, and nowhere else.

Answered in front of the router: bodies are streamed, and nothing of an answer is ever kept in a
cache. Who may do what is the door's to decide (``ledger.artifacts``); here are only HTTP's headers.
Before a job's artifacts are public every name gets the same answer, HEAD too, whatever is there.
"""

import asyncio
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import msgspec
from litestar.exceptions import MethodNotAllowedException

from ledger.artifacts.door import Given
from ledger.artifacts.shapes import Kept
from ledger.artifacts.upload import Upload
from ledger.errors import ArtifactRefused, FormatError, TooLarge, ValueRefused
from schemas.artifacts import ArtifactKept
from schemas.statements import Code
from web.answer import FOREVER, Answer, Header, Receive, Scope, Send, answer
from web.api import BASE, JSON
from web.bodies import LEAST_OF_LARGE_PER_S, LEAST_PER_S, patience_s
from web.bulk_files import byte_range
from web.doors import House
from web.newest import Newest
from web.query import ParameterRefused, parse_query
from web.rates import RateExceeded
from web.writing import Disconnected

T = TypeVar("T")

_PLACE: Final = re.compile(
    rf"{BASE}/jobs/([0-7][0-9A-HJKMNP-TV-Z]{{25}})/artifacts/([^/]+)", re.ASCII
)
STATEMENT: Final = b"ledger-statement"
MAX_HEADER: Final = 8_192
"""The longest statement that is taken in a header, in base64."""
WRITTEN_AT_ONCE: Final = 1 << 20
IDLE_S: Final = 60.0
"""How long an upload may send nothing, and how long a small one may take."""
THREADS: Final = 32
UPLOADS: Final = 64
"""How many uploads one process takes at a time; more wait for their turn, unread."""
UPLOADS_OF_ONE: Final = UPLOADS // 2
"""How many of one client, with those that wait; more are refused."""
RETRY_AFTER_S: Final = 5
CSP: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
_SECRET: Final = re.compile(rb"[A-Za-z0-9_-]{22,128}")
_LENGTH: Final = re.compile(rb"[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Place:
    """Which artifact of which job an address names; the name has not been looked at."""

    job_id: str
    name: str


@dataclass(frozen=True, slots=True)
class GivenAnswer(Answer):
    """An answer whose body comes through the door, some chunks at a time; ``body`` is the first."""

    parts: Iterator[bytes]
    length: int

    async def send(self, send: Send, more: Iterable[Header] = (), *, head: bool = False) -> None:
        """Send it, without its parts where only the head was asked for."""
        headers = [*self.headers, *more, (b"content-length", b"%d" % self.length)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        part = b"" if head else self.body
        while part:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await asyncio.to_thread(next, self.parts, b"")
        await send({"type": "http.response.body", "body": b""})


def place_of(path: str) -> Place | None:
    """The artifact that an address is of; None where it is another address."""
    found = _PLACE.fullmatch(path)
    return Place(found[1], found[2]) if found else None


class Artifacts:
    """Answers what is asked of single artifacts."""

    def __init__(self, house: House, newest: Newest, *, client: Callable[[Scope], str]) -> None:
        self._house = house
        self._client = client
        self._uploading: Counter[str] = Counter()
        self._newest = newest
        self._room = asyncio.Semaphore(UPLOADS)
        # Looking at a large table takes minutes: nobody else's answers wait for that.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="artifacts")

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True)

    async def _apart(self, work: Callable[..., T], *arguments: object, **named: object) -> T:
        """Have work done in a thread of its own kind."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *arguments, **named))

    async def answer(self, scope: Scope, receive: Receive, place: Place) -> Answer:
        """Take or give one artifact. Raises LedgerErrors."""
        for name in parse_query(scope["query_string"]):
            raise ParameterRefused("an artifact's address takes no parameter", field=name[:40])
        method = scope["method"]
        if method == "PUT":
            with self._share(scope):
                async with self._room:
                    return await self._put(scope, receive, place)
        if method not in {"GET", "HEAD"}:
            raise MethodNotAllowedException(headers={"allow": "GET, PUT"})
        statement = _header(scope, STATEMENT)
        if statement is not None and method == "GET":
            return await self._read(_decoded(statement), place, _secret(scope))
        return await self._public(scope, place)

    @contextmanager
    def _share(self, scope: Scope) -> Iterator[None]:
        """Count the client's uploads. Raises RateExceeded above ``UPLOADS_OF_ONE``."""
        client = self._client(scope)
        if self._uploading[client] >= UPLOADS_OF_ONE:
            raise RateExceeded(
                f"{UPLOADS_OF_ONE} artifacts of yours are on their way in: nothing was debited,"
                " send this one when one of them has ended",
                retry_after_s=RETRY_AFTER_S,
            )
        self._uploading[client] += 1
        try:
            yield
        finally:
            self._uploading[client] -= 1
            if not self._uploading[client]:
                del self._uploading[client]

    async def _put(self, scope: Scope, receive: Receive, place: Place) -> Answer:
        statement = _header(scope, STATEMENT)
        if statement is None:
            raise ValueRefused(
                "Ledger-Statement: missing; an artifact comes with the gateway's signed statement",
                field="Ledger-Statement",
            )
        length = _header(scope, b"content-length")
        if length is None or _LENGTH.fullmatch(length) is None:
            raise ValueRefused(
                "Content-Length: missing; it has to be known, and at least 1, before anything is"
                " debited",
                field="Content-Length",
            )
        door = self._house.artifacts
        upload = await self._apart(
            door.admit,
            _decoded(statement),
            job_id=place.job_id,
            name=place.name,
            length=int(length),
            secret=_secret(scope),
        )
        try:
            await _stream(receive, upload)
        except BaseException:
            # Whoever cancels this waits until nothing is left of it.
            await asyncio.shield(self._apart(door.give_up, upload))
            raise
        kept = await self._apart(door.keep, upload)
        body = msgspec.json.encode(_shown(upload, kept))
        return answer(201, body, JSON, location=f"{BASE}/entries/{upload.artifact.index}")

    async def _read(self, statement: bytes, place: Place, secret: str | None) -> Answer:
        """What the job's own member asks for by a statement, whatever ``Range`` says."""
        given = await self._apart(
            self._house.artifacts.member,
            statement,
            job_id=place.job_id,
            name=place.name,
            secret=secret,
        )
        headers: tuple[Header, ...] = (*_described(given.kept), (b"cache-control", b"no-store"))
        whole = given.length == given.kept.bytes
        return await self._given(200 if whole else 206, headers, given)

    async def _public(self, scope: Scope, place: Place) -> Answer:
        newest = await self._newest.get()
        given = await self._apart(
            self._house.artifacts.public,
            place.job_id,
            place.name,
            size=newest.checkpoint.size,
        )
        tag = b'"%s"' % given.kept.sha256.encode()
        headers: tuple[Header, ...] = (
            (b"etag", tag),
            (b"cache-control", FOREVER.encode()),
        )
        known = _header(scope, b"if-none-match") or b""
        if tag in {each.strip().removeprefix(b"W/") for each in known.split(b",")}:
            return Answer(304, headers, b"")
        headers = (*headers, *_described(given.kept), (b"accept-ranges", b"bytes"))
        asked = (_header(scope, b"range") or b"").decode("latin-1")
        if asked and (_header(scope, b"if-range") or tag) == tag:
            part = byte_range(asked, given.kept.bytes)
            if part is not None:
                start, stop = part
                if start >= stop:
                    unsatisfied = (b"content-range", b"bytes */%d" % given.kept.bytes)
                    return Answer(416, (*headers[:2], unsatisfied), b"")
                given = msgspec.structs.replace(given, start=start, length=stop - start)
                return await self._given(206, headers, given)
        return await self._given(200, headers, given)

    async def _given(self, status: int, headers: tuple[Header, ...], given: Given) -> Answer:
        if status == 206:
            said = (given.start, given.start + given.length - 1, given.kept.bytes)
            headers = (*headers, (b"content-range", b"bytes %d-%d/%d" % said))
        parts = self._house.artifacts.parts(given)
        # Read before anything is sent, so that an object which does not open is a problem.
        first = await asyncio.to_thread(next, parts, b"")
        return GivenAnswer(status, headers, first, parts=parts, length=given.length)


async def _stream(receive: Receive, upload: Upload) -> None:
    """Hand on what comes, a piece at a time: the next is not read before this one is on disk.

    What comes has to come as fast as a statement, and is given up where it does not; how long this
    machine takes for it is not counted.
    """
    clock = asyncio.get_running_loop().time
    waiting = bytearray()
    more, size, left = True, 0, IDLE_S
    while more:
        since = clock()
        try:
            message = await asyncio.wait_for(receive(), left)
        except TimeoutError:
            raise ArtifactRefused(
                f"{size} bytes came, and more came too slowly: it may take {IDLE_S:.0f} s, and a"
                f" second more for each {LEAST_PER_S} bytes that come, beyond the first MiB for"
                f" each {LEAST_OF_LARGE_PER_S}, but never pause for longer",
                code=Code.Q_MALFORMED,
            ) from None
        if message["type"] != "http.request":
            raise Disconnected
        came = message.get("body", b"")
        size += len(came)
        left = min(left - (clock() - since) + patience_s(size, len(came)), IDLE_S)
        waiting += came
        more = message.get("more_body", False)
        if len(waiting) >= WRITTEN_AT_ONCE or not more:
            await asyncio.to_thread(upload.write, bytes(waiting))
            waiting.clear()


def _shown(upload: Upload, kept: Kept) -> ArtifactKept:
    return ArtifactKept(
        artifact_id=upload.artifact.artifact_id,
        artifact_class=upload.artifact.artifact_class,
        index=upload.artifact.index,
        name=kept.name,
        media_type=kept.media_type,
        bytes=kept.bytes,
        sha256=kept.sha256,
    )


def _described(kept: Kept) -> tuple[Header, ...]:
    text = kept.media_type.startswith("text/")
    media_type = f"{kept.media_type}; charset=utf-8" if text else kept.media_type
    return (
        (b"content-type", media_type.encode()),
        (b"content-disposition", f'attachment; filename="{kept.name}"'.encode()),
    )


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _secret(scope: Scope) -> str | None:
    """What a client names its attempt by, and nobody else can; None where it does not."""
    found = _header(scope, b"idempotency-key")
    if found is None:
        return None
    if _SECRET.fullmatch(found) is None:
        raise ValueRefused(
            "Idempotency-Key: it has to be 22 to 128 letters, digits, - and _, drawn at random",
            field="Idempotency-Key",
        )
    return found.decode("ascii")


def _decoded(statement: bytes) -> bytes:
    if len(statement) > MAX_HEADER:
        raise TooLarge(
            f"Ledger-Statement: {len(statement)} bytes, where {MAX_HEADER} are taken",
            limit=MAX_HEADER,
            size=len(statement),
        )
    try:
        return b64decode(statement, validate=True)
    except (Base64Error, ValueError):
        raise FormatError("Ledger-Statement: it is not base64") from None
