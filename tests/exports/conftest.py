"""One ledger with a history for each engine, and the files that were made of it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))  # ledger_world lies there

from bulk_reading import PUBLIC_URL
from ledger_world import World, with_history

from ledger.exports import export


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("exports"), new_database()) as made:
        yield with_history(made)


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set of the newest tree."""
    folder = tmp_path_factory.mktemp("bulk")
    return folder / export(world.ledger.store, folder, public_url=PUBLIC_URL)


@pytest.fixture
def fresh(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An empty ledger of the test's own, on each engine."""
    with World(tmp_path / "fresh", database_url) as made:
        yield made
