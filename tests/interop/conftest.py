"""One world for all meetings of a test process."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from interop_table import record
from interop_world import World, peer, tool, world_in


@pytest.fixture(scope="session")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A served ledger, cosigned by a witness of ours and by one of others."""
    tool("aics")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LEDGER_DATA_DIR", raising=False)
        with world_in(tmp_path_factory.mktemp("interop")) as world:
            yield world


@pytest.fixture(scope="session")
def go_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in Go that knows Go's own packages alone."""
    tool("go")
    return peer(tmp_path_factory.mktemp("go"))


_passed: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what passed."""
    if report.when == "call" and report.passed:
        _passed.add(report.nodeid.rsplit("::", 1)[1])


def pytest_sessionfinish() -> None:
    """Write it down, where that is asked for."""
    if os.environ.get("INTEROP_RECORD") == "1":
        record(_passed, day=datetime.now(UTC).date().isoformat())
