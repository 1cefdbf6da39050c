"""Roots and proofs against RFC 6962 itself, and proofs that somebody has tampered with."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest
import rfc6962_reference as rfc
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, ProofError
from ledger.tlog import merkle
from ledger.tlog.merkle import EMPTY_ROOT, CompactRange, Extension

SIZES = 131
ENTRIES = [b"entry-%d" % number for number in range(SIZES)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
OTHER = merkle.leaf_hash(b"somebody else's")
WHOLE = Extension(CompactRange(), LEAVES)
WHOLE_PATHS = [
    [merkle.inclusion_path(index=index, size=size, node=WHOLE.node) for index in range(size)]
    for size in range(70)
]


@cache
def root(size: int) -> bytes:
    return merkle.root_hash(LEAVES[:size])


def test_roots_of_all_sizes_are_those_of_the_rfc() -> None:
    grown = CompactRange()
    for size in range(SIZES):
        expected = rfc.mth(ENTRIES[:size])
        assert merkle.root_hash(LEAVES[:size]) == expected
        assert merkle.tree_root(size=size, node=WHOLE.node) == expected
        assert grown.root() == expected
        grown.append(LEAVES[size])


def test_every_inclusion_proof_is_the_rfc_s_and_verifies() -> None:
    for size in range(1, SIZES):
        tree = Extension(CompactRange(), LEAVES[:size])
        for index in range(size):
            expected = rfc.path(index, ENTRIES[:size])
            assert tree.inclusion_proof(index) == expected
            assert merkle.inclusion_path(index=index, size=size, node=WHOLE.node) == expected
            merkle.verify_inclusion(
                expected, index=index, size=size, leaf=LEAVES[index], root=root(size)
            )


def test_every_consistency_proof_is_the_rfc_s_and_verifies() -> None:
    for new in range(1, SIZES):
        for old in range(1, new + 1):
            expected = rfc.proof(old, ENTRIES[:new])
            found = merkle.consistency_path(old_size=old, new_size=new, node=WHOLE.node)
            assert found == expected
            merkle.verify_consistency(
                expected, old_size=old, old_root=root(old), new_size=new, new_root=root(new)
            )


def test_provers_over_a_list_of_leaves_agree_with_those_over_nodes() -> None:
    for size in (1, 2, 3, 64, 77):
        leaves = LEAVES[:size]
        for place in range(size):
            assert merkle.prove_inclusion(leaves, index=place) == merkle.inclusion_path(
                index=place, size=size, node=WHOLE.node
            )
            assert merkle.prove_consistency(leaves, old_size=place) == merkle.consistency_path(
                old_size=place, new_size=size, node=WHOLE.node
            )


def test_every_extension_proves_what_the_rfc_would() -> None:
    for new in range(1, 70):
        for old in range(new + 1):
            step = Extension(Extension(CompactRange(), LEAVES[:old]).range, LEAVES[old:new])
            assert (step.old_size, step.new_size, step.root) == (old, new, root(new))
            assert step.range.root() == root(new)
            assert step.consistency_proof() == (rfc.proof(old, ENTRIES[:new]) if old else [])
            for index in range(old, new):
                assert step.inclusion_proof(index) == WHOLE_PATHS[new][index]


def test_an_extension_hands_over_exactly_the_nodes_that_it_completed() -> None:
    step = Extension(Extension(CompactRange(), LEAVES[:37]).range, LEAVES[37:101])
    for level in range(8):
        first, nodes = step.new_nodes(level)
        expected = [WHOLE.node(level, at) for at in range(37 >> level, 101 >> level)]
        assert (first, nodes) == (37 >> level if level < 7 else 0, expected)


def test_an_extension_refuses_nodes_and_leaves_that_are_not_its_own() -> None:
    step = Extension(Extension(CompactRange(), LEAVES[:8]).range, LEAVES[8:11])
    assert step.node(3, 0) == merkle.root_hash(LEAVES[:8])
    for level, index in ((0, 7), (0, 11), (1, 5), (2, 0), (3, 1), (4, 0), (-1, 0), (0, -1)):
        with pytest.raises(ProofError, match="neither made nor needed"):
            step.node(level, index)
    for index in (-1, 0, 7, 11):
        with pytest.raises(ProofError, match="not among the new leaves"):
            step.inclusion_proof(index)


def test_an_extension_by_nothing_changes_nothing() -> None:
    for size in (0, 1, 6, 64):
        old = Extension(CompactRange(), LEAVES[:size]).range
        step = Extension(old, [])
        assert (step.range, step.root, step.consistency_proof()) == (old, root(size), [])


def test_an_old_range_stays_what_it_was_when_it_is_extended() -> None:
    old = Extension(CompactRange(), LEAVES[:7]).range
    step = Extension(old, LEAVES[7:9])
    assert old == CompactRange(7, old.hashes)
    old.append(OTHER)
    assert step.range.root() == root(9)


def test_an_edge_survives_storage_and_no_other_is_taken() -> None:
    for size in range(SIZES):
        edge = Extension(CompactRange(), LEAVES[:size]).range
        assert CompactRange.from_edge(size, edge.edge()) == edge
        assert repr(edge) == f"CompactRange(size={size})"
        for wrong in (edge.edge() + b"\x00", edge.edge() + OTHER, edge.edge()[:-1]):
            if wrong != edge.edge():
                with pytest.raises(FormatError):
                    CompactRange.from_edge(size, wrong)


def test_sizes_and_hashes_that_no_tree_has_are_refused() -> None:
    with pytest.raises(FormatError, match="cannot have -1 leaves"):
        CompactRange(-1)
    with pytest.raises(FormatError, match="cannot have"):
        CompactRange(2**63, [OTHER])
    full = CompactRange(2**63 - 1, [OTHER] * 63)
    with pytest.raises(FormatError, match="cannot have"):
        full.append(OTHER)
    with pytest.raises(FormatError, match="cannot have"):
        Extension(full, [OTHER])
    for act in (
        lambda: merkle.root_hash([OTHER, OTHER[:31]]),
        lambda: Extension(CompactRange(), [OTHER + b"\x00"]),
        lambda: CompactRange().append(b""),
    ):
        with pytest.raises(FormatError, match="32 are required"):
            act()
    for old, new in ((-1, 3), (4, 3)):
        with pytest.raises(ProofError, match="cannot grow"):
            merkle.consistency_path(old_size=old, new_size=new, node=WHOLE.node)
    for index in (-1, 3):
        with pytest.raises(ProofError, match="is not in a tree of 3"):
            merkle.inclusion_path(index=index, size=3, node=WHOLE.node)


ACCEPTED = "a proof that has been tampered with was accepted"


def refuse_inclusion(proof: list[bytes], *, index: int, size: int, leaf: bytes, top: bytes) -> None:
    """Assert that the verifier raises ProofError; cheaper than pytest.raises, there are many."""
    try:
        merkle.verify_inclusion(proof, index=index, size=size, leaf=leaf, root=top)
    except ProofError:
        return
    pytest.fail(ACCEPTED)


def refuse_growth(
    proof: list[bytes],
    *,
    old: int,
    new: int,
    before: bytes | None = None,
    after: bytes | None = None,
) -> None:
    """Assert the same of a consistency proof; the roots are the true ones unless given."""
    try:
        merkle.verify_consistency(
            proof,
            old_size=old,
            old_root=root(max(old, 0)) if before is None else before,
            new_size=new,
            new_root=root(new) if after is None else after,
        )
    except ProofError:
        return
    pytest.fail(ACCEPTED)


def each_bit_flipped(data: bytes) -> Iterator[bytes]:
    number = int.from_bytes(data, "big")
    for bit in range(8 * len(data)):
        yield (number ^ (1 << bit)).to_bytes(len(data), "big")


def each_list_damaged(hashes: list[bytes]) -> Iterator[list[bytes]]:
    """Every hash dropped, doubled, cut, lengthened, replaced; neighbours swapped; one too many."""
    for at, one in enumerate(hashes):
        before, after = hashes[:at], hashes[at + 1 :]
        yield [*before, *after]
        yield [*before, one, one, *after]
        yield [*before, one[:-1], *after]
        yield [*before, one + b"\x00", *after]
        yield [*before, b"", *after]
        yield [*before, OTHER, *after]
    for at, (one, other) in enumerate(pairwise(hashes)):
        yield [*hashes[:at], other, one, *hashes[at + 2 :]]
    yield [*hashes, OTHER]
    yield [OTHER, *hashes]


def each_proof_damaged(hashes: list[bytes]) -> Iterator[list[bytes]]:
    yield from each_list_damaged(hashes)
    for at, one in enumerate(hashes):
        for flipped in each_bit_flipped(one):
            yield [*hashes[:at], flipped, *hashes[at + 1 :]]


def test_every_damage_to_an_inclusion_proof_is_refused() -> None:
    for size in range(1, 18):
        top = root(size)
        for index, good in enumerate(WHOLE_PATHS[size]):
            leaf = LEAVES[index]
            for bad in each_proof_damaged(good):
                refuse_inclusion(bad, index=index, size=size, leaf=leaf, top=top)
            for bad_leaf in (*each_bit_flipped(leaf), b"", leaf + b"\x00", OTHER):
                refuse_inclusion(good, index=index, size=size, leaf=bad_leaf, top=top)
            for bad_top in (*each_bit_flipped(top), b"", EMPTY_ROOT):
                refuse_inclusion(good, index=index, size=size, leaf=leaf, top=bad_top)


def test_a_proof_is_refused_at_every_other_index_and_for_every_other_tree() -> None:
    for size in range(1, 40):
        for index, good in enumerate(WHOLE_PATHS[size]):
            leaf = LEAVES[index]
            for other in [*range(-2, index), *range(index + 1, size + 2)]:
                refuse_inclusion(good, index=other, size=size, leaf=leaf, top=root(size))
            for other in [*range(size), *range(size + 1, 42)]:
                refuse_inclusion(good, index=index, size=other, leaf=leaf, top=root(other))


def test_a_size_that_gives_another_length_of_proof_is_refused_even_with_the_same_root() -> None:
    # An audit path alone does not fix the size: leaf 0 has the same path shape in trees of 5 to
    # 8. The size is authenticated by the checkpoint, together with the root.
    for size in range(1, 70):
        for index, good in enumerate(WHOLE_PATHS[size]):
            for other in range(index + 1, 70):
                if len(WHOLE_PATHS[other][index]) != len(good):
                    refuse_inclusion(
                        good, index=index, size=other, leaf=LEAVES[index], top=root(size)
                    )


def test_every_damage_to_a_consistency_proof_is_refused() -> None:
    for new in range(1, 18):
        for old in range(1, new + 1):
            good = merkle.consistency_path(old_size=old, new_size=new, node=WHOLE.node)
            for bad in each_proof_damaged(good):
                refuse_growth(bad, old=old, new=new)
            for bad_root in (*each_bit_flipped(root(old)), b"", EMPTY_ROOT):
                refuse_growth(good, old=old, new=new, before=bad_root)
            for bad_root in (*each_bit_flipped(root(new)), b"", EMPTY_ROOT):
                refuse_growth(good, old=old, new=new, after=bad_root)


def test_a_consistency_proof_is_refused_between_all_other_sizes() -> None:
    for new in range(2, 24):
        for old in range(1, new):
            good = merkle.consistency_path(old_size=old, new_size=new, node=WHOLE.node)
            for wrong in [*range(-1, old), *range(old + 1, new + 2)]:
                refuse_growth(good, old=wrong, new=new)
            for wrong in [*range(new), *range(new + 1, 26)]:
                refuse_growth(good, old=old, new=wrong)


def test_from_the_empty_tree_and_between_equal_sizes_only_the_empty_proof_is_taken() -> None:
    for size in (0, 1, 5, 8):
        for old, old_root in ((0, EMPTY_ROOT), (size, root(size))):
            merkle.verify_consistency(
                [], old_size=old, old_root=old_root, new_size=size, new_root=root(size)
            )
            with pytest.raises(ProofError, match="1 hashes where 0"):
                merkle.verify_consistency(
                    [OTHER], old_size=old, old_root=old_root, new_size=size, new_root=root(size)
                )
    with pytest.raises(ProofError, match="the empty tree does not have"):
        merkle.verify_consistency([], old_size=0, old_root=OTHER, new_size=3, new_root=root(3))
    with pytest.raises(ProofError, match="the empty tree does not have"):
        merkle.verify_consistency([], old_size=0, old_root=OTHER, new_size=0, new_root=OTHER)
    with pytest.raises(ProofError, match="two roots for 3 leaves"):
        merkle.verify_consistency([], old_size=3, old_root=OTHER, new_size=3, new_root=root(3))


def test_a_byte_moved_between_neighbouring_hashes_is_refused() -> None:
    # SHA-256 sees left and right end to end: only their lengths say where one begins.
    leaf, sibling = LEAVES[0], LEAVES[1]
    for shifted, rest in ((leaf[:-1], leaf[-1:] + sibling), (leaf + sibling[:1], sibling[1:])):
        assert merkle.node_hash(shifted, rest) == root(2)
        refuse_inclusion([rest], index=0, size=2, leaf=shifted, top=root(2))
        refuse_growth([rest], old=1, new=2, before=shifted)


def test_an_inner_node_cannot_pass_as_an_entry() -> None:
    left, right = LEAVES[0], LEAVES[1]
    inner = merkle.node_hash(left, right)
    assert merkle.leaf_hash(left + right) != inner
    with pytest.raises(ProofError):
        merkle.verify_inclusion(
            [merkle.node_hash(LEAVES[2], LEAVES[3])],
            index=0,
            size=2,
            leaf=merkle.leaf_hash(left + right),
            root=root(4),
        )


@settings(deadline=None, max_examples=60)
@given(
    entries=st.lists(st.binary(max_size=40), max_size=80),
    cuts=st.lists(st.integers(0, 80), max_size=8),
)
def test_any_batching_gives_the_same_tree(entries: list[bytes], cuts: list[int]) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    edges = sorted({0, len(leaves), *(min(cut, len(leaves)) for cut in cuts)})
    grown = CompactRange()
    for start, end in pairwise(edges):
        step = Extension(grown, leaves[start:end])
        merkle.verify_consistency(
            step.consistency_proof(),
            old_size=start,
            old_root=grown.root(),
            new_size=end,
            new_root=step.root,
        )
        for index in range(start, end):
            merkle.verify_inclusion(
                step.inclusion_proof(index),
                index=index,
                size=end,
                leaf=leaves[index],
                root=step.root,
            )
        grown = step.range
    assert grown.root() == rfc.mth(entries)


def test_every_complete_node_is_proved_and_no_other_in_its_place() -> None:
    for size in range(1, 40):
        for level in range(size.bit_length()):
            for index in range(size >> level):
                path = merkle.node_path(level=level, index=index, size=size, node=WHOLE.node)
                place = {"level": level, "index": index, "size": size, "root": root(size)}
                merkle.verify_node(path, node=WHOLE.node(level, index), **place)
                with pytest.raises(ProofError, match="leads to the root"):
                    merkle.verify_node(path, node=OTHER, **place)
            with pytest.raises(ProofError, match="no complete node"):
                merkle.node_path(level=level, index=size >> level, size=size, node=WHOLE.node)
