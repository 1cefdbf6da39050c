"""A replica that is promoted while its primary goes on, under a strict policy: one of them answers.

The replica is behind: it lacks what the primary's quorum holds, and has a copy of key and memory.
"""

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))  # postgresql_servers lies there

import kit
from postgresql_servers import server
from test_strict_quorum import note_of
from test_strict_regions import look
from test_two_regions import leaves_of, require_one_history, signed_by, with_its_own_keys
from witnessing_world import Remote, make_world, size_of

from ledger.assembly import Ledger
from ledger.errors import SecondHistory, Unwitnessed
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import root_hash
from ledger.tlog.note import parse_vkey


class Primary:
    """The tests' own server, as a replica is told of it."""

    def __init__(self, url: str) -> None:
        self.url = url


def test_a_promoted_replica_that_lacks_what_the_quorum_holds_promises_nothing(
    postgresql_url: str, tmp_path: Path, witnesses: list[Remote]
) -> None:
    world = make_world(postgresql_url, tmp_path / "here", witnesses)
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    world.log(2)
    world.ask()
    size = world.size
    with ExitStack() as stack:
        replica = stack.enter_context(server())
        primary = Primary(postgresql_url)
        replica.copy_of(primary, follows=True)  # type: ignore[arg-type] # its URL is all that counts
        replica.start()
        replica.caught_up_with(primary)  # type: ignore[arg-type] # as above
        name = postgresql_url.partition("?")[0].rpartition("/")[2]
        there = with_its_own_keys(
            world.settings,
            tmp_path / "there",
            f"postgresql://postgres@/{name}?host={replica.folder}",
        )
        replica.promote()
        answers = kit.log(world.ledger, kit.submitted(kit.ulid(801)))
        promoted = stack.enter_context(closing(Ledger(there, clock=world.clock)))
        assert promoted.quorum is not None
        promoted.quorum.wait_s = 0.5
        (refusal,) = promoted.log([kit.submitted(kit.ulid(802))])
        assert isinstance(refusal, Unwitnessed)
        assert size_of(promoted.reader.shown().note) == size
        assert look(world.ledger) is None
        assert isinstance(look(promoted), SecondHistory)
        with pytest.raises(SecondHistory, match="under this log's signature"):
            kit.log(promoted, kit.submitted(kit.ulid(803)))
        answers += kit.log(world.ledger, kit.submitted(kit.ulid(804)))
        shown = {ledger.reader.shown().note for ledger in (world.ledger, promoted)}
        leaves = leaves_of(world.settings)
        vkey = world.ledger.vkey
        tried = [open_checkpoint(note, [parse_vkey(vkey)]) for note in signed_by(there)]
        world.ledger.close()
    assert any(each.root != root_hash(leaves[: each.size]) for each in tried), "no fork was tried"
    require_one_history(shown | set(map(note_of, answers)), leaves, vkey)
