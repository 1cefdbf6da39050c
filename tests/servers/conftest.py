"""Real servers of a test's own; the worlds are made beside the tests of reader, cli and web."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
sys.path.insert(0, str(Path(__file__).parents[1] / "mirrors"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

sys.path.insert(0, str(Path(__file__).parents[1] / "webhooks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "storage"))

from postgresql_servers import Server, server


@pytest.fixture(scope="module")
def primary(postgresql_server: str) -> Iterator[Server]:
    """A running, empty server; ``postgresql_server`` is what brings the programs."""
    assert postgresql_server
    with server() as made:
        made.initialise()
        made.start()
        yield made


@pytest.fixture(scope="module")
def replica(primary: Server) -> Iterator[Server]:
    """A running replica that streams from ``primary``."""
    with server() as made:
        made.copy_of(primary, follows=True)
        made.start()
        yield made
