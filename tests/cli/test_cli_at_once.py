"""A real server asks the application in the thread that took the request, before its loop."""

import http.client
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from granian import _futures
from ports import free_port

from ledger.cli import at_once

WAIT_S = 120


def _asked(port: int, *paths: str) -> list[tuple[int, bytes]]:
    """The answers, one after the other on one connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)) as connection:
        found = []
        for path in paths:
            connection.request("GET", path)
            answer = connection.getresponse()
            found.append((answer.status, answer.read()))
        return found


def test_what_is_answered_at_once_never_sees_the_loop_and_what_fails_there_does() -> None:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("at_once_app.py")), str(port)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            assert _asked(port, "/now", "/later", "/now?x", "/broken", "/now") == [
                (200, b"at once"), (200, b"in the loop"), (200, b"at once"),
                (200, b"in the loop"), (200, b"at once"),
            ]  # fmt: skip
            # Half an answer was given to it already: it is no answer, and nobody else's is lost.
            [(status, _)] = _asked(port, "/torn")
            assert status == 500
            assert _asked(port, "/now", "/later") == [(200, b"at once"), (200, b"in the loop")]
        finally:
            server.terminate()
            said = server.stdout.read() if server.stdout else ""
    assert server.returncode == 0
    assert "an answer at once failed: RuntimeError" in said


def test_a_server_without_the_place_answers_everything_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert hasattr(_futures, at_once._PLACE)  # the version that the lock names has it
    monkeypatch.delattr(_futures, at_once._PLACE)
    assert not at_once.answer_at_once(lambda *_: True)
    assert not hasattr(_futures, at_once._PLACE)
