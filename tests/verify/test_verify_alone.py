"""The file alone against a live server; and what cannot be checked: exit 2, one line."""

import itertools
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from log_builder import ORIGIN, History, canonical, put, vkey_of
from ports import free_port
from verify_runner import SCRIPT, run, run_text, script

KEY = vkey_of(ORIGIN)


def test_the_file_alone_verifies_a_live_site(log: History, tmp_path: Path, address: str) -> None:
    log.write(tmp_path / "log")
    alone = tmp_path / "alone"
    put(alone, "verify.py", SCRIPT.read_bytes())
    for url in (address, address + "/", address + "/log", address + "/log/"):
        command = [sys.executable, "-I", "-W", "error", "verify.py", url, "--state", "state"]
        done = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert "Verified: all 717 entries" in done.stdout
    assert {path.name for path in alone.iterdir()} == {"verify.py", "state"}


def test_the_file_alone_convicts_and_leaves_the_evidence_beside_it(
    log: History, tmp_path: Path, address: str
) -> None:
    log.entries[log.labels["ended 41"]]["statement"]["public"]["gpu_seconds"] = 1
    log.write(tmp_path / "log")
    alone = tmp_path / "alone"
    put(alone, "verify.py", SCRIPT.read_bytes())
    command = [sys.executable, "-I", "verify.py", address, "--vkey", KEY]
    done = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bad-signature" in done.stdout
    (evidence,) = (path for path in alone.iterdir() if path.name.startswith("evidence-"))
    assert {"report.json", "checkpoint"} < {path.name for path in evidence.iterdir()}


def test_a_site_that_answers_everything_with_a_page_still_has_its_log_found(
    log: History, tmp_path: Path, address: str
) -> None:
    log.write(tmp_path)
    put(tmp_path, "log/checkpoint", b"<!doctype html><title>no such page</title>\n")
    assert run(address, "--vkey", KEY).status == 0


def refused(*arguments: str | Path, says: str) -> None:
    status, out, err = run_text(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("verify.py: could not check: ")
    assert err.count("\n") == 1
    assert says in err


def test_a_server_that_is_not_there() -> None:
    refused(f"http://127.0.0.1:{free_port()}", "--retries", "0", says="refused")


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html>\n\n<title>hello</title>\n",
        b"",
        b"\n\n",
        b"\xff\xfe\x00\n\n\x80",
        b"{}",
        "a\n1\nb\n\n— a Q Q=\n".encode(),
        "a\n1\nb\n\n— a AAAA\n— a\n".encode(),
        b"a\n1\nb\n\n- a AAAAAAAA\n",
        "a\r\n1\nb\n\n— a AAAAAAAA\n".encode(),
        ("a\n1\nb\n\n" + "— a AAAAAAAA\n" * 101).encode(),
    ],
)
def test_what_is_no_checkpoint_is_not_checked(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, "checkpoint", data)
    refused("--offline", tmp_path, "--vkey", KEY, says="sign")


