"""The witness over HTTP: an ASGI application of five addresses.

The body is bounded before it is read and read before anything else is done; the work runs beside
the event loop, so that a slow disk holds up no reader. Refusals are RFC 9457 problems, but for the
409, whose body the specification fixes.
"""

import asyncio
import json
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final

from ledger.quota import Quota
from ledger.witness.decision import Refused
from ledger.witness.home import home
from ledger.witness.state import WitnessError
from ledger.witness.witness import Witness

MAX_BODY_BYTES: Final = 256 * 1024
DROPPED_BYTES: Final = 4 * MAX_BODY_BYTES
MAX_WAITING: Final = 256
"""Requests to cosign that are read or worked on at once."""
MAX_WAITING_EACH: Final = 8
"""Of them, those of one address: else one that sends slowly would keep everyone out."""
BODY_TIMEOUT_S: Final = 10.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, str, bytes, dict[str, str]]
"""Status, media type, body, further headers."""

TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
PROBLEM: Final = "application/problem+json"
_OF_A_LOG: Final = re.compile(r"/([0-9a-f]{64})/(checkpoint|conflicts)", re.ASCII)

log = logging.getLogger(__name__)


class WitnessApp:
    """Answers for one witness; ``addresses`` limits how often one address may ask it to cosign."""

    def __init__(self, witness: Witness, *, addresses: Quota) -> None:
        self._witness = witness
        self._addresses = addresses
        self._waiting: Counter[str | None] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except WitnessError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says it all
            answer = _problem(503, "this witness's memory does not answer", retry_after_s=60)
        except Exception:
            log.exception("a request failed")
            answer = _problem(500, "an error in the witness itself")
        await _send(send, answer, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path == "/add-checkpoint":
            if method != "POST":
                return _problem(405, "POST a checkpoint here", allow="POST")
            return await self._add_checkpoint(scope, receive)
        if method not in {"GET", "HEAD"}:
            return _problem(405, "this can only be read", allow="GET, HEAD")
        return await asyncio.to_thread(self._read, path)

    async def _add_checkpoint(self, scope: Scope, receive: Receive) -> Answer:
        asker = _asker(scope)
        if (turned_away := self._full(asker)) is not None:
            return turned_away
        self._waiting[asker] += 1
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _body(scope, receive)
            lines = await asyncio.to_thread(self._witness.add_checkpoint, body)
        except TimeoutError:
            return _problem(408, f"the body took more than {BODY_TIMEOUT_S:.0f} s")
        except Refused as refused:
            if refused.size is not None:
                return refused.status, SIZE, b"%d\n" % refused.size, {}
            return _problem(refused.status, str(refused), retry_after_s=refused.retry_after_s)
        finally:
            self._waiting[asker] -= 1
            if not self._waiting[asker]:
                del self._waiting[asker]
        return 200, TEXT, lines, {}

    def _full(self, asker: str | None) -> Answer | None:
        """The refusal of one more request by ``asker``; None where there is room for it."""
        if asker is not None and (wait_s := self._addresses.take(asker)) is not None:
            return _problem(429, "too many requests from this address", retry_after_s=wait_s)
        if asker is not None and self._waiting[asker] >= MAX_WAITING_EACH:
            return _problem(429, "too many requests from this address at once", retry_after_s=1)
        if self._waiting.total() >= MAX_WAITING:
            return _problem(503, "too many requests at once", retry_after_s=1)
        return None

    def _read(self, path: str) -> Answer:
        if path == "/":
            return 200, TEXT, home(self._witness).encode("utf-8"), {"cache-control": "no-cache"}
        if path == "/vkey":
            vkeys = "".join(f"{vkey}\n" for vkey in self._witness.vkeys)
            return 200, TEXT, vkeys.encode("utf-8"), {"cache-control": "max-age=3600"}
        if path == "/health":
            late_s = self._witness.late_s()
            if late_s:
                return _problem(503, f"the clock stands {late_s} s before the last cosignature")
            return 200, TEXT, b"ok\n", {"cache-control": "no-store"}
        if found := _OF_A_LOG.fullmatch(path):
            return self._of_a_log(found[1], found[2])
        return _problem(404, "there is nothing at this address")

    def _of_a_log(self, hashed: str, what: str) -> Answer:
        headers = {"cache-control": "max-age=10", "access-control-allow-origin": "*"}
        if what == "checkpoint":
            note = self._witness.newest(hashed)
            if note is not None:
                return 200, TEXT, note, headers
        else:
            conflicts = self._witness.conflicts(hashed)
            if conflicts is not None:
                body = [
                    {
                        "seen_at_s": each.time_s,
                        "cosigned": each.held.decode("utf-8"),
                        "conflicting": each.note.decode("utf-8"),
                    }
                    for each in conflicts
                ]
                return 200, "application/json", json.dumps(body).encode("ascii"), headers
        return _problem(404, "nothing was ever cosigned of a log with this hash of its origin")


def _asker(scope: Scope) -> str | None:
    """Whom a request is counted for: its address; None for this machine's own.

    A proxy on this machine speaks for everyone, and can limit better.
    """
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return None
    if address is None or address.is_loopback:
        return None
    # Whoever has one address of version 6 has all 2^64 of its network.
    return (address.packed[:8] if address.version == 6 else address.packed).hex()


async def _body(scope: Scope, receive: Receive) -> bytes:
    """The whole body. Raises Refused where it is longer than what is read."""
    announced = 0
    for name, value in scope["headers"]:
        if name.lower() == b"content-length":
            announced = int(value) if value.isdigit() and len(value) < 19 else DROPPED_BYTES
    body, size = bytearray(), 0
    # A little more is received and dropped: a client that is cut off while it sends would never
    # see the answer.
    while announced < DROPPED_BYTES and size < DROPPED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("the client is gone", status=400)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            body += chunk
        if not message.get("more_body", False):
            break
    if size > MAX_BODY_BYTES or announced > MAX_BODY_BYTES:
        raise Refused(f"at most {MAX_BODY_BYTES} bytes of body are read", status=413)
    return bytes(body)


def _problem(
    status: int, detail: str, *, retry_after_s: int | None = None, allow: str | None = None
) -> Answer:
    headers = {"cache-control": "no-store"}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    if allow is not None:
        headers["allow"] = allow
    said = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return status, PROBLEM, json.dumps(said).encode("ascii"), headers


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    status, media_type, body, further = answer
    headers = {
        "content-type": media_type,
        "content-length": str(len(body)),
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        **further,
    }
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
