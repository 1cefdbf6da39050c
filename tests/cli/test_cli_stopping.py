"""Servers that are told to stop, as real processes on both engines."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import sleep
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest
from cli_world import ORIGIN, Shell, process
from ports import free_port
from processes import children_of

from ledger import keys
from ledger.cli import serving
from ledger.cli.common import CommandFailed
from ledger.cli.serving import Interrupt, http_server
from ledger.cli.stopping import Stopping
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.settings import load_settings
from ledger.tlog.note import Signer

PLAN = {
    "accelerator": "nvidia_h200",
    "egress_ceiling_bytes": 1_000_000,
    "gpu_count": 8,
    "gradient_scope": "none",
    "optimizer_targets": [],
    "wall_limit_seconds": 3600,
    "workload_type": "eval_suite",
}
WAIT_S = 120
CLIENTS = 4


@pytest.fixture
def stoppable(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
) -> Shell:
    """A ledger on each engine, with two server processes where it takes two."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", database_url)
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    monkeypatch.setenv("LEDGER_LOG_FORMAT", "json")
    if database_url.startswith("postgresql"):
        monkeypatch.setenv("LEDGER_PROCESSES", "2")
    shell.ok("init", "--origin", ORIGIN, "--demo")
    return shell


def _signer(shell: Shell) -> Signer:
    return keys.read_signer(shell.author("deepseek"))


def _statement(signer: Signer, number: int) -> bytes:
    return author_statement(
        signer=signer,
        kind="submitted",
        schema="job-submitted/1",
        public=PLAN,
        made_at=format_time(1_790_000_000),
        job_id=f"01JD9Z{number:020d}",
        sealed={"title": "canary"},
        seed=number.to_bytes(32, "big"),
    )


class Client(threading.Thread):
    """Posts one statement after another until the server takes no more."""

    def __init__(self, signer: Signer, first: int, enough: threading.Semaphore) -> None:
        super().__init__()
        self._signer = signer
        self._first = first
        self._enough = enough
        self.statuses: Counter[int] = Counter()
        self.cut: list[str] = []
        self.logged: list[int] = []

    def run(self) -> None:
        port = load_settings().port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)) as connection:
            self._post(connection)

    def _post(self, connection: http.client.HTTPConnection) -> None:
        for number in range(self._first, self._first + 100_000):
            body = _statement(self._signer, number)
            try:
                connection.request("POST", "/api/v1/statements", body)
                answer = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                # Nothing came back, and nothing was promised: it was not taken.
                return
            try:
                told = json.loads(answer.read())
            except (http.client.IncompleteRead, OSError, ValueError) as error:
                self.cut.append(repr(error))
                return
            self.statuses[answer.status] += 1
            if answer.status == 201:
                self.logged.append(told["index"])
                self._enough.release()


