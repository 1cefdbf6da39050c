"""Witnesses remember what a machine that was restored as a whole has forgotten."""

import shutil
from pathlib import Path

import kit
import pytest
from witnessing_world import World

from ledger.assembly import Ledger
from ledger.assembly.elsewhere import require_newest
from ledger.errors import ForkRefused
from ledger.settings import Settings


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is copied here is a whole machine."""
    return sqlite_url


def copied(world: World, folder: Path) -> Settings:
    """A copy of database, keys and memory, with the same witnesses."""
    world.ledger.close()
    shutil.copytree(world.settings.data_dir, folder)
    world.ledger = Ledger(world.settings, clock=world.clock)
    return Settings(data_dir=folder, policy=world.settings.policy)


def asked(settings: Settings, world: World) -> None:
    ledger = Ledger(settings, clock=world.clock)
    try:
        require_newest(ledger)
    finally:
        ledger.close()


def test_a_machine_of_an_old_backup_is_told_by_its_witnesses(world: World, tmp_path: Path) -> None:
    world.log()
    old = copied(world, tmp_path / "old")
    world.log(3)
    world.ask()
    for each in world.witnesses[1:]:
        each.behave("status", [503, b"", {}])
    with pytest.raises(ForkRefused, match=r"W0 says: it cosigned a LARGER tree .* LEDGER_POLICY"):
        asked(old, world)
    world.ledger.close()
    asked(world.settings, world)


def test_a_second_region_is_told_that_its_tree_is_another(world: World, tmp_path: Path) -> None:
    world.log()
    second = copied(world, tmp_path / "second")
    world.log()
    world.ask()
    alone = Ledger(second.model_copy(update={"policy": None}), clock=world.clock)
    kit.log(alone, *(kit.submitted(kit.ulid(n)) for n in range(4)))
    alone.close()
    with pytest.raises(ForkRefused, match="it saw ANOTHER TREE of this log"):
        asked(second, world)


def test_one_witness_that_answers_is_enough_to_start(world: World) -> None:
    world.log()
    for each in world.witnesses[1:]:
        each.behave("status", [503, b"", {}])
    require_newest(world.ledger)
