import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from benchmarks.load import LOOPBACK, AnswerRefused, Job, Run, main, read_job, write_job
from benchmarks.syncs import count_calls

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"


def job(port: int, number: int = 1, *, connections: int = 1, seconds: float | None = None) -> Job:
    return Job(port, connections, (len(REQUEST),) * number, (200,), seconds, 120.0)


@contextmanager
def server(*pieces: bytes) -> Iterator[int]:
    """Answer every request with these pieces, each in a packet of its own; without any, hang up."""

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(120)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(65_536):
                for piece in pieces:
                    connection.sendall(piece)
                    pause.wait(0.01)
                if not pieces:
                    return

    def accept() -> None:
        while not pause.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(connection,))
            thread.start()
            threads.append(thread)

    pause = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server((LOOPBACK, 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            pause.set()
            listener.shutdown(socket.SHUT_RDWR)
    for thread in (accepting, *threads):
        thread.join()


@pytest.mark.parametrize(
    "pieces",
    [
        (WHOLE,),
        (WHOLE[:20], WHOLE[20:]),
        (WHOLE[:-3], WHOLE[-3:-1], WHOLE[-1:]),
        (WHOLE[: WHOLE.index(b"\r\n\r\n") + 2], WHOLE[WHOLE.index(b"\r\n\r\n") + 2 :]),
    ],
)
def test_an_answer_is_counted_once_however_it_is_cut_up(pieces: tuple[bytes, ...]) -> None:
    with server(*pieces) as port:
        outcome = Run(job(port, 6, connections=2), [REQUEST] * 6).outcome()
    assert outcome.requests == 6
    assert outcome.received_bytes == 6 * len(WHOLE)
    assert 0 < outcome.p50_ms <= outcome.p99_ms <= outcome.worst_ms


@pytest.mark.parametrize("cut", [len(CHUNKED), 20, -12, -7, -6, -4, -1])
def test_an_answer_in_chunks_is_counted_once_however_it_is_cut_up(cut: int) -> None:
    pieces = [piece for piece in (CHUNKED[:cut], CHUNKED[cut:]) if piece]
    with server(*pieces) as port:
        outcome = Run(job(port, 4, connections=2), [REQUEST] * 4).outcome()
    assert (outcome.requests, outcome.received_bytes) == (4, 4 * len(CHUNKED))


def test_an_empty_answer_in_chunks_is_one() -> None:
    empty = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with server(empty) as port:
        assert Run(job(port, 2), [REQUEST] * 2).outcome().requests == 2


def test_a_timed_run_asks_again_and_again_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    # A hundredth of a second each time that it is looked at, whatever a real one says.
    looks = count()
    clock = SimpleNamespace(perf_counter=lambda: next(looks) / 100)
    monkeypatch.setattr("benchmarks.load.time", clock)
    with server(WHOLE) as port:
        outcome = Run(job(port, connections=3, seconds=0.2), [REQUEST]).outcome()
    assert outcome.requests > 3
    assert outcome.seconds >= 0.2


def test_an_unexpected_status_ends_the_run_and_is_shown() -> None:
    with (
        server(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") as port,
        pytest.raises(AnswerRefused, match="503 Busy"),
    ):
        Run(job(port), [REQUEST]).outcome()


def test_an_answer_without_a_length_is_refused() -> None:
    with (
        server(b"HTTP/1.1 200 OK\r\n\r\n") as port,
        pytest.raises(AnswerRefused, match="without a length"),
    ):
        Run(job(port), [REQUEST]).outcome()


def test_a_connection_that_is_closed_halfway_is_not_taken_for_an_answer() -> None:
    with server() as port, pytest.raises(AnswerRefused, match="closed a connection"):
        Run(job(port), [REQUEST]).outcome()


def test_a_job_file_gives_back_the_job_and_every_request(tmp_path: Path) -> None:
    requests = [REQUEST, REQUEST + b"\n{}\n", b"x"]
    written = Job(80, 2, tuple(map(len, requests)), (200, 201), None, 1.0)
    write_job(tmp_path / "job", written, requests)
    found, bodies = read_job(tmp_path / "job")
    assert bodies == requests
    assert (found.port, tuple(found.lengths), tuple(found.statuses)) == (
        80,
        written.lengths,
        (200, 201),
    )


def test_the_generator_says_in_one_line_that_nobody_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        write_job(tmp_path / "job", job(taken.getsockname()[1]), [REQUEST])
        assert main([str(tmp_path / "job")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "refused" in said.err


def test_syncs_are_counted_between_two_moments_and_a_resumed_call_once() -> None:
    trace = (
        "10 99.900000 fsync(3) = 0\n"
        "10 100.000001 fdatasync(3 <unfinished ...>\n"
        "11 100.200000 fsync(4) = 0\n"
        "10 100.300000 <... fdatasync resumed>) = 0\n"
        "100.400000 msync(0x7f00, 4096, MS_SYNC) = 0\n"
        "11 100.450000 +++ exited with 0 +++\n"
        "11 100.600000 fsync(4) = 0\n"
    )
    assert count_calls(trace, 100.0, 100.5) == 3