def test_an_endless_line_is_not_read_to_its_end(tmp_path: Path, address: str) -> None:
    put(tmp_path, "checkpoint", b"A" * 10_000_000)
    put(tmp_path, "log/checkpoint", b"A" * 10_000_000)
    refused(address, "--vkey", KEY, says="larger than 65536 bytes")
    refused("--offline", tmp_path, "--vkey", KEY, says="larger than 65536 bytes")


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], str]]:
    """Answer every connection with the bytes given, whatever it asks."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[Thread] = []

    def answer(data: bytes) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(data)

    def start(data: bytes) -> str:
        threads.append(Thread(target=answer, args=(data,)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01garbage",
        b"HTTP/1.1 200 OK\r\n" + b"A" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_server_that_speaks_nonsense(raw_server: Callable[[bytes], str], answer: bytes) -> None:
    refused(raw_server(answer), "--vkey", KEY, "--retries", "0", says="no checkpoint")


def test_a_busy_server_is_asked_again(
    log: History, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(tmp_path)
    requests = itertools.count()
    serve = SimpleHTTPRequestHandler.do_GET

    def busy_now_and_then(handler: SimpleHTTPRequestHandler) -> None:
        if next(requests) % 3 == 1:
            handler.send_error(503)
        else:
            serve(handler)

    monkeypatch.setattr(SimpleHTTPRequestHandler, "do_GET", busy_now_and_then)
    monkeypatch.setattr(script.time, "sleep", lambda _: None)
    assert run(address, "--vkey", KEY, "--retries", "50").status == 0
    assert next(requests) > 12


def test_a_file_that_the_checkpoint_covers_and_nobody_serves(mirror: Path) -> None:
    (mirror / "tile/entries/001").unlink()
    refused("--offline", mirror, "--vkey", KEY, says="no tile/entries/001")


def test_a_log_that_names_no_key(mirror: Path) -> None:
    put(mirror, "vkey", b"<html>")
    refused("--offline", mirror, says="not a verifier key")
    (mirror / "vkey").unlink()
    refused("--offline", mirror, says="no vkey")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either an address or --offline DIR"),
        (["http://127.0.0.1", "--offline", "x"], "give either"),
        (["ledger.example"], "give http://"),
        (["ftp://ledger.example/"], "give http://"),
        (["http://[::1"], "not an address"),
        (["http://a:b/"], "not an address"),
        (["--offline", "/nonexistent"], "no checkpoint"),
        (["--offline", "x", "--vkey", "a+b+c"], "--vkey is not a verifier key"),
        (["--offline", "x", "--vkey", ""], "--vkey is not a verifier key"),
        (["--offline", "x", "--vkey", vkey_of(ORIGIN, kind=4)], "not an Ed25519 log key"),
        (["--offline", "x", "--policy", "/nonexistent"], "No such file"),
        (["--offline", "x", "--jobs", "0"], "--jobs"),
        (["--offline", "x", "--jobs", "+1"], "--jobs"),
        (["--offline", "x", "--sate", "y"], "--sate"),
        (["--offline", "x", "--vkey", "a", "--policy", "b"], "not allowed with"),
        (["proof"], "FILE"),
        (["proof", "/nonexistent", "--vkey", KEY], "No such file"),
    ],
)
def test_arguments_that_cannot_be_followed(arguments: list[str], says: str) -> None:
    refused(*arguments, says=says)


def test_with_json_the_reason_is_an_object_too() -> None:
    verdict = run("--offline", "/nonexistent")
    assert verdict.report["verdict"] == "could-not-check"
    assert "no checkpoint" in verdict.report["error"]


VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**53 - 1,
    "",
    "x",
    [],
    {},
    [None],
    {"a": 1},
    "2025-13-45T00:00:00Z",
)


def spoilt(value: Any, dice: random.Random) -> Any:
    """Alter one place of a JSON value: drop it, or put something of another type there."""
    if not isinstance(value, dict | list) or not value or dice.random() < 0.15:
        return dice.choice(VALUES)
    copy = value.copy()
    place = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if dice.random() < 0.2:
        del copy[place]
    else:
        copy[place] = spoilt(value[place], dice)
    return copy


@pytest.mark.parametrize("seed", range(60))
def test_no_entry_of_any_shape_ends_in_a_traceback(log: History, seed: int) -> None:
    """Replays the log with every entry altered, one time in four, in some one place."""
    dice = random.Random(seed)
    memory, tally = script.Memory(), script.Tally()
    replay = script.Replay(script.parse_vkey(KEY), script.Clocks(log.now_s), memory, tally)
    for index, entry in enumerate(log.entries):
        data = canonical(spoilt(entry, dice) if dice.random() < 0.25 else entry)
        replay.step(index, script.read_entry(data, replay.known_keys()))
    replay.finish()
    memory.close()
    assert len(tally.findings) > 5
    assert replay.counts.total() == len(log.entries)
