"""Leaf hashes are found in full tiles and at the edge, while the log grows, and nothing else is."""

from ledger_world import World

from ledger.reader.leaves import Leaves
from ledger.tlog.tiles import TILE_WIDTH


def test_every_leaf_is_found_at_every_size_that_has_it(fresh: World) -> None:
    leaves = Leaves()
    for round_ in range(3):
        fresh.log(*[fresh.submission(f"{round_}-{n}") for n in range(100)])
        with fresh.ledger.store.snapshot() as reads:
            size = reads.head().size
            hashes = reads.leaf_hashes(0, size)
            for index in (0, 1, TILE_WIDTH - 1, TILE_WIDTH, size - 1):
                if index < size:
                    found = leaves.find(hashes[index], size=size, snapshot=reads)
                    assert found == index
                    assert leaves.find(hashes[index], size=index or 1, snapshot=reads) == (
                        None if index else 0
                    )
    assert size > 2 * TILE_WIDTH


def test_a_hash_that_begins_like_a_leaf_is_not_one(fresh: World) -> None:
    fresh.log(*[fresh.submission(f"job{n}") for n in range(150)])
    with fresh.ledger.store.snapshot() as reads:
        size = reads.head().size
        leaf = reads.leaf_hashes(7, 8)[0]
        near = leaf[:-1] + bytes([leaf[-1] ^ 1])
        assert leaf[:4] == near[:4]
        assert Leaves().find(near, size=size, snapshot=reads) is None
        assert Leaves().find(leaf, size=size, snapshot=reads) == 7
