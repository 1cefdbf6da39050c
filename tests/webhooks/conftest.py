"""A ledger of the test's own on each engine, receivers, and a shell in its own folder."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from cli_world import ORIGIN, Shell
from ledger_world import World
from webhook_world import Receiver


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path / "ledger", database_url) as made:
        yield made


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Makes real HTTP servers that note what they are sent."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Receiver())


@pytest.fixture
def receiver(receivers: Callable[[], Receiver]) -> Receiver:
    return receivers()


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
def made(shell: Shell) -> Shell:
    """A shell beside a new ledger with demonstration keys."""
    shell.ok("init", "--origin", ORIGIN, "--demo")
    return shell
