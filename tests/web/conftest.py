"""A site over a real ledger with a history; the ledger is built beside the reader's tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))  # ledger_world lies there

from browser import Browser
from ledger_world import World, with_history

from web.app import create_app

PUBLIC_URL = "https://ledger.example"


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("site"), new_database()) as made:
        yield with_history(made)


@pytest.fixture(scope="module")
def site(world: World) -> Iterator[Browser]:
    """A browser on the shared site, which tests only read."""
    with Browser(create_app(world.ledger, public_url=PUBLIC_URL)) as browser:
        yield browser


@pytest.fixture
def fresh(tmp_path: Path, database_url: str) -> Iterator[World]:
    """An empty ledger of the test's own, on each engine."""
    with World(tmp_path / "fresh", database_url) as made:
        yield made


@pytest.fixture
def shop(fresh: World) -> Iterator[Browser]:
    """A browser on the test's own site."""
    with Browser(create_app(fresh.ledger, public_url=PUBLIC_URL)) as browser:
        yield browser
