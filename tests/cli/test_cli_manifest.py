"""A set that is made beside a real server: the log holds its digest without anybody's help."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from cli_world import ORIGIN, Shell, process
from ports import free_port

from ledger.assembly import Ledger
from ledger.settings import load_settings

PATIENCE_S = 120
LEFT = "not in the log yet: the server that is writing this ledger logs it with its next sweep"
MADE = re.compile(r"^(\S+): 16 files", re.MULTILINE)
DIGEST = re.compile(r"^SHA-256 of SHA256SUMS: ([0-9a-f]{64})$", re.MULTILINE)


@pytest.fixture
def beside(shell: Shell, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell beside a real server on each engine."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", database_url)
    monkeypatch.setenv("LEDGER_SWEEP_SECONDS", "1")
    shell.ok("init", "--origin", ORIGIN, "--demo")
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving "):
        yield shell


def _manifests() -> list[tuple[int, str]]:
    """The entries of manifests that the server shows: their numbers and digests."""
    address = f"{load_settings().public_url}/api/v1/entries?limit=100"
    with urlopen(address, timeout=120) as answer:
        rows = msgspec.json.decode(answer.read())["data"]
    return sorted(
        (row["index"], row["entry"]["digest"]["sha256"])
        for row in rows
        if row["kind"] == "manifest"
    )


def _logged_in_time() -> list[tuple[int, str]]:
    until = time.monotonic() + PATIENCE_S
    while not (found := _manifests()):
        assert time.monotonic() < until, "the server does not log what lies there"
        time.sleep(0.1)
    return found


def test_the_log_remembers_what_was_made_beside_a_server(beside: Shell, database_url: str) -> None:
    out = beside.ok("export")
    digest = DIGEST.findall(out)
    said = {"its manifest is entry 1 of the log"}
    if database_url.startswith("sqlite"):
        # The server may be as quick as the command that looks whether it was.
        said.add(f"{LEFT}, within 1 s")
    assert out.splitlines()[-1] in said
    assert _logged_in_time() == [(1, digest[0])]
    # Made again it is the same, and it is not logged again.
    again = beside.ok("export", "--at", 1)
    assert again.endswith("its manifest is entry 1 of the log\n")
    assert (DIGEST.findall(again), _manifests()) == (digest, [(1, digest[0])])


def test_beside_a_writer_it_is_said_who_logs_it(made: Shell) -> None:
    with closing(Ledger(load_settings())):
        out = made.ok("export")
    assert out.splitlines()[-1] == f"{LEFT}, within 60 s"
    assert made.ok("export", "--at", 1).splitlines()[-1] == "its manifest is entry 1 of the log"


def test_where_the_server_does_not_look_it_is_said(
    beside: Shell, database_url: str, tmp_path: Path
) -> None:
    out = beside.ok("export", "--to", tmp_path / "elsewhere")
    last = out.splitlines()[-1]
    if database_url.startswith("sqlite"):
        assert last.startswith("not in the log yet: another process (pid ")
        assert last.endswith(f"LEDGER_EXPORT_DIR, {load_settings().export_dir.absolute()}")
    else:
        assert last == "its manifest is entry 1 of the log"


def test_other_files_under_a_logged_name_are_refused(made: Shell) -> None:
    folder = Path(MADE.findall(made.ok("export"))[0])
    sums = folder / "SHA256SUMS"
    jobs = folder / "jobs.csv"
    lines = sums.read_text().splitlines(keepends=True)
    jobs.unlink()
    sums.write_text("".join(line for line in lines if not line.endswith("  jobs.csv\n")))
    said = made("export", "--at", 1)
    assert said.status == 2
    last = said.err.splitlines()[-1]
    assert last.startswith("ledger: not in the log: entry 1 holds another digest for bulk/")
