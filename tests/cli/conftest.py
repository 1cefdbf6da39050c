"""A shell for every test, and a server that the tests of one module share."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import ORIGIN, Shell, process
from ports import free_port


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    return Shell(tmp_path, capsys)


@pytest.fixture
def made(shell: Shell) -> Shell:
    """A shell beside a new ledger with demonstration keys."""
    shell.ok("init", "--origin", ORIGIN, "--demo")
    return shell


@pytest.fixture
def served(made: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell whose ledger is served by a real process at LEDGER_PUBLIC_URL."""
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with warnings.catch_warnings(), process(["serve"], wait_for="serving "):
        assert os.environ["LEDGER_PORT"]
        yield made
