"""Telling and watching: hooks, webhooks and mail; a daemon that tells a finding once."""

import json
import os
import smtplib
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest
from log_builder import ORIGIN, History, vkey_of
from verify_runner import run, run_text, script

KEY = vkey_of(ORIGIN)


@pytest.fixture
def spoilt(log: History, tmp_path: Path) -> Path:
    log.entries[log.labels["ended 41"]]["statement"]["public"]["gpu_seconds"] = 1
    return log.write(tmp_path / "spoilt")


class Inbox(ThreadingHTTPServer):
    """Takes what is posted and answers with ``status``."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.status = 204
        super().__init__(("127.0.0.1", 0), InboxHandler)


class InboxHandler(BaseHTTPRequestHandler):
    """One request: kept, answered, closed."""

    server: Inbox

    def do_POST(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def hook(folder: Path, body: str) -> str:
    path = folder / "hook.py"
    path.write_text(f"import os, sys\n{body}\n")
    return f"{sys.executable} {path}"


def test_a_finding_runs_the_command_with_the_report(spoilt: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = hook(
        tmp_path,
        f"open({str(out)!r}, 'w').write(os.environ['VERIFY_VERDICT'] + sys.stdin.read())",
    )
    arguments = ("--vkey", KEY, "--evidence", tmp_path / "evidence", "--on-finding", command)
    assert run("--offline", spoilt, *arguments).status == 1
    told = out.read_text()
    assert told.startswith("misbehaviour{")
    report = json.loads(told.removeprefix("misbehaviour"))
    assert [each["code"] for each in report["findings"]] == ["bad-signature"]
    assert report["log"] == str(spoilt)


def test_nothing_is_told_where_all_is_well_or_was_told_before(
    mirror: Path, spoilt: Path, tmp_path: Path, inbox: Inbox
) -> None:
    url = f"http://127.0.0.1:{inbox.server_address[1]}/hook?x=1"
    state = tmp_path / "state"
    assert run("--offline", mirror, "--vkey", KEY, "--webhook", url).status == 0
    assert inbox.got == []
    arguments = ("--vkey", KEY, "--evidence", tmp_path / "evidence", "--webhook", url)
    for _ in range(3):
        assert run("--offline", spoilt, *arguments, "--state", state).status == 1
    (body,) = inbox.got
    assert json.loads(body)["finding_counts"] == {"bad-signature": 1}


def test_a_hook_that_fails_is_said_and_changes_nothing(
    spoilt: Path, tmp_path: Path, inbox: Inbox
) -> None:
    inbox.status = 500
    url = f"http://127.0.0.1:{inbox.server_address[1]}/"
    base = ("--offline", spoilt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    for more, says in (
        (["--on-finding", hook(tmp_path, "sys.exit(3)")], "it ended with 3"),
        (["--on-finding", str(tmp_path / "missing")], "No such file"),
        (["--webhook", url], "HTTP 500"),
    ):
        verdict = run(*base, *more)
        assert verdict.status == 1
        assert "could not tell" in verdict.stderr
        assert says in verdict.stderr


def test_mail_goes_through_sendmail(
    spoilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, sendmail = tmp_path / "mail", tmp_path / "bin/sendmail"
    sendmail.parent.mkdir()
    sendmail.write_text(f"#!/bin/sh\necho \"$@\" > '{out}'\ncat >> '{out}'\n")
    sendmail.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sendmail.parent}{os.pathsep}{os.environ['PATH']}")
    base = ("--offline", spoilt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert run(*base, "--mail", "watch@example.org").status == 1
    text = out.read_text()
    assert text.startswith("-i -t\n")
    assert "To: watch@example.org\n" in text
    assert "Subject: verify.py: misbehaviour: bad-signature\n" in text


def test_mail_goes_through_localhost_where_there_is_no_sendmail(
    spoilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    class Smtp:
        def __init__(self, host: str, timeout: float) -> None:
            assert (host, timeout > 0) == ("localhost", True)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def send_message(self, message: object) -> None:
            sent.append(message)

    monkeypatch.setattr(script.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(smtplib, "SMTP", Smtp)
    base = ("--offline", spoilt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert run(*base, "--mail", "watch@example.org").status == 1
    (message,) = sent
    assert message["Subject"].startswith("verify.py: misbehaviour")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mail", "a@b.example, c@d.example"],
        ["--mail", "a@b.example\nBcc: c@d.example"],
        ["--mail", "nobody"],
        ["--webhook", "file:///etc/passwd"],
        ["--webhook", "http://a b/"],
        ["--on-finding", "'"],
        ["--on-finding", " "],
        ["--watch", "0"],
        ["--watch", "-1"],
        ["--max-age", "1.5"],
        ["--fail-on", "nonsense"],
    ],
)
def test_what_cannot_be_told_is_refused_before_the_work(mirror: Path, arguments: list[str]) -> None:
    status, out, err = run_text("--offline", mirror, "--vkey", KEY, *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1


def test_a_watch_tells_a_finding_once_and_goes_on(
    log: History, tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five rounds: well, spoilt, spoilt still, gone, and well; then it is stopped."""
    mirror = log.write(tmp_path / "mirror")
    honest = log.copy()
    rounds: list[float] = []

    def between(seconds: float) -> None:
        rounds.append(seconds)
        match len(rounds):
            case 1:
                log.entries[log.labels["ended 41"]]["statement"]["public"]["gpu_seconds"] = 1
                log.write(mirror)
            case 3:
                (mirror / "checkpoint").unlink()
            case 4:
                honest.write(mirror)
            case 5:
                raise KeyboardInterrupt

    monkeypatch.setattr(script.time, "sleep", between)
    url = f"http://127.0.0.1:{inbox.server_address[1]}/"
    arguments = ["--offline", mirror, "--vkey", KEY, "--evidence", tmp_path / "evidence"]
    status, out, err = run_text(*arguments, "--watch", "60", "--webhook", url)
    assert status == 0
    assert rounds == [60] * 5
    assert out.count("Verified: all 717 entries") == 2
    assert "no checkpoint" in err
    verdicts = [json.loads(body)["verdict"] for body in inbox.got]
    assert verdicts == ["misbehaviour", "could-not-check"]
