"""``ledger mirror`` as it is typed: what it says, and what it says when it cannot."""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_world import ORIGIN, Shell
from mirror_children import SECRET
from mirror_world import both_ways, files

from ledger.mirrors import Bucket


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell beside a new ledger with demonstration keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    shell = Shell(tmp_path, capsys)
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
    made("mirror").refused("Missing option '--to'")
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
