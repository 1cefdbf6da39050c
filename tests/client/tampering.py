"""A man in the middle: passes on what a real server answers, and changes what it is told to."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from ledger.client import Ledger

Open = Callable[..., Ledger]
"""Opens a client of the served world; named arguments go to ``Ledger``."""
Change = Callable[[httpx.Request, bytes], bytes | httpx.Response]


class Tampering(httpx.BaseTransport):
    """Changes the body of every answer whose path satisfies ``where``."""

    def __init__(self, where: Callable[[str], bool], change: Change) -> None:
        self._real = httpx.HTTPTransport()
        self._where = where
        self._change = change
        self.asked: list[str] = []
        self.changed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        request.headers["Accept-Encoding"] = "identity"
        answer = self._real.handle_request(request)
        body = answer.read()
        if self._where(request.url.path):
            new = self._change(request, body)
            if isinstance(new, httpx.Response):
                return new
            self.changed += new != body
            body = new
        headers = [pair for pair in answer.headers.raw if pair[0].lower() != b"content-length"]
        return httpx.Response(answer.status_code, headers=headers, content=body)

    def close(self) -> None:
        self._real.close()


def in_json(change: Callable[[Any], None]) -> Change:
    """A change to the decoded JSON of an answer."""

    def apply(_: httpx.Request, body: bytes) -> bytes:
        value = json.loads(body)
        change(value)
        return json.dumps(value).encode()

    return apply
