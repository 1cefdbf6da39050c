"""Another key follows the log's in a world, as the commands have it, under the world's clock."""

import os

from ledger_world import World

from ledger.assembly import Ledger
from ledger.assembly.log_keys import begin_rotation, named_by, retire_previous, settle_files
from ledger.errors import LedgerError


def reopen(world: World) -> None:
    world.ledger.close()
    world.ledger = Ledger(world.ledger.settings, clock=world.clock)
    world.reader = world.ledger.reader


def rotate(world: World) -> None:
    """What ``ledger log-key rotate`` does, under the clock of the world."""
    key_dir = world.ledger.settings.key_dir
    begin_rotation(key_dir, world.ledger.log_keys, random=os.urandom)
    reopen(world)
    succession = named_by(key_dir, world.ledger.log_keys)
    assert succession is not None
    (done,) = world.ledger.sequencer.submit([succession]).result(120)
    assert not isinstance(done, LedgerError)
    reopen(world)
    assert settle_files(key_dir, world.ledger.log_keys)


def retire(world: World) -> None:
    """What ``ledger log-key retire`` does, and the first checkpoint under the new key alone."""
    assert retire_previous(world.ledger.settings.key_dir)
    reopen(world)
    world.log(world.submission("under the new key alone"))
    reopen(world)
