"""The operator's server: real HTTP on loopback, and to everybody what the operator wants.

Each visitor has an address of its own, as a reader with an API token or a network of its own would:
the server tells its visitors apart, and they cannot tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

from hostile_operator import View


class HostileServer(ThreadingHTTPServer):
    """Serves ``views`` by visitor, under ``/<visitor>/log/``."""

    daemon_threads = True

    def __init__(self) -> None:
        self.views: dict[str, View] = {}
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def address(self, visitor: str) -> str:
        """Where this visitor was told to look."""
        return f"http://127.0.0.1:{self.server_address[1]}/{visitor}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a reader hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"
    server: HostileServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        _, visitor, _, path = (self.path + "///").split("/", 3)
        path = path.removesuffix("///")
        view = self.server.views.get(visitor)
        status, body = 404, b""
        if view is not None and path in view.refused:
            status = view.refused[path]
        elif view is not None and path in view.files:
            status, body = 200, view.files[path]
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


@contextmanager
def serving() -> Iterator[HostileServer]:
    """A server that is up while the block is, and shows nothing yet."""
    with HostileServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
