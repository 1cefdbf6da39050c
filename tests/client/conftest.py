"""A ledger with a history behind a real server process, and clients that read it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))  # ledger_world lies there
sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))  # and serving there

from ledger_world import World, with_history
from serving import served
from tampering import Open

from ledger.client import Ledger


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("client"), new_database()) as made:
        yield with_history(made)


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """Where the world is served, by a process of its own."""
    with served(world) as found:
        yield found


@pytest.fixture
def open_ledger(world: World, address: str, tmp_path: Path) -> Iterator[Open]:
    """Opens clients of the served world that know its key and keep their state with the test."""
    opened: list[Ledger] = []

    def open_it(**named: object) -> Ledger:
        known = {"vkey": world.ledger.vkey, "state": tmp_path / "state.json", **named}
        opened.append(Ledger(address, **known))  # type: ignore[arg-type]
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()
