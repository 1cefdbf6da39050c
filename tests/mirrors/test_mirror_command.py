"""``ledger mirror`` as it is typed: what it says, and what it says when it cannot."""

import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from cli_world import ORIGIN, Shell, process
from ledger_world import World
from mirror_children import SECRET
from mirror_world import both_ways, files, run, run_of, serving, verified

from ledger.assembly import Ledger
from ledger.mirrors import Bucket, MirrorServer
from ledger.settings import Settings
from ledger.tlog.keys import COSIGNATURE, generate_key


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


@pytest.fixture
def made(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell beside a new ledger with demonstration keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    shell.ok("init", "--origin", ORIGIN, "--demo")
    return shell


def test_a_mirror_is_made_and_brought_up_to_date_by_the_same_command(
    made: Shell, tmp_path: Path
) -> None:
    made.ok("export")
    said = made("mirror", "--to", "copy")
    assert said.status == 0, said
    count = len(files(tmp_path / "copy"))
    first, second = said.out.splitlines()
    assert re.fullmatch(rf"{tmp_path / 'copy'}: {count} files written, [0-9]+ bytes", first)
    assert re.fullmatch(r"1 entries, root [0-9a-f]{64}", second) is None
    assert re.fullmatch(r"2 entries, root [0-9a-f]{64}", second)
    parts = [line.split(":")[0] for line in said.err.splitlines()]
    assert parts == ["log", "jobs", "feeds", "bulk"]
    vkey = (tmp_path / "copy" / "log" / "vkey").read_text().strip()
    both_ways(vkey, tmp_path / "copy", evidence=tmp_path / "evidence")
    assert "copy: 0 files written, 0 bytes\n2 entries, 2 before, root" in made.ok(
        "mirror", "--to", "copy", "--check"
    )


def test_a_bucket_is_named_by_its_address_and_its_store(
    made: Shell, bucket: Callable[[str], str], s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = bucket("typed") + "/here"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    out = made.ok("mirror", "--to", address, "--s3-endpoint", s3)
    assert out.startswith(f"{address}: ")
    assert Bucket(address, endpoint=s3).size("log/checkpoint")
    said = made("mirror", "--to", "s3://nowhere", "--s3-endpoint", s3)
    said.refused("s3://nowhere: there is no bucket nowhere")
    assert SECRET not in said.out + said.err


def test_what_cannot_be_mirrored_is_refused_in_a_line(made: Shell, tmp_path: Path) -> None:
    made("mirror").refused("give --to, or --serve")
    made("mirror", "--to", "s3://").refused("is no address like s3://bucket/some/prefix")
    made("mirror", "--to", "copy", "--s3-endpoint", "http://x").refused("goes with --to s3")
    tmp_path.joinpath("file").write_text("")
    made("mirror", "--to", "file").refused("file is a file: a mirror is a folder")
    made("mirror", "--to", "file/deep").refused("Not a directory")
    tmp_path.joinpath("mine").mkdir()
    tmp_path.joinpath("mine", "index.html").write_text("mine")
    made("mirror", "--to", "mine").refused("mine holds files and no mirror")
    assert tmp_path.joinpath("mine", "index.html").read_text() == "mine"
    made("mirror", "--to", "/proc/no-such-place").refused("/proc/no-such-place: ")


def test_there_has_to_be_a_ledger(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_DATA_DIR", "elsewhere")
    made("mirror", "--to", "copy").refused("there is no ledger at")


def test_a_watchdog_keeps_a_copy_without_a_ledger_of_its_own(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.chdir(tmp_path)
    run(small, tmp_path / "theirs")
    vkey = small.ledger.vkey
    with MirrorServer(tmp_path / "theirs", "127.0.0.1", 0) as server, serving(server):
        said = shell("mirror", "--from", server.url, "--to", "copy")
        assert said.status == 0
        assert "note: no key was given: believing http://127.0.0.1:" in said.err
        assert f"it is '{vkey}'" in said.err
        assert re.search(r"Z /.*/copy: 41 new entries, 41 in all, root [0-9a-f]{64}; ", said.out)
        both_ways(vkey, tmp_path / "copy", evidence=tmp_path / "evidence")
        # From the second run on the key is the one that the copy has.
        assert "believing" not in shell("mirror", "--from", server.url, "--to", "copy").err
        other = generate_key("ledger.example/other", bytes(32))[1]
        shell("mirror", "--from", server.url, "--to", "new", "--vkey", other).refused("signature")
        shell("mirror", "--from", server.url, "--to", "copy", "--vkey", other).refused(
            "another log"
        )
        witness = generate_key("witness.example", bytes(32), key_type=COSIGNATURE)[1]
        policy = shell.write("policy", f"log {vkey}\nwitness w {witness}\nquorum w\n")
        shell("mirror", "--from", server.url, "--to", "new", "--policy", policy).refused("quorum")
        policy.write_text(f"log {vkey}\nquorum none\n")
        shell.ok("mirror", "--from", server.url, "--to", "by-policy", "--policy", policy)
    # A copy of a copy, from its folder.
    shell.ok("mirror", "--from", "copy", "--to", "again", "--vkey", vkey)
    assert files(tmp_path / "again" / "log") == files(tmp_path / "copy" / "log")
    shell("mirror", "--from", "nowhere", "--to", "new").refused("nor a folder")
    shell("mirror", "--from", "copy", "--to", "new", "--watch", 0).refused("--watch")
    shell("mirror", "--to", "new", "--watch", 5).refused("go with --from")
    shell("mirror", "--serve", "copy", "--to", "x").refused("neither --to nor --from")
    shell("mirror", "--serve", tmp_path / "ledger").refused("holds no mirror")


def test_a_log_that_contradicts_itself_ends_the_watch_with_status_1(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tmp_path / "ledger", tmp_path / "backup")
    small.log(small.submission("one"))
    run(small, tmp_path / "theirs")
    vkey = small.ledger.vkey
    shell.ok("mirror", "--from", "theirs", "--to", "copy", "--vkey", vkey)
    fork = Ledger(Settings(data_dir=tmp_path / "backup"), clock=small.clock)
    fork.log([small.submission("another")])
    run_of(fork, tmp_path / "forked")
    fork.close()
    said = shell("mirror", "--from", "forked", "--to", "copy", "--vkey", vkey, "--watch", 1)
    assert said.status == 1
    assert re.match("ledger: the log has signed two histories", said.err)
    assert len(list((tmp_path / "copy" / "evidence").rglob("*-checkpoint"))) == 2


def test_a_watch_goes_on_when_the_source_is_away_and_the_server_serves(
    small: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(small, tmp_path / "theirs")
    watch = ["mirror", "--from", "theirs", "--to", "copy", "--watch", 1]
    vkey = ["--vkey", small.ledger.vkey]
    with (
        warnings.catch_warnings(),
        process([*watch, *vkey], wait_for="41 new entries") as (
            running,
            _,
        ),
    ):
        assert running.stdout is not None
        (tmp_path / "theirs").rename(tmp_path / "away")
        assert until(running.stdout, "ledger: ")
        small.log(small.submission("one"))
        run(small, tmp_path / "away")
        (tmp_path / "away").rename(tmp_path / "theirs")
        assert until(running.stdout, "2 new entries, 43 in all")
    serving_it = ["mirror", "--serve", "copy", "--port", 0]
    with process(serving_it, wait_for="serving ") as (_, heard):
        address = heard.split()[-1]
        verified(small.ledger.vkey, address, evidence=tmp_path / "evidence")


def until(lines: IO[str], wanted: str) -> bool:
    """Whether a process says ``wanted`` before it ends."""
    return any(wanted in line for line in lines)
