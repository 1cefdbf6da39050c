"""The artifact door from the command line, through a real server."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import msgspec
import pytest
from cli_world import SUBMISSION, Shell

from ledger.cli import artifacts
from schemas.artifacts import ArtifactKept

JOB = "01JD9ZZZZZZZZZZZZZZZZZZZZZ"


def running_job(shell: Shell) -> None:
    """Have a job submitted and started."""
    shell.write("s.toml", f'job_id = "{JOB}"\n{SUBMISSION}')
    shell.ok("submit", "s.toml", "--key", shell.author("deepseek"))
    started = f"""
job_id = "{JOB}"
kind = "started"
schema = "job-started/1"

[public]
started_at = "2026-11-21T19:00:00Z"
gpu_count = 8
"""
    shell.write("started.toml", started)
    shell.ok("submit", "started.toml", "--key", shell.author("orchestrator"))


def test_an_artifact_is_put_and_read_by_its_member_and_by_nobody_else(served: Shell) -> None:
    running_job(served)
    data = secrets.token_bytes(300_000)
    (served.folder / "data.bin").write_bytes(data)
    options = ("--job", JOB, "--name", "data.bin", "--key", served.author("gateway"))
    put = ("artifact", "put", "data.bin", *options, "--class")
    said = served.ok(*put, "opaque")
    found = re.search(
        r"^artifact: (\w{26}) \(application/octet-stream, 300000 bytes\)$", said, re.MULTILINE
    )
    assert found is not None
    assert "debited: 300000 bytes by entry 4\n" in said
    served(*put, "opaque").refused("of this name already")
    served(*put, "tensor").refused("of this name already")
    served(
        "artifact", "put", "data.bin", *options[:3], "t.bin", *options[4:], "--class", "tensor"
    ).refused("A ceiling does not let these bytes out")

    get = ("artifact", "get", "data.bin", "--job", JOB, "--out")
    served(*get, "x").refused("no such artifact, or it is not public yet")
    assert not (served.folder / "x").exists()
    own = ("--key", served.author("deepseek"), "--id", found[1])
    assert served.ok(*get, "part", *own, "--bytes", 1_000, "--offset", 70_000) == (
        "part: 1000 bytes\n"
    )
    assert (served.folder / "part").read_bytes() == data[70_000:71_000]
    served(*get, "part", *own, "--bytes", 1_000).refused("part: File exists")
    served(*get, "y", *own).refused("--key needs --id and --bytes")
    other = ("--key", served.author("qwen"), "--id", found[1])
    served(*get, "y", *other, "--bytes", 5).refused("is not qwen's")
    assert served.ok("fsck").startswith("sound: ")


def test_what_cannot_be_put_is_said_before_anything_is_signed(made: Shell) -> None:
    (made.folder / "empty").write_bytes(b"")
    options = ("--name", "x", "--key", made.author("gateway"), "--class", "opaque")
    made("artifact", "put", "empty", "--job", JOB, *options).refused("is empty")
    made("artifact", "put", "none", "--job", JOB, *options).refused("none: No such file")
    made("artifact", "put", "empty", "--job", "frob", *options).refused("no job's number")
    (made.folder / "one").write_bytes(b"1")
    options = ("--name", "a/b", "--key", made.author("gateway"), "--class", "opaque")
    made("artifact", "put", "one", "--job", JOB, *options).refused("one part of an address")


KEPT = msgspec.json.encode(
    ArtifactKept(JOB, "opaque", 7, "five", "application/octet-stream", 5, "0" * 64)
)


@contextmanager
def late_witnesses(refusals: int) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A ledger that asks to come back so often; what it was sent: statement, key, body."""
    heard: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            named = (self.headers["Ledger-Statement"], self.headers["Idempotency-Key"])
            heard.append((*named, body))
            is_late = len(heard) <= refusals
            said = b'{"title":"Later","detail":"too few witnesses"}' if is_late else KEPT
            self.send_response(503 if is_late else 201)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


def test_a_debit_that_waits_for_witnesses_is_asked_for_again_and_not_signed_again(
    made: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "PAUSE_S", 0.0)
    (made.folder / "five").write_bytes(b"12345")
    put = ("artifact", "put", "five", "--job", JOB, "--name", "five", "--class", "opaque")
    with late_witnesses(2) as (url, heard):
        said = made.ok(*put, "--key", made.author("gateway"), "--url", url)
    assert "debited: 5 bytes by entry 7\n" in said
    assert len(heard) == 3
    [(statement, key, body)] = set(heard)
    assert statement
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,128}", key)
    assert body == b"12345"

    monkeypatch.setattr(artifacts, "PATIENCE_S", 0.0)
    with late_witnesses(1) as (url, heard):
        refused = made(*put, "--key", made.author("gateway"), "--url", url)
        refused.refused("Later: too few witnesses")
    [(other, _, _)] = heard
    assert other != statement
