"""One ledger with a history for each engine, shared by all tests that only read it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ledger_world import World, with_history


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("ledger"), new_database()) as made:
        yield with_history(made)


@pytest.fixture
def fresh(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An empty ledger of the test's own, on each engine."""
    with World(tmp_path / "fresh", database_url) as made:
        yield made
