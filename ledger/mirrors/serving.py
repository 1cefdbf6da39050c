"""Serves a mirror's folder over HTTP: what any web server does, for who has none.

Files alone, none whose name begins with a dot, no listings, nothing written. What a file is and how
long it may be kept is said as the site says it.
"""

import re
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ledger.mirrors.shapes import (
    BYTES,
    CHECKPOINT,
    FOREVER,
    HANDOVERS,
    HTML,
    JSON,
    REVALIDATE,
    SECOND_VKEY,
    TEXT,
    VKEY,
)

TIMEOUT_S: Final = 30.0
SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Access-Control-Allow-Origin", "*"),
)
_FOREVER: Final = re.compile(
    r"/log/tile/.+|/bulk/[0-9][^/]+/.+|/feeds/(?:members/)?[^/]+/[0-9]+\.atom", re.ASCII
)
_TEXTS: Final = tuple(f"/{path}" for path in (CHECKPOINT, VKEY, SECOND_VKEY, HANDOVERS))
_TYPES: Final = {
    ".json": JSON,
    ".html": HTML,
    ".atom": "application/atom+xml; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


class MirrorServer(ThreadingHTTPServer):
    """A server of the folder ``root``. Port 0 is any that is free; ``url`` says which."""

    daemon_threads = True

    def __init__(self, root: Path, host: str, port: int) -> None:
        super().__init__((host, port), partial(_Handler, directory=str(root)))
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ledger-mirror"
    sys_version = ""
    timeout = TIMEOUT_S
    # Head and body are two writes: without this the second waits for the client's ACK.
    disable_nagle_algorithm = True

    def send_head(self) -> Any:  # noqa: ANN401 - as in the base class
        """Answer for files that are in a mirror."""
        path = unquote(urlsplit(self.path).path)
        if any(part.startswith(".") for part in path.split("/")):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> Any:  # noqa: ANN401, ARG002 - as in the base class
        """No folder is listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def guess_type(self, path: Any) -> str:  # noqa: ANN401 - as in the base class
        """The media type of a file of a mirror."""
        name = str(path)
        if name.endswith(_TEXTS):
            return TEXT
        return next((kind for end, kind in _TYPES.items() if name.endswith(end)), BYTES)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer. What is not there today may be there tomorrow: that is never kept."""
        super().send_response(code, message)
        stays = code == HTTPStatus.OK and _FOREVER.fullmatch(urlsplit(self.path).path)
        self.send_header("Cache-Control", FOREVER if stays else REVALIDATE)

    def end_headers(self) -> None:
        """Say what every answer says."""
        for name, value in SECURITY:
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - as in the base class
        """Who reads a mirror is nobody's business."""
