"""The admission webhook over HTTP: an ASGI application of three addresses, behind TLS.

    POST /validate   may this be started? An AdmissionReview in, one out
    POST /ended      a pod ended, or begins to: noted, always allowed
    GET  /healthz    whether it answers

A body is bounded before it is read and read before anything is done; the work runs beside the event
loop. A refusal is in the outbox, on disk, before the API server hears of it; if it cannot be kept
there, the start is refused all the same.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from ledger.admission.kubernetes import Cluster, Judged, judge, judge_ended, parse_review
from ledger.admission.reporting import Reporter
from ledger.errors import FormatError, LedgerError

MAX_BODY_BYTES: Final = 3 << 20
"""What an API server takes itself of one object."""
BODY_TIMEOUT_S: Final = 10.0
MAX_AT_ONCE: Final = 64
"""Requests whose bodies are held at once."""
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[int, str, bytes]

log = logging.getLogger(__name__)


class WebhookApp:
    """Answers for one ``cluster``. Refusals go to ``reporter``; ``wake`` says that one has."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        reporter: Reporter | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._reporter = reporter
        self._wake = wake
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's start and stop."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        try:
            async with self._at_once:
                answer = await self._answer(scope, receive)
        except Exception as error:  # noqa: BLE001 - with failurePolicy Fail, whatever it is is a no
            log.error("a request failed: %s", type(error).__name__)  # noqa: TRY400 - no trace of a body
            answer = 500, TEXT, b"an error in the webhook itself\n"
        await _send(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path = scope["path"]
        if path == "/healthz":
            return 200, TEXT, b"ok\n"
        work = {"/validate": self._validate, "/ended": self._end}.get(path)
        if work is None:
            return 404, TEXT, b"there is nothing at this address\n"
        if scope["method"] != "POST":
            return 405, TEXT, b"POST an AdmissionReview here\n"
        return await self._work(work, receive)

    async def _work(self, work: Callable[[bytes], Judged], receive: Receive) -> Answer:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _body(receive)
            if body is None:
                return 413, TEXT, b"at most %d bytes are read\n" % MAX_BODY_BYTES
            judged = await asyncio.to_thread(work, body)
        except TimeoutError:
            return 408, TEXT, b"the body took too long\n"
        except FormatError as error:
            return 400, TEXT, f"{error}\n".encode()
        return 200, JSON, json.dumps(judged.answer).encode("ascii")

    def _validate(self, body: bytes) -> Judged:
        judged = judge(parse_review(body), self._cluster)
        if judged.refusal is not None:
            log.info("refused: %s", judged.refusal.code.value)
            if self._reporter is not None:
                try:
                    self._reporter.refused(judged.refusal)
                except LedgerError as error:
                    log.error("a refusal is not kept for the ledger: %s", error)  # noqa: TRY400 - it says it all
                self._wake()
        return judged

    def _end(self, body: bytes) -> Judged:
        return judge_ended(parse_review(body), self._cluster)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is longer than what is read."""
    body, size = bytearray(), 0
    # A little more is received and dropped: who is cut off while sending never sees the answer.
    while size <= 2 * MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client is gone")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            body += chunk
        if not message.get("more_body", False):
            break
    return bytes(body) if size <= MAX_BODY_BYTES else None


async def _send(send: Send, answer: Answer) -> None:
    status, media_type, body = answer
    headers = {
        "content-type": media_type,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