def _is_gone(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_that_is_stopped_under_load_answers_whole_what_it_took(
    stoppable: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_STOP_SECONDS", "600")
    enough = threading.Semaphore(0)
    signer = _signer(stoppable)
    port = load_settings().port
    clients = [Client(signer, each * 100_000, enough) for each in range(CLIENTS)]
    with process(["serve"], wait_for="serving ") as (server, _):
        for each in clients:
            each.start()
        for _ in range(5 * CLIENTS):
            assert enough.acquire(timeout=WAIT_S)
        # A statement that has arrived by half is under way, and is waited for a little.
        half = _statement(signer, 9_000_000)
        with _begun(port, len(half)) as slow:
            slow.sendall(half[:100])
            server.send_signal(signal.SIGTERM)
            while not _is_gone(port):
                pass
            with suppress(ConnectionError):
                slow.sendall(half[100:])
            answer = _heard(slow)
        for each in clients:
            each.join(WAIT_S)
        told, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode == 0, told
    assert _is_gone(port)
    assert [each.cut for each in clients if each.cut] == []
    assert set().union(*(each.statuses for each in clients)) <= {201, 503}
    status_line, _, rest = answer.partition(b"\r\n")
    assert status_line in {b"HTTP/1.1 201 Created", b"HTTP/1.1 503 Service Unavailable"}
    assert json.loads(rest.partition(b"\r\n\r\n")[2])
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line for line in lines if line["level"] in {"error", "critical"}] == []
    kept = sum(len(each.logged) for each in clients) + status_line.endswith(b"Created")
    # An entry each for the submission and its decision, after the first one of all.
    size = int(stoppable.ok("status").split("size:")[1].split()[0])
    assert size >= 1 + 2 * kept
    assert all(index < size for each in clients for index in each.logged)
    assert stoppable.ok("fsck", "--quick").startswith("sound: ")


def test_a_server_that_drains_says_so_and_goes_on_answering_until_it_is_asked_twice(
    stoppable: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_DRAIN_SECONDS", "600")
    monkeypatch.setenv("LEDGER_STOP_SECONDS", "600")
    port = load_settings().port
    with process(["serve"], wait_for="serving ") as (server, _):
        assert _ask(port, "/readyz") == (200, b"ready\n")
        server.send_signal(signal.SIGTERM)
        while (refused := _ask(port, "/readyz"))[0] != 503:
            assert refused[0] == 200
        assert json.loads(refused[1])["detail"] == "server: it is being stopped"
        assert _ask(port, "/healthz") == (200, b"ok\n")
        assert _ask(port, "/log/checkpoint")[0] == 200
        # Nothing is under way: the second signal ends it, however long it may still drain.
        server.send_signal(signal.SIGTERM)
        told, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode in {0, 2}, told
    assert _is_gone(port)
    assert stoppable("publish-due").status == 0


def test_a_server_process_that_does_not_end_is_killed(
    stoppable: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_STOP_SECONDS", "1")
    with process(["serve"], wait_for="serving ") as (server, _):
        for child in children_of(server.pid):
            os.kill(child, signal.SIGSTOP)
        server.send_signal(signal.SIGTERM)
        told, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode == 2, told
    assert "LEDGER_STOP_SECONDS" in told
    assert stoppable("publish-due").status == 0


def test_a_client_that_never_ends_its_request_keeps_no_server_from_stopping(
    stoppable: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_STOP_SECONDS", "600")
    port = load_settings().port
    with process(["serve"], wait_for="serving ") as (server, _), _begun(port, 900) as slow:
        slow.sendall(b"{")
        server.send_signal(signal.SIGTERM)
        answer = _heard(slow)
        told, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode == 0, told
    assert "LEDGER_STOP_SECONDS" not in told
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert stoppable("publish-due").status == 0


def test_a_client_that_takes_nothing_of_its_answers_keeps_no_server_from_stopping(
    stoppable: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_STOP_SECONDS", "600")
    port = load_settings().port
    with process(["serve"], wait_for="serving ") as (server, _), socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.settimeout(1)
        slow.connect(("127.0.0.1", port))
        # Until the server reads no more of them, as it cannot write the answers.
        with suppress(OSError):
            while True:
                slow.sendall(b"GET /en/ HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        server.send_signal(signal.SIGTERM)
        told, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode == 0, told
    assert "LEDGER_STOP_SECONDS" not in told


def test_processes_that_a_server_starts_while_it_is_stopped_are_killed_at_the_limit() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        worker = SimpleNamespace(inner=child, interrupt_by_parent=False)
        server = SimpleNamespace(wrks=[], interrupt_signal=False)
        server.main_loop_interrupt = SimpleNamespace(set=lambda: server.wrks.append(worker))
        stopping = Stopping(cast("Any", server), drain_s=0, stop_s=0)
        stopping._stop()
        try:
            assert child.wait(WAIT_S) == -signal.SIGKILL
        finally:
            child.kill()
    with pytest.raises(CommandFailed, match="LEDGER_STOP_SECONDS"):
        stopping.check()


def test_a_server_hears_a_signal_that_hits_another_of_its_threads() -> None:
    server = http_server("nothing", address="127.0.0.1", port=0)

    def hit() -> None:
        # Where the main thread does not wait yet, this shows nothing, and fails nothing.
        sleep(0.3)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    usual = signal.signal(signal.SIGTERM, server.signal_handler_interrupt)
    try:
        other = threading.Thread(target=hit)
        other.start()
        assert server.main_loop_interrupt.wait()
        other.join()
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert server.interrupt_signal


def _waits(interrupt: Interrupt, when: int, is_over: threading.Event) -> None:
    """Wait, and be hit at the line ``when`` of the wait, as by a handler: in the same thread."""
    left = iter(range(when - 1, -1, -1))

    def traced(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_code.co_filename == threading.__file__ and not next(left):
            sys.settrace(None)
            interrupt.set()
        return traced

    sys.settrace(traced)
    interrupt.wait()
    is_over.set()


def test_a_signal_is_heard_wherever_in_its_wait_the_main_thread_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "WAKE_S", 0.001)
    for when in range(1, 80):
        interrupt, is_over = Interrupt(), threading.Event()
        threading.Thread(target=_waits, args=(interrupt, when, is_over), daemon=True).start()
        assert is_over.wait(WAIT_S), f"it hangs where it is hit at its line {when}"


def _heard(connection: socket.socket) -> bytes:
    """What comes until the other side ends, or resets, the connection."""
    heard = b""
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            heard += piece
    return heard


@contextmanager
def _begun(port: int, length: int) -> Iterator[socket.socket]:
    """A connection with a request whose body the server has begun to wait for."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as begun:
        begun.sendall(
            b"POST /api/v1/statements HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % length
        )
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += begun.recv(1)
        assert said.startswith(b"HTTP/1.1 100 ")
        yield begun


def _ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_with_its_loops(stoppable: Shell, number: int) -> None:
    with process(["worker"], wait_for="opening what is due") as (worker, heard):
        assert json.loads(heard.splitlines()[-1])["logger"] == "ledger"
        os.kill(worker.pid, number)
        told, _ = worker.communicate(timeout=WAIT_S)
    assert worker.returncode == (0 if number == signal.SIGTERM else 130)
    assert all(json.loads(line) for line in told.splitlines())
