"""The command line and its servers, as the tests of commands have them."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_world import ORIGIN, Shell, process
from ports import free_port


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """The command line in a folder of its own; log lines go where they went before."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    yield Shell(tmp_path, capsys)
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def served(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell whose ledger, with demonstration keys, is served by a real process."""
    shell.ok("init", "--origin", ORIGIN, "--demo")
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving "):
        yield shell
