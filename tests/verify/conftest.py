"""An honest log, built once, and a fresh copy of it for every test that spoils one."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from log_builder import History, honest_history


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files over kept-alive connections, as a real server would, and prints nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


class QuietServer(ThreadingHTTPServer):
    """Says nothing when a reader hangs up, as a verifier does on what is too large."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture(scope="session")
def honest() -> History:
    return honest_history()


@pytest.fixture
def log(honest: History) -> History:
    return honest.copy()


@pytest.fixture
def mirror(log: History, tmp_path: Path) -> Path:
    return log.write(tmp_path / "mirror")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve ``tmp_path`` on loopback."""
    handler = partial(QuietHandler, directory=str(tmp_path))
    with QuietServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests read what is printed; the machine that they run on may speak Chinese."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
