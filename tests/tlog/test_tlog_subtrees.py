"""Proofs through subtrees of height 4, held against the RFC's and those of the leaves."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import rfc6962_reference as rfc

from ledger.errors import FormatError, ProofError
from ledger.tlog import merkle
from ledger.tlog.merkle import CompactRange, Extension
from ledger.tlog.subtrees import Paths, SubtreeCache, SubtreeNodes, grow_subtree

ENTRIES = [b"entry-%d" % at for at in range(70_000)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
WHOLE = Extension(CompactRange(), LEAVES)


class Rows:
    """The nodes of a log of 70,000 entries; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, level: int, start: int, stop: int) -> list[bytes]:
        self.asked.append((level, start, stop))
        return [WHOLE.node(level, index) for index in range(start, stop)]


def test_every_small_tree_gives_every_proof_of_the_rfc_through_subtrees() -> None:
    cache = SubtreeCache(Rows(), capacity=1_000)
    for size in range(1, 131):
        nodes = SubtreeNodes(cache, size=size)
        border = merkle.border_hashes(size=size, node=nodes)
        paths = Paths(cache, size=size, border=border)
        for place in range(size):
            expected = rfc.path(place, ENTRIES[:size])
            assert paths.inclusion_path(place) == expected
            assert merkle.inclusion_path(index=place, size=size, node=nodes) == expected


def test_proofs_read_through_subtrees_are_those_of_the_leaves() -> None:
    cache = SubtreeCache(Rows(), capacity=64)
    draw = random.Random(6962)
    for size in (255, 256, 257, 4_095, 4_096, 4_097, 65_535, 65_536, 65_537, 69_905, 70_000):
        nodes = SubtreeNodes(cache, size=size)
        tree = Extension(CompactRange(), LEAVES[:size])
        assert merkle.tree_root(size=size, node=nodes) == tree.root
        paths = Paths(cache, size=size, border=merkle.border_hashes(size=size, node=nodes))
        for place in {0, size - 1, size // 2, *(draw.randrange(size) for _ in range(50))}:
            assert paths.inclusion_path(place) == tree.inclusion_proof(place)


def test_a_proof_reads_sixteen_nodes_of_every_fourth_level_and_only_once() -> None:
    rows = Rows()
    cache = SubtreeCache(rows, capacity=64)
    size = 65_536 + 5
    border = merkle.border_hashes(size=size, node=WHOLE_OF[size].node)
    paths = Paths(cache, size=size, border=border)
    path = paths.inclusion_path(40_000)
    assert rows.asked == [
        (0, 40_000, 40_016),
        (4, 2_496, 2_512),
        (8, 144, 160),
        (12, 0, 16),
        (16, 0, 1),
    ]
    assert paths.inclusion_path(40_000) == path
    assert len(rows.asked) == 5


def test_the_cache_keeps_what_was_used_last_and_no_more_than_it_may() -> None:
    rows = Rows()
    cache = SubtreeCache(rows, capacity=8)
    for n in range(100):
        cache.nodes(0, n, 16)
        cache.nodes(4, 7, 16)
        assert len(cache._newer) + len(cache._older) <= 8
    assert [each for each in rows.asked if each[0] == 4] == [(4, 112, 128)]
    cache.nodes(0, 0, 16)
    assert rows.asked.count((0, 0, 16)) == 2


def test_threads_that_share_a_small_cache_get_the_same_proofs() -> None:
    cache = SubtreeCache(Rows(), capacity=6)
    size = 4_097
    tree = Extension(CompactRange(), LEAVES[:size])
    paths = Paths(cache, size=size, border=merkle.border_hashes(size=size, node=tree.node))
    places = [random.Random(1).randrange(size) for _ in range(200)] * 4
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(paths.inclusion_path, places))
    assert found == [tree.inclusion_proof(place) for place in places]


@pytest.mark.parametrize("length", [0, 17])
def test_a_row_that_no_subtree_has_is_refused(length: int) -> None:
    with pytest.raises(FormatError, match="a subtree has"):
        grow_subtree([bytes(32)] * length)


def test_a_node_that_is_no_hash_is_refused() -> None:
    with pytest.raises(FormatError, match="31 bytes"):
        grow_subtree([bytes(32), bytes(31)])


def test_rows_that_are_too_short_are_refused() -> None:
    def short(level: int, start: int, stop: int) -> Sequence[bytes]:
        return Rows()(level, start, stop)[1:]

    with pytest.raises(FormatError, match="15 nodes of level 0 from 32 on, not 16"):
        SubtreeCache(short, capacity=4).nodes(0, 2, 16)


def test_what_a_tree_does_not_have_is_not_proved() -> None:
    cache = SubtreeCache(Rows(), capacity=4)
    paths = Paths(cache, size=20, border=merkle.border_hashes(size=20, node=WHOLE.node))
    for index in (-1, 20):
        with pytest.raises(ProofError, match="not in a tree of 20 leaves"):
            paths.inclusion_path(index)
    nodes = SubtreeNodes(cache, size=20)
    for level, index in ((-1, 0), (0, -1), (0, 20), (4, 1), (5, 0)):
        with pytest.raises(ProofError, match="no complete node"):
            nodes(level, index)


WHOLE_OF = {65_541: Extension(CompactRange(), LEAVES[:65_541])}
