"""A served ledger on either engine, and a cluster's gate before it: real processes, both."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port

for room in ("cli", "admission"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))

from cli_world import ORIGIN, Shell, process  # noqa: E402 - its folder is on the path from here on


@pytest.fixture
def shell(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shell]:
    """The command line in a folder of its own, before a served ledger with demonstration keys."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_DATABASE_URL", database_url)
    found = Shell(tmp_path, capsys)
    found.ok("init", "--origin", ORIGIN, "--demo")
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving "):
        yield found
    root.setLevel(level)
    root.handlers[:] = handlers
