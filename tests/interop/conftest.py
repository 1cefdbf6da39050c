"""One world for all meetings of a test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
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
