"""A ledger of the test's own on each engine, and receivers; ledger_world lies with the reader."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))

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
