"""Witnesses that run as long as a module's tests, and a ledger of each test's own."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from witnessing_world import Making, Remote, World, make_world, three_witnesses

from ledger.witnessing import asking as asking_bounds


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Take back what a command did to the root logger."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that answers is heard, however busy the machine is that all of this runs on."""
    monkeypatch.setattr(asking_bounds, "TIMEOUT_S", 120.0)
    monkeypatch.setattr(asking_bounds, "SHOW_TIMEOUT_S", 120.0)


@pytest.fixture(scope="module")
def witnesses() -> Iterator[list[Remote]]:
    with three_witnesses() as found:
        yield found


@pytest.fixture
def making(database_url: str, tmp_path: Path, witnesses: list[Remote]) -> Iterator[Making]:
    """Makes the test's one world, with a policy that ends as it says."""
    made: list[World] = []

    def make(**more: Any) -> World:
        made.append(make_world(database_url, tmp_path, witnesses, **more))
        return made[0]

    try:
        yield make
    finally:
        for each in witnesses:
            each.tell("release")
        for world in made:
            world.ledger.close()


@pytest.fixture
def world(making: Making) -> World:
    """Two of three witnesses are enough."""
    return making()
